/*
 * Whether one rule leaves anything for another. Used by lint alone: a wrong "yes" would call a
 * useful rule useless, so whatever is not certain is "no".
 */
#ifndef STILE_COVER_H
#define STILE_COVER_H

#include "snapshot.h"

/* Every request for which rule `late` holds is one for which rule `early` holds. */
bool cover_rule(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late);
/* Could one request hold for both? "No" only where it is certain: by their schedules, or because
 * both name services alone and none in common. */
bool cover_may_meet(const struct snapshot *s, const struct snap_rule *a, const struct snap_rule *b);
/* The list names the service itself or one of its categories. */
bool cover_service(const struct snapshot *s, const struct snap_list *l, uint32_t service);
/* Nothing is left of `to` behind `except`. */
bool cover_excepted(const struct snapshot *s, const struct snap_rule *r);
/* Has the rule no condition but, at most, the ports that the policy opens anyway? */
bool cover_unconditional(const struct snap_rule *r);

#endif
