/*
 * Two kinds: a bar a row, and a column a day. Both say every value that they have room for in
 * figures, and both name the table below as the place where all of them stand. Lengths are in the
 * units of the view box, about a pixel each.
 */
#include "html_chart.h"

#include "period.h"
#include "write_value.h"

#include <stdio.h>
#include <time.h>

#define WIDTH	   720
#define TEXT_ALL   SIZE_MAX
#define BARS_MAX   24 /* more rows than that are in the table only */
#define BAR_STEP   26
#define BAR_THICK  16
#define BAR_LEFT   212 /* room for names */
#define BAR_RIGHT  88  /* room for figures */
#define LABEL_MAX  28
#define DAYS_HIGH  240
#define DAYS_LEFT  60
#define DAYS_RIGHT 22 /* half a date, which may stand under the last column */
#define DAYS_TOP   22
#define DAYS_FLOOR 192 /* where the columns stand */
#define DAYS_NAMED 16  /* as many have their figure above them */

struct drawing {
	struct buf *b;
	const struct table *t;
	size_t id, shown;
	uint64_t most;
};

void html_text(struct buf *b, const char *text, size_t max)
{
	struct buf clean = {0};
	add_clean(&clean, text, max);
	b->failed |= clean.failed;
	buf_html(b, buf_spanof(&clean));
	buf_free(&clean);
}

static const struct value *cell(const struct drawing *d, size_t row, size_t column)
{
	return &d->t->v[row * d->t->ncolumns + column];
}

static uint64_t value_of(const struct drawing *d, size_t row)
{
	return cell(d, row, d->t->chart.value)->num;
}

static const char *label_of(const struct drawing *d, size_t row)
{
	const struct value *v = cell(d, row, d->t->chart.label);
	return v->set ? v->text : "-";
}

static bool is_known(const struct drawing *d, size_t row)
{
	size_t known = d->t->chart.known;
	return cell(d, row, d->t->chart.value)->set &&
	       (known == SIZE_MAX || cell(d, row, known)->num > 0);
}

/* The fold of days is no day and has no column. */
static bool is_drawn(const struct drawing *d, size_t row)
{
	int64_t day;
	return is_known(d, row) &&
	       (d->t->chart.kind != CHART_DAYS || day_number(label_of(d, row), &day));
}

/* SIZE_MAX: there is none. */
static size_t largest_row(const struct drawing *d)
{
	size_t best = SIZE_MAX;
	for (size_t i = 0; i < d->shown; i++)
		if (is_drawn(d, i) && (best == SIZE_MAX || value_of(d, i) > value_of(d, best)))
			best = i;
	return best;
}

static void add_figure(struct buf *b, const struct drawing *d, uint64_t v)
{
	struct value value = {.set = true, .num = v};
	add_value(b, &value, d->t->columns[d->t->chart.value].type, TEXT_ALL);
}

/* --- what it shows, in words ------------------------------------------------------------------ */

/* The value's name as a heading has it: "Active minutes". */
static void add_what(const struct drawing *d)
{
	const char *what = d->t->chart.what;
	buf_addc(d->b, what[0] >= 'a' && what[0] <= 'z' ? (char)(what[0] - 32) : what[0]);
	html_text(d->b, what + 1, TEXT_ALL);
}

static void add_words(const struct drawing *d)
{
	size_t largest = largest_row(d);
	buf_printf(d->b, "<title id=\"t%zu\">", d->id);
	add_what(d);
	buf_adds(d->b, ", ");
	html_text(d->b, d->t->title, TEXT_ALL);
	buf_printf(d->b, "</title><desc id=\"d%zu\">%s. Largest: ", d->id,
		d->t->chart.kind == CHART_DAYS ? "A column for each day" : "A bar for each row");
	html_text(d->b, label_of(d, largest), TEXT_ALL);
	buf_adds(d->b, " with ");
	add_figure(d->b, d, value_of(d, largest));
	buf_adds(d->b, ". The table below has the same numbers.</desc>");
}

