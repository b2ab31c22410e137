/*
 * How many connections a client address has open, over all workers: counts in memory that they
 * share, found by a keyed hash. No address is kept. Two addresses that meet in one place of both
 * rows are counted together, which errs towards refusing, and is rare.
 */
#ifndef STILE_CROWD_H
#define STILE_CROWD_H

#include "addr.h"
#include "err.h"

struct crowd;

size_t crowd_size(unsigned workers);
/* In shared memory that began as zeros. What a dead predecessor of this worker counted is
 * forgotten. */
struct crowd *crowd_open(
	void *shared, size_t size, unsigned workers, unsigned worker, struct err *e);
void crowd_close(struct crowd *c);

/* Counts one more, unless there are `limit` already: false. Of IPv6 a client is a /64. */
bool crowd_enter(struct crowd *c, const struct addr *client, uint64_t limit);
/* For each crowd_enter that was true, with the same address. */
void crowd_leave(struct crowd *c, const struct addr *client);

#endif
