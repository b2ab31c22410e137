/*
 * Rates by the generic cell rate algorithm: of each person and rule only one moment is kept, the
 * one at which all that was taken would be paid for. A cell is two words in memory that all workers
 * share, changed by compare and swap.
 */
#ifndef STILE_GCRA_H
#define STILE_GCRA_H

#include "policy.h"

#include <stdatomic.h>

#define GCRA_PROBES 8

struct gcra_cell {
	_Atomic uint64_t tag;	  /* 0: never used */
	_Atomic uint64_t paid_us; /* the moment; in the past: nothing is owed */
};

/* Takes one of `limit` for `tag` (a hash, not 0) from a table of n cells. true: within; false:
 * spent, and *retry_s (at least 1) tells when one will be there. Where all cells near the hash are
 * used, the one that owes least is taken over: its person starts anew, which errs on the side of
 * allowing. A clock that was set back costs nobody more than a full wait and a minute. */
bool gcra_take(struct gcra_cell *cells, size_t n, uint64_t tag, const struct rate_limit *limit,
	uint64_t now_us, uint32_t *retry_s);

/* Would the next take be refused? Takes nothing; *retry_s as above. */
bool gcra_spent(const struct gcra_cell *cells, size_t n, uint64_t tag,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s);

#endif
