/*
 * The tally: all figures of a period in memory, whoever delivered them. It takes what rollup.h says
 * (counters, and core bytes of a person with a service in a UTC minute), adds it up over nodes,
 * workers, roles and rules, and answers with rows.
 *
 * A minute of a person with a service is active when the core bytes of all its entries are those of
 * an active minute (active.h); with fewer it is open, idle. Within one row and in the total, a
 * person's minute counts once, as active if it was active with any service.
 */
#ifndef STILE_TALLY_H
#define STILE_TALLY_H

#include "active.h"
#include "period.h"
#include "rollup.h"

enum dim {
#define DIM(name, word, title, none) DIM_##name,
#include "dims.def"
#undef DIM
	DIM_COUNT
};

struct figures {
	uint64_t people; /* distinct pseudonyms; traffic without a login has none */
	uint64_t accesses, refused, limited, challenges;
	uint64_t accepted;     /* acknowledgements, under the purpose that was picked */
	uint64_t attempts;     /* of what was refused or limited, retries as one */
	uint64_t active, idle; /* minutes */
	uint64_t up, down;     /* bytes */
};

struct tally_row {
	struct span key; /* "" where unknown and for the fold */
	bool fold;	 /* the rows of too few people, together */
	size_t rows;	 /* how many of them; 1 for others */
	struct figures f;
};

struct tally_node {
	char *name;	      /* "" while unknown */
	uint64_t checkpoints; /* minutes in which the node recorded */
	uint64_t lost;	      /* records of which only the loss is known */
	size_t raw_days;      /* days of the period of which raw records were seen */
	bool *raw;	      /* which these are */
};

struct tally;

struct tally *tally_new(const struct period *p);
void tally_free(struct tally *t);
const struct period *tally_period(const struct tally *t);

/* Nodes are numbered in the order of opening. `name` may be given later. */
size_t tally_node_open(struct tally *t, struct span name);
void tally_node_name(struct tally *t, size_t node, struct span name);
size_t tally_nodes(const struct tally *t);
const struct tally_node *tally_node(const struct tally *t, size_t i);

/* One entry of a rollup: `add` for counters (`text` is empty then), `text` for what moved and for
 * minutes. What lies outside the period is passed over; what cannot be read counts as bad. */
void tally_add(struct tally *t, size_t node, enum rollup_hash hash, struct span day,
	struct span field, uint64_t add, struct span text);
/* Entries from now on are those of one hash of Redis, in which a field is once: what a scan gives a
 * second time is passed over. */
void tally_hash(struct tally *t);
/* All that sources have of this day and of those before it was added; days come in their order. The
 * minutes that no later day of any zone can hold become figures and leave the memory. Not needed:
 * where it is never said, all minutes wait for the first question. */
void tally_day_done(struct tally *t, struct span day);
/* From now on figures are taken only of this person; minutes and counters by day and service, too.
 */
void tally_only(struct tally *t, struct span person);
/* Raw records of that day were seen. */
void tally_raw_day(struct tally *t, size_t node, struct span day);
/* One attempt and the refusals that it came to; spans may be empty. */
struct attempt {
	struct span name[DIM_COUNT]; /* by enum dim; DAY must be one of the period */
	struct span person;
	uint64_t refused, limited;
};
void tally_attempt(struct tally *t, const struct attempt *a);
void tally_bad(struct tally *t, uint64_t n);
uint64_t tally_bad_lines(const struct tally *t);
/* Memory ran out somewhere: no figure may be used. */
bool tally_failed(const struct tally *t);

/* Questions come when everything was added: minutes that are added later count as bad. */
void tally_total(struct tally *t, struct figures *out);
/* Minutes in which a node recorded on the i-th day, of all nodes together. */
uint64_t tally_day_recorded(const struct tally *t, size_t i);
/* The last day with anything under that name; false: there is none. */
bool tally_last_day(const struct tally *t, enum dim d, struct span name, char out[11]);
/* Rows by `by`, sorted; caller frees *rows (keys belong to the tally). Rows of fewer than
 * `fold_below` people are folded into one, with the smallest other rows where the fold would hold
 * one row only, or fewer than `fold_below` people. Rows in which nobody is known (people 0) are not
 * folded: there is nobody behind them to be recognised. False: out of memory. */
bool tally_rows(
	struct tally *t, enum dim by, uint64_t fold_below, struct tally_row **rows, size_t *n);

const char *dim_word(enum dim d);
const char *dim_title(enum dim d);
const char *dim_none(enum dim d);

#endif
