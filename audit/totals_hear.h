/* Hearing: the other nodes' streams as they grow, and their hashes where a stream does not reach.
 */
#ifndef STILE_TOTALS_HEAR_H
#define STILE_TOTALS_HEAR_H

#include "ship_totals.h"

struct hear_node {
	char name[65];
	char last[48]; /* id of the last entry of its stream; "": it was not looked at yet */
	bool any;      /* an entry was seen, with: */
	uint64_t run, n;
	bool gap;	   /* something is missing: the hash has it */
	char cursor[24];   /* in the hash; "": its reading has not begun */
	bool behind;	   /* the stream has more than was read */
	uint64_t heard_ms; /* monotonic; 0: never */
};

struct totals_hear {
	const struct totals_door *door;
	struct totals_figures *figures;
	char self[65];
	struct totals *all;
	struct hear_node node[TOTAL_NODES];
	unsigned n;
	bool too_many;
	uint32_t today; /* start of the day by which was sorted last */
	char day[11];
};

bool hear_start(struct totals_hear *h, const struct totals_door *door, const char *self,
	struct totals_figures *figures);
void hear_free(struct totals_hear *h);
/* All hashes are read again. */
void hear_anew(struct totals_hear *h);
/* One round: list of nodes, streams, a bounded part of hashes. *whole: all that was told before the
 * round has been heard. An error answer goes to *wrong. False: the connection broke. */
bool hear_round(struct totals_hear *h, struct redis *r, bool *whole, struct totals_trouble *wrong,
	struct err *e);

#endif
