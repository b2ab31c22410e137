/* Whole small files and folders, with limits, and writes that are all or nothing. */
#ifndef STILE_FILE_H
#define STILE_FILE_H

#include "buf.h"
#include "err.h"

#include <sys/types.h>

/* Appends the file to *out; an error if it is larger than max. */
bool file_read(const char *path, size_t max, struct buf *out, struct err *e);
/* Writes a temporary beside it, syncs, renames; the old file stays if anything fails. */
bool file_replace(const char *path, struct span content, mode_t mode, struct err *e);
/* Like file_replace but only if nothing is there; *made tells. */
bool file_make(const char *path, struct span content, mode_t mode, bool *made, struct err *e);
/* mkdir -p with `mode` for what is made. */
bool dir_make(const char *path, mode_t mode, bool *made, struct err *e);
/* `rel` taken relative to the folder of the file `base`; absolute paths stay. Caller frees. */
char *path_beside(const char *base, const char *rel);
bool write_all(int fd, const void *p, size_t n);

#endif
