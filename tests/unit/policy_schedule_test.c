/* The grammar of schedules and the minutes of the week that they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schedule.h"

#define CAP 64

/* "Mon 08:00" to a minute of the week. */
static int minute(const char *text)
{
	static const char days[] = "MonTueWedThuFriSatSun";
	int h, m;

	for (int d = 0; d < 7; d++) {
		if (memcmp(days + 3 * d, text, 3) == 0 && sscanf(text + 4, "%d:%d", &h, &m) == 2)
			return d * 1440 + h * 60 + m;
	}
	fail_msg("bad case %s", text);
	return -1;
}

static void windows_hold_what_is_written(void **state)
{
	static const struct {
		const char *text, *in[4], *out[4];
	} cases[] = {
		{"Mon-Fri 08:00-18:00", {"Mon 08:00", "Fri 17:59"},
			{"Mon 07:59", "Fri 18:00", "Sat 12:00"}},
		{"mon-FRI 08:00-12:00, 13:00-18:00", {"Tue 11:59", "Tue 13:00"},
			{"Tue 12:00", "Tue 12:59"}},
		{"Mon,Wed,Friday 09:00-10:00", {"Wed 09:30", "Fri 09:00"},
			{"Tue 09:30", "Thu 09:30"}},
		{"Mon-Fri 08:00-18:00; Sat 09:00-12:00", {"Mon 08:00", "Sat 11:59"},
			{"Sat 12:00", "Sun 09:00"}},
		{"Sat-Mon", {"Sat 00:00", "Sun 12:00", "Mon 23:59"}, {"Tue 00:00", "Fri 23:59"}},
		{"12:00-14:00", {"Mon 12:00", "Sun 13:59"}, {"Mon 11:59", "Sun 14:00"}},
		{"Fri 22:00-02:00", {"Fri 22:00", "Sat 01:59"},
			{"Fri 21:59", "Sat 02:00", "Fri 01:00"}},
		{"Sun 22:00-02:00", {"Sun 23:59", "Mon 00:00", "Mon 01:59"},
			{"Mon 02:00", "Sun 01:00"}},
		{"Sun 22:00-24:00", {"Sun 23:59"}, {"Mon 00:00"}},
		{"Sun 22:00-00:00", {"Sun 23:59"}, {"Mon 00:00"}},
		{"Mon 00:00-24:00", {"Mon 00:00", "Mon 23:59"}, {"Tue 00:00", "Sun 23:59"}},
		{"Tues-Thurs, Sunday", {"Tue 00:00", "Thu 23:59", "Sun 12:00"},
			{"Fri 00:00", "Mon 23:59"}},
		{"\tMon\t08:00-09:00 ", {"Mon 08:00"}, {"Mon 09:00"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct week_window w[CAP];
		struct err e = {""};
		int n = schedule_parse(span_str(cases[i].text), w, CAP, &e);
		if (n <= 0)
			fail_msg("\"%s\": %s", cases[i].text, e.text);
		for (size_t k = 0; k < 4; k++) {
			if (cases[i].in[k] && !schedule_has(w, (size_t)n, minute(cases[i].in[k])))
				fail_msg("\"%s\" lacks %s", cases[i].text, cases[i].in[k]);
			if (cases[i].out[k] && schedule_has(w, (size_t)n, minute(cases[i].out[k])))
				fail_msg("\"%s\" has %s", cases[i].text, cases[i].out[k]);
		}
		for (int k = 0; k < n; k++)
			assert_true(w[k].from < w[k].to && w[k].to <= WEEK_MINUTES);
	}
}

static void malformed_schedules_say_what_was_expected(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"", "empty"},
		{";", "empty"},
		{"Mon 08:00-09:00;", "empty"},
		{"Mo 08:00-09:00", "no day"},
		{"Mondays", "no day"},
		{"Mon-", "no day"},
		{"Mon,,Tue", "no day"},
		{"Mon-Fri-Sun", "no day"},
		{"Mon 8:00-09:00", "no time window"},
		{"Mon 08:00", "no time window"},
		{"Mon 08:00-", "no time window"},
		{"Mon 08:00-25:00", "no time window"},
		{"Mon 08:60-09:00", "no time window"},
		{"Mon 24:00-01:00", "no time window"},
		{"Mon 08:00-24:01", "no time window"},
		{"Mon 08:00-09:00,", "no time window"},
		{"Mon 08:00-09:00 Tue 08:00-09:00", "no time window"},
		{"Mon 08:00-08:00", "empty"},
		{"Mon 08.00-09.00", "no time window"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct week_window w[CAP];
		struct err e = {""};
		if (schedule_parse(span_str(cases[i].text), w, CAP, &e) != -1)
			fail_msg("\"%s\" was taken", cases[i].text);
		if (!strstr(e.text, cases[i].word))
			fail_msg("\"%s\": %s", cases[i].text, e.text);
	}
}

static void more_windows_than_fit_are_an_error(void **state)
{
	struct week_window w[6];
	struct err e = {""};

	(void)state;
	assert_int_equal(schedule_parse(SPAN("Mon-Sat 08:00-09:00"), w, 6, &e), 6);
	assert_int_equal(schedule_parse(SPAN("08:00-09:00"), w, 6, &e), -1);
	assert_non_null(strstr(e.text, "at most 6"));
}

static void no_window_holds_no_minute(void **state)
{
	(void)state;
	for (int m = 0; m < WEEK_MINUTES; m++)
		assert_false(schedule_has(NULL, 0, m));
}

static int by_from(const void *a, const void *b)
{
	return ((const struct week_window *)a)->from - ((const struct week_window *)b)->from;
}

/* What is written back reads as the same minutes. */
static void schedules_come_back_as_they_were(void **state)
{
	static const struct {
		const char *text, *back;
	} cases[] = {
		{"Mon-Fri 08:00-18:00", "Mon-Fri 08:00-18:00"},
		{"Mon-Fri 08:00-12:00,13:00-18:00; Sat 09:00-12:00",
			"Mon-Fri 08:00-12:00,13:00-18:00; Sat 09:00-12:00"},
		{"Sat-Mon", "Mon; Sat,Sun"},
		{"Wed; Fri-Sun", "Wed; Fri-Sun"},
		{"Fri 22:00-02:00", "Fri 22:00-24:00; Sat 00:00-02:00"},
		{"Tue 00:00-24:00", "Tue"},
		{"12:00-14:00", "Mon-Sun 12:00-14:00"},
		{"Mon,Wed 09:00-10:00", "Mon 09:00-10:00; Wed 09:00-10:00"},
	};
	static const struct week_window all = {0, WEEK_MINUTES}, over = {60, 3 * 1440};
	struct buf b = {0};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct week_window v[CAP], again[CAP];
		struct err e;
		int n = schedule_parse(span_str(cases[i].text), v, CAP, &e), m;

		qsort(v, (size_t)n, sizeof *v, by_from);
		buf_reset(&b);
		schedule_put(v, (size_t)n, &b);
		assert_string_equal(b.p, cases[i].back);
		m = schedule_parse(buf_spanof(&b), again, CAP, &e);
		assert_true(m > 0);
		for (int at = 0; at < WEEK_MINUTES; at++)
			if (schedule_has(v, (size_t)n, at) != schedule_has(again, (size_t)m, at))
				fail_msg("\"%s\" at minute %d", b.p, at);
	}
	buf_reset(&b);
	schedule_put(&all, 1, &b);
	assert_string_equal(b.p, "always");
	buf_reset(&b);
	schedule_put(&over, 1, &b);
	assert_string_equal(b.p, "Mon 01:00-24:00; Tue,Wed");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_hold_what_is_written),
		cmocka_unit_test(malformed_schedules_say_what_was_expected),
		cmocka_unit_test(more_windows_than_fit_are_an_error),
		cmocka_unit_test(schedules_come_back_as_they_were),
		cmocka_unit_test(no_window_holds_no_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
