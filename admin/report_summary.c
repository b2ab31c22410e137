/*
 * stile-report summary: what was used in a period, by whom as far as roles go, and how sure that
 * is. Read from a source, added up in the tally, laid into a report, written. Method and coverage
 * go with every output: a figure without them would be believed too much.
 */
#include "report_commands.h"

#include "clock.h"
#include "file.h"
#include "report_config.h"
#include "source.h"
#include "table.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FOLD_BELOW     5
#define FOLD_BELOW_MAX 1000000
#define REPORT_MODE    0640

static const struct cli_option options[] = {
	{0, "from", "DAY", false,
		"first day: YYYY-MM-DD, today or yesterday; six days before today"},
	{0, "to", "DAY", false, "last day, included; today"},
	{0, "by", "WHAT", true,
		"a table by service, role, zone, purpose, rule or day; each adds one; service"},
	{0, "fold", "N", false, "fold rows of fewer than N people; 5"},
	{0, "format", "FORMAT", false, "text or json; text"},
	{0, "json", NULL, false, "the same as --format json"},
	{'o', "output", "FILE", false, "write to this file, at once and whole"},
	REPORT_SOURCE_OPTIONS,
	{0},
};

enum format { FORMAT_TEXT, FORMAT_JSON };

struct request {
	struct report_source source;
	struct period period;
	enum dim by[DIM_COUNT];
	size_t nby;
	uint64_t fold_below;
	enum format format;
	const char *output; /* NULL: stdout */
};

/* --- what is asked for ------------------------------------------------------------------------ */

static bool find_dim(const char *word, enum dim *out)
{
	for (int d = 0; d < DIM_COUNT; d++)
		if (strcmp(word, dim_word((enum dim)d)) == 0) {
			*out = (enum dim)d;
			return true;
		}
	return false;
}

static bool has_dim(const struct request *r, enum dim d)
{
	for (size_t i = 0; i < r->nby; i++)
		if (r->by[i] == d)
			return true;
	return false;
}

static int read_by(const struct cli *c, struct request *r)
{
	const char *word;
	for (size_t i = 0; (word = cli_value_at(c, "by", i)) != NULL; i++) {
		enum dim d;
		if (!find_dim(word, &d))
			return cli_usage(c,
				"--by '%s': expected service, role, zone, purpose, rule or day",
				word);
		if (!has_dim(r, d))
			r->by[r->nby++] = d;
	}
	if (r->nby == 0)
		r->by[r->nby++] = DIM_SERVICE;
	return CLI_OK;
}

static int read_format(const struct cli *c, struct request *r)
{
	const char *format = cli_value(c, "format");
	if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
		return cli_usage(c, "--format '%s': expected text or json", format);
	if (cli_has(c, "json") && format && strcmp(format, "json") != 0)
		return cli_usage(c, "--json and --format %s are two formats", format);
	r->format = cli_has(c, "json") || (format && strcmp(format, "json") == 0) ? FORMAT_JSON
										  : FORMAT_TEXT;
	return CLI_OK;
}

static int read_request(const struct cli *c, struct request *r)
{
	struct err e;
	const char *fold = cli_value(c, "fold");
	r->fold_below = FOLD_BELOW;
	r->output = cli_value(c, "output");
	if (fold && (!span_u64(span_str(fold), FOLD_BELOW_MAX, &r->fold_below) || !r->fold_below))
		return cli_usage(c, "--fold '%s': expected a number from 1", fold);
	int code = read_by(c, r);
	if (code == CLI_OK)
		code = read_format(c, r);
	if (code == CLI_OK)
		code = report_source_choose(c, &r->source);
	if (code == CLI_OK && !period_make(&r->period, cli_value(c, "from"), cli_value(c, "to"),
				      r->source.zone, clock_wall_ms() / 1000, &e))
		code = cli_usage(c, "%s", e.text);
	return code;
}

/* --- laying out ------------------------------------------------------------------------------- */

