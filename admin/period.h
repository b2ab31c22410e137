/* A run of days in the zone of the policy, both ends included. */
#ifndef STILE_PERIOD_H
#define STILE_PERIOD_H

#include "err.h"
#include "span.h"

#define PERIOD_DAYS_MAX 3660

struct period {
	char from[11], to[11]; /* YYYY-MM-DD */
	size_t days;
	char zone[64];	  /* "" where none was named: then a day has 24 hours from 00:00 UTC */
	uint64_t minutes; /* that have passed of it by now */
};

/* `from` and `to` may be NULL: the last seven days, today included; seven days from `from` or up to
 * `to` are not guessed: the missing end is today or the day of the other end. */
bool period_make(struct period *out, const char *from, const char *to, const char *zone,
	int64_t now_s, struct err *e);
/* The i-th day of it. */
void period_day(const struct period *p, size_t i, char out[11]);

#endif
