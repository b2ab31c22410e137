/* An explained answer for people: one plain sentence first, then what it rests on. */
#include "policy_explain.h"

#include "units.h"

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
		if (q->v.reason == REASON_COACH) {
			printf("%sCoached%s: rule '%.*s' opens to whoever accepts the code of "
			       "conduct.\n",
				cli_style(colours, CLI_WARN), end, SPAN_ARG(rule));
			return;
		}
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
		printf("it depends on how the user stands under rule '%.*s'.\n", SPAN_ARG(rule));
}

static void print_text(const char *what, struct span text)
{
	if (text.n)
		printf("  %-10s %.*s\n", what, SPAN_ARG(text));
}

/* What it asks for, where it may ask: a spent limit is another reason to. */
static void print_coach(const struct question *q)
{
	const struct standing_facts *st = question_standing(q);
	struct span purpose[POLICY_PURPOSES_MAX], conduct = snapshot_conduct(q->s);
	char held[32];
	struct buf b;

	if (q->rule.remember_s == 0)
		return;
	buf_init_fixed(&b, held, sizeof held);
	units_put_duration(&b, q->rule.remember_s * INT64_C(1000));
	printf("  %-10s holds for %s; %s\n", "accepting", held,
		st && st->acked ? "accepted" : "not accepted yet");
	print_text("conduct", conduct);
	size_t n = snapshot_rule_purposes(q->s, q->rule_index, purpose, POLICY_PURPOSES_MAX);
	for (size_t i = 0; i < n; i++)
		print_text(i ? "" : "to pick", purpose[i]);
}

static const char *spent_text(const struct question *q, enum limit_kind k)
{
	const struct standing_facts *st = question_standing(q);

	if (k == LIMIT_BANDWIDTH)
		return "slows";
	return st && st->spent == SPENT_YES && st->kind == k ? "spent" : "not spent";
}

static void print_limits(const struct question *q)
{
	static const char *const then[] = {[WHEN_SPENT_DENY] = "refused",
		[WHEN_SPENT_COACH] = "accepting the code of conduct opens it again",
		[WHEN_SPENT_NEXT] = "the next rule decides"};
	const struct limits_view *l = &q->rule.limits;
	bool any = false;

	for (int k = 0; k < LIMIT_COUNT; k++) {
		char text[80] = "";
		struct buf b;

		if (!limits_have(l, (enum limit_kind)k))
			continue;
		buf_init_fixed(&b, text, sizeof text);
		limits_put(l, (enum limit_kind)k, &b);
		printf("  %-10s %s: %s\n", any ? "" : "limits", text,
			spent_text(q, (enum limit_kind)k));
		any = true;
	}
	if (any && (l->minutes || l->bytes || l->tunnels || l->requests.interval_us))
		printf("  %-10s %s\n", "when spent", then[l->when_spent]);
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
	print_coach(q);
	print_limits(q);
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
			question_condition(q, i));
	}
	if (i < q->trace.n)
		printf("  (%zu more, not reached)\n", q->trace.n - i);
}

void question_print_text(const struct question *q)
{
	struct span zone = snapshot_zone_name(q->s);
	print_sentence(q);
	putchar('\n');
	print_rule(q);
	print_person(q);
	print_host(q);
	printf("  %-10s %s %.*s%s\n", "at", q->moment, SPAN_ARG(zone),
		q->skipped ? " (the clocks skip the time that was asked for)" : "");
	if (q->v.decision == DECISION_ALLOW) {
		char label[LABEL_MAX];
		print_text("record", span_str(question_label(q, label)));
	}
	print_trace(q);
}
