/*
 * What fuzzers share: a word for what must hold, and a file that holds the input, for readers that
 * want a path.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool ok)
{
	if (!ok)
		abort();
}

/* In memory, and always the same one: each call puts other bytes into it. */
struct fuzz_file {
	int fd;
	char path[32]; /* "": not made yet */
};

static inline const char *fuzz_file(struct fuzz_file *f, struct span bytes)
{
	if (!f->path[0]) {
		f->fd = memfd_create("fuzz", MFD_CLOEXEC);
		must(f->fd >= 0);
		snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
	}
	must(ftruncate(f->fd, 0) == 0);
	must(pwrite(f->fd, bytes.p ? bytes.p : "", bytes.n, 0) == (ssize_t)bytes.n);
	return f->path;
}

#endif
