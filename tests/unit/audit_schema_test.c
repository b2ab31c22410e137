/* Key names in Redis: other programs read them, so they are spelled out here. */
#include "schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LONG64 "0123456789012345678901234567890123456789012345678901234567890123"

static void node_names_cannot_break_out_of_the_hash_tag(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool ok;
	} cases[] = {
		{"edge1", true},
		{"Edge-1_a.example", true},
		{LONG64, true},
		{LONG64 "x", false},
		{"", false},
		{"a}b", false},
		{"a{b", false},
		{"a:b", false},
		{"a b", false},
		{"a\n", false},
		{"k\xc3\xb6ln", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(node_name_ok(span_str(cases[i].name)), cases[i].ok);
	assert_false(node_name_ok(span_of("a\0b", 3)));
}

static void days_are_ten_characters_of_date(void **state)
{
	(void)state;
	static const struct {
		const char *day;
		bool ok;
	} cases[] = {
		{"2026-11-23", true},
		{"2026-11-2", false},
		{"2026-11-233", false},
		{"2026/11/23", false},
		{"2026-1a-23", false},
		{"20261-1-23", false},
		{"", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(day_name_ok(span_str(cases[i].day)), cases[i].ok);
}

static void keys_are_spelled_as_documented(void **state)
{
	(void)state;
	char key[KEY_MAX];
	key_node(key, SPAN("edge1"), "id");
	assert_string_equal(key, "stile:{edge1}:id");
	key_node(key, SPAN("edge1"), "tips");
	assert_string_equal(key, "stile:{edge1}:tips");
	key_day(key, SPAN("edge1"), "log", SPAN("2026-11-23"));
	assert_string_equal(key, "stile:{edge1}:log:2026-11-23");
	key_day(key, SPAN(LONG64), "min", SPAN("2026-11-23"));
	assert_string_equal(key, "stile:{" LONG64 "}:min:2026-11-23");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_names_cannot_break_out_of_the_hash_tag),
		cmocka_unit_test(days_are_ten_characters_of_date),
		cmocka_unit_test(keys_are_spelled_as_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