enum figure_column {
	COLUMN_KEY,
	COLUMN_LABEL,
	COLUMN_PEOPLE,
	COLUMN_ACCESSES,
	COLUMN_REFUSED,
	COLUMN_LIMITED,
	COLUMN_CHALLENGES,
	COLUMN_ACTIVE,
	COLUMN_IDLE,
	COLUMN_UP,
	COLUMN_DOWN,
	COLUMN_FOLDED,
	COLUMN_ROWS,
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
		[COLUMN_ACTIVE] = {"active_minutes", "active min", VALUE_MINUTES},                 \
		[COLUMN_IDLE] = {"idle_minutes", "idle min", VALUE_MINUTES},                       \
		[COLUMN_UP] = {"bytes_up", "up", VALUE_BYTES},                                     \
		[COLUMN_DOWN] = {"bytes_down", "down", VALUE_BYTES},                               \
		[COLUMN_FOLDED] = {"folded", NULL, VALUE_BOOL},                                    \
		[COLUMN_ROWS] = {"rows", NULL, VALUE_NUMBER}},
static const struct column figure_columns[DIM_COUNT][COLUMN_COUNT] = {
#include "dims.def"
};
#undef DIM

static const struct column node_columns[] = {
	{"node", "node", VALUE_TEXT},
	{"minutes_recorded", "recorded", VALUE_MINUTES},
	{"minutes_in_period", "of minutes", VALUE_MINUTES},
	{"lost_records", "lost records", VALUE_NUMBER},
};

static void lay_period(struct report *r, const struct request *q)
{
	char made[24] = "", place[512];
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;
	if (gmtime_r(&now, &tm))
		strftime(made, sizeof made, "%Y-%m-%dT%H:%M:%SZ", &tm);
	report_group(r, "period", "Period");
	report_text(r, "from", "from", q->period.from);
	report_text(r, "to", "to, included", q->period.to);
	report_number(r, "days", "days", VALUE_NUMBER, q->period.days);
	if (*q->period.zone)
		report_text(r, "zone", "zone of days", q->period.zone);
	else
		report_null(r, "zone", "zone of days", VALUE_TEXT);
	report_text(r, "made", "made", made);
	report_group(r, "source", "Source");
	report_text(r, "kind", NULL, q->source.journal ? "journal" : "redis");
	if (!q->source.journal)
		source_redis_name(q->source.redis, place, sizeof place);
	report_text(r, "place", q->source.journal ? "journal" : "store",
		q->source.journal ? q->source.journal : place);
}

static void lay_total(struct report *r, const struct figures *f)
{
	report_group(r, "total", "Total");
	report_number(r, "people", "people", VALUE_NUMBER, f->people);
	report_number(r, "accesses", "accesses", VALUE_NUMBER, f->accesses);
	report_number(r, "refused", "refused", VALUE_NUMBER, f->refused);
	report_number(r, "limited", "limited", VALUE_NUMBER, f->limited);
	report_number(
		r, "challenges", "challenges (logins asked for)", VALUE_NUMBER, f->challenges);
	report_number(r, "active_minutes", "active minutes", VALUE_MINUTES, f->active);
	report_number(r, "idle_minutes", "open, idle minutes", VALUE_MINUTES, f->idle);
	report_number(r, "bytes_up", "sent", VALUE_BYTES, f->up);
	report_number(r, "bytes_down", "received", VALUE_BYTES, f->down);
}

static void lay_coverage(struct report *r, const struct request *q, const struct tally *t)
{
	uint64_t recorded = 0, lost = 0, all = q->period.minutes * tally_nodes(t);
	for (size_t i = 0; i < tally_nodes(t); i++) {
		recorded += tally_node(t, i)->checkpoints;
		lost += tally_node(t, i)->lost;
	}
	report_group(r, "coverage", "Coverage");
	report_number(r, "nodes", "nodes", VALUE_NUMBER, tally_nodes(t));
	report_number(r, "minutes_recorded", "minutes recorded", VALUE_MINUTES, recorded);
	report_number(r, "minutes_in_period", "of minutes so far, all nodes", VALUE_MINUTES, all);
	report_number(r, "lost_records", "lost records", VALUE_NUMBER, lost);
	report_number(r, "bad_lines", "unreadable lines", VALUE_NUMBER, tally_bad_lines(t));
}

