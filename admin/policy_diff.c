/*
 * stile-policy diff: whose answers change from one policy to another, where and when. What the
 * comparison finds comes by person and site; sites with the same change are put together.
 */
#include "policy_diff.h"

#include "opened.h"
#include "units.h"

static const struct cli_option options[] = {
	{0, "rules", NULL, false,
		"show as well where the same answer comes from another rule, or is told otherwise"},
	{0, "json", NULL, false, "print JSON"},
	{0},
};

/* --- words ------------------------------------------------------------------------------------ */

void diff_put_limits(const struct rule_view *r, struct buf *out)
{
	static const char *const then[] = {[WHEN_SPENT_DENY] = "",
		[WHEN_SPENT_COACH] = "; then coach",
		[WHEN_SPENT_NEXT] = "; then the next rule"};
	const struct limits_view *l = &r->limits;
	size_t before = out->n;

	for (int k = 0; k < LIMIT_COUNT; k++) {
		if (!limits_have(l, (enum limit_kind)k))
			continue;
		buf_adds(out, out->n > before ? ", " : "");
		limits_put(l, (enum limit_kind)k, out);
	}
	if (out->n == before)
		return;
	buf_adds(out, then[l->when_spent]);
	if (l->grace_s) {
		buf_adds(out, "; grace ");
		units_put_duration(out, l->grace_s * INT64_C(1000));
	}
	if (l->minutes || l->bytes)
		buf_printf(out, "; warns at %u %%; without Redis %s", l->warn,
			without_redis_words[l->without_redis]);
}

/* What stands in brackets behind the rule. */
static void put_terms(const struct rule_view *r, struct buf *out)
{
	static const char *const records[] = {[RECORD_SERVICE] = "",
		[RECORD_HOST] = "recorded with the host",
		[RECORD_NONE] = "recorded as \"other\""};
	size_t before = out->n;

	diff_put_limits(r, out);
	if (r->remember_s) {
		buf_adds(out, out->n > before ? "; accepting holds for " : "accepting holds for ");
		units_put_duration(out, r->remember_s * INT64_C(1000));
	}
	if (r->opaque)
		buf_adds(out, out->n > before ? "; not only TLS" : "not only TLS");
	if (*records[r->record])
		buf_printf(out, "%s%s", out->n > before ? "; " : "", records[r->record]);
}

void diff_put_answer(const struct compare_answer *a, struct buf *out)
{
	bool opens = a->v.decision == DECISION_ALLOW || a->v.reason == REASON_COACH;
	struct buf terms = {0};

	buf_adds(out, answer_word(&a->v));
	if (a->v.rule >= 0)
		buf_printf(out, " by %.*s", SPAN_ARG(a->rule.name));
	if (!opens && a->v.reason != REASON_RULE)
		buf_printf(out, ": %s", reason_info(a->v.reason)->text);
	else if (!opens && a->rule.message.n)
		buf_printf(out, ": \"%.*s\"", SPAN_ARG(a->rule.message));
	if (opens && a->v.rule >= 0)
		put_terms(&a->rule, &terms);
	if (terms.n)
		buf_printf(out, " (%.*s)", (int)terms.n, terms.p);
	buf_free(&terms);
}

size_t diff_settings(const struct diff *d, struct diff_setting out[DIFF_SETTINGS])
{
	struct diff_setting v[DIFF_SETTINGS] = {
		{.name = "zone"}, {.name = "tls_only"}, {.name = "sni_match"}, {.name = "conduct"}};
	size_t n = 0;

	for (int k = 0; k < 2; k++) {
		v[0].value[k] = snapshot_zone_name(d->s[k]);
		v[1].value[k] = span_str(snapshot_tls_only(d->s[k]) ? "true" : "false");
		v[2].value[k] = span_str(snapshot_sni_match(d->s[k]) ? "true" : "false");
		v[3].value[k] = snapshot_conduct(d->s[k]);
	}
	for (size_t i = 0; i < DIFF_SETTINGS; i++)
		if (!span_eq(v[i].value[0], v[i].value[1]))
			out[n++] = v[i];
	return n;
}

