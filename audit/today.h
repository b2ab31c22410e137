/*
 * Today's journal, read again after a start: what people have used of the day under rules with
 * limits, what was granted to them, and which acknowledgements still hold. It is read in slices, so
 * that whoever reads does other things as well.
 */
#ifndef STILE_TODAY_H
#define STILE_TODAY_H

#include "policy.h"
#include "record.h"
#include "totals.h"

/* What the journal does not know. */
struct today_door {
	void *arg;
	/* Is it of interest how somebody stands under the rule of that name? */
	bool (*wants)(void *arg, struct span rule);
	/* Was that record counted as it was made, by the same master? Then it is passed over. */
	bool (*counted)(void *arg, const struct record *r, const char *chain);
	/* The first rule, from number *i on, that limits minutes (else bytes); *i goes behind it.
	 */
	bool (*limits)(void *arg, bool minutes, size_t *i, struct span *rule);
	/* The number of that purpose among those of the rule; 0 where it is none of them. */
	uint32_t (*purpose)(void *arg, struct span rule, struct span purpose);
};

struct today_options {
	int root; /* the journal's folder; stays the caller's */
	struct local_day day;
	int64_t now_ms;
	int64_t acks_from_ms; /* an acknowledgement is not older, or does not hold any more */
	const struct today_door *door;
};

struct today;
struct today *today_new(const struct today_options *o, struct err *e);
void today_free(struct today *t);

enum today_answer { TODAY_MORE, TODAY_DONE, TODAY_FAILED };
/* Reads on for so long. TODAY_FAILED with *e: the disk or memory; it begins anew with another. */
enum today_answer today_read(struct today *t, unsigned ms, struct err *e);
/* After TODAY_DONE: the next pair of person and rule. */
bool today_next(struct today *t, struct total *out);
uint64_t today_records(const struct today *t); /* taken so far */

#endif
