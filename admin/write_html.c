/*
 * A report as one page that stands alone: no script, nothing fetched (its own policy forbids both),
 * headings and tables that a screen reader can walk, charts with the same numbers in a table below.
 * What the reader came for stands first, how it was counted last, and both go onto paper.
 */
#include "html_chart.h"
#include "html_style.h"
#include "period.h"
#include "write_value.h"

#define ALL	   SIZE_MAX
#define NAME_WHOLE 24 /* bytes of a row's name that are kept on one line */

/* --- pieces ----------------------------------------------------------------------------------- */

static void value_html(struct buf *b, const struct value *v, enum value_type type)
{
	struct buf text = {0};
	add_value(&text, v, type, ALL);
	b->failed |= text.failed;
	if (v->marked)
		buf_adds(b, "<strong class=\"mark\">");
	buf_html(b, buf_spanof(&text));
	if (v->marked)
		buf_adds(b, "</strong>");
	buf_free(&text);
}

static void titled(struct buf *b, const char *open, const char *text, const char *close)
{
	buf_adds(b, open);
	html_text(b, text, ALL);
	buf_adds(b, close);
}

static void add_list(struct buf *b, const struct field_group *g, const char *attributes)
{
	buf_printf(b, "<dl%s>", attributes);
	for (size_t i = 0; i < g->n; i++) {
		const struct column *what = &g->v[i].what;
		if (!what->title)
			continue;
		if (g->lead)
			buf_adds(b, "<div>");
		titled(b, "<dt>", what->title, "</dt><dd>");
		value_html(b, &g->v[i].v, what->type);
		buf_adds(b, g->lead ? "</dd></div>" : "</dd>");
	}
	buf_adds(b, "</dl>");
}

static void add_groups(struct buf *b, const struct report *r)
{
	for (size_t i = 0; i < r->ngroups; i++)
		if (r->group[i].lead)
			add_list(b, &r->group[i], " class=\"lead\"");
	buf_adds(b, "\n<div class=\"groups\">");
	for (size_t i = 0; i < r->ngroups; i++) {
		const struct field_group *g = &r->group[i];
		if (g->lead || !g->title)
			continue;
		titled(b, "<section><h2>", g->title, "</h2>");
		add_list(b, g, "");
		buf_adds(b, "</section>");
	}
	buf_adds(b, "</div>\n");
}

/* --- tables ----------------------------------------------------------------------------------- */

static void add_heading(struct buf *b, const struct table *t)
{
	buf_adds(b, "<thead><tr>");
	for (size_t k = 0; k < t->ncolumns; k++)
		if (t->columns[k].title)
			titled(b,
				type_is_text(t->columns[k].type) ? "<th scope=\"col\">"
								 : "<th scope=\"col\" class=\"n\">",
				t->columns[k].title, "</th>");
	buf_adds(b, "</tr></thead>\n");
}

/* Days and short names must not break at their hyphens. */
static const char *class_of(const struct value *v, enum value_type type, bool first)
{
	int64_t day;
	if (!type_is_text(type))
		return " class=\"n\"";
	bool whole =
		v->set && (day_number(v->text, &day) || (first && strlen(v->text) <= NAME_WHOLE));
	return whole ? " class=\"w\"" : "";
}

/* The first column names the row. */
static void add_row(struct buf *b, const struct table *t, size_t row)
{
	bool first = true;
	buf_adds(b, "<tr>");
	for (size_t k = 0; k < t->ncolumns; k++) {
		const struct value *v = &t->v[row * t->ncolumns + k];
		enum value_type type = t->columns[k].type;
		if (!t->columns[k].title)
			continue;
		const char *tag = first ? "th" : "td";
		buf_printf(b, "<%s%s%s>", tag, first ? " scope=\"row\"" : "",
			class_of(v, type, first));
		value_html(b, v, type);
		buf_printf(b, "</%s>", tag);
		first = false;
	}
	buf_adds(b, "</tr>\n");
}