static void lay_parameters(struct report *r, const struct request *q)
{
	report_group(r, "parameters", NULL);
	report_number(r, "active_bytes", NULL, VALUE_BYTES, ACTIVE_BYTES);
	report_number(r, "active_bytes_up", NULL, VALUE_BYTES, ACTIVE_BYTES_UP);
	report_number(r, "fold_below", NULL, VALUE_NUMBER, q->fold_below);
}

static void lay_label(
	struct report *r, const struct request *q, enum dim by, const struct tally_row *row)
{
	char fold[96];
	snprintf(fold, sizeof fold, "fewer than %llu people (%zu %s)",
		(unsigned long long)q->fold_below, row->rows, row->rows == 1 ? "row" : "rows");
	if (row->key.n)
		report_cell_text(r, COLUMN_KEY, row->key);
	report_cell_text(r, COLUMN_LABEL,
		row->fold    ? span_str(fold)
		: row->key.n ? row->key
			     : span_str(dim_none(by)));
}

static void lay_row(
	struct report *r, const struct request *q, enum dim by, const struct tally_row *row)
{
	const struct figures *f = &row->f;
	report_row(r);
	lay_label(r, q, by, row);
	report_cell(r, COLUMN_PEOPLE, f->people);
	report_cell(r, COLUMN_ACCESSES, f->accesses);
	report_cell(r, COLUMN_REFUSED, f->refused);
	report_cell(r, COLUMN_LIMITED, f->limited);
	report_cell(r, COLUMN_CHALLENGES, f->challenges);
	report_cell(r, COLUMN_ACTIVE, f->active);
	report_cell(r, COLUMN_IDLE, f->idle);
	report_cell(r, COLUMN_UP, f->up);
	report_cell(r, COLUMN_DOWN, f->down);
	report_cell(r, COLUMN_FOLDED, row->fold);
	report_cell(r, COLUMN_ROWS, row->rows);
}

static bool lay_table(struct report *r, const struct request *q, struct tally *t, enum dim by)
{
	char title[40];
	struct tally_row *rows;
	size_t n;
	if (!tally_rows(t, by, q->fold_below, &rows, &n))
		return false;
	snprintf(title, sizeof title, "By %s", dim_title(by));
	report_table(r, dim_word(by), title, figure_columns[by], COLUMN_COUNT);
	for (size_t i = 0; i < n; i++)
		lay_row(r, q, by, &rows[i]);
	free(rows);
	return true;
}

static void lay_nodes(struct report *r, const struct request *q, const struct tally *t)
{
	report_table(r, "nodes", "Coverage by node", node_columns,
		sizeof node_columns / sizeof node_columns[0]);
	for (size_t i = 0; i < tally_nodes(t); i++) {
		const struct tally_node *n = tally_node(t, i);
		report_row(r);
		if (*n->name)
			report_cell_text(r, 0, span_str(n->name));
		report_cell(r, 1, n->checkpoints);
		report_cell(r, 2, q->period.minutes);
		report_cell(r, 3, n->lost);
	}
}

