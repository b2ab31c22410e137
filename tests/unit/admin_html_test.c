/* The page: nothing fetched and no script whatever the names, charts only with their tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table.h"

static const struct column columns[] = {
	{"day", "day", VALUE_TEXT},
	{"active", "active min", VALUE_MINUTES},
	{"recorded", "recorded", VALUE_MINUTES},
};

static void start(struct report *r)
{
	*r = (struct report){.name = "summary", .title = "Summary", .version = 1};
	report_group(r, "period", "Period");
	report_text(r, "from", "from", "2026-11-01");
	report_text(r, "to", "to", "2026-11-04");
	report_table(r, "day", "By day", columns, 3);
}

static void row(struct report *r, const char *name, uint64_t active, uint64_t recorded)
{
	report_row(r);
	report_cell_text(r, 0, span_str(name));
	report_cell(r, 1, active);
	report_cell(r, 2, recorded);
}

static void write(struct report *r, struct buf *out)
{
	assert_true(write_html(r, out));
	report_free(r);
}

static size_t times(const struct buf *b, const char *what)
{
	size_t n = 0;
	for (const char *p = b->p; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static void names_cannot_leave_their_cells(void **state)
{
	static const char *const names[] = {"<script>alert(1)</script>", "\"><img src=x onerror=y>",
		"</title><b>", "a&b;", "]]>", "</style>", "a\033b", "a\200b"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct chart chart = {.kind = CHART_BARS,
			.what = "active minutes",
			.label = 0,
			.value = 1,
			.known = SIZE_MAX};
		struct report r;
		struct buf out = {0};
		start(&r);
		report_chart(&r, &chart);
		row(&r, names[i], 5, 5);
		report_paragraph(&r, "notes", "%s", names[i]);
		write(&r, &out);
		assert_int_equal(times(&out, "<script"), 0);
		assert_int_equal(times(&out, "<img"), 0);
		assert_int_equal(times(&out, "<b>"), 0);
		assert_int_equal(times(&out, "</style>"), 1);
		assert_int_equal(times(&out, "</title>"), 2); /* of the page and of the chart */
		assert_int_equal(times(&out, "\033") + times(&out, "\200b"), 0);
		buf_free(&out);
	}
}

static void the_page_forbids_itself_everything_but_its_style(void **state)
{
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	write(&r, &out);
	assert_int_equal(
		times(&out, "content=\"default-src 'none'; style-src 'unsafe-inline'\""), 1);
	assert_int_equal(times(&out, "<html lang=\"en\">"), 1);
	assert_int_equal(times(&out, "<h1>"), 1);
	assert_int_equal(times(&out, "href=") + times(&out, " src="), 0);
	assert_int_equal(times(&out, "<p>Nothing.</p>"), 1);
	buf_free(&out);
}

static void days_stand_where_the_calendar_has_them(void **state)
{
	const struct chart chart = {.kind = CHART_DAYS,
		.what = "active minutes",
		.label = 0,
		.value = 1,
		.known = 2,
		.first = "2026-11-01",
		.days = 4};
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	report_chart(&r, &chart);
	row(&r, "2026-11-01", 10, 1440);
	row(&r, "2026-11-03", 20, 1440);
	row(&r, "2026-11-04", 0, 0);
	row(&r, "folded: 1 row", 700, 0); /* is no day and sets no scale */
	write(&r, &out);
	assert_int_equal(times(&out, "<rect class=\"b\""), 2);
	assert_int_equal(times(&out, "fill=\"url(#h1)\""), 2);
	assert_non_null(strstr(out.p, "Hatched: 1 day on which nothing was recorded"));
	assert_non_null(strstr(out.p, "Hatched: 1 day of few people"));
	assert_non_null(strstr(out.p, "Largest: 2026-11-03 with 20."));
	assert_int_equal(times(&out, ">Sun</text>"), 1);
	assert_int_equal(times(&out, "<th scope=\"row\""), 4);
	buf_free(&out);
}

static void a_table_without_a_value_has_no_chart(void **state)
{
	const struct chart chart = {
		.kind = CHART_BARS, .what = "x", .label = 0, .value = 1, .known = SIZE_MAX};
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	report_chart(&r, &chart);
	report_row(&r);
	report_cell_text(&r, 0, SPAN("few"));
	write(&r, &out);
	assert_int_equal(times(&out, "<svg"), 0);
	assert_int_equal(times(&out, "<table"), 1);
	buf_free(&out);
}

static void rows_beyond_the_picture_are_said_to_be_in_the_table(void **state)
{
	const struct chart chart = {
		.kind = CHART_BARS, .what = "minutes", .label = 0, .value = 1, .known = SIZE_MAX};
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	report_chart(&r, &chart);
	for (unsigned i = 0; i < 30; i++)
		row(&r, "x", 100 - i, 1);
	write(&r, &out);
	assert_int_equal(times(&out, "<rect"), 24);
	assert_non_null(strstr(out.p, "the first 24 rows of 30, all are in the table"));
	assert_int_equal(times(&out, "<th scope=\"row\""), 30);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_cannot_leave_their_cells),
		cmocka_unit_test(the_page_forbids_itself_everything_but_its_style),
		cmocka_unit_test(days_stand_where_the_calendar_has_them),
		cmocka_unit_test(a_table_without_a_value_has_no_chart),
		cmocka_unit_test(rows_beyond_the_picture_are_said_to_be_in_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
