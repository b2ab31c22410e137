/*
 * Break-glass: for a bounded time refusals by rules are only recorded, not enforced. The master
 * keeps the time and writes the marks; workers get the deadline; policy_evaluate is told by a fact
 * (facts.observe_all) and decides as ever.
 */
#ifndef STILE_OBSERVE_H
#define STILE_OBSERVE_H

#include "chronicle.h"
#include "status.h"

#define OBSERVE_MAX_S (8 * 3600)

/* {0}: refusals are enforced. */
struct observe {
	uint64_t begun_ms, until_ms; /* monotonic; until 0: not on */
	char reason[OBSERVE_TEXT_MAX + 1];
};

/* Begins, with a mark. False with *e: on already, too long, or no reason that can be recorded. */
bool observe_begin(struct observe *o, struct chronicle *c, uint64_t seconds, const char *reason,
	struct err *e);
/* Ends, with a mark; `how`: "by hand", "expired", … Nothing where it is not on. */
void observe_end(struct observe *o, struct chronicle *c, const char *how);
/* Is the time over? */
bool observe_over(const struct observe *o);
/* Milliseconds that are left; 0: refusals are enforced. */
uint64_t observe_left_ms(const struct observe *o);

#endif
