/* What is left of a day's budgets to a person under a rule: for pages and for answers in passing.
 */
#ifndef STILE_LEFT_H
#define STILE_LEFT_H

#include "buf.h"
#include "policy.h"
#include "standing.h"

struct worker;

struct left_budget {
	enum limit_kind kind; /* LIMIT_MINUTES or LIMIT_BYTES */
	uint64_t used, of;    /* grants included */
	bool warn;	      /* the share at which the rule warns is reached */
	bool spent;
};

struct left {
	size_t n;
	struct left_budget budget[2];
	uint32_t tunnels; /* open on this host */
	int64_t anew_s;	  /* when the budgets begin anew, UTC */
};

/* `person`: the pseudonym, "" for who did not log in. */
void left_look(struct worker *w, const char *person, const struct rule_view *rule, int64_t now_s,
	struct left *out);
/* For answers: a field Stile-Limit with the budgets of which the rule warns (a list of RFC 9651),
 * or nothing. */
void left_field(const struct left *l, const struct rule_view *rule, int64_t now_s, struct buf *out);

#endif
