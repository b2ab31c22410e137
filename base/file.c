/*
 * Whole files. Writing goes through a temporary in the same folder that is synced before it gets
 * its name, and the folder is synced after: a crash leaves the old file or the new one, never half.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 65536

static bool read_rest(int fd, const char *path, size_t max, struct buf *out, struct err *e)
{
	size_t got = 0;

	for (;;) {
		ssize_t n;

		if (!buf_reserve(out, READ_STEP))
			return err_set(e, "cannot read %s: out of memory", path);
		n = read(fd, out->p + out->n, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read %s", path);
		if (n == 0)
			return true;
		got += (size_t)n;
		if (got > max)
			return err_set(e, "%s is larger than %zu bytes", path, max);
		out->n += (size_t)n;
		out->p[out->n] = 0;
	}
}

bool file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
	size_t before = out->n;
	struct stat st;
	bool ok;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, "cannot open %s", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max)
		ok = err_set(e, "%s is larger than %zu bytes", path, max);
	else
		ok = read_rest(fd, path, max, out, e);
	close(fd);
	if (!ok && out->p && out->cap) {
		out->n = before;
		out->p[before] = 0;
	}
	return ok;
}

bool write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t some = write(fd, at, n);

		if (some < 0 && errno == EINTR)
			continue;
		if (some < 0)
			return false;
		at += some;
		n -= (size_t)some;
	}
	return true;
}

/* The folder of `path` with its last slash; "" when it has none. */
static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

static bool sync_folder(const char *path, struct err *e)
{
	size_t n = folder_len(path);
	char *folder = n ? strndup(path, n) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		err_sys(e, "cannot sync the folder of %s", path);
	if (fd >= 0)
		close(fd);
	free(folder);
	return ok;
}

static bool fill(int fd, struct span content, mode_t mode)
{
	return fchmod(fd, mode) == 0 && write_all(fd, content.p, content.n) && fsync(fd) == 0;
}

/* A synced temporary with its content; its name is the caller's to free. NULL on failure. */
static char *make_temporary(const char *path, struct span content, mode_t mode, struct err *e)
{
	char *name = NULL;
	bool ok;
	int fd;

	if (asprintf(&name, "%s.XXXXXX", path) < 0) {
		err_set(e, "cannot write %s: out of memory", path);
		return NULL;
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, "cannot write beside %s", path);
		free(name);
		return NULL;
	}
	ok = fill(fd, content, mode);
	if (!ok)
		err_sys(e, "cannot write %s", path);
	if (close(fd) < 0 && ok)
		ok = err_sys(e, "cannot write %s", path);
	if (ok)
		return name;
	unlink(name);
	free(name);
	return NULL;
}

bool file_replace(const char *path, struct span content, mode_t mode, struct err *e)
{
	char *temporary = make_temporary(path, content, mode, e);
	bool ok;

	if (!temporary)
		return false;
	ok = rename(temporary, path) == 0;
	if (!ok) {
		err_sys(e, "cannot replace %s", path);
		unlink(temporary);
	}
	free(temporary);
	return ok && sync_folder(path, e);
}

bool file_make(const char *path, struct span content, mode_t mode, bool *made, struct err *e)
{
	char *temporary;
	bool ok = true;

	*made = false;
	/* what is there may lie where nothing can be made, as credentials of systemd do */
	if (access(path, F_OK) == 0)
		return true;
	temporary = make_temporary(path, content, mode, e);
	if (!temporary)
		return false;
	/* link(2), unlike rename(2), never takes the place of a file that came in between */
	if (link(temporary, path) == 0)
		*made = true;
	else if (errno != EEXIST)
		ok = err_sys(e, "cannot make %s", path);
	unlink(temporary);
	free(temporary);
	return ok && (!*made || sync_folder(path, e));
}

static bool make_one(const char *path, mode_t mode, bool *made, struct err *e)
{
	struct stat st;

	if (mkdir(path, mode) == 0) {
		*made = true;
		/* mkdir obeys the umask; the caller's mode is meant */
		if (chmod(path, mode) < 0)
			return err_sys(e, "cannot set the mode of %s", path);
		return true;
	}
	if (errno != EEXIST)
		return err_sys(e, "cannot make the folder %s", path);
	if (stat(path, &st) < 0)
		return err_sys(e, "cannot look at %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, "%s is there but is no folder", path);
	return true;
}

bool dir_make(const char *path, mode_t mode, bool *made, struct err *e)
{
	char *part = strdup(path);
	bool any = false, ok = part != NULL;

	if (!ok)
		err_set(e, "cannot make the folder %s: out of memory", path);
	for (char *p = part; ok && *p; p++) {
		if (*p != '/' || p == part)
			continue;
		*p = 0;
		ok = make_one(part, mode, &any, e);
		*p = '/';
	}
	ok = ok && make_one(path, mode, &any, e);
	free(part);
	if (made)
		*made = any;
	return ok;
}

char *path_beside(const char *base, const char *rel)
{
	char *path = NULL;

	if (rel[0] == '/')
		return strdup(rel);
	if (asprintf(&path, "%.*s%s", (int)folder_len(base), base, rel) < 0)
		return NULL;
	return path;
}
