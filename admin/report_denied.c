/*
 * stile-report denied: what people tried and were refused, with retries as one attempt. Daily sums
 * know no moments, so this is made from raw records; the sums say how much of it retention left.
 */
#include "report_commands.h"

#include "attempts.h"
#include "policy.h"
#include "report_lay.h"

#include <stdlib.h>

static const struct cli_option options[] = {
	REPORT_PERIOD_OPTIONS,
	{0, "by", "WHAT", true,
		"a table by rule, reason, destination, day, role, service, zone or purpose; each "
		"adds one; the first four"},
	REPORT_FOLD_OPTION,
	REPORT_OUTPUT_OPTIONS,
	REPORT_SOURCE_OPTIONS,
	{0},
};

static const enum dim known[] = {DIM_RULE, DIM_REASON, DIM_DESTINATION, DIM_DAY, DIM_ROLE,
	DIM_SERVICE, DIM_ZONE, DIM_PURPOSE};

/* What was read: the daily sums, and the attempts. */
struct findings {
	struct tally *sums, *attempts;
	struct attempts *raw;
};

/* --- laying out ------------------------------------------------------------------------------- */

enum denied_column {
	COLUMN_KEY,
	COLUMN_LABEL,
	COLUMN_PEOPLE,
	COLUMN_ATTEMPTS,
	COLUMN_REFUSED,
	COLUMN_LIMITED,
	COLUMN_FOLDED,
	COLUMN_ROWS,
	COLUMN_MORE, /* of days: minutes recorded; of reasons: what they mean */
	COLUMN_COUNT
};

#define MORE_RECORDED                                                                              \
	{                                                                                          \
		"minutes_recorded", "recorded", VALUE_MINUTES                                      \
	}
#define MORE_MEANING                                                                               \
	{                                                                                          \
		"meaning", "meaning", VALUE_TEXT                                                   \
	}
#define COLUMNS(title, more)                                                                       \
	{                                                                                          \
		[COLUMN_KEY] = {"key", NULL, VALUE_TEXT},                                          \
		[COLUMN_LABEL] = {"label", title, VALUE_TEXT},                                     \
		[COLUMN_PEOPLE] = {"people", "people", VALUE_NUMBER},                              \
		[COLUMN_ATTEMPTS] = {"attempts", "attempts", VALUE_NUMBER},                        \
		[COLUMN_REFUSED] = {"refused", "refused", VALUE_NUMBER},                           \
		[COLUMN_LIMITED] = {"limited", "limited", VALUE_NUMBER},                           \
		[COLUMN_FOLDED] = {"folded", NULL, VALUE_BOOL},                                    \
		[COLUMN_ROWS] = {"rows", NULL, VALUE_NUMBER}, [COLUMN_MORE] = more                 \
	}
static const struct column day_columns[COLUMN_COUNT] = COLUMNS("day", MORE_RECORDED);
static const struct column reason_columns[COLUMN_COUNT] = COLUMNS("reason", MORE_MEANING);
#define DIM(name, word, title, none) [DIM_##name] = COLUMNS(title, MORE_MEANING),
static const struct column other_columns[DIM_COUNT][COLUMN_COUNT] = {
#include "dims.def"
};
#undef DIM

static void open_table(struct report *r, enum dim by)
{
	char title[40];
	snprintf(title, sizeof title, "By %s", dim_title(by));
	if (by == DIM_DAY)
		report_table(r, dim_word(by), title, day_columns, COLUMN_COUNT);
	else if (by == DIM_REASON)
		report_table(r, dim_word(by), title, reason_columns, COLUMN_COUNT);
	else
		report_table(r, dim_word(by), title, other_columns[by], COLUMN_MORE);
}

static void lay_meaning(struct report *r, struct span reason)
{
	for (int i = 0; i < REASON_COUNT; i++)
		if (span_is(reason, reason_info((enum reason)i)->word))
			report_cell_text(
				r, COLUMN_MORE, span_str(reason_info((enum reason)i)->text));
}

static void lay_row(struct report *r, const struct report_ask *q, const struct findings *f,
	enum dim by, const struct tally_row *row)
{
	report_row(r);
	lay_label(r, by, row, COLUMN_KEY, COLUMN_LABEL);
	report_cell(r, COLUMN_PEOPLE, row->f.people);
	report_cell(r, COLUMN_ATTEMPTS, row->f.attempts);
	report_cell(r, COLUMN_REFUSED, row->f.refused);
	report_cell(r, COLUMN_LIMITED, row->f.limited);
	report_cell(r, COLUMN_FOLDED, row->fold);
	report_cell(r, COLUMN_ROWS, row->rows);
	if (by == DIM_DAY)
		lay_recorded(r, q, f->sums, row, COLUMN_MORE);
	if (by == DIM_REASON)
		lay_meaning(r, row->key);
}

static bool lay_table(
	struct report *r, const struct report_ask *q, const struct findings *f, enum dim by)
{
	struct tally_row *rows;
	size_t n;
	if (!tally_rows(f->attempts, by, q->fold_below, &rows, &n))
		return false;
	open_table(r, by);
	lay_chart(r, q, by, "attempts", COLUMN_LABEL, COLUMN_ATTEMPTS, COLUMN_MORE);
	for (size_t i = 0; i < n; i++)
		lay_row(r, q, f, by, &rows[i]);
	free(rows);
	return true;
}

