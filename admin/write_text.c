/*
 * A report for a terminal or a mail: aligned tables, figures with thousands apart, sizes in words.
 * Names come from records, which may come from anywhere: control characters never reach a terminal.
 */
#include "cli.h"
#include "write_value.h"

#include <stdlib.h>

#define TEXT_MAX 40 /* characters of a name in a table; JSON has them whole */
#define WRAP	 92

struct out {
	struct buf *to;
	bool colours;
};

/* --- pieces ----------------------------------------------------------------------------------- */

static void strong(const struct out *o, const char *text)
{
	buf_adds(o->to, cli_style(o->colours, CLI_STRONG));
	add_clean(o->to, text, SIZE_MAX);
	buf_adds(o->to, cli_style(o->colours, CLI_PLAIN));
	buf_addc(o->to, '\n');
}

/* A text column at the end needs no space behind it. */
static void end_line(struct buf *b)
{
	while (b->n > 0 && b->p[b->n - 1] == ' ')
		b->n--;
	buf_addc(b, '\n');
}

static void spaces(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_addc(b, ' ');
}

/* --- groups ----------------------------------------------------------------------------------- */

static size_t label_width(const struct field_group *g)
{
	size_t width = 0;
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].what.title && strlen(g->v[i].what.title) > width)
			width = strlen(g->v[i].what.title);
	return width;
}

static void add_group(const struct out *o, const struct field_group *g)
{
	size_t width = label_width(g);
	if (!g->title || width == 0)
		return;
	buf_addc(o->to, '\n');
	strong(o, g->title);
	for (size_t i = 0; i < g->n; i++) {
		const struct column *what = &g->v[i].what;
		if (!what->title)
			continue;
		buf_printf(o->to, "  %-*s  ", (int)width, what->title);
		add_value(o->to, &g->v[i].v, what->type, SIZE_MAX);
		buf_addc(o->to, '\n');
	}
}

/* --- tables ----------------------------------------------------------------------------------- */

static void measure(const struct table *t, size_t *width)
{
	struct buf scratch = {0};
	for (size_t k = 0; k < t->ncolumns; k++)
		width[k] = t->columns[k].title ? strlen(t->columns[k].title) : 0;
	for (size_t i = 0; i < t->nrows * t->ncolumns; i++) {
		size_t k = i % t->ncolumns;
		size_t w = add_value(&scratch, &t->v[i], t->columns[k].type, TEXT_MAX);
		if (w > width[k])
			width[k] = w;
		buf_reset(&scratch);
	}
	buf_free(&scratch);
}

/* Text to the left, figures to the right. */
static void add_heading(const struct out *o, const struct table *t, const size_t *width)
{
	for (size_t k = 0; k < t->ncolumns; k++) {
		const struct column *c = &t->columns[k];
		if (!c->title)
			continue;
		int w = c->type == VALUE_TEXT ? -(int)width[k] : (int)width[k];
		buf_printf(o->to, "  %*s", w, c->title);
	}
	end_line(o->to);
}

static void add_cell(const struct out *o, const struct value *v, enum value_type type, size_t width)
{
	struct buf *b = o->to, text = {0};
	size_t w = add_value(&text, v, type, TEXT_MAX);
	buf_adds(b, "  ");
	if (!type_is_text(type))
		spaces(b, width - w);
	if (v->marked)
		buf_adds(b, cli_style(o->colours, CLI_WARN));
	buf_span(b, buf_spanof(&text));
	if (v->marked)
		buf_adds(b, cli_style(o->colours, CLI_PLAIN));
	if (type_is_text(type))
		spaces(b, width - w);
	b->failed |= text.failed;
	buf_free(&text);
}

static bool add_table(const struct out *o, const struct table *t)
{
	size_t *width = calloc(t->ncolumns + 1, sizeof *width);
	if (!width)
		return false;
	measure(t, width);
	buf_addc(o->to, '\n');
	strong(o, t->title);
	add_heading(o, t, width);
	for (size_t i = 0; i < t->nrows; i++) {
		for (size_t k = 0; k < t->ncolumns; k++)
			if (t->columns[k].title)
				add_cell(o, &t->v[i * t->ncolumns + k], t->columns[k].type,
					width[k]);
		end_line(o->to);
	}
	if (t->nrows == 0)
		buf_adds(o->to, "  (nothing)\n");
	free(width);
	return true;
}

/* --- paragraphs ------------------------------------------------------------------------------- */

static void add_wrapped(struct buf *b, const char *text)
{
	size_t at = 2;
	buf_adds(b, "  ");
	while (*text) {
		size_t n = strcspn(text, " ");
		if (at > 2 && at + 1 + n > WRAP) {
			buf_adds(b, "\n  ");
			at = 2;
		} else if (at > 2) {
			buf_addc(b, ' ');
			at++;
		}
		buf_add(b, text, n);
		at += n;
		text += n + (text[n] == ' ');
	}
	buf_addc(b, '\n');
}

static void add_paragraphs(
	const struct out *o, const struct report *r, const char *key, const char *title)
{
	bool any = false;
	for (size_t i = 0; i < r->nparagraphs; i++) {
		struct buf clean = {0};
		if (strcmp(r->paragraph[i].key, key) != 0)
			continue;
		if (!any)
			buf_addc(o->to, '\n');
		if (!any)
			strong(o, title);
		any = true;
		add_clean(&clean, r->paragraph[i].text, SIZE_MAX);
		o->to->failed |= clean.failed;
		if (clean.p)
			add_wrapped(o->to, clean.p);
		buf_free(&clean);
	}
}

bool write_text(const struct report *r, bool colours, struct buf *out)
{
	struct out o = {out, colours};
	bool ok = !r->failed;
	if (!ok)
		return false;
	strong(&o, r->title);
	add_paragraphs(&o, r, "notes", "Note");
	for (size_t i = 0; i < r->ngroups; i++)
		add_group(&o, &r->group[i]);
	for (size_t i = 0; ok && i < r->ntables; i++)
		ok = add_table(&o, &r->table[i]);
	add_paragraphs(&o, r, "method", "Method");
	return ok && !out->failed;
}
