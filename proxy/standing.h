/*
 * How people stand under rules with limits, in memory that all workers of a host share: minutes and
 * bytes of the day, tunnels open, bandwidth, extra granted, acknowledgements. One entry for a
 * person and a rule's name, so that it survives reloads; every figure is one atomic word that
 * carries the day it is of, so that a new day needs no sweep and a worker may die between any two
 * instructions.
 *
 * The table is bounded. Entries of a set (64 places, by hash) that nobody holds and that were not
 * used on this day make room for new ones, the longest unused first, those with a standing
 * acknowledgement last. Where none can, nothing is known of that person and rule: standing_hold
 * answers NULL and standing_refused counts it.
 *
 * A clock that is set to another day starts that day's figures anew.
 */
#ifndef STILE_STANDING_H
#define STILE_STANDING_H

#include "policy.h"

#include <stdatomic.h>

#define STANDING_ENTRIES     65536
#define STANDING_PERSON_MAX  24
#define STANDING_MINUTES_MAX 1584 /* of a day: the longest has 26 hours */
#define STANDING_BITMAP	     (STANDING_MINUTES_MAX / 8)

struct standing;       /* a process's view of the shared memory */
struct standing_entry; /* in it */

/* Who holds entries: workers by index, then the shipper and the master. */
#define STANDING_SHIPPER(workers) (workers)
#define STANDING_MASTER(workers)  ((workers) + 1)

/* Bytes for so many workers; zeroed memory is an empty table. */
size_t standing_size(unsigned workers);
/* The table in that memory, which is of mmap(2) and of `size` bytes; or NULL: another version's, or
 * too small. Whatever others write into it leads nobody out of it. */
struct standing *standing_open(void *shared, size_t size, unsigned workers, struct err *e);
/* The same from the descriptor of that memory. */
struct standing *standing_map(int fd, unsigned workers, struct err *e);
/* Unmaps it; entries are gone for this process. NULL is fine. */
void standing_close(struct standing *t);
/* Before a worker serves: what its predecessor held open is no longer, and minutes that it had made
 * active but not marked are marked. */
void standing_inherit(
	struct standing *t, unsigned worker, const struct local_day *day, int64_t now_s);

/* --- entries ----------------------------------------------------------------------------------
 */

/* The entry, made where there is none, and held by that worker until standing_release. NULL: no
 * room. `person`: a pseudonym, or "-" for all who did not log in. */
struct standing_entry *standing_hold(struct standing *t, unsigned worker, struct span person,
	struct span rule, const struct local_day *day);
void standing_release(struct standing_entry *e, unsigned worker);
/* The entry if there is one; not held, so for the moment only. */
struct standing_entry *standing_find(struct standing *t, struct span person, struct span rule);

/* --- acknowledgements (Unix seconds) ----------------------------------------------------------
 */

struct standing_ack {
	int64_t at_s, until_s; /* until_s 0: never acknowledged */
	uint8_t purpose;       /* index in the rule's purposes */
};

/* Of two, the one that lasts longer stays: nodes and workers may tell them in any order. */
void standing_acknowledge(
	struct standing *t, struct standing_entry *e, const struct standing_ack *a);
void standing_ack(const struct standing_entry *e, struct standing_ack *out);
bool standing_acked(const struct standing_entry *e, int64_t now_s);

/* --- minutes, bytes, grants of a day ----------------------------------------------------------
 */

/* Where an access's bytes make minutes; begins as {.service = standing_service(…)}. */
struct standing_use {
	uint64_t service; /* of a person and a service; 0: none, makes no minutes */
	uint32_t minute;  /* the last one that is settled for this access */
};
/* Never 0. */
uint64_t standing_service(struct span person, struct span service);

/* Bytes of an access. `e` NULL: under a rule without limits, whose bytes may still make the minute
 * active for another rule. True: a minute of the entry became active
 * by this. */
bool standing_add(struct standing *t, struct standing_entry *e, struct standing_use *use,
	uint64_t up, uint64_t down, const struct local_day *day, int64_t now_s);

