/* A rule as it is for the person who asks: does it hold now, what is left of its limits. */
#ifndef STILE_PORTAL_RULES_H
#define STILE_PORTAL_RULES_H

#include "left.h"
#include "portal_pages.h"
#include "standing.h"

struct portal_rule {
	size_t index;
	struct rule_view view;
	struct rule_now now;
	struct left left;
	struct standing_ack ack;
	bool acked;
};

/* False: the rule does not hold for the person, or only observes. */
bool portal_rule(const struct portal *p, size_t index, struct portal_rule *out);

void portal_rules(struct portal *p);	  /* the part of the status page */
void portal_rules_json(struct portal *p); /* `,"rules":[…]` */

#endif
