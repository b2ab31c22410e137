/*
 * stile-policy explain: what the answer would be and why. The question becomes facts, the proxy's
 * own function answers, and its trace says of each rule tried what failed first.
 */
#include "policy_explain.h"

#include "clock.h"
#include "explain.h"
#include "file.h"

#include <stdlib.h>

#define GROUPS_FILE_MAX (16U << 20)

static const struct cli_option options[] = {
	{'u', "user", "NAME", false, "who asks; without it: somebody who has not logged in"},
	{'g', "group", "NAME", true, "a group of the user"},
	{0, "groups-file", "FILE", false, "take the user's groups from this htgroup file as well"},
	{0, "no-login", NULL, false, "nobody can log in: what is not known stays unknown"},
	{0, "client", "IP", false, "where the request comes from; 0.0.0.0"},
	{0, "host", "HOST[:PORT]", false, "where it goes; port 443"},
	{0, "address", "IP", false,
		"the address that the host has; without it a public one of no country is assumed"},
	{0, "at", "TIME", false,
		"when, \"YYYY-MM-DD\" or \"YYYY-MM-DD HH:MM\" in the zone of the policy; now"},
	{0, "acked", "RULE", true,
		"the user has accepted the code of conduct under this rule; else nobody has"},
	{0, "spent", "RULE[:KIND]", true,
		"a limit of this rule is spent: minutes, bytes, tunnels or requests, the first "
		"that "
		"it has where no kind is named"},
	{0, "json", NULL, false, "print JSON"},
	{0},
};

/* --- from words to facts ---------------------------------------------------------------------- */

static int add_group(struct question *q, struct span name)
{
	for (size_t i = 0; i < q->groups; i++)
		if (span_eq(q->group[i], name))
			return CLI_OK;
	if (q->groups == GROUPS_MAX)
		return cli_fail(q->c, CLI_FOUND, "more than %d groups", GROUPS_MAX);
	q->group[q->groups++] = name;
	return CLI_OK;
}

static bool lists_user(struct span members, const char *user)
{
	while (members.n > 0)
		if (span_is(span_cut(&members, ' '), user))
			return true;
	return false;
}

/* htgroup: "group: user user …" lines and comments. */
static int read_groups_file(struct question *q, const char *path)
{
	struct err e;
	if (!file_read(path, GROUPS_FILE_MAX, &q->groups_text, &e))
		return cli_fail(q->c, CLI_BAD_FILE, "%s", e.text);
	struct span text = buf_spanof(&q->groups_text);
	for (unsigned line = 1; text.n > 0; line++) {
		struct span members = span_trim(span_cut(&text, '\n'));
		if (members.n == 0 || members.p[0] == '#')
			continue;
		if (!memchr(members.p, ':', members.n))
			return cli_fail(q->c, CLI_BAD_FILE, "%s:%u: expected group: user user ...",
				path, line);
		struct span group = span_trim(span_cut(&members, ':'));
		int code = lists_user(members, q->user) ? add_group(q, group) : CLI_OK;
		if (code != CLI_OK)
			return code;
	}
	return CLI_OK;
}

static int read_person(struct question *q)
{
	const char *file = cli_value(q->c, "groups-file"), *group;
	q->user = cli_value(q->c, "user");
	int code = CLI_OK;
	for (size_t i = 0; code == CLI_OK && (group = cli_value_at(q->c, "group", i)); i++)
		code = add_group(q, span_str(group));
	if (code == CLI_OK && file && q->user)
		code = read_groups_file(q, file);
	return code;
}

/* All values of an option that may be given more than once. */
static size_t read_many(const struct question *q, const char *option, struct span *out)
{
	const char *value;
	size_t n = 0;

	while (n < GROUPS_MAX && (value = cli_value_at(q->c, option, n)))
		out[n++] = span_str(value);
	return n;
}

