/* Rates as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rate.h"

struct good {
	const char *text;
	uint64_t interval_us;
	uint32_t burst, count, period_s;
};

static void rates_become_intervals_and_bursts(void **state)
{
	static const struct good v[] = {
		{"60/min", 1000000, 15, 60, 60},
		{"20/min", 3000000, 5, 20, 60},
		{"1/s", 1000000, 3, 1, 1},
		{"12/h", 300000000, 3, 12, 3600},
		{"16/day", UINT64_C(5400000000), 4, 16, 86400},
		{"1000/s", 1000, 250, 1000, 1},
		{"60/min burst 2", 1000000, 2, 60, 60},
		{"60/min  burst  2", 1000000, 2, 60, 60},
		{"5/s burst 0", 200000, 0, 5, 1},
		{" 60/min ", 1000000, 15, 60, 60},
		{"1000000/s", 1, 250000, 1000000, 1},
	};
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct rate_limit r = {0};
		struct err e = {""};

		if (!rate_parse(span_str(v[i].text), &r, &e))
			fail_msg("\"%s\": %s", v[i].text, e.text);
		assert_int_equal(r.interval_us, v[i].interval_us);
		assert_int_equal(r.burst, v[i].burst);
		assert_int_equal(r.count, v[i].count);
		assert_int_equal(r.period_s, v[i].period_s);
	}
}

static void rates_are_shown_as_they_are_written(void **state)
{
	static const char *const v[] = {
		"60/min", "1/s", "12/h", "16/day", "60/min burst 2", "5/s burst 0", "1000000/s"};
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct rate_limit r;
		struct buf b = {0};
		struct err e;

		assert_true(rate_parse(span_str(v[i]), &r, &e));
		rate_put(&r, "", &b);
		assert_string_equal(b.p, v[i]);
		buf_free(&b);
	}
}

struct bad {
	const char *text, *part;
};

static void wrong_rates_say_what_was_expected(void **state)
{
	static const struct bad v[] = {
		{"", "count"},
		{"60", "\"\" is no period"},
		{"/min", "count"},
		{"0/min", "count"},
		{"-5/min", "count"},
		{"1.5/min", "count"},
		{"1000001/s", "1 to 1000000"},
		{"99999999999999999999/s", "count"},
		{"60 /min", "count"},
		{"60/", "is no period"},
		{"60/minute", "\"minute\" is no period; expected s, min, h or day"},
		{"60/m", "s, min, h or day"},
		{"60/MIN", "s, min, h or day"},
		{"60/min 5", "burst"},
		{"60/min burst", "burst"},
		{"60/min burst x", "burst"},
		{"60/min burst 5 6", "burst"},
		{"60/min burst 1000001", "up to 1000000"},
		{"60/min spread 5", "burst"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct rate_limit r;
		struct err e = {""};

		if (rate_parse(span_str(v[i].text), &r, &e))
			fail_msg("\"%s\" was taken", v[i].text);
		if (!strstr(e.text, v[i].part))
			fail_msg("\"%s\": \"%s\" without \"%s\"", v[i].text, e.text, v[i].part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_become_intervals_and_bursts),
		cmocka_unit_test(rates_are_shown_as_they_are_written),
		cmocka_unit_test(wrong_rates_say_what_was_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
