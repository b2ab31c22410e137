/*
 * What of the journal may go: segments that Redis has wholly, from the oldest on, never the newest
 * of a folder.
 */
#ifndef STILE_SHIP_KEEP_H
#define STILE_SHIP_KEEP_H

#include "ship_chain.h"

struct ship_keep {
	int64_t keep_ms;
	uint64_t space;
	int64_t drift;	     /* wall clock against monotonic clock when last looked */
	bool looked, over;   /* over: more than `space`, and nothing may go */
	uint64_t hold_until; /* monotonic: no deletion by age before */
	uint64_t said;	     /* monotonic: when `over` was last logged */
};

/* The clock was not moved for a day, as far as ship_keep_run has seen: age can be judged by it. */
bool ship_keep_clock_steady(const struct ship_keep *k);
/* Deletes what may go. Call only when the tips were just read from Redis. */
void ship_keep_run(struct ship_keep *k, struct ship_view *v);

#endif
