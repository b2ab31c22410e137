/* A rule as it is for the person who asks: does it hold now, what is left of its limits. */
#ifndef STILE_PORTAL_RULES_H
#define STILE_PORTAL_RULES_H

#include "portal_pages.h"
#include "standing.h"

/* What is left of one kind of limit that has a budget of a day. */
struct portal_left {
	enum limit_kind kind;
	uint64_t used, of; /* minutes or bytes, grants included */
	bool warn;	   /* the share at which the rule warns is reached */
	bool spent;
};

struct portal_rule {
	size_t index;
	struct rule_view view;
	struct rule_now now;
	struct standing_figures figures;
	struct standing_ack ack;
	bool acked;
	size_t n;
	struct portal_left left[2]; /* minutes, bytes */
	int64_t anew_s;		    /* when the day's budgets begin anew */
};

/* False: the rule does not hold for the person, or only observes. */
bool portal_rule(const struct portal *p, size_t index, struct portal_rule *out);

void portal_rules(struct portal *p);	  /* the part of the status page */
void portal_rules_json(struct portal *p); /* `,"rules":[…]` */

#endif
