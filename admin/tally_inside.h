/*
 * Inside the tally: what tally_intake.c takes in, what tally_minutes.c makes of the minutes, and
 * what tally_rows.c adds up. Names are numbers; the names beside a figure (role, service, ..., day)
 * are one number too, a combination. Counters are added up by combination at once, and who is
 * behind a name is a set of people, so what is kept does not grow with people times days. Minutes
 * wait in the ledger until all that was moved in them is there.
 */
#ifndef STILE_TALLY_INSIDE_H
#define STILE_TALLY_INSIDE_H

#include "intern.h"
#include "ledger.h"
#include "people.h"
#include "tally.h"

enum counter {
	COUNTER_ALLOW,
	COUNTER_DENY,
	COUNTER_LIMIT,
	COUNTER_CHALLENGE,
	COUNTER_ACK,
	COUNTER_ATTEMPT,
	COUNTER_UP,
	COUNTER_DOWN,
	COUNTERS,
	/* of nodes, not of people */
	NODE_CHECKPOINT = COUNTERS,
	NODE_LOST,
	/* several in one field */
	METRIC_MOVED,
	METRICS
};

#define NOBODY 0 /* the number of "", which is interned first */

struct combination {
	uint32_t name[DIM_COUNT];
};

/* What is known of one combination. Minutes are those in which a person had nothing but it. */
struct sums {
	uint64_t counter[COUNTERS];
	uint64_t active, idle;
};

/* Minutes in which a person had several combinations, for one dimension: the values that they
 * count for, each with whether it is active, and how many minutes had just these. */
struct mixed {
	struct intern values; /* struct mixed_value each, in order */
	uint64_t *minutes;    /* by their number */
	size_t cap;
};

struct mixed_value {
	uint32_t name;
	uint32_t active;
};

/* The names of a field, as numbers: those before the day, which is no part of it. */
struct known {
	uint32_t person, name[DIM_DAY];
	uint32_t combination, day; /* of the last entry with it; day NOBODY: there was none */
	uint32_t hash, seen;	   /* the last hash with it, its metrics there, a bit each */
};

/* Who is behind each name of a dimension. */
struct behind {
	struct people *name;
	size_t n;
};

/* Fields come again and again: what stands behind the metric is read as JSON once. */
struct tally {
	struct period period;
	struct intern names, combinations, fields;
	struct known *known; /* by number of field */
	size_t nknown, capknown;
	struct sums *sums; /* by number of combination */
	size_t capsums;
	struct behind behind[DIM_COUNT];
	struct ledger ledger;
	struct mixed mixed[DIM_COUNT];
	uint32_t day;	    /* that was entered last; NOBODY: none */
	uint32_t hash;	    /* serial of the one that is read; 0: no hash */
	uint64_t done;	    /* minutes before this one are figures already */
	uint64_t *recorded; /* minutes, by day of the period */
	uint32_t only;	    /* the one person asked for; NOBODY: everybody */
	struct tally_node *node;
	size_t nodes;
	uint64_t bad;
	bool failed;
};

/* The number of a combination, behind whose names the person stands from now on. INTERN_NONE: no
 * memory. */
uint32_t tally_enter(struct tally *t, uint32_t person, const struct combination *c);
void tally_count(struct tally *t, uint32_t combination, enum counter which, uint64_t add);
/* Makes figures of all minutes before `until`. */
void tally_minutes(struct tally *t, uint64_t until);
int tally_by_name(const struct tally *t, uint32_t a, uint32_t b);

static inline void combination_of(const struct tally *t, uint32_t id, struct combination *out)
{
	memcpy(out, t->combinations.v[id].p,
		sizeof *out); /* the pool's bytes need not be aligned */
}

#endif
