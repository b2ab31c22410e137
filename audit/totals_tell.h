/* Telling: own totals go into the hash of the day, and into the stream for those who read along. */
#ifndef STILE_TOTALS_TELL_H
#define STILE_TOTALS_TELL_H

#include "schema.h"
#include "ship_totals.h"

#define TELL_PAIRS 100 /* in one command */
#define TELL_STEP  10  /* such commands in one step */

struct totals_tell {
	const struct totals_door *door;
	char node[65], stream[KEY_MAX], hash[KEY_MAX];
	uint64_t run;  /* random: tells this telling from one before a loss or a restart */
	uint64_t n;    /* of the last entry of the run */
	char last[48]; /* its id in the stream; "": none yet */
	uint64_t told_ms, looked_ms; /* monotonic */
	bool more;
	/* What is on its way. */
	uint32_t slot[TELL_STEP * TELL_PAIRS];
	size_t slots, batches, pairs[TELL_STEP];
	struct buf text;
	size_t piece[4 + 2 * TELL_PAIRS];
	char run_text[20], n_text[24];
};

void tell_start(struct totals_tell *t, const struct totals_door *door, const char *node);
void tell_free(struct totals_tell *t);
/* All is told again, under another run. */
void tell_anew(struct totals_tell *t);
/* Asks for the last entry of the own stream, and takes the answer: *lost if it is not the one that
 * was told last. */
bool tell_ask(struct totals_tell *t, struct redis *r, struct err *e);
void tell_answer(const struct totals_tell *t, const struct redis_reply *a, bool *lost);
/* Sends what has changed, a bounded part of it; then takes the answers. An error answer goes to
 * *wrong and what it was for counts as not told. False: the connection broke. */
bool tell_send(struct totals_tell *t, struct redis *r, struct err *e);
bool tell_receive(struct totals_tell *t, struct redis *r, uint64_t *told,
	struct totals_trouble *wrong, struct err *e);

#endif
