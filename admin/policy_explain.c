/*
 * stile-policy explain: what the answer would be and why. The question becomes facts, the proxy's
 * own function answers, and its trace says of each rule tried what failed first.
 */
#include "policy_open.h"

#include "clock.h"
#include "explain.h"
#include "file.h"
#include "jsonout.h"

#include <stdlib.h>

#define GROUPS_MAX	256
#define GROUPS_FILE_MAX (16U << 20)
#define LABEL_MAX	1200 /* every service of a host, joined */

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
	{0, "json", NULL, false, "print JSON"},
	{0},
};

/* A question, its facts and its answer. */
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
	char moment[17]; /* local */
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

static int read_facts(struct question *q)
{
	struct err e;
	struct local_time t;
	const struct explain_ask ask = {.user = span_str(q->user),
		.no_login = cli_has(q->c, "no-login"),
		.groups = q->group,
		.group_count = q->groups,
		.client = span_str(cli_value(q->c, "client")),
		.host = span_str(cli_value(q->c, "host")),
		.address = span_str(cli_value(q->c, "address")),
		.at = span_str(cli_value(q->c, "at")),
		.now_s = clock_wall_ms() / 1000};
	if (!explain_facts(q->s, &ask, &q->x, &e))
		return cli_usage(q->c, "%s", e.text);
	snapshot_local(q->s, q->x.facts.now_s, &t);
	snapshot_day(q->s, q->x.facts.now_s, q->moment);
	snprintf(q->moment + 10, sizeof q->moment - 10, " %02u:%02u", (unsigned)t.minute / 60 % 24,
		(unsigned)t.minute % 60);
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
	policy_evaluate(q->s, &q->x.facts, &q->v, &q->trace);
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
		snapshot_rule(q->s, (size_t)at, &q->rule);
}

