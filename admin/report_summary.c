/*
 * stile-report summary: what was used in a period, by whom as far as roles go, and how sure that
 * is. Read from a source, added up in the tally, laid into a report, written.
 */
#include "report_commands.h"

#include "report_lay.h"

#include <stdlib.h>

static const struct cli_option options[] = {
	REPORT_PERIOD_OPTIONS,
	{0, "by", "WHAT", true,
		"a table by service, role, zone, purpose, rule or day; each adds one; service, and "
		"for html day and role with it"},
	REPORT_FOLD_OPTION,
	REPORT_OUTPUT_OPTIONS,
	REPORT_SOURCE_OPTIONS,
	{0},
};

/* The first is what is shown without --by, the first three on a page. */
static const enum dim known[] = {DIM_SERVICE, DIM_DAY, DIM_ROLE, DIM_ZONE, DIM_PURPOSE, DIM_RULE};

/* --- laying out ------------------------------------------------------------------------------- */

enum figure_column {
	COLUMN_KEY,
	COLUMN_LABEL,
	COLUMN_PEOPLE,
	COLUMN_ACCESSES,
	COLUMN_REFUSED,
	COLUMN_LIMITED,
	COLUMN_CHALLENGES,
	COLUMN_ACCEPTED,
	COLUMN_ACTIVE,
	COLUMN_IDLE,
	COLUMN_UP,
	COLUMN_DOWN,
	COLUMN_FOLDED,
	COLUMN_ROWS,
	COLUMN_RECORDED, /* of days only */
	COLUMN_COUNT
};

#define DIM(name, word, title, none)                                                               \
	[DIM_##name] = {[COLUMN_KEY] = {"key", NULL, VALUE_TEXT},                                  \
		[COLUMN_LABEL] = {"label", title, VALUE_TEXT},                                     \
		[COLUMN_PEOPLE] = {"people", "people", VALUE_NUMBER},                              \
		[COLUMN_ACCESSES] = {"accesses", "accesses", VALUE_NUMBER},                        \
		[COLUMN_REFUSED] = {"refused", "refused", VALUE_NUMBER},                           \
		[COLUMN_LIMITED] = {"limited", "limited", VALUE_NUMBER},                           \
		[COLUMN_CHALLENGES] = {"challenges", "challenges", VALUE_NUMBER},                  \
		[COLUMN_ACCEPTED] = {"accepted", "accepted", VALUE_NUMBER},                        \
		[COLUMN_ACTIVE] = {"active_minutes", "active min", VALUE_MINUTES},                 \
		[COLUMN_IDLE] = {"idle_minutes", "idle min", VALUE_MINUTES},                       \
		[COLUMN_UP] = {"bytes_up", "up", VALUE_BYTES},                                     \
		[COLUMN_DOWN] = {"bytes_down", "down", VALUE_BYTES},                               \
		[COLUMN_FOLDED] = {"folded", NULL, VALUE_BOOL},                                    \
		[COLUMN_ROWS] = {"rows", NULL, VALUE_NUMBER},                                      \
		[COLUMN_RECORDED] = {"minutes_recorded", "recorded", VALUE_MINUTES}},
static const struct column figure_columns[DIM_COUNT][COLUMN_COUNT] = {
#include "dims.def"
};
#undef DIM

static void lay_total(struct report *r, const struct figures *f)
{
	report_group(r, "total", "Total");
	report_lead(r);
	report_number(r, "people", "people", VALUE_NUMBER, f->people);
	report_number(r, "accesses", "accesses", VALUE_NUMBER, f->accesses);
	report_number(r, "refused", "refused", VALUE_NUMBER, f->refused);
	report_number(r, "limited", "limited", VALUE_NUMBER, f->limited);
	report_number(
		r, "challenges", "challenges (logins asked for)", VALUE_NUMBER, f->challenges);
	report_number(r, "accepted", "accepted (codes of conduct)", VALUE_NUMBER, f->accepted);
	report_number(r, "active_minutes", "active minutes", VALUE_MINUTES, f->active);
	report_number(r, "idle_minutes", "open, idle minutes", VALUE_MINUTES, f->idle);
	report_number(r, "bytes_up", "sent", VALUE_BYTES, f->up);
	report_number(r, "bytes_down", "received", VALUE_BYTES, f->down);
}

