/*
 * stile-report person: one pseudonym over a period, by day and service. There is no list to pick
 * from and nobody to compare with: who asks must hold the whole pseudonym already. Whose it is,
 * this report does not know.
 */
#include "report_commands.h"

#include "report_lay.h"

#include <stdlib.h>

#define PSEUDONYM_LEN 24

static const struct cli_option options[] = {
	REPORT_PERIOD_OPTIONS,
	REPORT_OUTPUT_OPTIONS,
	REPORT_SOURCE_OPTIONS,
	{0},
};

/* --- laying out ------------------------------------------------------------------------------- */

/* A row names one thing or, where it is of a day and a service, two. */
enum person_column {
	COLUMN_DAY,
	COLUMN_NAME,
	COLUMN_ACTIVE,
	COLUMN_IDLE,
	COLUMN_ACCESSES,
	COLUMN_REFUSED,
	COLUMN_LIMITED,
	COLUMN_UP,
	COLUMN_DOWN,
	COLUMN_RECORDED, /* of days only */
	COLUMN_COUNT
};

#define FIGURES                                                                                    \
	[COLUMN_ACTIVE] = {"active_minutes", "active min", VALUE_MINUTES},                         \
	[COLUMN_IDLE] = {"idle_minutes", "idle min", VALUE_MINUTES},                               \
	[COLUMN_ACCESSES] = {"accesses", "accesses", VALUE_NUMBER},                                \
	[COLUMN_REFUSED] = {"refused", "refused", VALUE_NUMBER},                                   \
	[COLUMN_LIMITED] = {"limited", "limited", VALUE_NUMBER},                                   \
	[COLUMN_UP] = {"bytes_up", "up", VALUE_BYTES},                                             \
	[COLUMN_DOWN] = {"bytes_down", "down", VALUE_BYTES},                                       \
	[COLUMN_RECORDED] = {"minutes_recorded", "recorded", VALUE_MINUTES}

static const struct column day_columns[COLUMN_COUNT] = {[COLUMN_DAY] = {"day", "day", VALUE_TEXT},
	[COLUMN_NAME] = {"service", NULL, VALUE_TEXT},
	FIGURES};
static const struct column service_columns[COLUMN_COUNT] = {
	[COLUMN_DAY] = {"day", NULL, VALUE_TEXT},
	[COLUMN_NAME] = {"service", "service", VALUE_TEXT},
	FIGURES};
static const struct column both_columns[COLUMN_COUNT] = {[COLUMN_DAY] = {"day", "day", VALUE_TEXT},
	[COLUMN_NAME] = {"service", "service", VALUE_TEXT},
	FIGURES};
static const struct column rule_columns[COLUMN_COUNT] = {[COLUMN_DAY] = {"day", NULL, VALUE_TEXT},
	[COLUMN_NAME] = {"rule", "rule", VALUE_TEXT},
	FIGURES};

static void lay_names(struct report *r, enum dim by, const struct tally_row *row)
{
	struct span name = row->key;
	if (by == DIM_DAY || by == DIM_DAY_SERVICE)
		report_cell_text(r, COLUMN_DAY, span_cut(&name, ' '));
	if (by == DIM_DAY)
		return;
	enum dim of = by == DIM_DAY_SERVICE ? DIM_SERVICE : by;
	report_cell_text(r, COLUMN_NAME, name.n ? name : span_str(dim_none(of)));
}

static void lay_row(struct report *r, const struct report_ask *q, const struct tally *t,
	enum dim by, const struct tally_row *row)
{
	const struct figures *f = &row->f;
	report_row(r);
	lay_names(r, by, row);
	report_cell(r, COLUMN_ACTIVE, f->active);
	report_cell(r, COLUMN_IDLE, f->idle);
	report_cell(r, COLUMN_ACCESSES, f->accesses);
	report_cell(r, COLUMN_REFUSED, f->refused);
	report_cell(r, COLUMN_LIMITED, f->limited);
	report_cell(r, COLUMN_UP, f->up);
	report_cell(r, COLUMN_DOWN, f->down);
	if (by == DIM_DAY)
		lay_recorded(r, q, t, row, COLUMN_RECORDED);
}

static bool lay_table(struct report *r, const struct report_ask *q, struct tally *t, enum dim by,
	const char *title, const struct column *columns)
{
	struct tally_row *rows;
	size_t n, label = by == DIM_DAY ? COLUMN_DAY : COLUMN_NAME;
	if (!tally_rows(t, by, 1, &rows, &n))
		return false;
	report_table(
		r, dim_word(by), title, columns, by == DIM_DAY ? COLUMN_COUNT : COLUMN_RECORDED);
	if (by == DIM_DAY || by == DIM_SERVICE)
		lay_chart(r, q, by, "active minutes", label, COLUMN_ACTIVE, COLUMN_RECORDED);
	for (size_t i = 0; i < n; i++)
		lay_row(r, q, t, by, &rows[i]);
	free(rows);
	return true;
}

