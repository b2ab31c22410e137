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

/* Days are "YYYY-MM-DD", "today" or "yesterday". Without both: the last seven, today included;
 * without `to`: up to today; without `from`: the one day. */
bool period_make(struct period *out, const char *from, const char *to, const char *zone,
	int64_t now_s, struct err *e);
/* The i-th day of it. */
void period_day(const struct period *p, size_t i, char out[11]);
/* Which day of it "YYYY-MM-DD" is; false: none. */
bool period_index(const struct period *p, struct span day, size_t *i);
/* Days since 1970-01-01 of a day that is one; false: it is none. */
bool day_number(const char *text, int64_t *day);

#endif
