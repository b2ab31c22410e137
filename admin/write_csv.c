/*
 * A report for spreadsheets (RFC 4180): one rectangle, whatever the report. The first column says
 * which part a row belongs to; values of groups and paragraphs stand under "item" and "value",
 * those of tables under their own keys. Figures are plain, text is always quoted, and text that a
 * spreadsheet would take for a formula gets an apostrophe in front.
 */
#include "write_value.h"

#include <stdlib.h>

#define COLUMNS_MAX 256 /* keys of all tables of a report, each once */

struct header {
	const char *key[COLUMNS_MAX];
	size_t n;
};

/* --- cells ------------------------------------------------------------------------------------ */

/* What spreadsheets take for the beginning of a formula, the wide forms of East Asian keyboards
 * with it; white space because it is skipped before one. */
static bool begins_formula(const char *text)
{
	static const char *const leads[] = {
		"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"};
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
		if (span_starts(span_str(text), span_str(leads[i])))
			return true;
	return false;
}

/* White space of a text is kept: inside quotes it is part of the cell. */
static bool is_lost(const char *text, size_t n)
{
	return character_is_control(text, n) && !(n == 1 && strchr("\t\r\n", *text));
}

static void text_cell(struct buf *b, const char *text)
{
	size_t left = strlen(text);
	buf_addc(b, '"');
	if (begins_formula(text))
		buf_addc(b, '\'');
	while (left > 0) {
		size_t n = character_bytes(text, left);
		if (is_lost(text, n))
			buf_addc(b, '?');
		else
			buf_add(b, text, n);
		if (*text == '"')
			buf_addc(b, '"');
		text += n;
		left -= n;
	}
	buf_addc(b, '"');
}

/* Null is an empty cell. */
static void value_cell(struct buf *b, const struct value *v, enum value_type type)
{
	if (!v->set)
		return;
	switch (type) {
	case VALUE_TEXT:
		text_cell(b, v->text);
		break;
	case VALUE_BOOL:
		buf_adds(b, v->num ? "true" : "false");
		break;
	case VALUE_NUMBER:
	case VALUE_MINUTES:
	case VALUE_BYTES:
		buf_u64(b, v->num);
		break;
	}
}

static void end_row(struct buf *b, size_t empty)
{
	while (empty-- > 0)
		buf_addc(b, ',');
	buf_adds(b, "\r\n");
}

/* --- rows ------------------------------------------------------------------------------------- */

static void collect(struct header *h, const char *key)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->key[i], key) == 0)
			return;
	if (h->n < COLUMNS_MAX)
		h->key[h->n++] = key;
}

static void add_header(struct buf *b, const struct report *r, struct header *h)
{
	for (size_t i = 0; i < r->ntables; i++)
		for (size_t k = 0; k < r->table[i].ncolumns; k++)
			collect(h, r->table[i].columns[k].key);
	buf_adds(b, "section,item,value");
	for (size_t i = 0; i < h->n; i++)
		buf_printf(b, ",%s", h->key[i]);
	end_row(b, 0);
}

static void add_group(struct buf *b, const struct field_group *g, const struct header *h)
{
	for (size_t i = 0; i < g->n; i++) {
		buf_printf(b, "%s,%s,", g->key, g->v[i].what.key);
		value_cell(b, &g->v[i].v, g->v[i].what.type);
		end_row(b, h->n);
	}
}

static void add_row(struct buf *b, const struct table *t, size_t row, const struct header *h)
{
	buf_printf(b, "%s,,", t->key);
	for (size_t i = 0; i < h->n; i++) {
		buf_addc(b, ',');
		for (size_t k = 0; k < t->ncolumns; k++)
			if (strcmp(t->columns[k].key, h->key[i]) == 0)
				value_cell(b, &t->v[row * t->ncolumns + k], t->columns[k].type);
	}
	end_row(b, 0);
}

static void add_paragraphs(
	struct buf *b, const struct report *r, const char *key, const struct header *h)
{
	size_t n = 0;
	for (size_t i = 0; i < r->nparagraphs; i++) {
		if (strcmp(r->paragraph[i].key, key) != 0)
			continue;
		buf_printf(b, "%s,%zu,", key, ++n);
		text_cell(b, r->paragraph[i].text);
		end_row(b, h->n);
	}
}

bool write_csv(const struct report *r, bool bom, struct buf *out)
{
	struct header h = {.n = 0};
	if (r->failed)
		return false;
	if (bom)
		buf_adds(out, "\xef\xbb\xbf");
	add_header(out, r, &h);
	buf_printf(out, "report,name,%s", r->name);
	end_row(out, h.n);
	buf_printf(out, "report,version,%u", r->version);
	end_row(out, h.n);
	add_paragraphs(out, r, "notes", &h);
	for (size_t i = 0; i < r->ngroups; i++)
		add_group(out, &r->group[i], &h);
	for (size_t i = 0; i < r->ntables; i++)
		for (size_t k = 0; k < r->table[i].nrows; k++)
			add_row(out, &r->table[i], k, &h);
	add_paragraphs(out, r, "method", &h);
	return !out->failed;
}
