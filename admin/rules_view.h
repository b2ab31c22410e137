/* The use of rules as it may be told: rows of the tally, and what a rule is that has none. */
#ifndef STILE_RULES_VIEW_H
#define STILE_RULES_VIEW_H

#include "policy.h"
#include "tally.h"

enum rule_use {
	USE_NEVER, /* the period has nothing under that name */
	USE_TOLD,
	USE_FEW /* used, but its figures are in the fold */
};

struct rules_view {
	struct tally *t;
	struct tally_row *rows; /* by rule, folded */
	size_t n;
};

/* False: out of memory. Always followed by _drop. */
bool rules_view_make(struct rules_view *v, struct tally *t, uint64_t fold_below);
void rules_view_drop(struct rules_view *v);
/* The row of that rule where it may be told, or NULL. */
const struct tally_row *rules_view_row(const struct rules_view *v, struct span rule);
enum rule_use rules_view_use(const struct rules_view *v, struct span rule);
const char *rule_use_text(enum rule_use u);

/* Is there a rule of that name in the policy? */
bool rules_view_has(const struct snapshot *s, struct span rule);
const char *rule_action_text(const struct rule_view *rule);
/* Today in the zone of the policy. */
void rules_today(const struct snapshot *s, char out[11]);
/* "in 12 days", "today", "overdue by 3 days", "no date"; true when it is overdue. */
bool review_words(struct span review, const char *today, char *out, size_t cap);

#endif
