/*
 * The parts that all reports have: period, source, coverage, method. A figure without them would be
 * believed too much, so they go with every output.
 */
#ifndef STILE_REPORT_LAY_H
#define STILE_REPORT_LAY_H

#include "report_ask.h"

/* Notes: generated data must never be taken for people's, nor a silence for rest. */
void lay_notes(struct report *r, const struct tally *t);
/* The groups "period" and "source". */
void lay_period(struct report *r, const struct report_ask *q);
/* The group "coverage"; what a report adds to it comes right after. */
void lay_coverage(struct report *r, const struct report_ask *q, const struct tally *t);
void lay_parameters(struct report *r, const struct report_ask *q);
/* The table "nodes"; with `raw`, the days of which raw records were seen. */
void lay_nodes(struct report *r, const struct report_ask *q, const struct tally *t, bool raw);

/* A row's key and what people read for it. */
void lay_label(
	struct report *r, enum dim by, const struct tally_row *row, size_t key, size_t label);
/* The picture of the last table: a column a day, or a bar a row. `recorded`: the column with
 * the minutes of recording in tables by day. */
void lay_chart(struct report *r, const struct report_ask *q, enum dim by, const char *what,
	size_t label, size_t value, size_t recorded);
/* Minutes of recording on the day that the row is of, into that column. */
void lay_recorded(struct report *r, const struct report_ask *q, const struct tally *t,
	const struct tally_row *row, size_t column);

/* --- paragraphs of the method ------------------------------------------------------------------
 */

void method_minutes(struct report *r);
void method_once(struct report *r);
void method_counts(struct report *r);
void method_folding(struct report *r, const struct report_ask *q);
void method_errors(struct report *r);
void method_coverage(struct report *r);

#endif
