/* What the two rooms of sharing know of each other. Nobody else includes this. */
#ifndef STILE_SHARING_INSIDE_H
#define STILE_SHARING_INSIDE_H

#include "chain.h"
#include "sharing.h"
#include "today.h"

struct sharing {
	struct sharing_options o;
	char chain[CHAIN_NAME_LEN + 1];
	struct totals_door door;
	struct local_day day; /* of the walk */
	uint32_t cursor;
	uint8_t waiting[STANDING_ENTRIES /
			8]; /* handed out, not in Redis yet; or to be handed out */
	struct today_door source;
	struct today *today; /* NULL: nothing is being restored */
	uint64_t began_ms, again_ms;
};

void sharing_day(const struct sharing *s, int64_t wall_ms, struct local_day *out);
struct standing_totals sharing_figures(const struct total *t);
/* The shipper holds the entry; NULL: no room. */
struct standing_entry *sharing_hold(
	struct sharing *s, const struct total *t, const struct local_day *day);
void sharing_release(const struct sharing *s, struct standing_entry *e);
/* Says the acknowledgement that *t carries, if any. */
void sharing_acknowledge(struct sharing *s, struct standing_entry *e, const struct total *t);

#endif
