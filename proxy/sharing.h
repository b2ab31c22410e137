/*
 * The shipper's part in limits: after a start it restores from today's journal how people stand,
 * and then it is the door between the table of this host (standing.h) and the totals of other nodes
 * (ship_totals.h). While one or the other is not known, each limit's without_redis holds.
 */
#ifndef STILE_SHARING_H
#define STILE_SHARING_H

#include "ship_totals.h"
#include "standing.h"

struct sharing;

struct sharing_options {
	struct standing *standing;
	unsigned workers;
	int root;	   /* the journal's folder; stays the caller's */
	uint64_t boot;	   /* of the usage that is counted as it is made (usage_boot) */
	const char *chain; /* the node's own, of this start: grants in it are counted already */
	bool alone;	   /* there is no Redis: own totals are all there are */
	const struct snapshot *policy;
};

struct sharing *sharing_new(const struct sharing_options *o, struct err *e);
void sharing_free(struct sharing *s);
/* From now on the rules and the zone of another policy. */
void sharing_policy(struct sharing *s, const struct snapshot *policy);
/* Restores for a few milliseconds. True: there is more to restore, call again soon. */
bool sharing_step(struct sharing *s);
bool sharing_restoring(const struct sharing *s);
const struct totals_door *sharing_door(struct sharing *s);

#endif
