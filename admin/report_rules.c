/*
 * stile-report rules: what is written on each rule of a policy (what for, who answers, what is
 * hoped and feared, when it is looked at again) against its use. Whether opening access paid off is
 * read here, and nobody is in it: the figures of a rule that few people used are folded away.
 */
#include "report_commands.h"

#include "opened.h"
#include "report_lay.h"
#include "rules_view.h"

#include <stdlib.h>

static const struct cli_option options[] = {
	{0, "policy", "FILE", false, "the policy; that of -c"},
	REPORT_PERIOD_OPTIONS,
	REPORT_FOLD_OPTION,
	REPORT_OUTPUT_OPTIONS,
	REPORT_SOURCE_OPTIONS,
	{0},
};

/* --- use -------------------------------------------------------------------------------------- */

enum use_column {
	USE_RULE,
	USE_ACTION,
	USE_PURPOSE,
	USE_PEOPLE,
	USE_ACCESSES,
	USE_ACTIVE,
	USE_REFUSED,
	USE_LIMITED,
	USE_ACCEPTED,
	USE_LAST,
	USE_STATE,
	USE_FOLDED,
	USE_ROWS,
	USE_COUNT
};

#define USE_FIGURES                                                                                \
	[USE_PEOPLE] = {"people", "people", VALUE_NUMBER},                                         \
	[USE_ACCESSES] = {"accesses", "accesses", VALUE_NUMBER},                                   \
	[USE_ACTIVE] = {"active_minutes", "active min", VALUE_MINUTES},                            \
	[USE_REFUSED] = {"refused", "refused", VALUE_NUMBER},                                      \
	[USE_LIMITED] = {"limited", "limited", VALUE_NUMBER},                                      \
	[USE_ACCEPTED] = {"accepted", "accepted", VALUE_NUMBER},                                   \
	[USE_LAST] = {"last_use", "last use", VALUE_TEXT},                                         \
	[USE_STATE] = {"state", "state", VALUE_TEXT}, [USE_FOLDED] = {"folded", NULL, VALUE_BOOL}, \
	[USE_ROWS] = {"rows", NULL, VALUE_NUMBER}

static const struct column use_columns[USE_COUNT] = {[USE_RULE] = {"rule", "rule", VALUE_TEXT},
	[USE_ACTION] = {"action", "action", VALUE_TEXT},
	[USE_PURPOSE] = {"purpose", "purpose", VALUE_TEXT},
	USE_FIGURES};
static const struct column rest_columns[USE_COUNT] = {[USE_RULE] = {"rule", "rule", VALUE_TEXT},
	[USE_ACTION] = {"action", NULL, VALUE_TEXT},
	[USE_PURPOSE] = {"purpose", NULL, VALUE_TEXT},
	USE_FIGURES};

static void lay_figures(struct report *r, const struct figures *f)
{
	report_cell(r, USE_PEOPLE, f->people);
	report_cell(r, USE_ACCESSES, f->accesses);
	report_cell(r, USE_ACTIVE, f->active);
	report_cell(r, USE_REFUSED, f->refused);
	report_cell(r, USE_LIMITED, f->limited);
	report_cell(r, USE_ACCEPTED, f->accepted);
}

static void lay_last(struct report *r, const struct tally *t, struct span rule)
{
	char day[11];
	if (tally_last_day(t, DIM_RULE, rule, day))
		report_cell_text(r, USE_LAST, span_str(day));
}

static void lay_state(struct report *r, enum rule_use use)
{
	report_cell_text(r, USE_STATE, span_str(rule_use_text(use)));
	if (use == USE_NEVER)
		report_cell_mark(r, USE_STATE);
}

static void lay_rule(struct report *r, const struct tally *t, const struct rules_view *v,
	const struct rule_view *rule)
{
	const struct tally_row *row = rules_view_row(v, rule->name);
	enum rule_use use = rules_view_use(v, rule->name);
	struct figures none = {0};
	report_row(r);
	report_cell_text(r, USE_RULE, rule->name);
	report_cell_text(r, USE_ACTION, span_str(rule_action_text(rule)));
	if (rule->purpose.n)
		report_cell_text(r, USE_PURPOSE, rule->purpose);
	if (use != USE_FEW)
		lay_figures(r, row ? &row->f : &none);
	if (use == USE_TOLD)
		lay_last(r, t, rule->name);
	lay_state(r, use);
	report_cell(r, USE_FOLDED, use == USE_FEW);
	report_cell(r, USE_ROWS, 1);
}

static void lay_use(struct report *r, const struct snapshot *s, const struct tally *t,
	const struct rules_view *v)
{
	const struct chart chart = {.kind = CHART_BARS,
		.what = "active minutes",
		.label = USE_RULE,
		.value = USE_ACTIVE,
		.known = SIZE_MAX};
	report_table(r, "rules", "Use of each rule", use_columns, USE_COUNT);
	report_chart(r, &chart);
	for (size_t i = 0; i < snapshot_rules(s); i++) {
		struct rule_view rule;
		snapshot_rule(s, i, &rule);
		lay_rule(r, t, v, &rule);
	}
}