/* --- gathering -------------------------------------------------------------------------------- */

bool diff_shows(const struct diff *d, enum compare_level level)
{
	return level > COMPARE_RULE || d->rules;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return span_eq(buf_spanof(a), buf_spanof(b));
}

static bool same_change(const struct diff_row *a, const struct diff_row *b)
{
	return a->who.kind == b->who.kind && strcmp(a->who.name, b->who.name) == 0 &&
	       a->level == b->level && same(&a->when, &b->when) &&
	       same(&a->answer[0], &b->answer[0]) && same(&a->answer[1], &b->answer[1]);
}

static void drop(struct diff_row *r)
{
	buf_free(&r->when);
	buf_free(&r->answer[0]);
	buf_free(&r->answer[1]);
	buf_free(&r->sites);
}

static void found(void *arg, const struct compare_change *c)
{
	struct diff *d = arg;
	struct diff_row row = {.who = *c->who, .level = c->level}, *rows, *into = NULL;
	size_t n;

	d->found[c->level]++;
	if (!diff_shows(d, c->level))
		return;
	schedule_put(c->when, c->windows, &row.when);
	for (int k = 0; k < 2; k++) {
		row.first[k] = *c->answer[k];
		diff_put_answer(c->answer[k], &row.answer[k]);
	}
	rows = diff_rows(d, &n);
	for (size_t i = 0; i < n && !into; i++)
		if (same_change(&rows[i], &row))
			into = &rows[i];
	buf_add(into ? &into->sites : &row.sites, c->site, sizeof *c->site);
	if (into)
		drop(&row);
	else
		buf_add(&d->rows, &row, sizeof row);
}

/* --- running ---------------------------------------------------------------------------------- */

static int run_diff(struct cli *c, struct diff *d)
{
	struct diff_setting settings[DIFF_SETTINGS];
	size_t n, shown = diff_settings(d, settings);

	if (!policy_compare(d->s, found, d, &d->looked_at) || d->rows.failed)
		return cli_fail(c, CLI_FOUND, "out of memory");
	(cli_has(c, "json") ? diff_print_json : diff_print_text)(d);
	struct diff_row *rows = diff_rows(d, &n);
	for (size_t i = 0; i < n; i++)
		drop(&rows[i]);
	buf_free(&d->rows);
	for (int level = COMPARE_RULE; level <= COMPARE_ANSWER; level++)
		shown += diff_shows(d, (enum compare_level)level) ? d->found[level] : 0;
	return shown ? CLI_FOUND : CLI_OK;
}

static int run(struct cli *c)
{
	struct opened_policy o[2] = {{.snapshot = NULL}};
	struct diff d = {
		.path = {cli_operand(c, 0), cli_operand(c, 1)}, .rules = cli_has(c, "rules")};
	int code = CLI_BAD_FILE;

	/* what is wrong with either is told */
	bool old = policy_open(d.path[COMPARE_OLD], &o[0]);
	if (policy_open(d.path[COMPARE_NEW], &o[1]) && old) {
		d.s[COMPARE_OLD] = o[0].snapshot;
		d.s[COMPARE_NEW] = o[1].snapshot;
		code = run_diff(c, &d);
	}
	policy_close(&o[0]);
	policy_close(&o[1]);
	return code;
}

const struct cli_command policy_diff_command = {
	.name = "diff",
	.help = "says whose answers change from one policy to another, where and when",
	.operands = "OLD NEW",
	.min = 2,
	.max = 2,
	.options = options,
	.about =
		"Both policies are asked by the proxy's own function: for each group, user and "
		"network that either names, for every service, and for the hosts, lists and ranges "
		"of their rules, at every time at which a schedule begins or ends. Questions are "
		"those of a first visitor on port 443: nothing is accepted, no limit is spent, and "
		"addresses are public and of no country. Exit 1: something changes.",
	.run = run,
};