static void lay_row(struct report *r, const struct report_ask *q, const struct tally *t,
	enum dim by, const struct tally_row *row)
{
	const struct figures *f = &row->f;
	report_row(r);
	lay_label(r, by, row, COLUMN_KEY, COLUMN_LABEL);
	report_cell(r, COLUMN_PEOPLE, f->people);
	report_cell(r, COLUMN_ACCESSES, f->accesses);
	report_cell(r, COLUMN_REFUSED, f->refused);
	report_cell(r, COLUMN_LIMITED, f->limited);
	report_cell(r, COLUMN_CHALLENGES, f->challenges);
	report_cell(r, COLUMN_ACCEPTED, f->accepted);
	report_cell(r, COLUMN_ACTIVE, f->active);
	report_cell(r, COLUMN_IDLE, f->idle);
	report_cell(r, COLUMN_UP, f->up);
	report_cell(r, COLUMN_DOWN, f->down);
	report_cell(r, COLUMN_FOLDED, row->fold);
	report_cell(r, COLUMN_ROWS, row->rows);
	if (by == DIM_DAY)
		lay_recorded(r, q, t, row, COLUMN_RECORDED);
}

static bool lay_table(struct report *r, const struct report_ask *q, struct tally *t, enum dim by)
{
	char title[40];
	struct tally_row *rows;
	size_t n;
	if (!tally_rows(t, by, q->fold_below, &rows, &n))
		return false;
	snprintf(title, sizeof title, "By %s", dim_title(by));
	report_table(r, dim_word(by), title, figure_columns[by],
		by == DIM_DAY ? COLUMN_COUNT : COLUMN_RECORDED);
	lay_chart(r, q, by, "active minutes", COLUMN_LABEL, COLUMN_ACTIVE, COLUMN_RECORDED);
	for (size_t i = 0; i < n; i++)
		lay_row(r, q, t, by, &rows[i]);
	free(rows);
	return true;
}

static void lay_method(struct report *r, const struct report_ask *q)
{
	method_minutes(r);
	method_once(r);
	method_counts(r);
	method_folding(r, q);
	method_errors(r);
	method_coverage(r);
}

static bool lay_out(struct report *r, const struct report_ask *q, struct tally *t)
{
	struct figures total;
	*r = (struct report){.name = "summary", .title = "Summary of use", .version = 1};
	tally_total(t, &total);
	lay_notes(r, t);
	lay_period(r, q);
	lay_coverage(r, q, t);
	lay_parameters(r, q);
	lay_total(r, &total);
	for (size_t i = 0; i < q->nby; i++)
		if (!lay_table(r, q, t, q->by[i]))
			return false;
	lay_nodes(r, q, t, false);
	lay_method(r, q);
	return !r->failed && !tally_failed(t);
}

/* --- running ---------------------------------------------------------------------------------- */

static int read_request(const struct cli *c, struct report_ask *q)
{
	int code = report_ask(c, NULL, q);
	if (code == CLI_OK)
		code = report_ask_fold(c, q);
	if (code == CLI_OK)
		code = report_ask_by(c, q, known, sizeof known / sizeof known[0],
			q->format == FORMAT_HTML ? 3 : 1,
			"service, role, zone, purpose, rule or day");
	return code;
}

static int read_and_report(const struct cli *c, const struct report_ask *q)
{
	struct report r = {0};
	struct tally *t = tally_new(&q->period);
	if (!t)
		return cli_fail(c, CLI_FOUND, "out of memory");
	int code = report_read(c, q, t, NULL);
	if (code == CLI_OK) {
		bool ok = lay_out(&r, q, t);
		code = report_put(c, q, &r, ok);
	}
	tally_free(t);
	return code;
}

static int run(struct cli *c)
{
	struct report_ask q = {.nby = 0};
	int code = read_request(c, &q);
	if (code == CLI_OK)
		code = read_and_report(c, &q);
	report_ask_drop(&q);
	return code;
}

const struct cli_command report_summary_command = {
	.name = "summary",
	.help = "says how much was used in a period, by service, role, zone, purpose, rule or day",
	.operands = "",
	.min = 0,
	.max = 0,
	.options = options,
	.about = "Without days: the last seven, today included. Days are those of the policy's "
		 "zone. "
		 "Every output carries its method and its coverage; nobody is named or ranked, and "
		 "rows of few people are folded.",
	.run = run,
};
