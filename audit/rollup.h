/*
 * Rollups: what a record adds to the daily figures. A pure function of the record, so that a report
 * made from the journal and one made from Redis cannot differ.
 *
 * Per node and day there are two hashes: `day`, counters, and what moved as three of them in one
 * field, "up,down,tunnels"; `min`, the minutes of each person with each service as text entries
 * "minute,core_up,core_down " that readers add up. Field names are JSON arrays:
 * ["metric",user,role,service,zone,rule,purpose] in `day`, [user,role,service,zone,rule,purpose] in
 * `min`; unknown is "".
 */
#ifndef STILE_ROLLUP_H
#define STILE_ROLLUP_H

#include "record.h"

enum rollup_hash {
	ROLLUP_DAY,   /* HINCRBY by `add` */
	ROLLUP_MOVED, /* in `day`, too: add the numbers of `text` to those that are there */
	ROLLUP_MIN    /* append `text` */
};

/* In `day` METRIC words are allow, deny, limit, challenge, moved, ack, checkpoint (minutes of
 * recording, the base of coverage), lost (records that a gap mark tells of). Older figures have up,
 * down and tunnels as counters of their own instead of `moved`. */
struct rollup {
	enum rollup_hash hash;
	struct span day;
	char field[1400];
	uint64_t add;
	char text[64];
};

#define ROLLUP_PER_RECORD 2

/* Fills at most ROLLUP_PER_RECORD entries, returns how many. */
size_t rollup_of(const struct record *r, struct rollup out[ROLLUP_PER_RECORD]);

/* Was it refused because a limit is spent? By the word of the reason. */
bool rollup_limited(struct span reason);

/* The other way, for readers of Redis: a field name back to its parts (stored in `store`). */
struct rollup_key {
	struct span metric, user, role, service, zone, rule, purpose;
};
bool rollup_key_parse(
	enum rollup_hash hash, struct span field, char *store, size_t cap, struct rollup_key *out);

#endif