static void lay_total(struct report *r, const struct figures *f)
{
	report_group(r, "total", "Total");
	report_lead(r);
	report_number(r, "active_minutes", "active minutes", VALUE_MINUTES, f->active);
	report_number(r, "idle_minutes", "open, idle minutes", VALUE_MINUTES, f->idle);
	report_number(r, "accesses", "accesses", VALUE_NUMBER, f->accesses);
	report_number(r, "refused", "refused", VALUE_NUMBER, f->refused);
	report_number(r, "limited", "limited", VALUE_NUMBER, f->limited);
	report_number(r, "bytes_up", "sent", VALUE_BYTES, f->up);
	report_number(r, "bytes_down", "received", VALUE_BYTES, f->down);
}

static void lay_method(struct report *r)
{
	report_paragraph(r, "method",
		"One pseudonym: what was recorded under it, whoever sat at the keyboard. It stands "
		"for "
		"an account, not for a name; this report cannot open it and compares it with "
		"nobody.");
	method_minutes(r);
	method_once(r);
	report_paragraph(r, "method",
		"Accesses were given. Refused: the policy said no. Limited: a limit was spent. "
		"Both "
		"count every refusal, the retries of browsers and apps included.");
	method_errors(r);
	method_coverage(r);
}

static bool lay_out(
	struct report *r, const struct report_ask *q, const char *pseudonym, struct tally *t)
{
	struct figures total;
	*r = (struct report){.name = "person", .title = "One pseudonym", .version = 1};
	tally_total(t, &total);
	lay_notes(r, t);
	lay_period(r, q);
	report_group(r, "person", "Person");
	report_text(r, "pseudonym", "pseudonym", pseudonym);
	lay_coverage(r, q, t);
	report_group(r, "parameters", NULL);
	report_number(r, "active_bytes", NULL, VALUE_BYTES, ACTIVE_BYTES);
	report_number(r, "active_bytes_up", NULL, VALUE_BYTES, ACTIVE_BYTES_UP);
	lay_total(r, &total);
	bool ok = lay_table(r, q, t, DIM_DAY, "By day", day_columns) &&
		  lay_table(r, q, t, DIM_SERVICE, "By service", service_columns) &&
		  lay_table(r, q, t, DIM_DAY_SERVICE, "By day and service", both_columns) &&
		  lay_table(r, q, t, DIM_RULE, "By rule", rule_columns);
	lay_nodes(r, q, t, false);
	lay_method(r);
	return ok && !r->failed && !tally_failed(t);
}

/* --- running ---------------------------------------------------------------------------------- */

static bool is_pseudonym(const char *text)
{
	return strlen(text) == PSEUDONYM_LEN && strspn(text, "0123456789abcdef") == PSEUDONYM_LEN;
}

/* That there is nothing is worth less where little was recorded. */
static int say_nothing(const struct cli *c, const struct report_ask *q, const struct tally *t)
{
	uint64_t recorded = 0;
	for (size_t i = 0; i < tally_nodes(t); i++)
		recorded += tally_node(t, i)->checkpoints;
	return cli_fail(c, CLI_FOUND,
		"there is no record of %s from %s to %s (recorded: %llu minutes of %llu)",
		cli_operand(c, 0), q->period.from, q->period.to, (unsigned long long)recorded,
		(unsigned long long)(q->period.minutes * tally_nodes(t)));
}

static int report(const struct cli *c, const struct report_ask *q, struct tally *t)
{
	struct figures total;
	struct report r = {0};
	tally_total(t, &total);
	if (!tally_failed(t) && total.people == 0)
		return say_nothing(c, q, t);
	bool ok = lay_out(&r, q, cli_operand(c, 0), t);
	return report_put(c, q, &r, ok);
}

static int read_and_report(const struct cli *c, const struct report_ask *q)
{
	struct tally *t = tally_new(&q->period);
	if (!t)
		return cli_fail(c, CLI_FOUND, "out of memory");
	tally_only(t, span_str(cli_operand(c, 0)));
	int code = report_read(c, q, t, NULL);
	if (code == CLI_OK)
		code = report(c, q, t);
	tally_free(t);
	return code;
}

static int run(struct cli *c)
{
	struct report_ask q = {.nby = 0};
	if (!is_pseudonym(cli_operand(c, 0)))
		return cli_usage(c, "'%s' is no pseudonym: expected the whole of it, %d hex digits",
			cli_operand(c, 0), PSEUDONYM_LEN);
	int code = report_ask(c, NULL, &q);
	if (code == CLI_OK)
		code = read_and_report(c, &q);
	report_ask_drop(&q);
	return code;
}

const struct cli_command report_person_command = {
	.name = "person",
	.help = "says what one pseudonym used and was refused, by day and service",
	.operands = "PSEUDONYM",
	.min = 1,
	.max = 1,
	.options = options,
	.about = "PSEUDONYM is the whole of it, 24 hex digits; 1 is returned where the period has "
		 "no "
		 "record of it. Nobody is compared with anybody, and no name is opened.",
	.run = run,
};