enum standing_grant { STANDING_MINUTES, STANDING_BYTES, STANDING_GRANTS };
/* Extra for that day, on top of what was granted before. */
void standing_grant(struct standing *t, struct standing_entry *e, enum standing_grant kind,
	uint64_t n, const struct local_day *day);

/* All figures of a day. */
struct standing_figures {
	uint32_t minutes; /* active, of this host and the others, none counted twice */
	uint64_t bytes;	  /* both ways, of this host and the others */
	uint64_t granted[STANDING_GRANTS];
	uint32_t tunnels; /* open on this host */
};
void standing_figures(const struct standing *t, const struct standing_entry *e,
	const struct local_day *day, struct standing_figures *out);

/* Since when (Unix ms) `limit` (0: none) and what was granted is used up; 0: it is not. The first
 * who asks after it happened sets the moment. The present minute is used up when it is over. */
int64_t standing_spent_since(struct standing *t, struct standing_entry *e, enum standing_grant kind,
	uint64_t limit, const struct local_day *day, int64_t now_ms);
/* Changes whenever something may have become spent, unspent or acknowledged: workers look at open
 * tunnels again when it has. */
uint64_t standing_turns(const struct standing *t);

/* --- tunnels open at once -----------------------------------------------------------------------
 */

/* Takes one of `limit` (0: any number); false: all are open. For the entry's holder. */
bool standing_open_tunnel(
	const struct standing *t, struct standing_entry *e, unsigned worker, uint32_t limit);
void standing_close_tunnel(struct standing_entry *e, unsigned worker);

/* --- bandwidth
 * ------------------------------------------------------------------------------------
 */

enum standing_way { STANDING_UP, STANDING_DOWN };

/* Reserves up to `want` bytes of `rate` bytes a second. Returns how many, and in *at_ns the
 * monotonic moment from which they may move: who has reserved waits without asking again, so that
 * all get their turn. */
size_t standing_reserve(struct standing_entry *e, enum standing_way way, uint64_t rate, size_t want,
	uint64_t now_ns, uint64_t *at_ns);
/* Reserved bytes that were not needed. */
void standing_give_back(struct standing_entry *e, enum standing_way way, uint64_t rate, size_t n);

/* --- other nodes, publishing, showing
 * -------------------------------------------------------------
 */

/* All of the journal's figures of today are restored. */
void standing_set_restored(struct standing *t);
bool standing_restored(const struct standing *t);
/* Are the day's figures known: rebuilt after a start, and those of other nodes heard of lately? The
 * shipper says so again and again, until a monotonic moment; a limit's without_redis holds else. */
void standing_known_until(struct standing *t, uint64_t mono_ms);
bool standing_known(const struct standing *t, uint64_t now_mono_ms);

/* What nodes tell each other of an entry and a day: own figures only, ever growing. */
struct standing_totals {
	uint64_t up, down;
	uint64_t granted[STANDING_GRANTS];
	uint8_t minutes[STANDING_BITMAP]; /* bit i % 8 of byte i / 8: minute i of the day */
};
struct standing_name {
	char person[STANDING_PERSON_MAX + 1];
	char rule[POLICY_NAME_MAX + 1];
};
void standing_totals(
	const struct standing_entry *e, const struct local_day *day, struct standing_totals *out);
/* What the journal has of the entry's own figures from before this start; said again, it changes
 * nothing. */
void standing_restore(struct standing *t, struct standing_entry *e, const struct local_day *day,
	const struct standing_totals *more);
/* What all other nodes together have told; a sole writer. What is known of a day never falls, also
 * where the writer had to begin anew. */
void standing_set_others(struct standing *t, struct standing_entry *e, const struct local_day *day,
	const struct standing_totals *others);
void standing_name(const struct standing_entry *e, struct standing_name *out);
/* Walks the entries; *cursor begins at 0. NULL: no more. */
struct standing_entry *standing_next(const struct standing *t, uint32_t *cursor);
/* Was it changed since this was last asked? For the one process that publishes. */
bool standing_take_changed(struct standing_entry *e);

/* Entries in use, and how often there was no room. */
uint64_t standing_used(const struct standing *t);
uint64_t standing_refused(const struct standing *t);

#endif