static int read_facts(struct question *q)
{
	struct err e;
	struct local_time t;
	struct span acked[GROUPS_MAX], spent[GROUPS_MAX];
	const struct explain_ask ask = {.user = span_str(q->user),
		.no_login = cli_has(q->c, "no-login"),
		.groups = q->group,
		.group_count = q->groups,
		.client = span_str(cli_value(q->c, "client")),
		.host = span_str(cli_value(q->c, "host")),
		.address = span_str(cli_value(q->c, "address")),
		.at = span_str(cli_value(q->c, "at")),
		.acked = acked,
		.acked_count = read_many(q, "acked", acked),
		.spent = spent,
		.spent_count = read_many(q, "spent", spent),
		.now_s = clock_wall_ms() / 1000};
	if (!explain_facts(q->s, &ask, &q->x, &e))
		return cli_usage(q->c, "%s", e.text);
	snapshot_local(q->s, q->x.facts.now_s, &t);
	snapshot_day(q->s, q->x.facts.now_s, q->moment);
	snprintf(q->moment + 10, sizeof q->moment - 10, " %02u:%02u", (unsigned)t.minute / 60 % 24,
		(unsigned)t.minute % 60);
	q->skipped = ask.at.n == 16 && !span_eq(ask.at, span_str(q->moment));
	return CLI_OK;
}

static int ask(struct question *q)
{
	int code = read_person(q);
	if (code == CLI_OK)
		code = read_facts(q);
	if (code != CLI_OK)
		return code;
	q->trace.cap = snapshot_rules(q->s);
	q->trace.v = calloc(q->trace.cap + 1, sizeof *q->trace.v);
	if (!q->trace.v)
		return cli_fail(q->c, CLI_FOUND, "out of memory");
	explain_answer(q->s, &q->x, &q->v, &q->trace);
	return CLI_OK;
}

/* The rule that decided; where a login is needed, the last one that was tried. */
static void find_rule(struct question *q)
{
	int32_t at = q->v.rule;
	if (q->v.decision == DECISION_NEED && at < 0)
		for (size_t i = 0; i < q->trace.n; i++)
			if (q->trace.v[i] != COND_NOT_REACHED)
				at = (int32_t)i;
	q->has_rule = at >= 0;
	if (q->has_rule)
		snapshot_rule(q->s, q->rule_index = (size_t)at, &q->rule);
}

const char *question_label(const struct question *q, char out[LABEL_MAX])
{
	enum rule_record record = q->has_rule ? q->rule.record : RECORD_SERVICE;
	policy_label(q->s, &q->x.host, &q->x.target, record, out, LABEL_MAX);
	return out;
}

const char *question_condition(const struct question *q, size_t i)
{
	enum condition c = q->trace.v[i];
	bool last = i + 1 == q->trace.n || q->trace.v[i + 1] == COND_NOT_REACHED;
	if (q->v.decision == DECISION_NEED && last && c == COND_ROLES)
		return "depends on who asks";
	return condition_text(c);
}

/* --- running ---------------------------------------------------------------------------------- */

const struct standing_facts *question_standing(const struct question *q)
{
	const struct facts *f = &q->x.facts;

	for (size_t i = 0; i < f->standings; i++)
		if (q->v.rule == f->standing[i].rule)
			return &f->standing[i];
	return NULL;
}

static int explain(struct question *q)
{
	int code = ask(q);
	if (code == CLI_OK) {
		find_rule(q);
		if (cli_has(q->c, "json"))
			question_print_json(q);
		else
			question_print_text(q);
	}
	free(q->trace.v);
	buf_free(&q->groups_text);
	return code;
}

static int run(struct cli *c)
{
	struct opened_policy o;
	struct question q = {.c = c, .path = cli_operand(c, 0)};
	int code = CLI_BAD_FILE;
	if (policy_open(q.path, &o)) {
		q.s = o.snapshot;
		code = explain(&q);
	}
	policy_close(&o);
	return code;
}

const struct cli_command policy_explain_command = {
	.name = "explain",
	.help = "says what the answer to a request would be, and why",
	.operands = "POLICY",
	.min = 1,
	.max = 1,
	.options = options,
	.about =
		"The proxy's own function answers. Every rule tried is listed with the first "
		"condition "
		"that failed. Where the answer hangs on something that was not said, it says what. "
		"What --acked and --spent do not name counts as not accepted and not spent.",
	.run = run,
};