/* What a record of this access calls the destination. */
static const char *record_label(const struct question *q, char out[LABEL_MAX])
{
	enum rule_record record = q->has_rule ? q->rule.record : RECORD_SERVICE;
	policy_label(q->s, &q->x.host, &q->x.target, record, out, LABEL_MAX);
	return out;
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_sentence(const struct question *q)
{
	bool colours = cli_colours(stdout);
	const char *end = cli_style(colours, CLI_PLAIN);
	struct span rule = q->has_rule ? q->rule.name : SPAN("");
	switch (q->v.decision) {
	case DECISION_ALLOW:
		printf("%sAllowed%s: rule '%.*s' says so.\n", cli_style(colours, CLI_GOOD), end,
			SPAN_ARG(rule));
		return;
	case DECISION_DENY:
		printf("%sRefused%s: ", cli_style(colours, CLI_BAD), end);
		if (q->v.reason == REASON_RULE)
			printf("rule '%.*s' says so.\n", SPAN_ARG(rule));
		else if (q->has_rule)
			printf("%s (rule '%.*s' would allow it).\n", reason_info(q->v.reason)->text,
				SPAN_ARG(rule));
		else
			printf("%s.\n", reason_info(q->v.reason)->text);
		return;
	case DECISION_NEED:
		break;
	}
	printf("%sNot known yet%s: ", cli_style(colours, CLI_WARN), end);
	if (q->v.need == NEED_IDENTITY)
		printf("rule '%.*s' depends on who asks; the proxy asks for a login (--user).\n",
			SPAN_ARG(rule));
	else if (q->v.need == NEED_ADDRESS)
		printf("it depends on the address of the host (--address).\n");
	else
		printf("it depends on the limit of rule '%.*s'.\n", SPAN_ARG(rule));
}

static void print_text(const char *what, struct span text)
{
	if (text.n)
		printf("  %-10s %.*s\n", what, SPAN_ARG(text));
}

static void print_rule(const struct question *q)
{
	const struct rule_view *r = &q->rule;
	if (!q->has_rule)
		return;
	printf("  %-10s %.*s (%s:%u)\n", "rule", SPAN_ARG(r->name), q->path, r->line);
	if (q->v.decision == DECISION_NEED)
		return;
	if (q->v.role >= 0)
		print_text("role", snapshot_role(q->s, (size_t)q->v.role));
	print_text("purpose", r->purpose);
	print_text("owner", r->owner);
	print_text("benefit", r->benefit);
	print_text("risk", r->risk);
	print_text("risk owner", r->risk_owner);
	print_text("review", r->review);
	if (q->v.decision == DECISION_DENY)
		print_text("message", r->message);
	if (r->requests.interval_us && q->v.decision == DECISION_ALLOW)
		printf("  %-10s %u requests in %u s; counted as not spent\n", "limit",
			r->requests.count, r->requests.period_s);
}

static void print_host(const struct question *q)
{
	struct span category[HOST_CATEGORIES_MAX];
	size_t n = host_categories(q->s, &q->x.target, category);
	char text[HOST_MAX + 3], address[ADDR_TEXT_MAX] = "a public one of no country, assumed";
	host_text(&q->x.host, text);
	printf("  %-10s %s:%u", "host", text, q->x.facts.port);
	for (size_t i = 0; i < q->x.target.services; i++) {
		const struct service_tag *t = &q->x.target.service[i];
		struct span zone = snapshot_service_zone(q->s, t->service);
		printf("%s%.*s (%s%s%.*s)", i ? ", " : "; service ",
			SPAN_ARG(snapshot_service(q->s, t->service)),
			part_word((enum service_part)t->part), zone.n ? ", " : "", SPAN_ARG(zone));
	}
	for (size_t i = 0; i < n; i++)
		printf("%s#%.*s", i ? " " : "; ", SPAN_ARG(category[i]));
	putchar('\n');
	if (q->x.facts.address_state == ADDRESS_KNOWN)
		addr_format(&q->x.facts.address, address);
	printf("  %-10s %s%s%s\n", "address", address, *q->v.country ? ", country " : "",
		q->v.country);
}

static void print_person(const struct question *q)
{
	static const char *const unknown[] = {[IDENTITY_UNKNOWN] = "somebody who has not logged in",
		[IDENTITY_NOBODY] = "nobody can log in",
		[IDENTITY_KNOWN] = ""};
	printf("  %-10s %s", "who", q->user ? q->user : unknown[q->x.facts.identity]);
	const char *lead = "; roles ";
	for (size_t i = 0; i < snapshot_roles(q->s); i++) {
		if (!(q->v.roles & UINT64_C(1) << i))
			continue;
		printf("%s%.*s", lead, SPAN_ARG(snapshot_role(q->s, i)));
		lead = ", ";
	}
	printf("%s\n", q->v.roles ? "" : "; no roles");
}

static const char *condition_of(const struct question *q, size_t i)
{
	enum condition c = q->trace.v[i];
	bool last = i + 1 == q->trace.n || q->trace.v[i + 1] == COND_NOT_REACHED;
	if (q->v.decision == DECISION_NEED && last && c == COND_ROLES)
		return "depends on who asks";
	return condition_text(c);
}

static void print_trace(const struct question *q)
{
	size_t width = 0, i;
	struct rule_view r;
	for (i = 0; i < q->trace.n; i++) {
		snapshot_rule(q->s, i, &r);
		width = r.name.n > width ? r.name.n : width;
	}
	printf("\nRules, from the top:\n");
	for (i = 0; i < q->trace.n && q->trace.v[i] != COND_NOT_REACHED; i++) {
		snapshot_rule(q->s, i, &r);
		printf("  %5u  %-*.*s  %s\n", r.line, (int)width, SPAN_ARG(r.name),
			condition_of(q, i));
	}
	if (i < q->trace.n)
		printf("  (%zu more, not reached)\n", q->trace.n - i);
}

static void print_answer(const struct question *q)
{
	struct span zone = snapshot_zone_name(q->s);
	print_sentence(q);
	putchar('\n');
	print_rule(q);
	print_person(q);
	print_host(q);
	printf("  %-10s %s %.*s\n", "at", q->moment, SPAN_ARG(zone));
	if (q->v.decision == DECISION_ALLOW) {
		char label[LABEL_MAX];
		print_text("record", span_str(record_label(q, label)));
	}
	print_trace(q);
}

/* --- for machines ----------------------------------------------------------------------------- */

static struct js *json_asked(const struct question *q)
{
	static const char *const login[] = {[IDENTITY_UNKNOWN] = "unknown",
		[IDENTITY_NOBODY] = "none",
		[IDENTITY_KNOWN] = "known"};
	struct js *o = js_object(), *groups = js_list();
	char text[ADDR_TEXT_MAX] = "";
	for (size_t i = 0; i < q->groups; i++)
		js_add(groups, js_text(q->group[i]));
	js_put(o, "user", js_text_or_null(span_str(q->user)));
	js_put(o, "groups", groups);
	js_put(o, "login", js_text(span_str(login[q->x.facts.identity])));
	addr_format(&q->x.facts.client, text);
	js_put(o, "client", cli_has(q->c, "client") ? js_text(span_str(text)) : js_null());
	js_put(o, "host", js_text(host_span(&q->x.host)));
	js_put(o, "port", js_number(q->x.facts.port));
	addr_format(&q->x.facts.address, text);
	js_put(o, "address",
		q->x.facts.address_state == ADDRESS_KNOWN ? js_text(span_str(text)) : js_null());
	js_put(o, "at", js_text(span_str(q->moment)));
	js_put(o, "zone", js_text(snapshot_zone_name(q->s)));
	return o;
}

static struct js *json_rule(const struct question *q)
{
	const struct rule_view *r = &q->rule;
	if (!q->has_rule)
		return js_null();
	struct js *o = js_object();
	js_put(o, "name", js_text(r->name));
	js_put(o, "line", js_number(r->line));
	js_put(o, "action", js_text(span_str(r->action == RULE_ALLOW ? "allow" : "deny")));
	js_put(o, "purpose", js_text_or_null(r->purpose));
	js_put(o, "owner", js_text_or_null(r->owner));
	js_put(o, "benefit", js_text_or_null(r->benefit));
	js_put(o, "risk", js_text_or_null(r->risk));
	js_put(o, "risk_owner", js_text_or_null(r->risk_owner));
	js_put(o, "review", js_text_or_null(r->review));
	js_put(o, "message", js_text_or_null(r->message));
	return o;
}

static struct js *json_roles(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < snapshot_roles(q->s); i++)
		if (q->v.roles & UINT64_C(1) << i)
			js_add(list, js_text(snapshot_role(q->s, i)));
	return list;
}