/* A login that was asked for has no rule and uses none. */
static bool is_empty(const struct figures *f)
{
	return f->accesses + f->refused + f->limited + f->accepted + f->active + f->idle == 0;
}

/* What the records hold beside: no rule, rules of other days, and the fold. */
static void lay_rest(struct report *r, const struct snapshot *s, const struct tally *t,
	const struct rules_view *v)
{
	report_table(r, "rest", "Beside these rules", rest_columns, USE_COUNT);
	for (size_t i = 0; i < v->n; i++) {
		const struct tally_row *row = &v->rows[i];
		if (!row->fold && (rules_view_has(s, row->key) || is_empty(&row->f)))
			continue;
		report_row(r);
		lay_label(r, DIM_RULE, row, USE_RULE, USE_RULE);
		lay_figures(r, &row->f);
		if (!row->fold)
			lay_last(r, t, row->key);
		report_cell_text(r, USE_STATE,
			span_str(row->fold    ? "rules of few people, together"
				 : row->key.n ? "not in this policy"
					      : "no rule decided"));
		report_cell(r, USE_FOLDED, row->fold);
		report_cell(r, USE_ROWS, row->rows);
	}
}

/* --- what is written -------------------------------------------------------------------------- */

enum text_column {
	TEXT_RULE,
	TEXT_PURPOSE,
	TEXT_OWNER,
	TEXT_BENEFIT,
	TEXT_RISK,
	TEXT_RISK_OWNER,
	TEXT_REVIEW,
	TEXT_REVIEW_STATE,
	TEXT_OVERDUE,
	TEXT_COUNT
};

static const struct column text_columns[TEXT_COUNT] = {[TEXT_RULE] = {"rule", "rule", VALUE_TEXT},
	[TEXT_PURPOSE] = {"purpose", NULL, VALUE_TEXT}, /* it stands in the table of use */
	[TEXT_OWNER] = {"owner", "owner", VALUE_TEXT},
	[TEXT_BENEFIT] = {"benefit", "benefit", VALUE_TEXT},
	[TEXT_RISK] = {"risk", "risk", VALUE_TEXT},
	[TEXT_RISK_OWNER] = {"risk_owner", "risk owner", VALUE_TEXT},
	[TEXT_REVIEW] = {"review", "review", VALUE_TEXT},
	[TEXT_REVIEW_STATE] = {"review_state", "review is", VALUE_TEXT},
	[TEXT_OVERDUE] = {"overdue", NULL, VALUE_BOOL}};

static void lay_text(struct report *r, size_t column, struct span text)
{
	if (text.n)
		report_cell_text(r, column, text);
}

static void lay_review(struct report *r, struct span review, const char *today)
{
	char words[64];
	bool overdue = review_words(review, today, words, sizeof words);
	lay_text(r, TEXT_REVIEW, review);
	report_cell_text(r, TEXT_REVIEW_STATE, span_str(words));
	if (overdue)
		report_cell_mark(r, TEXT_REVIEW_STATE);
	report_cell(r, TEXT_OVERDUE, overdue);
}

static void lay_written(struct report *r, const struct snapshot *s, const char *today)
{
	report_table(r, "written", "What is written on each rule", text_columns, TEXT_COUNT);
	for (size_t i = 0; i < snapshot_rules(s); i++) {
		struct rule_view rule;
		snapshot_rule(s, i, &rule);
		report_row(r);
		lay_text(r, TEXT_RULE, rule.name);
		lay_text(r, TEXT_PURPOSE, rule.purpose);
		lay_text(r, TEXT_OWNER, rule.owner);
		lay_text(r, TEXT_BENEFIT, rule.benefit);
		lay_text(r, TEXT_RISK, rule.risk);
		lay_text(r, TEXT_RISK_OWNER, rule.risk_owner);
		lay_review(r, rule.review, today);
	}
}

/* --- the report ------------------------------------------------------------------------------- */

/* "Review overdue: youth, campaigns." */
static void lay_names(struct report *r, const char *what, const struct buf *names)
{
	if (names->n)
		report_paragraph(r, "notes", "%s: %s.", what, names->p);
}

static void add_name(struct buf *names, struct span name)
{
	if (names->n)
		buf_adds(names, ", ");
	buf_span(names, name);
}

static void lay_findings(
	struct report *r, const struct snapshot *s, const struct rules_view *v, const char *today)
{
	struct buf overdue = {0}, never = {0};
	size_t noverdue = 0, nnever = 0;
	for (size_t i = 0; i < snapshot_rules(s); i++) {
		struct rule_view rule;
		char words[64];
		snapshot_rule(s, i, &rule);
		if (review_words(rule.review, today, words, sizeof words)) {
			add_name(&overdue, rule.name);
			noverdue++;
		}
		if (rules_view_use(v, rule.name) == USE_NEVER) {
			add_name(&never, rule.name);
			nnever++;
		}
	}
	lay_names(r, "Review overdue", &overdue);
	lay_names(r, "Never used in this period", &never);
	report_group(r, "total", "Total");
	report_lead(r);
	report_number(r, "rules", "rules", VALUE_NUMBER, snapshot_rules(s));
	report_number(r, "never_used", "never used in this period", VALUE_NUMBER, nnever);
	report_number(r, "reviews_overdue", "reviews overdue", VALUE_NUMBER, noverdue);
	r->failed |= overdue.failed || never.failed;
	buf_free(&overdue);
	buf_free(&never);
}

