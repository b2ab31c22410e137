/*
 * Inside the tally: what tally.c takes in and tally_rows.c adds up. Names are numbers; the names
 * beside a figure (role, service, ..., day) are one number too, a combination. Sums lie in a ledger
 * ordered by person and slot, where a slot is a counter or a UTC minute: walking it once meets each
 * person and each of their minutes in one piece, which is all that "distinct" and "once" need.
 */
#ifndef STILE_TALLY_INSIDE_H
#define STILE_TALLY_INSIDE_H

#include "intern.h"
#include "ledger.h"
#include "tally.h"

enum slot {
	SLOT_ALLOW,
	SLOT_DENY,
	SLOT_LIMIT,
	SLOT_CHALLENGE,
	SLOT_ACK,
	SLOT_ATTEMPT,
	SLOT_BYTES,
	SLOT_COUNTERS, /* how many */
	SLOT_FIRST_MINUTE = 16
};

#define NOBODY 0 /* the number of "", which is interned first */

struct combination {
	uint32_t name[DIM_COUNT];
};

/* The names of a field, as numbers: those before the day, which is no part of it. */
struct known {
	uint32_t person, name[DIM_DAY];
};

/* Fields come again and again: what stands behind the metric is read as JSON once. */
struct tally {
	struct period period;
	struct intern names, combinations, fields;
	struct known *known; /* by number of field */
	size_t nknown, capknown;
	struct ledger ledger;
	uint64_t *recorded; /* minutes, by day of the period */
	uint32_t only;	    /* the one person asked for; NOBODY: everybody */
	struct tally_node *node;
	size_t nodes;
	uint64_t bad;
	bool failed;
};

#endif
