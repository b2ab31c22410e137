/* A question to a policy with its answer, between the command that asks and the two that print. */
#ifndef STILE_POLICY_EXPLAIN_H
#define STILE_POLICY_EXPLAIN_H

#include "explain.h"
#include "opened.h"
#include "policy_commands.h"

#define GROUPS_MAX 256
#define LABEL_MAX  1200 /* every service of a host, joined */

struct question {
	const struct cli *c;
	const char *path, *user;
	const struct snapshot *s;
	struct span group[GROUPS_MAX];
	size_t groups;
	struct buf groups_text; /* of --groups-file; groups point into it */
	struct explained x;
	struct verdict v;
	struct trace trace;
	struct rule_view rule; /* the deciding one, or the one that needs more; if has_rule */
	bool has_rule;
	size_t rule_index;
	char moment[17]; /* local */
	bool skipped; /* the clocks skip the time that was asked for: moment is that of the change
		       */
};

/* What a record of this access calls the destination. */
const char *question_label(const struct question *q, char out[LABEL_MAX]);
/* What came of the i-th rule, in words. */
const char *question_condition(const struct question *q, size_t i);

/* What was said of how the user stands under the deciding rule, or NULL. */
const struct standing_facts *question_standing(const struct question *q);

void question_print_text(const struct question *q);
void question_print_json(const struct question *q);

#endif
