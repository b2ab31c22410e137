/*
 * Records as anybody may have written them, a line each, as reports in every format. Whatever names
 * stand in them: a page has no element and no address but those of its writer, a spreadsheet no
 * formula, a terminal no escape, and JSON is JSON.
 */
#include "report_lay.h"

#include "fuzz.h"

#include <jansson.h>

static const struct column columns[] = {
	{"key", NULL, VALUE_TEXT},
	{"label", "label", VALUE_TEXT},
	{"people", "people", VALUE_NUMBER},
	{"active", "active", VALUE_MINUTES},
	{"down", "received", VALUE_BYTES},
};

/* --- records to a report -----------------------------------------------------------------------
 */

static void add_lines(struct tally *t, struct span text)
{
	static struct record_decoder *decoder;
	struct rollup rollups[ROLLUP_PER_RECORD];
	struct record r;

	if (!decoder)
		decoder = record_decoder_new();
	must(decoder != NULL);
	while (text.p) {
		if (!record_decode(decoder, span_cut(&text, '\n'), &r, NULL)) {
			tally_bad(t, 1);
			continue;
		}
		size_t n = rollup_of(&r, rollups);
		must(n <= ROLLUP_PER_RECORD);
		for (size_t i = 0; i < n; i++)
			tally_add(t, 0, rollups[i].hash, rollups[i].day, span_str(rollups[i].field),
				rollups[i].add, span_str(rollups[i].text));
	}
}

static void lay_rows(struct report *r, struct tally *t, const struct report_ask *q, enum dim by)
{
	struct tally_row *rows;
	size_t n;

	must(tally_rows(t, by, 0, &rows, &n));
	report_table(r, dim_word(by), dim_title(by), columns, sizeof columns / sizeof *columns);
	if (by != DIM_DAY)
		lay_chart(r, q, by, "active minutes", 1, 3, SIZE_MAX);
	for (size_t i = 0; i < n; i++) {
		report_row(r);
		lay_label(r, by, &rows[i], 0, 1);
		report_cell(r, 2, rows[i].f.people);
		report_cell(r, 3, rows[i].f.active);
		report_cell(r, 4, rows[i].f.down);
	}
	free(rows);
}

static void lay_out(struct report *r, struct tally *t, const struct report_ask *q)
{
	*r = (struct report){.name = "fuzz", .title = "Fuzz", .version = 1};
	lay_notes(r, t);
	lay_nodes(r, q, t, false);
	for (int d = 0; d < DIM_COUNT; d++)
		lay_rows(r, t, q, (enum dim)d);
	must(!r->failed && !tally_failed(t));
}

/* --- what must hold of each format -------------------------------------------------------------
 */

/* In the words of the C library, which looks at many bytes at once. */
static bool is_clean(const struct buf *b)
{
	return strlen(b->p) == b->n &&
	       strcspn(b->p, "\001\002\003\004\005\006\007\010\013\014\016\017\020\021\022\023"
			     "\024\025\026\027\030\031\032\033\034\035\036\037\177") == b->n;
}

/* Elements that the writer has. What begins with "!" is the doctype. */
static void check_html(const struct buf *b)
{
	static const char *const tags[] = {"!doctype", "html", "head", "meta", "title", "style",
		"body", "main", "section", "header", "footer", "h1", "h2", "h3", "p", "dl", "dt",
		"dd", "div", "figure", "figcaption", "svg", "defs", "pattern", "path", "rect",
		"text", "desc", "g", "line", "table", "caption", "thead", "tbody", "tr", "th", "td",
		"strong", "time", "span", "ul", "li", "details", "summary", NULL};

	must(is_clean(b));
	for (const char *p = b->p; (p = strchr(p, '<')) != NULL; p++) {
		const char *name = p[1] == '/' ? p + 2 : p + 1;
		size_t n = strspn(name,
			       "!abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
		       i = 0;

		while (tags[i] && !span_caseeq(span_of(name, n), span_str(tags[i])))
			i++;
		must(tags[i] != NULL);
	}
}

/* Cells are quoted whole or plain; none begins as a formula. */
static void check_csv(const struct buf *b)
{
	const char *p = b->p, *end = b->p + b->n;
	bool begin = true;

	must(is_clean(b));
	while (p < end) {
		bool quoted = begin && *p == '"';

		if (begin)
			must(!strchr("=+-@\t", p[quoted]));
		begin = false;
		if (quoted) {
			for (p++; *p != '"' || p[1] == '"'; p += *p == '"' ? 2 : 1)
				must(p < end);
			must(p[1] == ',' || p[1] == '\r');
		}
		begin = *p == ',' || *p == '\n';
		p++;
	}
}

static void check_json(const struct buf *b)
{
	json_error_t e;
	json_t *j = json_loadb(b->p, b->n, JSON_REJECT_DUPLICATES, &e);

	must(j != NULL);
	json_decref(j);
}

static void check_all(const struct report *r)
{
	struct buf text = {0}, html = {0}, csv = {0}, json = {0};

	must(write_text(r, false, &text) && write_html(r, &html) && write_csv(r, false, &csv) &&
		write_json(r, &json));
	must(is_clean(&text));
	check_html(&html);
	check_csv(&csv);
	check_json(&json);
	buf_free(&text);
	buf_free(&html);
	buf_free(&csv);
	buf_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct report_ask q;
	struct report r;
	struct err e;

	if (!q.period.days)
		must(period_make(
			&q.period, "2026-03-01", "2026-03-03", "Europe/London", 1772445600, &e));
	struct tally *t = tally_new(&q.period);
	must(t != NULL);
	tally_node_open(t, SPAN("edge1"));
	add_lines(t, span_of(data, size));
	lay_out(&r, t, &q);
	check_all(&r);
	report_free(&r);
	tally_free(t);
	return 0;
}
