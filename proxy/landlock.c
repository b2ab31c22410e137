/*
 * Landlock without its header, which Debian 12 has of an older kernel than it may run on. Rights
 * that a kernel does not know must not be asked for, so they go by its version.
 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset /* the same on all architectures */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

#define VERSION_ONLY 1u /* flag of create_ruleset */
#define BELOW	     1	/* LANDLOCK_RULE_PATH_BENEATH */

#define WRITE_FILE  (1ull << 1)
#define READ_FILE   (1ull << 2)
#define READ_DIR    (1ull << 3)
#define REMOVE_FILE (1ull << 5)
#define MAKE_REG    (1ull << 8)
#define TRUNCATE    (1ull << 14)

struct rules {
	uint64_t files, net, scope; /* what is refused unless allowed */
};

struct below {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_ONLY);

	return v > 0 ? (int)v : 0;
}

static uint64_t all_rights(int version)
{
	static const unsigned known[] = {0, 13, 14, 15, 15, 16};

	return (1ull << known[version < 5 ? version : 5]) - 1;
}

static bool allow(int rules, const struct landlock_place *p, uint64_t known, struct err *e)
{
	struct below b = {.fd = p->fd};
	int opened = p->path ? open(p->path, O_PATH | O_CLOEXEC) : -1;
	bool ok;

	if (p->path) {
		if (opened < 0)
			return true;
		b.fd = opened;
	}
	b.allowed = READ_FILE | READ_DIR;
	if (p->keep)
		b.allowed |= WRITE_FILE | MAKE_REG | REMOVE_FILE | TRUNCATE;
	b.allowed &= known;
	ok = syscall(SYS_landlock_add_rule, rules, BELOW, &b, 0) == 0;
	if (!ok && errno == EINVAL && p->path) { /* a file, which has no right for folders */
		b.allowed &= ~READ_DIR;
		ok = syscall(SYS_landlock_add_rule, rules, BELOW, &b, 0) == 0;
	}
	if (opened >= 0)
		close(opened);
	return ok || err_sys(e, "Landlock does not take a place");
}

bool landlock_confine(const struct landlock_place *place, size_t n, struct err *e)
{
	int version = landlock_version(), fd;
	/* from version 6: no signal and no abstract socket reaches a process outside, either */
	struct rules r = {.files = all_rights(version), .scope = version >= 6 ? 3 : 0};
	size_t size = version >= 6 ? sizeof r : sizeof r.files;
	bool ok;

	if (!version)
		return true;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0)
		return err_sys(e, "Landlock takes no rules");
	ok = true;
	for (size_t i = 0; ok && i < n; i++)
		ok = allow(fd, &place[i], r.files, e);
	if (ok && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		ok = err_sys(e, "Landlock does not hold");
	close(fd);
	return ok;
}