/* Refusals that the daily sums know and raw records do not show any more. */
static void lay_retention(struct report *r, const struct findings *f, const struct figures *sums)
{
	uint64_t counted = sums->refused + sums->limited, raw = attempts_refusals(f->raw);
	uint64_t days = 0;
	for (size_t i = 0; i < tally_nodes(f->sums); i++)
		days += tally_node(f->sums, i)->raw_days;
	report_number(r, "raw_days", "days with raw records, all nodes", VALUE_NUMBER, days);
	report_number(r, "refusals_counted", "refusals in daily sums", VALUE_NUMBER, counted);
	report_number(r, "refusals_raw", "of them in raw records", VALUE_NUMBER, raw);
	if (raw < counted)
		report_paragraph(r, "notes",
			"The daily sums know of %llu refusals, raw records of %llu: the others are "
			"older than what is kept and are in no figure but those of the coverage.",
			(unsigned long long)counted, (unsigned long long)raw);
}

static void lay_total(struct report *r, const struct figures *f)
{
	report_group(r, "total", "Total");
	report_lead(r);
	report_number(r, "people", "people", VALUE_NUMBER, f->people);
	report_number(r, "attempts", "attempts", VALUE_NUMBER, f->attempts);
	report_number(r, "refused", "refused, retries counted", VALUE_NUMBER, f->refused);
	report_number(r, "limited", "limited, retries counted", VALUE_NUMBER, f->limited);
}

static void lay_method(struct report *r, const struct report_ask *q)
{
	report_paragraph(r, "method",
		"Attempts: refusals of the same person, destination, rule and reason are one "
		"attempt "
		"as long as each comes within %d seconds of the one before, for browsers and apps "
		"ask again by themselves. An attempt stands on the day on which it began. What "
		"came "
		"without a login is taken as one person's and makes no people.",
		ATTEMPT_GAP_MS / 1000);
	report_paragraph(r, "method",
		"Refused: the policy says no. Limited: a limit was spent. Both count every "
		"refusal, "
		"retries included. Requests for a login refuse nobody and are not here. The "
		"destination is what the rule lets records keep: service, registrable domain, host "
		"or other.");
	report_paragraph(r, "method",
		"Attempts are made from raw records, which are kept for a shorter time than daily "
		"sums. The coverage says of how many days there are any, and how many refusals "
		"only the sums still know.");
	method_folding(r, q);
	method_coverage(r);
}

static bool lay_out(struct report *r, const struct report_ask *q, struct findings *f)
{
	struct figures total, sums;
	*r = (struct report){.name = "denied", .title = "What was refused", .version = 1};
	tally_total(f->attempts, &total);
	tally_total(f->sums, &sums);
	lay_notes(r, f->sums);
	lay_period(r, q);
	lay_coverage(r, q, f->sums);
	lay_retention(r, f, &sums);
	report_group(r, "parameters", NULL);
	report_number(r, "attempt_gap_seconds", NULL, VALUE_NUMBER, ATTEMPT_GAP_MS / 1000);
	report_number(r, "fold_below", NULL, VALUE_NUMBER, q->fold_below);
	lay_total(r, &total);
	for (size_t i = 0; i < q->nby; i++)
		if (!lay_table(r, q, f, q->by[i]))
			return false;
	lay_nodes(r, q, f->sums, true);
	lay_method(r, q);
	return !r->failed && !tally_failed(f->sums) && !tally_failed(f->attempts);
}

/* --- running ---------------------------------------------------------------------------------- */

static int read_request(const struct cli *c, struct report_ask *q)
{
	int code = report_ask(c, NULL, q);
	if (code == CLI_OK)
		code = report_ask_fold(c, q);
	if (code == CLI_OK)
		code = report_ask_by(c, q, known, sizeof known / sizeof known[0], 4,
			"rule, reason, destination, day, role, service, zone or purpose");
	return code;
}

static int read_and_report(const struct cli *c, const struct report_ask *q, struct findings *f)
{
	const struct raw_taker taker = {attempts_take, f->raw};
	struct report r = {0};
	int code = report_read(c, q, f->sums, &taker);
	if (code != CLI_OK)
		return code;
	bool ok = attempts_give(f->raw, f->attempts) && lay_out(&r, q, f);
	return report_put(c, q, &r, ok);
}

static int with_findings(const struct cli *c, const struct report_ask *q)
{
	struct findings f = {tally_new(&q->period), tally_new(&q->period), attempts_new()};
	int code = f.sums && f.attempts && f.raw ? read_and_report(c, q, &f)
						 : cli_fail(c, CLI_FOUND, "out of memory");
	tally_free(f.sums);
	tally_free(f.attempts);
	attempts_free(f.raw);
	return code;
}

static int run(struct cli *c)
{
	struct report_ask q = {.nby = 0};
	int code = read_request(c, &q);
	if (code == CLI_OK)
		code = with_findings(c, &q);
	report_ask_drop(&q);
	return code;
}

const struct cli_command report_denied_command = {
	.name = "denied",
	.help = "says what was refused, retries as one attempt",
	.operands = "",
	.min = 0,
	.max = 0,
	.options = options,
	.about = "Made from raw records, of which the coverage says how many are left. Nobody is "
		 "named or ranked, and rows of few people are folded.",
	.run = run,
};
