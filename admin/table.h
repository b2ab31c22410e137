/*
 * A report as a model: groups of named values, tables, paragraphs. Commands build it, writers print
 * it; a new format is a new writer and no command changes.
 */
#ifndef STILE_TABLE_H
#define STILE_TABLE_H

#include "buf.h"

enum value_type { VALUE_TEXT, VALUE_NUMBER, VALUE_MINUTES, VALUE_BYTES, VALUE_BOOL };

struct value {
	bool set;    /* not: null, whatever the type */
	bool marked; /* its words ask for attention; writers may stress them, never replace them */
	uint64_t num;
	char *text; /* owned */
};

struct column {
	const char *key;   /* for machines */
	const char *title; /* for people; NULL: not shown to them */
	enum value_type type;
};

/* A picture of one column, for writers that draw. The table stands under it with the same numbers.
 */
enum chart_kind {
	CHART_NONE,
	CHART_BARS, /* a bar a row */
	CHART_DAYS  /* a column a row, rows are the days of the period */
};
struct chart {
	enum chart_kind kind;
	const char *what;    /* is shown: active minutes */
	size_t label, value; /* columns */
	size_t known; /* a row with 0 in this column has an unknown value; SIZE_MAX: none has */
	const char *first; /* of the days: the first one, */
	size_t days;	   /* and how many; days without a row were folded */
};

struct table {
	const char *key;
	char *title; /* owned */
	const struct column *columns;
	size_t ncolumns, nrows, cap;
	struct chart chart;
	struct value *v; /* row by row */
};

struct field_group {
	const char *key, *title;
	bool lead; /* the figures that a page begins with */
	struct named_value {
		struct column what;
		struct value v;
	} * v;
	size_t n;
};

struct report {
	const char *name, *title; /* static */
	unsigned version;	  /* of its JSON shape */
	struct field_group *group;
	size_t ngroups;
	struct table *table;
	size_t ntables;
	struct paragraph {
		const char *key; /* of the list it belongs to: method, notes */
		char *text;
	} * paragraph;
	size_t nparagraphs;
	bool failed; /* memory ran out: sticks, checked by the writer */
};

void report_free(struct report *r);
void report_group(struct report *r, const char *key, const char *title);
/* The last group is what readers came for. */
void report_lead(struct report *r);
/* Into the last group. */
void report_text(struct report *r, const char *key, const char *title, const char *text);
void report_number(
	struct report *r, const char *key, const char *title, enum value_type type, uint64_t v);
void report_null(struct report *r, const char *key, const char *title, enum value_type type);
void report_paragraph(struct report *r, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* `columns` is kept by reference. */
void report_table(struct report *r, const char *key, const char *title,
	const struct column *columns, size_t n);
/* Into the last table: a row of nulls, then its values from the left. */
void report_row(struct report *r);
void report_cell_text(struct report *r, size_t column, struct span text);
void report_cell(struct report *r, size_t column, uint64_t v);
/* Marks the cell, which must be set already. */
void report_cell_mark(struct report *r, size_t column);
/* The last table's chart. */
void report_chart(struct report *r, const struct chart *c);

/* --- writers: append to *out, false when memory ran out --------------------------------------- */

bool write_text(const struct report *r, bool colours, struct buf *out);
bool write_json(const struct report *r, struct buf *out);
bool write_csv(const struct report *r, bool bom, struct buf *out);
bool write_html(const struct report *r, struct buf *out);

#endif
