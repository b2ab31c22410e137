/*
 * Bandwidth: what a person's tunnels and requests under a rule may move, each way apart. A flow
 * reserves its turn (standing_reserve) and sleeps until then; a paused flow is not watched and
 * costs one timer of its connection. Turns are taken in the order in which they were reserved, so
 * that no flow starves.
 */
#ifndef STILE_PACE_H
#define STILE_PACE_H

#include "loop.h"
#include "standing.h"

struct conn;
struct flow;

/* The turns that a connection waits for. */
struct pace {
	struct pace *next; /* in the worker's pool */
	struct loop_ev timer;
	struct conn *conn;
	size_t granted[2]; /* by way; 0: nothing is reserved */
	uint64_t at_ns[2]; /* monotonic: when that may move */
};

/* How much of `want` the flow may read now, which is then taken; what of it was not read goes back
 * by pace_moved. 0: it has to wait and is marked as paused; the connection is stepped when its turn
 * comes. 0 without that mark: no memory. */
size_t pace_allows(struct conn *c, struct flow *f, size_t want);
void pace_moved(struct conn *c, const struct flow *f, size_t allowed, size_t moved);
/* The access ends, or has no bandwidth any more: what is reserved is given back. */
void pace_end(struct conn *c);
void pace_free_pool(struct pace *pool);

#endif
