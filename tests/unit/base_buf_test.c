/* Buffers: sticky failure, fixed memory, and output that is valid whatever went in. */
#include "buf.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void grows_and_stays_terminated(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_int_equal(b.n, 1000);
	assert_int_equal(strlen(b.p), 1000);
	buf_reset(&b);
	assert_string_equal(b.p, "");
	buf_u64(&b, 0);
	buf_addc(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	buf_addc(&b, ' ');
	buf_i64(&b, INT64_MIN);
	buf_addc(&b, ' ');
	buf_i64(&b, -1);
	buf_addc(&b, ' ');
	buf_hex(&b, "\x00\xff\x7f", 3);
	buf_printf(&b, " %s-%03d", "x", 7);
	buf_adds(&b, " s");
	buf_span(&b, SPAN("\0e"));
	assert_false(b.failed);
	assert_memory_equal(
		b.p, "0 18446744073709551615 -9223372036854775808 -1 00ff7f x-007 s\0e", b.n + 1);
	buf_free(&b);
	assert_null(b.p);
}

/* Of every length, where a digit more begins and before; in memory that ends with them. */
static void numbers_are_written_as_printf_does(void **state)
{
	uint64_t power = 1;

	(void)state;
	for (int digits = 1; digits <= 20; digits++, power *= 10)
		for (uint64_t v = power - 1; v <= power + 1; v++) {
			char want[24], mem[24];
			int n = snprintf(want, sizeof want, "%" PRIu64, v);
			struct buf b;

			buf_init_fixed(&b, mem, (size_t)n + 1);
			buf_u64(&b, v);
			assert_false(b.failed);
			assert_string_equal(mem, want);
			buf_init_fixed(&b, mem, (size_t)n);
			buf_u64(&b, v);
			assert_true(b.failed);
		}
}

static void empty_buffer_gives_empty_span(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_spanof(&b).n, 0);
	assert_non_null(buf_spanof(&b).p);
	buf_add(&b, NULL, 0);
	assert_string_equal(b.p, "");
	buf_free(&b);
}

static void fixed_buffer_refuses_whole_pieces_and_remembers(void **state)
{
	char mem[9] = "........";
	struct buf b;

	(void)state;
	buf_init_fixed(&b, mem, 6);
	buf_adds(&b, "abc");
	buf_adds(&b, "def"); /* no room for the NUL */
	assert_true(b.failed);
	assert_string_equal(mem, "abc");
	buf_addc(&b, 'x'); /* would fit, but the failure sticks */
	buf_printf(&b, "%d", 1);
	buf_hex(&b, "a", 1);
	assert_string_equal(mem, "abc");
	buf_reset(&b);
	buf_adds(&b, "vwxyz");
	assert_false(b.failed);
	assert_string_equal(mem, "vwxyz");
	assert_int_equal(mem[6], '.');
	buf_free(&b);
	buf_init_fixed(&b, mem, 0);
	buf_adds(&b, "");
	assert_true(b.failed);
}

static void size_that_cannot_be_is_a_failure_not_a_wrap(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_addc(&b, 'a');
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buf_addc(&b, 'b');
	assert_int_equal(b.n, 1);
	buf_reset(&b);
	assert_false(buf_reserve(&b, SIZE_MAX - 1));
	buf_reset(&b);
	buf_hex(&b, "", SIZE_MAX / 2 + 1);
	assert_true(b.failed);
	buf_free(&b);
}

#define FFFD "\xef\xbf\xbd"

struct escape_case {
	struct span in;
	const char *out;
};

static void run(void (*fn)(struct buf *, struct span), const struct escape_case *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf b = {0};

		fn(&b, v[i].in);
		assert_false(b.failed);
		assert_string_equal(b.p, v[i].out);
		buf_free(&b);
	}
}

static void json_is_valid_whatever_comes(void **state)
{
	static const struct escape_case v[] = {
		{{"", 0}, "\"\""}, {{NULL, 0}, "\"\""}, {{"a\"b\\c/<&'", 9}, "\"a\\\"b\\\\c/<&'\""},
		{{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
		{{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
		{{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9},
			"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{{"\x80", 1}, "\"" FFFD "\""},
		{{"a\xff"
		  "b",
			 3},
			"\"a" FFFD "b\""},
		{{"\xc0\xaf", 2}, "\"" FFFD FFFD "\""},			  /* overlong */
		{{"\xe0\x80\xaf", 3}, "\"" FFFD FFFD FFFD "\""},	  /* overlong */
		{{"\xed\xa0\x80", 3}, "\"" FFFD FFFD FFFD "\""},	  /* surrogate */
		{{"\xf4\x90\x80\x80", 4}, "\"" FFFD FFFD FFFD FFFD "\""}, /* over U+10FFFF */
		{{"\xf0\x80\x80\x80", 4}, "\"" FFFD FFFD FFFD FFFD "\""},
		{{"\xf5\x80", 2}, "\"" FFFD FFFD "\""}, {{"\xc3", 1}, "\"" FFFD "\""},
		{{"\xe2\x82", 2}, "\"" FFFD FFFD "\""},
		{{"\xf0\x9f\x98", 3}, "\"" FFFD FFFD FFFD "\""},
		{{"\xc3\"", 2}, "\"" FFFD "\\\"\""}, /* a quote cannot hide behind a lead byte */
	};

	(void)state;
	run(buf_json, v, COUNT(v));
}

static void html_cannot_leave_its_element_or_attribute(void **state)
{
	static const struct escape_case v[] = {
		{{"a<b>&\"'", 7}, "a&lt;b&gt;&amp;&quot;&#39;"},
		{{"\t\r\n", 3}, "\t\r\n"},
		{{"\0\x1b\x7f", 3}, FFFD FFFD FFFD},
		{{"\xc3<", 2}, FFFD "&lt;"},
		{{"\xc3\xa4", 2}, "\xc3\xa4"},
		{{"a\\b", 3}, "a\\b"},
	};

	(void)state;
	run(buf_html, v, COUNT(v));
}

static void escaping_into_full_memory_ends(void **state)
{
	char mem[8];
	struct buf b;

	(void)state;
	buf_init_fixed(&b, mem, sizeof(mem));
	buf_json(&b, SPAN("\x01\x02\x03\x04"));
	assert_true(b.failed);
	assert_true(b.n < sizeof(mem));
	assert_int_equal(mem[b.n], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(numbers_are_written_as_printf_does),
		cmocka_unit_test(empty_buffer_gives_empty_span),
		cmocka_unit_test(fixed_buffer_refuses_whole_pieces_and_remembers),
		cmocka_unit_test(size_that_cannot_be_is_a_failure_not_a_wrap),
		cmocka_unit_test(json_is_valid_whatever_comes),
		cmocka_unit_test(html_cannot_leave_its_element_or_attribute),
		cmocka_unit_test(escaping_into_full_memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
