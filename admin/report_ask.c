#include "report_ask.h"

#include "clock.h"
#include "file.h"

#include <unistd.h>

#define FOLD_BELOW     5
#define FOLD_BELOW_MAX 1000000
#define REPORT_MODE    0640

/* --- what is asked for ------------------------------------------------------------------------ */

static const char *const formats[] = {[FORMAT_TEXT] = "text",
	[FORMAT_JSON] = "json",
	[FORMAT_CSV] = "csv",
	[FORMAT_HTML] = "html"};

static int read_format(const struct cli *c, struct report_ask *q)
{
	const char *format = cli_value(c, "format");
	if (cli_has(c, "json") && format && strcmp(format, "json") != 0)
		return cli_usage(c, "--json and --format %s are two formats", format);
	if (cli_has(c, "json"))
		format = "json";
	q->format = FORMAT_TEXT;
	while (format && strcmp(format, formats[q->format]) != 0)
		if (++q->format > FORMAT_HTML)
			return cli_usage(
				c, "--format '%s': expected text, json, csv or html", format);
	q->bom = cli_has(c, "bom");
	if (q->bom && q->format != FORMAT_CSV)
		return cli_usage(c, "--bom goes with --format csv");
	return CLI_OK;
}

int report_ask(const struct cli *c, const char *policy, struct report_ask *q)
{
	struct err e;
	q->fold_below = FOLD_BELOW;
	q->output = cli_value(c, "output");
	int code = read_format(c, q);
	if (code == CLI_OK)
		code = report_source_choose(c, policy, &q->source);
	if (code == CLI_OK && !period_make(&q->period, cli_value(c, "from"), cli_value(c, "to"),
				      q->source.zone, clock_wall_ms() / 1000, &e))
		code = cli_usage(c, "%s", e.text);
	return code;
}

int report_ask_fold(const struct cli *c, struct report_ask *q)
{
	const char *fold = cli_value(c, "fold");
	if (fold && (!span_u64(span_str(fold), FOLD_BELOW_MAX, &q->fold_below) || !q->fold_below))
		return cli_usage(c, "--fold '%s': expected a number from 1", fold);
	return CLI_OK;
}

bool report_asks(const struct report_ask *q, enum dim d)
{
	for (size_t i = 0; i < q->nby; i++)
		if (q->by[i] == d)
			return true;
	return false;
}

static bool find_dim(const char *word, const enum dim *known, size_t n, enum dim *out)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, dim_word(known[i])) == 0) {
			*out = known[i];
			return true;
		}
	return false;
}

int report_ask_by(const struct cli *c, struct report_ask *q, const enum dim *known, size_t nknown,
	size_t usual, const char *words)
{
	const char *word;
	for (size_t i = 0; (word = cli_value_at(c, "by", i)) != NULL; i++) {
		enum dim d;
		if (!find_dim(word, known, nknown, &d))
			return cli_usage(c, "--by '%s': expected %s", word, words);
		if (!report_asks(q, d))
			q->by[q->nby++] = d;
	}
	for (size_t i = 0; i < usual && !cli_has(c, "by"); i++)
		q->by[q->nby++] = known[i];
	return CLI_OK;
}

void report_ask_drop(struct report_ask *q)
{
	report_source_drop(&q->source);
}

/* --- reading and writing ---------------------------------------------------------------------- */

int report_read(const struct cli *c, const struct report_ask *q, struct tally *t,
	const struct raw_taker *raw)
{
	struct err e = {""};
	bool progress = isatty(STDERR_FILENO);
	bool ok = q->source.journal ? source_journal_read(q->source.journal, t, raw, progress, &e)
				    : source_redis_read(&q->source.login, t, raw, progress, &e);
	return ok ? CLI_OK : cli_fail(c, CLI_FOUND, "%s", e.text);
}

static bool write_as(const struct report_ask *q, const struct report *r, struct buf *out)
{
	switch (q->format) {
	case FORMAT_JSON:
		return write_json(r, out);
	case FORMAT_CSV:
		return write_csv(r, q->bom, out);
	case FORMAT_HTML:
		return write_html(r, out);
	case FORMAT_TEXT:
		break;
	}
	return write_text(r, !q->output && cli_colours(stdout), out);
}

int report_put(const struct cli *c, const struct report_ask *q, struct report *r, bool ok)
{
	struct err e;
	struct buf text = {0};
	int code = CLI_OK;
	if (!ok || !write_as(q, r, &text))
		code = cli_fail(c, CLI_FOUND, "out of memory");
	else if (!q->output)
		fwrite(text.p, 1, text.n, stdout);
	else if (!file_replace(q->output, buf_spanof(&text), REPORT_MODE, &e))
		code = cli_fail(c, CLI_FOUND, "%s", e.text);
	buf_free(&text);
	report_free(r);
	return code;
}
