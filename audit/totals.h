/*
 * Totals of a day over many nodes: what one node says a person has used under a rule, as text in
 * Redis, and what the words of several nodes come to.
 *
 * A node only ever tells its own part, and its part only grows. So the largest that was seen of
 * each node holds, whatever comes late, twice or from an older copy of Redis: bytes and grants of
 * the nodes are added, minutes are or-ed (a minute on two nodes is one minute), of acknowledgements
 * the latest one holds.
 */
#ifndef STILE_TOTALS_H
#define STILE_TOTALS_H

#include "buf.h"
#include "span.h"

#define TOTAL_PERSON  24   /* hex digits of a pseudonym; "-" is all who did not log in */
#define TOTAL_RULE    64   /* bytes of a rule's name */
#define TOTAL_MINUTES 1600 /* longer than any day */
#define TOTAL_WORDS   (TOTAL_MINUTES / 64)
#define TOTAL_BYTES   (1ULL << 53) /* no figure is above it: sums of 64 nodes do not overflow */
#define TOTAL_NODES   64

struct total {
	char person[TOTAL_PERSON + 1], rule[TOTAL_RULE + 1];
	uint32_t start;	  /* the minute since 1970 UTC with which the local day begins: bit 0 */
	uint32_t purpose; /* of the acknowledgement */
	uint64_t bytes;	  /* both ways */
	uint64_t more_minutes, more_bytes;   /* granted today */
	int64_t acked_at_ms, acked_until_ms; /* 0: not acknowledged */
	uint64_t minutes[TOTAL_WORDS];	     /* active ones since the start */
};

/* --- as text ---------------------------------------------------------------------------------- */

/* "person|rule". */
void total_field(const struct total *t, struct buf *out);
/* "1 START BYTES MORE-MINUTES MORE-BYTES ACKED-AT ACKED-UNTIL PURPOSE WORD:BITS…": version, numbers
 * in decimal, then the words of 64 minutes that are not empty, rising, each with its bits in hex.
 */
void total_value(const struct total *t, struct buf *out);
/* Room for either, also the longest. */
#define TOTAL_FIELD_MAX (TOTAL_PERSON + 1 + TOTAL_RULE + 1)
#define TOTAL_VALUE_MAX 768
/* Both together; strict: every total has one text only. False: not one of ours. */
bool total_parse(struct span field, struct span value, struct total *out);
unsigned total_minutes(const struct total *t); /* how many are active */

/* --- merged ----------------------------------------------------------------------------------- */

struct totals;
/* For so many pairs of person and rule; 0: 65536. NULL: out of memory. */
struct totals *totals_new(size_t most);
void totals_free(struct totals *t);
/* What a node (a number below TOTAL_NODES, the caller's) says. False: there is no room for another
 * pair, or no memory; nothing was taken. */
bool totals_take(struct totals *t, unsigned node, const struct total *said);
/* For a single source that adds up for itself: the pair's number, made where there is none. False:
 * no room. And its sum, to be written to; the pair counts as changed. Valid until the next pair is
 * made. */
bool totals_at(struct totals *t, const struct total *key, uint32_t *number);
struct total *totals_sum(struct totals *t, uint32_t number);
/* The next pair of the day with that start whose sum has changed since it was given: the sum over
 * all nodes. The pair counts as given. */
bool totals_changed(struct totals *t, uint32_t start, struct total *sum);
/* All of them count as changed: for a reader that has lost what it was given. */
void totals_again(struct totals *t);
/* Forgets the days that began before `start`. */
void totals_forget(struct totals *t, uint32_t start);
size_t totals_count(const struct totals *t);

#endif
