/* Scratch folders for journals, and a look at everything that stands in one. */
#ifndef STILE_TEST_JOURNAL_FOLDER_H
#define STILE_TEST_JOURNAL_FOLDER_H

#include "buf.h"
#include "err.h"
#include "file.h"
#include "journal_read.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int folder_make(const char *path)
{
	int fd;

	mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void file_put(int dir, const char *name, const void *p, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_true(write_all(fd, p, n));
	close(fd);
}

static inline void file_get(int dir, const char *name, struct buf *out)
{
	char some[4096];
	ssize_t n;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	while ((n = read(fd, some, sizeof some)) > 0)
		buf_add(out, some, (size_t)n);
	assert_int_equal(n, 0);
	close(fd);
}

/* The segments of a folder by number; the name of the last one in `file`. */
static inline size_t folder_last(int dir, struct segment_name *last, char file[96])
{
	struct segment_name *v;
	struct err e;
	size_t n;

	assert_true(segment_list(dir, &v, &n, &e));
	if (n) {
		*last = v[n - 1];
		segment_name_format(last, file);
	}
	free(v);
	return n;
}

static inline void folder_empty(int dir)
{
	struct segment_name *v;
	struct err e;
	size_t n;
	char file[96];

	assert_true(segment_list(dir, &v, &n, &e));
	for (size_t i = 0; i < n; i++) {
		segment_name_format(&v[i], file);
		unlinkat(dir, file, 0);
	}
	free(v);
}

#endif
