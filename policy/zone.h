/*
 * A time zone as a list of moments at which the offset changes, so that a snapshot carries its
 * daylight saving with it and nobody needs zone files or TZ later.
 */
#ifndef STILE_ZONE_H
#define STILE_ZONE_H

#include "buf.h"
#include "err.h"

struct zone_step {
	int64_t from_s;   /* UTC */
	int32_t offset_s; /* east of UTC, from then on */
	int32_t pad;
};

/* Appends struct zone_step for 2000-01-01 … 2060-01-01 to *out; the first holds for all before it.
 * Uses the system's zone files through the C library (sets TZ for the time of the call: not for
 * threaded programs). False: no such zone. */
bool zone_compile(const char *name, struct buf *out, struct err *e);
int32_t zone_offset(const struct zone_step *v, size_t n, int64_t unix_s);

#endif
