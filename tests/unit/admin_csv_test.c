/* CSV: one rectangle that RFC 4180 readers take apart, and no cell that a spreadsheet would run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table.h"

static const struct column columns[] = {
	{"key", NULL, VALUE_TEXT},
	{"people", "people", VALUE_NUMBER},
	{"folded", NULL, VALUE_BOOL},
};
static const struct column others[] = {
	{"node", "node", VALUE_TEXT},
	{"people", "people", VALUE_NUMBER},
};

static void start(struct report *r)
{
	*r = (struct report){.name = "summary", .title = "Summary", .version = 1};
	report_group(r, "period", "Period");
	report_text(r, "from", "from", "2026-11-01");
	report_null(r, "zone", "zone of days", VALUE_TEXT);
	report_table(r, "service", "By service", columns, 3);
}

static void a_report_is_one_rectangle(void **state)
{
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	report_row(&r);
	report_cell_text(&r, 0, SPAN("facebook"));
	report_cell(&r, 1, 1234567);
	report_cell(&r, 2, 1);
	report_row(&r);
	report_table(&r, "nodes", "Nodes", others, 2);
	report_row(&r);
	report_cell_text(&r, 0, SPAN("edge1"));
	report_cell(&r, 1, 2);
	report_paragraph(&r, "notes", "A \"note\", with a comma.");
	report_paragraph(&r, "method", "So.");
	assert_true(write_csv(&r, false, &out));
	assert_string_equal(out.p, "section,item,value,key,people,folded,node\r\n"
				   "report,name,summary,,,,\r\n"
				   "report,version,1,,,,\r\n"
				   "notes,1,\"A \"\"note\"\", with a comma.\",,,,\r\n"
				   "period,from,\"2026-11-01\",,,,\r\n"
				   "period,zone,,,,,\r\n"
				   "service,,,\"facebook\",1234567,true,\r\n"
				   "service,,,,,,\r\n"
				   "nodes,,,,2,,\"edge1\"\r\n"
				   "method,1,\"So.\",,,,\r\n");
	report_free(&r);
	buf_free(&out);
}

static void text_that_would_be_a_formula_gets_an_apostrophe(void **state)
{
	static const struct {
		const char *text, *cell;
	} cases[] = {
		{"=1+1", "\"'=1+1\""},
		{"+1", "\"'+1\""},
		{"-1", "\"'-1\""},
		{"@SUM(A1)", "\"'@SUM(A1)\""},
		{"\t=1", "\"'\t=1\""},
		{"\r=1", "\"'\r=1\""},
		{"\n=1", "\"'\n=1\""},
		{"＝1", "\"'＝1\""},
		{"=\"x\"", "\"'=\"\"x\"\"\""},
		{"a=1", "\"a=1\""},
		{"'=1", "\"'=1\""},
		{"", "\"\""},
		{"büro", "\"büro\""},
		{"a\033[31mb", "\"a?[31mb\""},
		{"a\200b", "\"a?b\""},
		{"a\xe0\x80\x80z", "\"a???z\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct report r;
		struct buf out = {0}, want = {0};
		start(&r);
		report_row(&r);
		report_cell_text(&r, 0, span_str(cases[i].text));
		assert_true(write_csv(&r, false, &out));
		buf_printf(&want, "\r\nservice,,,%s,,\r\n", cases[i].cell);
		if (!strstr(out.p, want.p))
			fail_msg("case %zu: %s", i, out.p);
		report_free(&r);
		buf_free(&out);
		buf_free(&want);
	}
}

static void the_byte_order_mark_comes_only_where_asked_for(void **state)
{
	(void)state;
	for (int bom = 0; bom < 2; bom++) {
		struct report r;
		struct buf out = {0};
		start(&r);
		assert_true(write_csv(&r, bom, &out));
		assert_int_equal(strncmp(out.p, "\xef\xbb\xbfsection,", 11) == 0, bom);
		assert_int_equal(strncmp(out.p, "section,", 8) == 0, !bom);
		report_free(&r);
		buf_free(&out);
	}
}

static void a_report_that_failed_is_not_written(void **state)
{
	struct report r = {.name = "x", .title = "x", .failed = true};
	struct buf out = {0};
	(void)state;
	assert_false(write_csv(&r, false, &out));
	assert_false(write_html(&r, &out));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_one_rectangle),
		cmocka_unit_test(text_that_would_be_a_formula_gets_an_apostrophe),
		cmocka_unit_test(the_byte_order_mark_comes_only_where_asked_for),
		cmocka_unit_test(a_report_that_failed_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
