/* The layers in their order: each needs what the next one takes. */
#include "sandbox.h"

#include "landlock.h"
#include "syscalls.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Sanitizers look into their own process through files, tracing and helpers of their own, at the
 * end most of all: builds with them (Makefile, SAN) are told so by this macro and are not confined.
 */
#ifdef STILE_UNCONFINED

bool sandbox_enter(const struct sandbox *s, struct err *e)
{
	(void)s, (void)e;
	return true;
}

void sandbox_describe(char *out, size_t n)
{
	snprintf(out, n, "nothing: this build is for sanitizers");
}

#else

static bool drop_account(const struct sandbox *s, struct err *e)
{
	gid_t gid = s->gid;

	if (geteuid() != 0)
		return true;
	/* a worker needs no path any more: absolute ones end in its journal. A container may have
	 * taken this right from its root; Landlock is there, too */
	if (!s->is_shipper && (fchdir(s->folder) != 0 || (chroot(".") != 0 && errno != EPERM)))
		return err_sys(e, "chroot to the journal");
	if (s->uid && (setgroups(1, &gid) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 ||
			      setresuid(s->uid, s->uid, s->uid) != 0))
		return err_sys(e, "becoming user %u", s->uid);
	return true;
}

/* Root without capabilities is an account like another. */
static bool drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {{0}},
				      none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	/* a service manager that left us none may have left us no call to drop them with */
	if (syscall(SYS_capget, &head, have) == 0 && memcmp(have, none, sizeof have) == 0)
		return true;
	return syscall(SYS_capset, &head, none) == 0 || err_sys(e, "dropping capabilities");
}

static bool forbid_dumps(struct err *e)
{
	struct rlimit none = {0, 0};

	return (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) ||
	       err_sys(e, "forbidding core dumps");
}

/* The shipper looks up the name of Redis as the system's configuration has it, modules included. */
static bool confine_files(const struct sandbox *s, struct err *e)
{
	const struct landlock_place place[] = {{NULL, s->folder, true}, {"/etc", -1, false},
		{"/lib", -1, false}, {"/lib64", -1, false}, {"/usr/lib", -1, false},
		{"/usr/lib64", -1, false}, {"/usr/share/zoneinfo", -1, false},
		{"/run/systemd/resolve", -1, false}, {"/run/resolvconf", -1, false},
		{"/dev/urandom", -1, false}};

	return landlock_confine(place, s->is_shipper ? sizeof place / sizeof *place : 1, e);
}

bool sandbox_enter(const struct sandbox *s, struct err *e)
{
	if (!drop_account(s, e) || !drop_capabilities(e) || !forbid_dumps(e))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_sys(e, "no_new_privs");
	return confine_files(s, e) && syscalls_confine(s->is_shipper ? -1 : s->folder, e);
}

void sandbox_describe(char *out, size_t n)
{
	int version = landlock_version();

	if (version)
		snprintf(out, n, "system calls filtered, files by Landlock %d", version);
	else
		snprintf(out, n, "system calls filtered; this kernel has no Landlock");
}

#endif
