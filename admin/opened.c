/*
 * Compiling for the tools. policy_compile() wants a file, because a policy names other files beside
 * it; the catalogue alone is therefore compiled from a file that exists in memory only.
 */
#include "opened.h"

#include "file.h"
#include "snapshot.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* policy_compile() gives bytes from malloc, which are aligned for snapshot_open(). */
bool policy_open_try(const char *path, struct opened_policy *o)
{
	struct err e;
	*o = (struct opened_policy){0};
	if (!policy_compile(path, &o->bytes, &o->problems))
		return false;
	o->snapshot = snapshot_open(o->bytes.p, o->bytes.n, &e);
	if (!o->snapshot)
		problem_error(&o->problems, path, 0, "%s", e.text);
	return o->snapshot != NULL;
}

bool policy_open(const char *path, struct opened_policy *o)
{
	bool ok = policy_open_try(path, o);
	if (!ok)
		problems_print(&o->problems, stderr);
	return ok;
}

bool policy_open_catalogue(struct opened_policy *o)
{
	static const char text[] = "rules = ( { name = \"none\"; action = \"deny\"; } );\n";
	char path[64];
	int fd = memfd_create("policy", MFD_CLOEXEC);
	bool ok = fd >= 0 && write_all(fd, text, sizeof text - 1);
	*o = (struct opened_policy){0};
	if (ok) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ok = policy_open(path, o);
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

void policy_close(struct opened_policy *o)
{
	buf_free(&o->bytes);
	problems_free(&o->problems);
	o->snapshot = NULL;
}

static size_t add_category(struct span name, struct span *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(out[i], name))
			return n;
	if (n < HOST_CATEGORIES_MAX)
		out[n++] = name;
	return n;
}

size_t host_categories(
	const struct snapshot *s, const struct target *t, struct span out[HOST_CATEGORIES_MAX])
{
	const struct snap_service *services = snapshot_at_SERVICE(s, NULL);
	const uint16_t *of = snapshot_at_SERVICE_CATEGORY(s, NULL);
	size_t n = 0;
	for (size_t i = 0; i < t->services; i++) {
		struct run r = services[t->service[i].service].categories;
		for (uint32_t k = r.first; k < r.first + r.n; k++)
			n = add_category(snapshot_category(s, of[k]), out, n);
	}
	for (size_t i = 0; i < t->categories; i++)
		n = add_category(snapshot_category(s, t->category[i]), out, n);
	return n;
}