static struct js *json_services(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < q->x.target.services; i++) {
		const struct service_tag *t = &q->x.target.service[i];
		struct js *o = js_object();
		js_put(o, "service", js_text(snapshot_service(q->s, t->service)));
		js_put(o, "part", js_text(span_str(part_word((enum service_part)t->part))));
		js_put(o, "zone", js_text_or_null(snapshot_service_zone(q->s, t->service)));
		js_add(list, o);
	}
	return list;
}

static struct js *json_categories(const struct question *q)
{
	struct span category[HOST_CATEGORIES_MAX];
	size_t n = host_categories(q->s, &q->x.target, category);
	struct js *list = js_list();
	for (size_t i = 0; i < n; i++)
		js_add(list, js_text(category[i]));
	return list;
}

static struct js *json_observed(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < q->v.seen; i++) {
		struct rule_view r;
		snapshot_rule(q->s, q->v.seen_rule[i], &r);
		js_add(list, js_text(r.name));
	}
	return list;
}

static struct js *json_trace(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < q->trace.n; i++) {
		struct rule_view r;
		struct js *o = js_object();
		snapshot_rule(q->s, i, &r);
		js_put(o, "rule", js_text(r.name));
		js_put(o, "line", js_number(r.line));
		js_put(o, "reached", js_bool(q->trace.v[i] != COND_NOT_REACHED));
		js_put(o, "condition", js_text(span_str(condition_of(q, i))));
		js_add(list, o);
	}
	return list;
}

static void print_json(const struct question *q)
{
	const struct reason_info *reason = reason_info(q->v.reason);
	bool decided = q->v.decision != DECISION_NEED;
	char label[LABEL_MAX];
	struct js *o = js_object();
	js_put(o, "report", js_text(SPAN("explain")));
	js_put(o, "version", js_number(1));
	js_put(o, "policy", js_text(span_str(q->path)));
	js_put(o, "asked", json_asked(q));
	js_put(o, "verdict", js_text(span_str(decision_word(q->v.decision))));
	js_put(o, "need",
		q->v.need == NEED_NONE ? js_null() : js_text(span_str(need_word(q->v.need))));
	js_put(o, "reason", decided ? js_text(span_str(reason->word)) : js_null());
	js_put(o, "text", decided ? js_text(span_str(reason->text)) : js_null());
	js_put(o, "status",
		q->v.decision == DECISION_DENY ? js_number((uint64_t)reason->status) : js_null());
	js_put(o, "rule", json_rule(q));
	js_put(o, "role",
		q->v.role >= 0 ? js_text(snapshot_role(q->s, (size_t)q->v.role)) : js_null());
	js_put(o, "roles", json_roles(q));
	js_put(o, "country", js_text_or_null(span_str(q->v.country)));
	js_put(o, "services", json_services(q));
	js_put(o, "categories", json_categories(q));
	js_put(o, "record", decided ? js_text(span_str(record_label(q, label))) : js_null());
	js_put(o, "observed", json_observed(q));
	js_put(o, "rules", json_trace(q));
	js_print(o);
}

/* --- running ---------------------------------------------------------------------------------- */

static int explain(struct question *q)
{
	int code = ask(q);
	if (code == CLI_OK) {
		find_rule(q);
		if (cli_has(q->c, "json"))
			print_json(q);
		else
			print_answer(q);
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
		"Limits count as not spent.",
	.run = run,
};