static void lay_sums(struct report *r, const struct figures *f)
{
	report_number(r, "people", "people", VALUE_NUMBER, f->people);
	report_number(r, "accesses", "accesses", VALUE_NUMBER, f->accesses);
	report_number(r, "active_minutes", "active minutes", VALUE_MINUTES, f->active);
	report_number(r, "refused", "refused", VALUE_NUMBER, f->refused);
	report_number(r, "limited", "limited", VALUE_NUMBER, f->limited);
	report_number(r, "accepted", "accepted (codes of conduct)", VALUE_NUMBER, f->accepted);
}

static void lay_method(struct report *r, const struct report_ask *q)
{
	report_paragraph(r, "method",
		"Use: a rule is used when it gave an access, refused one, or was the rule whose "
		"limit was spent. Rules are matched by name: one that was renamed begins anew, and "
		"what stood under the old name is beside these rules. Never means never in this "
		"period, as far as it was recorded. The policy is the file as it is now.");
	report_paragraph(
		r, "method", "Reviews are measured against the day on which the report was made.");
	method_minutes(r);
	method_once(r);
	method_counts(r);
	report_paragraph(r, "method",
		"Rules that fewer than %llu people used are shown as used by few, without figures "
		"and "
		"without a day; their figures stand together in one row beside the rules, with the "
		"smallest others as long as that row holds one rule or fewer than %llu people. "
		"Rules under which nobody is known have no people and are told.",
		(unsigned long long)q->fold_below, (unsigned long long)q->fold_below);
	method_errors(r);
	method_coverage(r);
}

static bool lay_out(struct report *r, const struct report_ask *q, const struct snapshot *s,
	struct tally *t, const struct rules_view *v)
{
	struct figures total;
	char today[11];
	*r = (struct report){.name = "rules", .title = "Rules and their use", .version = 1};
	rules_today(s, today);
	tally_total(t, &total);
	lay_notes(r, t);
	lay_period(r, q);
	report_group(r, "policy", "Policy");
	report_text(r, "file", "file", q->source.policy);
	report_text(r, "reviewed_on", "reviews as of", today);
	lay_coverage(r, q, t);
	lay_parameters(r, q);
	lay_findings(r, s, v, today);
	lay_sums(r, &total);
	lay_use(r, s, t, v);
	lay_written(r, s, today);
	lay_rest(r, s, t, v);
	lay_nodes(r, q, t, false);
	lay_method(r, q);
	return !r->failed && !tally_failed(t);
}

/* --- running ---------------------------------------------------------------------------------- */

static int report(
	const struct cli *c, const struct report_ask *q, const struct snapshot *s, struct tally *t)
{
	struct rules_view v;
	struct report r = {0};
	bool ok = rules_view_make(&v, t, q->fold_below) && lay_out(&r, q, s, t, &v);
	int code = report_put(c, q, &r, ok);
	rules_view_drop(&v);
	return code;
}

static int read_and_report(
	const struct cli *c, const struct report_ask *q, const struct snapshot *s)
{
	struct tally *t = tally_new(&q->period);
	if (!t)
		return cli_fail(c, CLI_FOUND, "out of memory");
	int code = report_read(c, q, t, NULL);
	if (code == CLI_OK)
		code = report(c, q, s, t);
	tally_free(t);
	return code;
}

static int with_policy(const struct cli *c, const struct report_ask *q)
{
	struct opened_policy o;
	if (!q->source.policy)
		return cli_usage(c, "which policy? --policy or -c");
	int code = policy_open(q->source.policy, &o) ? read_and_report(c, q, o.snapshot)
						     : CLI_BAD_FILE;
	policy_close(&o);
	return code;
}

static int run(struct cli *c)
{
	struct report_ask q = {.nby = 0};
	int code = report_ask(c, cli_value(c, "policy"), &q);
	if (code == CLI_OK)
		code = report_ask_fold(c, &q);
	if (code == CLI_OK)
		code = with_policy(c, &q);
	report_ask_drop(&q);
	return code;
}

const struct cli_command report_rules_command = {
	.name = "rules",
	.help = "shows what is written on each rule against its use",
	.operands = "",
	.min = 0,
	.max = 0,
	.options = options,
	.about = "Purpose, owner, benefit, risk and review date of each rule beside people, "
		 "accesses, "
		 "active minutes, refusals and last use. Rules that nobody used and reviews that "
		 "are "
		 "overdue are said in words; the figures of rules that few people used are folded.",
	.run = run,
};