static void lay_method(struct report *r, const struct request *q)
{
	unsigned long long fold = q->fold_below;
	report_paragraph(r, "method",
		"Active minutes: a UTC minute is active when a person's traffic with the core "
		"hosts "
		"of one service, added up over tabs, workers, nodes, roles and rules, came to %d "
		"bytes "
		"or more, %d or more of them sent. With less it is open, idle.",
		ACTIVE_BYTES, ACTIVE_BYTES_UP);
	report_paragraph(r, "method",
		"A minute is a minute: in one row, and in the total, a person's minute counts "
		"once, as "
		"active if it was active with any service. A minute with two services stands in "
		"both "
		"their rows, so rows may add up to more than the total. A minute with one service "
		"under several roles, rules, purposes or zones belongs to the one with most core "
		"bytes, "
		"to the first by name where they are equal.");
	report_paragraph(r, "method",
		"Accesses were given. Refused: the policy says no. Limited: a limit was spent. "
		"Challenges asked for a login and refused nobody. People are distinct pseudonyms "
		"with "
		"anything in the row; what came without a login counts in accesses and bytes, "
		"never in "
		"people or minutes.");
	report_paragraph(r, "method",
		"Rows of fewer than %llu people are folded into one, and the smallest others with "
		"them "
		"as long as the fold holds one row or fewer than %llu people, so that it cannot be "
		"computed back from the total. Rows in which nobody is known have no people and "
		"stay. "
		"The total is shown however few they are. Reports that overlap can be subtracted "
		"from "
		"each other; folding cannot prevent it.",
		fold, fold);
	report_paragraph(r, "method",
		"Known errors: apps that load by themselves make active minutes while nobody "
		"looks; "
		"long reading without traffic makes none; several people on one account are one "
		"person, one person on several accounts is several; hosts that several services "
		"share "
		"add bytes but no minutes.");
	report_paragraph(r, "method",
		"Coverage: each node leaves a mark in every minute in which it records; minutes "
		"recorded are these marks, against the minutes of the period that have passed, in "
		"the "
		"zone named above (UTC where none is). Lost records are those of which only the "
		"number "
		"is known; unreadable lines are in no figure.");
}

/* Demonstration data must never be taken for people's, nor a silence for rest. */
static void lay_notes(struct report *r, const struct tally *t)
{
	uint64_t recorded = 0;
	for (size_t i = 0; i < tally_nodes(t); i++) {
		const struct tally_node *n = tally_node(t, i);
		recorded += n->checkpoints;
		if (strncmp(n->name, "generated", 9) == 0)
			report_paragraph(r, "notes",
				"Node %s holds generated data, made for demonstration: these are "
				"not "
				"the figures of people.",
				n->name);
	}
	if (recorded == 0)
		report_paragraph(r, "notes",
			"No node left a mark of recording in this period: what was used then, if "
			"anything, is not known.");
}

static bool lay_out(struct report *r, const struct request *q, struct tally *t)
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
	lay_nodes(r, q, t);
	lay_method(r, q);
	return !r->failed && !tally_failed(t);
}

/* --- running ---------------------------------------------------------------------------------- */

static int put_out(const struct cli *c, const struct request *q, const struct buf *text)
{
	struct err e;
	if (!q->output)
		fwrite(text->p, 1, text->n, stdout);
	else if (!file_replace(q->output, buf_spanof(text), REPORT_MODE, &e))
		return cli_fail(c, CLI_FOUND, "%s", e.text);
	return CLI_OK;
}

static int report(const struct cli *c, const struct request *q, struct tally *t)
{
	struct report r;
	struct buf text = {0};
	bool colours = !q->output && cli_colours(stdout);
	bool ok = lay_out(&r, q, t);
	ok = ok &&
	     (q->format == FORMAT_JSON ? write_json(&r, &text) : write_text(&r, colours, &text));
	int code = ok ? put_out(c, q, &text) : cli_fail(c, CLI_FOUND, "out of memory");
	buf_free(&text);
	report_free(&r);
	return code;
}

static int read_and_report(const struct cli *c, const struct request *q)
{
	struct err e = {""};
	struct tally *t = tally_new(&q->period);
	bool progress = isatty(STDERR_FILENO);
	if (!t)
		return cli_fail(c, CLI_FOUND, "out of memory");
	bool ok = q->source.journal ? source_journal_read(q->source.journal, t, NULL, progress, &e)
				    : source_redis_read(q->source.redis, t, NULL, progress, &e);
	int code = ok ? report(c, q, t) : cli_fail(c, CLI_FOUND, "%s", e.text);
	tally_free(t);
	return code;
}

static int run(struct cli *c)
{
	struct request q = {0};
	int code = read_request(c, &q);
	if (code == CLI_OK)
		code = read_and_report(c, &q);
	report_source_drop(&q.source);
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
