/* Spans: the rules everything that reads bytes relies on. */
#include "span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void case_is_folded_for_ascii_only(void **state)
{
	(void)state;
	assert_true(span_caseeq(SPAN("HoSt-9"), SPAN("hOsT-9")));
	assert_false(span_caseeq(SPAN("host"), SPAN("hosts")));
	assert_false(span_caseeq(SPAN("["), SPAN("{")));
	assert_false(span_caseeq(SPAN("@"), SPAN("`")));
	assert_false(span_caseeq(SPAN("\xc3\x84"), SPAN("\xc3\xa4")));
	assert_true(span_caseeq(span_str(NULL), SPAN("")));
}

static void prefix_and_suffix_never_reach_outside(void **state)
{
	(void)state;
	assert_true(span_starts(SPAN("abc"), SPAN("ab")));
	assert_true(span_starts(SPAN("abc"), SPAN("")));
	assert_false(span_starts(SPAN("a"), SPAN("ab")));
	assert_true(span_ends(SPAN("abc"), SPAN("bc")));
	assert_false(span_ends(SPAN("c"), SPAN("bc")));
	assert_true(span_ends((struct span){NULL, 0}, SPAN("")));
}

static void trimming_takes_blanks_and_tabs_only(void **state)
{
	(void)state;
	assert_true(span_is(span_trim(SPAN(" \t a b\t ")), "a b"));
	assert_true(span_is(span_trim(SPAN(" \t ")), ""));
	assert_true(span_is(span_trim(SPAN("\ra\n")), "\ra\n"));
}

static void cutting_tells_an_empty_rest_from_none(void **state)
{
	struct span rest = SPAN("a,,b,");

	(void)state;
	assert_true(span_is(span_cut(&rest, ','), "a"));
	assert_true(span_is(span_cut(&rest, ','), ""));
	assert_true(span_is(span_cut(&rest, ','), "b"));
	assert_non_null(rest.p);
	assert_int_equal(rest.n, 0);
	assert_true(span_is(span_cut(&rest, ','), ""));
	assert_null(rest.p);
}

static void numbers_are_digits_within_a_limit(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} v[] = {
		{"0", 0, true, 0},
		{"00", 0, true, 0},
		{"65535", 65535, true, 65535},
		{"65536", 65535, false, 0},
		{"7", 6, false, 0},
		{"9", 3, false, 0},
		{"10", 3, false, 0},
		{"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, 0},
		{"99999999999999999999999", UINT64_MAX, false, 0},
		{"", 10, false, 0},
		{"-1", 10, false, 0},
		{"+1", 10, false, 0},
		{" 1", 10, false, 0},
		{"1 ", 10, false, 0},
		{"0x1", 10, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		uint64_t got = 77;
		bool ok = span_u64(span_str(v[i].text), v[i].max, &got);

		if (ok != v[i].ok || got != (ok ? v[i].value : 77))
			fail_msg("\"%s\" up to %lu", v[i].text, (unsigned long)v[i].max);
	}
}

static void copying_refuses_what_a_c_string_cannot_hold(void **state)
{
	char out[4];

	(void)state;
	assert_true(span_copy(SPAN("abc"), out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(span_copy(SPAN("abcd"), out, sizeof(out)));
	assert_false(span_copy(SPAN("a\0b"), out, sizeof(out)));
	assert_true(span_copy((struct span){NULL, 0}, out, sizeof(out)));
	assert_string_equal(out, "");
}

/* In memory that ends with it. */
static size_t plain_in_own_memory(const char *text, size_t n)
{
	char *own = malloc(n);
	size_t plain;

	assert_non_null(own);
	memcpy(own, text, n);
	plain = span_plain(span_of(own, n));
	free(own);
	return plain;
}

/* Each byte, at each place of strings of all lengths up to more than what is looked at at once;
 * behind it, once more of the same and what borrows from it. */
static void plain_is_what_json_does_not_escape(void **state)
{
	char text[24];

	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < sizeof text; at++) {
			bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

			memset(text, 'x', sizeof text);
			text[at] = (char)c;
			if (at + 2 < sizeof text) {
				text[at + 1] = plain ? '~' : '!';
				text[at + 2] = plain ? ' ' : '\0';
			}
			for (size_t n = at + 1; n <= sizeof text; n++)
				assert_int_equal(plain_in_own_memory(text, n), plain ? n : at);
		}
	assert_int_equal(span_plain((struct span){NULL, 0}), 0);
}

/* Of keys that differ in one word only, wherever it stands, hardly two fall together in the low
 * bits, by which tables look. Of 4,096 in 65,536 places some 124 pairs are to be expected. */
static void a_fold_tells_apart_what_differs_in_any_bytes(void **state)
{
	static bool taken[65536];

	(void)state;
	for (size_t length = 5; length <= 33; length++)
		for (size_t at = 0; at + 4 <= length; at++) {
			size_t together = 0;

			memset(taken, 0, sizeof taken);
			for (uint32_t i = 0; i < 4096; i++) {
				char text[33] = "pup00000pup00000pup00000pup00000";
				uint64_t h;

				memcpy(text + at, &i, sizeof i);
				h = span_fold(span_of(text, length), 0);
				together += taken[h % 65536];
				taken[h % 65536] = true;
			}
			if (together > 400)
				fail_msg("%zu bytes that differ at %zu: %zu fall together", length,
					at, together);
		}
	assert_true(span_fold(SPAN("a"), 1) != span_fold(SPAN("a"), 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_is_folded_for_ascii_only),
		cmocka_unit_test(prefix_and_suffix_never_reach_outside),
		cmocka_unit_test(trimming_takes_blanks_and_tabs_only),
		cmocka_unit_test(cutting_tells_an_empty_rest_from_none),
		cmocka_unit_test(numbers_are_digits_within_a_limit),
		cmocka_unit_test(copying_refuses_what_a_c_string_cannot_hold),
		cmocka_unit_test(plain_is_what_json_does_not_escape),
		cmocka_unit_test(a_fold_tells_apart_what_differs_in_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
