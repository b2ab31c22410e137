/* The report model and its writers: one shape for machines, safe and aligned text for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table.h"

static const struct column columns[] = {
	{"key", NULL, VALUE_TEXT},
	{"label", "service", VALUE_TEXT},
	{"people", "people", VALUE_NUMBER},
	{"bytes", "down", VALUE_BYTES},
	{"folded", NULL, VALUE_BOOL},
};

static void add_row(struct report *r, const char *name, uint64_t people, uint64_t bytes)
{
	report_row(r);
	report_cell_text(r, 0, span_str(name));
	report_cell_text(r, 1, span_str(name));
	report_cell(r, 2, people);
	report_cell(r, 3, bytes);
	report_cell(r, 4, 0);
}

static void start(struct report *r)
{
	*r = (struct report){.name = "summary", .title = "Summary", .version = 1};
	report_group(r, "period", "Period");
	report_text(r, "from", "from", "2026-11-01");
	report_number(r, "minutes", "minutes", VALUE_MINUTES, 1234567);
	report_null(r, "zone", "zone of days", VALUE_TEXT);
	report_table(r, "service", "By service", columns, 5);
}

static void finish(struct report *r, bool json, struct buf *out, bool colours)
{
	assert_true(json ? write_json(r, out) : write_text(r, colours, out));
	report_free(r);
}

static void text_is_aligned_and_says_null_as_a_dash(void **state)
{
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	add_row(&r, "facebook", 12345, 1500);
	add_row(&r, "büro", 1, 999);
	report_row(&r);
	report_paragraph(&r, "method", "Said %s.", "so");
	finish(&r, false, &out, false);
	assert_string_equal(out.p, "Summary\n"
				   "\n"
				   "Period\n"
				   "  from          2026-11-01\n"
				   "  minutes       1,234,567\n"
				   "  zone of days  -\n"
				   "\n"
				   "By service\n"
				   "  service   people     down\n"
				   "  facebook  12,345  1.50 kB\n"
				   "  büro           1    999 B\n"
				   "  -              -        -\n"
				   "\n"
				   "Method\n"
				   "  Said so.\n");
	buf_free(&out);
}

static void control_characters_of_names_never_reach_a_terminal(void **state)
{
	static const char *const names[] = {
		"a\033[31mb", "a\rb", "a\nb", "a\177b", "a\302\233b", "a\233b", "\t"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct report r;
		struct buf out = {0};
		start(&r);
		add_row(&r, names[i], 1, 1);
		report_text(&r, "x", "x", names[i]);
		report_paragraph(&r, "notes", "%s", names[i]);
		finish(&r, false, &out, false);
		for (size_t k = 0; k < out.n; k++) {
			unsigned char c = (unsigned char)out.p[k];
			assert_true(c == '\n' || (c >= 0x20 && c != 0x7f && c != 0x9b));
		}
		assert_null(strstr(out.p, "a\nb"));
		buf_free(&out);
	}
}

static void long_names_are_cut_in_text_and_whole_in_json(void **state)
{
	char name[101];
	struct report r;
	struct buf text = {0}, json = {0};
	(void)state;
	memset(name, 'x', 100);
	name[100] = 0;
	start(&r);
	add_row(&r, name, 1, 1);
	finish(&r, false, &text, false);
	assert_null(strstr(text.p, name));
	assert_non_null(strstr(text.p, "xxx…"));
	start(&r);
	add_row(&r, name, 1, 1);
	finish(&r, true, &json, false);
	assert_non_null(strstr(json.p, name));
	buf_free(&text);
	buf_free(&json);
}

static void sizes_have_three_figures(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, " 0 B\n"}, {999, " 999 B\n"}, {1000, " 1.00 kB\n"}, {9995, " 10.0 kB\n"},
		{99950, " 100 kB\n"}, {999499, " 999 kB\n"}, {999500, " 1.00 MB\n"},
		{123456789, " 123 MB\n"}, {UINT64_MAX, " 18.4 EB\n"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct report r;
		struct buf out = {0};
		start(&r);
		add_row(&r, "s", 1, cases[i].bytes);
		finish(&r, false, &out, false);
		if (!strstr(out.p, cases[i].text))
			fail_msg("%s is not in:\n%s", cases[i].text, out.p);
		buf_free(&out);
	}
}

static void json_has_one_shape_whatever_the_data(void **state)
{
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	finish(&r, true, &out, false);
	/* no row, no paragraph: lists all the same; what is not known is null */
	assert_non_null(strstr(out.p, "\"rows\": []"));
	assert_non_null(strstr(out.p, "\"method\": []"));
	assert_non_null(strstr(out.p, "\"notes\": []"));
	assert_non_null(strstr(out.p, "\"zone\": null"));
	assert_non_null(strstr(out.p, "\"version\": 1"));
	buf_reset(&out);
	start(&r);
	report_row(&r);
	report_cell(&r, 4, 1);
	finish(&r, true, &out, false);
	assert_non_null(strstr(out.p, "\"people\": null"));
	assert_non_null(strstr(out.p, "\"folded\": true"));
	buf_free(&out);
}

static void colours_only_where_asked_for(void **state)
{
	struct report r;
	struct buf out = {0};
	(void)state;
	start(&r);
	finish(&r, false, &out, true);
	assert_non_null(strstr(out.p, "\033[1mSummary\033[0m"));
	buf_reset(&out);
	start(&r);
	finish(&r, false, &out, false);
	assert_null(strchr(out.p, '\033'));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_aligned_and_says_null_as_a_dash),
		cmocka_unit_test(control_characters_of_names_never_reach_a_terminal),
		cmocka_unit_test(long_names_are_cut_in_text_and_whole_in_json),
		cmocka_unit_test(sizes_have_three_figures),
		cmocka_unit_test(json_has_one_shape_whatever_the_data),
		cmocka_unit_test(colours_only_where_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
