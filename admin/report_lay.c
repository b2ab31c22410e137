#include "report_lay.h"

#include "clock.h"

#include <time.h>

void lay_notes(struct report *r, const struct tally *t)
{
	uint64_t recorded = 0;
	for (size_t i = 0; i < tally_nodes(t); i++) {
		const struct tally_node *n = tally_node(t, i);
		recorded += n->checkpoints;
		if (strncmp(n->name, "generated", 9) == 0)
			report_paragraph(r, "notes",
				"Node %s holds generated data, made for demonstration: these are "
				"not the figures of people.",
				n->name);
	}
	if (recorded == 0)
		report_paragraph(r, "notes",
			"No node left a mark of recording in this period: what was used then, if "
			"anything, is not known.");
}

void lay_period(struct report *r, const struct report_ask *q)
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

void lay_coverage(struct report *r, const struct report_ask *q, const struct tally *t)
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

void lay_parameters(struct report *r, const struct report_ask *q)
{
	report_group(r, "parameters", NULL);
	report_number(r, "active_bytes", NULL, VALUE_BYTES, ACTIVE_BYTES);
	report_number(r, "active_bytes_up", NULL, VALUE_BYTES, ACTIVE_BYTES_UP);
	report_number(r, "fold_below", NULL, VALUE_NUMBER, q->fold_below);
}

enum node_column {
	NODE_NAME,
	NODE_RECORDED,
	NODE_MINUTES,
	NODE_LOST,
	NODE_RAW_DAYS, /* only where raw records are read */
	NODE_COLUMNS
};

static const struct column node_columns[NODE_COLUMNS] = {
	[NODE_NAME] = {"node", "node", VALUE_TEXT},
	[NODE_RECORDED] = {"minutes_recorded", "recorded", VALUE_MINUTES},
	[NODE_MINUTES] = {"minutes_in_period", "of minutes", VALUE_MINUTES},
	[NODE_LOST] = {"lost_records", "lost records", VALUE_NUMBER},
	[NODE_RAW_DAYS] = {"raw_days", "days with raw records", VALUE_NUMBER},
};

void lay_nodes(struct report *r, const struct report_ask *q, const struct tally *t, bool raw)
{
	report_table(
		r, "nodes", "Coverage by node", node_columns, raw ? NODE_COLUMNS : NODE_RAW_DAYS);
	for (size_t i = 0; i < tally_nodes(t); i++) {
		const struct tally_node *n = tally_node(t, i);
		report_row(r);
		if (*n->name)
			report_cell_text(r, NODE_NAME, span_str(n->name));
		report_cell(r, NODE_RECORDED, n->checkpoints);
		report_cell(r, NODE_MINUTES, q->period.minutes);
		report_cell(r, NODE_LOST, n->lost);
		if (raw)
			report_cell(r, NODE_RAW_DAYS, n->raw_days);
	}
}

/* --- rows ------------------------------------------------------------------------------------- */

void lay_label(struct report *r, enum dim by, const struct tally_row *row, size_t key, size_t label)
{
	char fold[96];
	snprintf(fold, sizeof fold, "folded: %zu %s", row->rows, row->rows == 1 ? "row" : "rows");
	if (row->key.n && key != label)
		report_cell_text(r, key, row->key);
	report_cell_text(r, label,
		row->fold    ? span_str(fold)
		: row->key.n ? row->key
			     : span_str(dim_none(by)));
}

void lay_chart(struct report *r, const struct report_ask *q, enum dim by, const char *what,
	size_t label, size_t value, size_t recorded)
{
	struct chart chart = {.kind = CHART_BARS,
		.what = what,
		.label = label,
		.value = value,
		.known = SIZE_MAX};
	if (by == DIM_DAY) {
		chart.kind = CHART_DAYS;
		chart.known = recorded;
		chart.first = q->period.from;
		chart.days = q->period.days;
	}
	report_chart(r, &chart);
}

void lay_recorded(struct report *r, const struct report_ask *q, const struct tally *t,
	const struct tally_row *row, size_t column)
{
	size_t i;
	if (period_index(&q->period, row->key, &i))
		report_cell(r, column, tally_day_recorded(t, i));
}