/* Where a chart stands above, the table is its other form; else the heading says enough. */
static void add_caption(struct buf *b, const struct table *t, size_t id)
{
	bool chart = t->chart.kind != CHART_NONE;
	buf_printf(b, "<caption id=\"c%zu\"%s>", id, chart ? "" : " class=\"v\"");
	html_text(b, t->title, ALL);
	buf_adds(b, chart ? ", in figures</caption>\n" : "</caption>\n");
}

static void add_table(struct buf *b, const struct table *t, size_t id)
{
	buf_adds(b, "<section><h2>");
	html_text(b, t->title, ALL);
	buf_adds(b, "</h2>\n");
	html_chart(b, t, id);
	if (t->nrows == 0) {
		buf_adds(b, "<p>Nothing.</p></section>\n");
		return;
	}
	buf_printf(b,
		"<div class=\"scroll\" role=\"region\" aria-labelledby=\"c%zu\" "
		"tabindex=\"0\"><table>",
		id);
	add_caption(b, t, id);
	add_heading(b, t);
	buf_adds(b, "<tbody>\n");
	for (size_t i = 0; i < t->nrows; i++)
		add_row(b, t, i);
	buf_adds(b, "</tbody></table></div></section>\n");
}

/* --- the page --------------------------------------------------------------------------------- */

static void add_paragraphs(
	struct buf *b, const struct report *r, const char *key, const char *title)
{
	bool any = false;
	for (size_t i = 0; i < r->nparagraphs; i++) {
		if (strcmp(r->paragraph[i].key, key) != 0)
			continue;
		if (!any)
			buf_printf(b, "<section class=\"%s\"><h2>%s</h2>\n", key, title);
		any = true;
		titled(b, "<p>", r->paragraph[i].text, "</p>\n");
	}
	if (any)
		buf_adds(b, "</section>\n");
}

/* The text of a value, or "". */
static const char *text_of(const struct report *r, const char *group, const char *key)
{
	for (size_t i = 0; i < r->ngroups; i++)
		for (size_t k = 0; strcmp(r->group[i].key, group) == 0 && k < r->group[i].n; k++)
			if (strcmp(r->group[i].v[k].what.key, key) == 0 && r->group[i].v[k].v.text)
				return r->group[i].v[k].v.text;
	return "";
}

static void add_scope(struct buf *b, const struct report *r)
{
	const char *zone = text_of(r, "period", "zone");
	titled(b, "<p class=\"scope\">", text_of(r, "period", "from"), " to ");
	titled(b, "", text_of(r, "period", "to"), ", both included; days of ");
	titled(b, "", *zone ? zone : "UTC", "</p>\n");
}

static void add_head(struct buf *b, const struct report *r)
{
	buf_adds(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		    "style-src 'unsafe-inline'\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<meta name=\"referrer\" content=\"no-referrer\">\n");
	titled(b, "<title>", r->title, ", ");
	titled(b, "", text_of(r, "period", "from"), " to ");
	titled(b, "", text_of(r, "period", "to"), "</title>\n<style>\n");
	buf_adds(b, html_style);
	buf_adds(b, "</style></head>\n<body><main>\n");
}

bool write_html(const struct report *r, struct buf *out)
{
	if (r->failed)
		return false;
	add_head(out, r);
	titled(out, "<h1>", r->title, "</h1>\n");
	add_scope(out, r);
	add_paragraphs(out, r, "notes", "Note");
	add_groups(out, r);
	for (size_t i = 0; i < r->ntables; i++)
		add_table(out, &r->table[i], i + 1);
	add_paragraphs(out, r, "method", "Method");
	titled(out, "</main>\n<footer>Made by stile-report " STILE_VERSION ", ",
		text_of(r, "period", "made"), "</footer>\n</body></html>\n");
	return !out->failed;
}
