/*
 * Shipping: journals → Redis. One step looks at every chain folder below the root, syncs what is
 * new (fdatasync before reading: Redis never knows more than the journal), and appends it with the
 * atomic script append.lua. The tip in Redis is the cursor; nothing is remembered here that Redis
 * and the journal do not say.
 */
#ifndef STILE_SHIP_H
#define STILE_SHIP_H

#include "journal.h"
#include "redis.h"
#include "ship_totals.h"

struct shipper;

struct ship_options {
	const char *root; /* journal root, or NULL and root_fd */
	int root_fd;	  /* used when root is NULL; stays the caller's */
	const char *node;
	char node_id[33]; /* hex, kept with the journal (ship_node_id) */
	struct redis_options redis;
	int64_t keep_ms; /* segments older than this and shipped are deleted; 0: none by age */
	uint64_t space;	 /* of all segments; above it shipped ones go, oldest first; 0: no bound */
	/* Days older than this go from Redis, and are not stored there again; 0: none. */
	int64_t keep_raw_ms, keep_rollups_ms;
	uint64_t retain_after_ms; /* not so soon after the start; 0: ten minutes */
	/* The shipper's own writer, for alarms: handed over and polled here. May be NULL. */
	struct journal *marks;
	/* The local day that such a mark carries; NULL: the day in UTC. */
	const char *(*day)(void *arg, int64_t wall_ms, char out[11]);
	void *day_arg;
	unsigned batch; /* records in one script call; 0: 500 */
	/* Totals of the day go to the other nodes and come from them. NULL: not here. */
	const struct totals_door *totals;
};

enum ship_state {
	SHIP_IDLE,   /* all that is synced is in Redis */
	SHIP_BUSY,   /* more to do: call again at once */
	SHIP_AWAY,   /* Redis cannot be reached or refuses; back off and call again */
	SHIP_REFUSED /* another node id has this name: nothing is shipped until an admin acts */
};

struct ship_status {
	uint64_t shipped;	/* records stored by this shipper since its start */
	uint64_t already;	/* found there already */
	uint64_t backlog_bytes; /* journal bytes not yet in Redis */
	uint64_t journal_bytes;
	uint64_t expired; /* records not stored in Redis, as retention has passed their day */
	uint64_t deleted; /* keys of days that retention deleted from Redis */
	uint64_t alarms;  /* chains set aside now, as their journal and tip do not fit */
	uint64_t bad_lines;
	unsigned failures;	   /* in a row; the back-off grows with it */
	enum cause cause;	   /* of the trouble there is with Redis; CAUSE_NONE: none */
	uint64_t troubles[CAUSES]; /* tries that failed since the start, by cause */
	char text[480]; /* the trouble there is, in words; "" if none. The caller logs it */
};

struct shipper *ship_new(const struct ship_options *o, struct err *e);
void ship_free(struct shipper *s);
/* Does a bounded piece of work: connects, or ships some batches, chain by chain in turn. Waits for
 * Redis no longer than its time-out. */
enum ship_state ship_step(struct shipper *s);
/* Milliseconds to wait before the next step, from the state and the failures: 0 when busy, then
 * 200 idle, 500-10,000 with jitter while away. */
unsigned ship_pause(const struct shipper *s);
/* From now on another login and other times to keep, as after a reload. What o->redis.ca points to
 * must live on; all else of *o stays as it was at the start. */
void ship_change(struct shipper *s, const struct ship_options *o);
const struct ship_status *ship_status(const struct shipper *s);
/* NULL: there is no door to totals. */
const struct totals_figures *ship_totals_status(const struct shipper *s);
/* Reads or makes <root>/node-id: 32 hex digits. The id lies with the journal: a journal that moves
 * to another machine stays the same node, another journal under the same name is refused. */
bool ship_node_id(const char *root, char out[33], struct err *e);

#endif
