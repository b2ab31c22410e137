/* Building a report: append only; a failure sticks until a writer asks. */
#include "table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void drop_values(struct value *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].text);
	free(v);
}

void report_free(struct report *r)
{
	for (size_t i = 0; i < r->ngroups; i++) {
		for (size_t k = 0; k < r->group[i].n; k++)
			free(r->group[i].v[k].v.text);
		free(r->group[i].v);
	}
	for (size_t i = 0; i < r->ntables; i++) {
		drop_values(r->table[i].v, r->table[i].nrows * r->table[i].ncolumns);
		free(r->table[i].title);
	}
	for (size_t i = 0; i < r->nparagraphs; i++)
		free(r->paragraph[i].text);
	free(r->group);
	free(r->table);
	free(r->paragraph);
	*r = (struct report){0};
}

/* Room for one more of `size` bytes behind `n`; NULL and `failed` when there is none. */
static void *one_more(struct report *r, void *v, size_t n, size_t size)
{
	char *more = r->failed ? NULL : realloc(v, (n + 1) * size);
	if (!more)
		r->failed = true;
	else
		memset(more + n * size, 0, size);
	return more;
}

static struct value text_value(struct report *r, struct span s)
{
	char *copy = strndup(s.p, s.n);
	r->failed |= !copy;
	return (struct value){.set = copy != NULL, .text = copy};
}

/* --- groups and paragraphs -------------------------------------------------------------------- */

void report_group(struct report *r, const char *key, const char *title)
{
	struct field_group *more = one_more(r, r->group, r->ngroups, sizeof *more);
	if (!more)
		return;
	r->group = more;
	r->group[r->ngroups++] = (struct field_group){.key = key, .title = title};
}

void report_lead(struct report *r)
{
	if (r->ngroups)
		r->group[r->ngroups - 1].lead = true;
}

static void add_field(struct report *r, struct column what, struct value v)
{
	struct field_group *g = r->ngroups ? &r->group[r->ngroups - 1] : NULL;
	assert(g || r->failed);
	struct named_value *more = g ? one_more(r, g->v, g->n, sizeof *more) : NULL;
	if (!more) {
		free(v.text);
		return;
	}
	g->v = more;
	g->v[g->n++] = (struct named_value){what, v};
}

void report_text(struct report *r, const char *key, const char *title, const char *text)
{
	add_field(r, (struct column){key, title, VALUE_TEXT}, text_value(r, span_str(text)));
}

void report_number(
	struct report *r, const char *key, const char *title, enum value_type type, uint64_t v)
{
	add_field(r, (struct column){key, title, type}, (struct value){.set = true, .num = v});
}

void report_null(struct report *r, const char *key, const char *title, enum value_type type)
{
	add_field(r, (struct column){key, title, type}, (struct value){0});
}

void report_paragraph(struct report *r, const char *key, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	struct paragraph *more =
		text ? one_more(r, r->paragraph, r->nparagraphs, sizeof *more) : NULL;
	if (!more) {
		free(text);
		r->failed = true;
		return;
	}
	r->paragraph = more;
	r->paragraph[r->nparagraphs++] = (struct paragraph){key, text};
}

/* --- tables ----------------------------------------------------------------------------------- */

void report_table(struct report *r, const char *key, const char *title,
	const struct column *columns, size_t n)
{
	struct table *more = one_more(r, r->table, r->ntables, sizeof *more);
	if (!more)
		return;
	r->table = more;
	char *copy = strdup(title);
	r->failed |= !copy;
	r->table[r->ntables++] =
		(struct table){.key = key, .title = copy, .columns = columns, .ncolumns = n};
}

static bool grow(struct table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 16;
	struct value *more = realloc(t->v, cap * t->ncolumns * sizeof *more);
	if (!more)
		return false;
	t->v = more;
	t->cap = cap;
	return true;
}

void report_row(struct report *r)
{
	struct table *t = r->ntables ? &r->table[r->ntables - 1] : NULL;
	assert(t || r->failed);
	if (r->failed || (t->nrows == t->cap && !grow(t))) {
		r->failed = true;
		return;
	}
	memset(&t->v[t->nrows++ * t->ncolumns], 0, t->ncolumns * sizeof *t->v);
}

static struct value *last_row(struct report *r, size_t column)
{
	if (r->failed)
		return NULL;
	struct table *t = &r->table[r->ntables - 1];
	assert(t->nrows > 0 && column < t->ncolumns);
	return &t->v[(t->nrows - 1) * t->ncolumns + column];
}

void report_cell_text(struct report *r, size_t column, struct span text)
{
	struct value *v = last_row(r, column);
	if (v)
		*v = text_value(r, text);
}

void report_cell(struct report *r, size_t column, uint64_t num)
{
	struct value *v = last_row(r, column);
	if (v)
		*v = (struct value){.set = true, .num = num};
}

void report_cell_mark(struct report *r, size_t column)
{
	struct value *v = last_row(r, column);
	if (v)
		v->marked = true;
}

void report_chart(struct report *r, const struct chart *c)
{
	if (r->ntables)
		r->table[r->ntables - 1].chart = *c;
}