static void open_svg(const struct drawing *d, unsigned height)
{
	buf_adds(d->b, "<figure><figcaption>");
	add_what(d);
	if (d->shown < d->t->nrows)
		buf_printf(d->b, "; the first %zu rows of %zu, all are in the table", d->shown,
			d->t->nrows);
	buf_printf(d->b,
		"</figcaption><svg role=\"img\" aria-labelledby=\"t%zu\" aria-describedby=\"d%zu\" "
		"viewBox=\"0 0 %d %u\" xmlns=\"http://www.w3.org/2000/svg\">",
		d->id, d->id, WIDTH, height);
	add_words(d);
}

/* --- bars ------------------------------------------------------------------------------------- */

static void add_bar(const struct drawing *d, size_t row)
{
	double room = WIDTH - BAR_LEFT - BAR_RIGHT;
	double length = d->most ? room * (double)value_of(d, row) / (double)d->most : 0;
	size_t top = row * BAR_STEP + (BAR_STEP - BAR_THICK) / 2, text = top + 13;
	buf_printf(d->b, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", BAR_LEFT - 10, text);
	html_text(d->b, label_of(d, row), LABEL_MAX);
	buf_adds(d->b, "</text>");
	if (is_known(d, row))
		buf_printf(d->b,
			"<rect class=\"b\" x=\"%d\" y=\"%zu\" width=\"%.1f\" height=\"%d\"/>",
			BAR_LEFT, top, length, BAR_THICK);
	buf_printf(d->b, "<text x=\"%.1f\" y=\"%zu\">", BAR_LEFT + length + 7, text);
	if (is_known(d, row))
		add_figure(d->b, d, value_of(d, row));
	else
		buf_adds(d->b, "not told");
	buf_adds(d->b, "</text>");
}

static void draw_bars(struct drawing *d)
{
	unsigned height = (unsigned)d->shown * BAR_STEP + 4;
	open_svg(d, height);
	for (size_t i = 0; i < d->shown; i++)
		add_bar(d, i);
	buf_printf(d->b, "<path class=\"a\" d=\"M%d 0V%u\"/>", BAR_LEFT, height);
	buf_adds(d->b, "</svg></figure>\n");
}

/* --- days ------------------------------------------------------------------------------------- */

struct days {
	int64_t first;
	double width; /* of one */
	uint64_t top; /* the value of the uppermost line */
	size_t unrecorded, folded;
};

/* 1, 2 or 5 with noughts, so that five lines or fewer are enough. */
static uint64_t line_step(uint64_t most)
{
	for (uint64_t step = 1; step < UINT64_MAX / 1000; step *= 10) {
		if (most <= step * 5)
			return step;
		if (most <= step * 10)
			return step * 2;
		if (most <= step * 25)
			return step * 5;
	}
	return most;
}

static double height_of(const struct days *days, uint64_t v)
{
	return (double)(DAYS_FLOOR - DAYS_TOP) * (double)v / (double)days->top;
}

static void add_lines(const struct drawing *d, const struct days *days, uint64_t step)
{
	for (uint64_t v = 0; v <= days->top; v += step) {
		double y = DAYS_FLOOR - height_of(days, v);
		buf_printf(d->b, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>", v ? "g" : "a", DAYS_LEFT,
			y, WIDTH);
		buf_printf(d->b, "<text class=\"s\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
			DAYS_LEFT - 8, y + 4);
		add_figure(d->b, d, v);
		buf_adds(d->b, "</text>");
	}
}

static void open_word(const struct drawing *d, double x, double y)
{
	buf_printf(d->b, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, y);
}

/* "Mon" above "19 Oct". */
static void add_date(const struct drawing *d, int64_t number, double x)
{
	char weekday[16] = "", date[16] = "";
	time_t t = (time_t)number * 86400;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(weekday, sizeof weekday, "%a", &tm);
	strftime(date, sizeof date, "%e %b", &tm);
	open_word(d, x, DAYS_FLOOR + 18);
	buf_printf(d->b, "%s</text>", weekday);
	open_word(d, x, DAYS_FLOOR + 34);
	buf_printf(d->b, "%s</text>", date);
}

/* Days of too few people have no row. */
static bool find_day(const struct drawing *d, int64_t number, size_t *row)
{
	int64_t at;
	for (size_t i = 0; i < d->shown; i++)
		if (day_number(label_of(d, i), &at) && at == number) {
			*row = i;
			return true;
		}
	return false;
}

static void add_hatch(const struct drawing *d, double x, double width)
{
	buf_printf(d->b,
		"<rect fill=\"url(#h%zu)\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
		d->id, x, DAYS_TOP, width, DAYS_FLOOR - DAYS_TOP);
}

static void add_column(
	const struct drawing *d, const struct days *days, double x, double width, uint64_t v)
{
	double high = height_of(days, v);
	buf_printf(d->b, "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
		x, DAYS_FLOOR - high, width, high);
	if (d->t->chart.days > DAYS_NAMED)
		return;
	open_word(d, x + width / 2, DAYS_FLOOR - high - 5);
	add_figure(d->b, d, v);
	buf_adds(d->b, "</text>");
}

static void add_day(const struct drawing *d, struct days *days, size_t i)
{
	size_t row = 0;
	bool told = find_day(d, days->first + (int64_t)i, &row), known = told && is_known(d, row);
	double gap = days->width > 4 ? days->width * 0.16 : 0, width = days->width - 2 * gap;
	double x = DAYS_LEFT + days->width * (double)i + gap;
	days->folded += !told;
	days->unrecorded += told && !known;
	if (known)
		add_column(d, days, x, width, value_of(d, row));
	else
		add_hatch(d, x, width);
}

static void say_hatched(const struct drawing *d, const struct days *days)
{
	if (days->unrecorded)
		buf_printf(d->b,
			"<p>Hatched: %zu %s on which nothing was recorded; what was used then is "
			"not known.</p>",
			days->unrecorded, days->unrecorded == 1 ? "day" : "days");
	if (days->folded)
		buf_printf(d->b, "<p>Hatched: %zu %s of few people, folded in the table.</p>",
			days->folded, days->folded == 1 ? "day" : "days");
}

static void draw_days(struct drawing *d)
{
	uint64_t step = line_step(d->most ? d->most : 1);
	size_t n = d->t->chart.days;
	struct days days = {.width = (double)(WIDTH - DAYS_LEFT - DAYS_RIGHT) / (double)n,
		.top = d->most ? (d->most + step - 1) / step * step : step};
	size_t every = 1 + (size_t)(46 / days.width);
	if (!day_number(d->t->chart.first, &days.first))
		return;
	open_svg(d, DAYS_HIGH);
	buf_printf(d->b,
		"<defs><pattern id=\"h%zu\" width=\"7\" height=\"7\" "
		"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
		"<path class=\"h\" d=\"M0 0V7\"/></pattern></defs>",
		d->id);
	add_lines(d, &days, step);
	for (size_t i = 0; i < n; i++) {
		add_day(d, &days, i);
		if (i % every == 0)
			add_date(d, days.first + (int64_t)i,
				DAYS_LEFT + days.width * ((double)i + 0.5));
	}
	buf_adds(d->b, "</svg>");
	say_hatched(d, &days);
	buf_adds(d->b, "</figure>\n");
}

void html_chart(struct buf *b, const struct table *t, size_t id)
{
	struct drawing d = {.b = b, .t = t, .id = id, .shown = t->nrows};
	if (t->chart.kind == CHART_BARS && d.shown > BARS_MAX)
		d.shown = BARS_MAX;
	if (t->chart.kind == CHART_NONE || largest_row(&d) == SIZE_MAX)
		return;
	for (size_t i = 0; i < d.shown; i++)
		if (is_drawn(&d, i) && value_of(&d, i) > d.most)
			d.most = value_of(&d, i);
	if (t->chart.kind == CHART_DAYS)
		draw_days(&d);
	else
		draw_bars(&d);
}
