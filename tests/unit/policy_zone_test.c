/* Zones and local time: offsets in winter and summer, the hours that daylight saving skips or
 * repeats, and days as reports name them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "policy_scratch.h"

static const struct snapshot *in_zone(const char *zone, struct buf *out)
{
	char text[256];

	snprintf(text, sizeof(text),
		"zone = \"%s\"; rules = ( { name = \"rest\"; action = \"allow\"; } );", zone);
	return snapshot_of_text(text, out);
}

static void offsets_follow_daylight_saving(void **state)
{
	static const struct {
		const char *zone;
		int64_t at;
		int32_t offset;
	} cases[] = {
		{"UTC", 1784000000, 0}, {"Europe/London", 1767225600, 0}, /* 2026-01-01 */
		{"Europe/London", 1774745999, 0}, /* a second before 2026-03-29 01:00Z */
		{"Europe/London", 1774746000, 3600},
		{"Europe/London", 1792889999, 3600}, /* a second before 2026-10-25 01:00Z */
		{"Europe/London", 1792890000, 0},
		{"America/New_York", 1772953199, -18000}, /* a second before 2026-03-08 07:00Z */
		{"America/New_York", 1772953200, -14400},
		{"Australia/Lord_Howe", 1767225600,
			39600}, /* summer there: half an hour of saving */
		{"Australia/Lord_Howe", 1782864000, 37800}, /* 2026-07-01 */
		{"Asia/Kolkata", 1767225600, 19800}, {"Asia/Kolkata", 1782864000, 19800},
		{"Africa/Casablanca", 1767225600, 3600},
		{"Africa/Casablanca", 1772323200, 0}, /* 2026-03-01, Ramadan */
		{"Europe/London", 2540160000, 3600},  /* 2050-06-30, behind the 32-bit tables */
		{"Europe/London", 0, 0},	      /* before the first step: as at the first */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = {0};
		struct err e = {""};
		assert_true(zone_compile(cases[i].zone, &b, &e));
		int32_t got = zone_offset((const struct zone_step *)(const void *)b.p,
			b.n / sizeof(struct zone_step), cases[i].at);
		if (got != cases[i].offset)
			fail_msg("%s at %lld: %d, expected %d", cases[i].zone,
				(long long)cases[i].at, got, cases[i].offset);
		buf_free(&b);
	}
}

static void steps_agree_with_the_c_library_all_over(void **state)
{
	static const char *const zones[] = {"Europe/London", "America/New_York",
		"Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Apia",
		"Asia/Pyongyang", "Europe/Istanbul"};

	(void)state;
	for (size_t z = 0; z < sizeof(zones) / sizeof(*zones); z++) {
		struct buf b = {0};
		assert_true(zone_compile(zones[z], &b, NULL));
		setenv("TZ", zones[z], 1);
		tzset();
		for (int64_t t = 946684800; t < 2840140800;
			t += 32401) { /* nine hours and a second */
			time_t at = (time_t)t;
			struct tm tm;
			assert_non_null(localtime_r(&at, &tm));
			if (zone_offset((const struct zone_step *)(const void *)b.p,
				    b.n / sizeof(struct zone_step), t) != tm.tm_gmtoff)
				fail_msg("%s differs at %lld", zones[z], (long long)t);
		}
		unsetenv("TZ");
		tzset();
		buf_free(&b);
	}
}

static void unknown_zones_are_refused_and_never_taken_for_utc(void **state)
{
	static const char *const names[] = {"", "Europe/Londn", "europe/london", "../etc/passwd",
		"/etc/localtime", "Europe", "GMT0BST", "right/Europe/London", "zone1970.tab",
		"Europe/London;x", "tzdata.zi"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct buf b = {0};
		struct err e = {""};
		if (zone_compile(names[i], &b, &e))
			fail_msg("\"%s\" was taken", names[i]);
		assert_true(e.text[0] != '\0');
		assert_int_equal(b.n, 0);
	}
}

static void the_callers_tz_is_left_as_it_was(void **state)
{
	struct buf b = {0};

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	assert_true(zone_compile("Europe/London", &b, NULL));
	assert_string_equal(getenv("TZ"), "Asia/Tokyo");
	unsetenv("TZ");
	assert_true(zone_compile("Europe/London", &b, NULL));
	assert_null(getenv("TZ"));
	tzset();
	buf_free(&b);
}

static void local_time_has_day_weekday_and_minute(void **state)
{
	static const struct {
		const char *zone;
		int64_t at;
		const char *day;
		int weekday, minute;
	} cases[] = {
		{"UTC", 0, "1970-01-01", 3, 0},
		{"UTC", -1, "1969-12-31", 2, 1439},
		{"UTC", 951782400, "2000-02-29", 1, 0},
		{"UTC", 951868800, "2000-03-01", 2, 0},
		{"UTC", 1709164799, "2024-02-28", 2, 1439},
		{"UTC", 1709164800, "2024-02-29", 3, 0},
		{"Europe/London", 1763912400, "2025-11-23", 6, 940},
		{"Europe/London", 1782860399, "2026-06-30", 1, 1439},
		{"Europe/London", 1782860400, "2026-07-01", 2, 0},
		{"America/New_York", 1767225600, "2025-12-31", 2, 1140},
		{"Asia/Kolkata", 1767205800, "2026-01-01", 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = {0};
		const struct snapshot *s = in_zone(cases[i].zone, &b);
		struct local_time t;
		char day[11];
		snapshot_local(s, cases[i].at, &t);
		snapshot_day(s, cases[i].at, day);
		assert_string_equal(day, cases[i].day);
		assert_int_equal(t.weekday, cases[i].weekday);
		assert_int_equal(t.minute, cases[i].minute);
		buf_free(&b);
	}
}

static void written_times_are_read_in_the_zone(void **state)
{
	static const struct {
		const char *zone, *text;
		int64_t at;
	} cases[] = {
		{"UTC", "2000-01-01", 946684800},
		{"UTC", "2024-02-29 12:30", 1709209800},
		{"Europe/London", "2026-07-01", 1782860400},
		{"Europe/London", "2026-03-29 00:59", 1774745940},
		{"Europe/London", "2026-03-29 01:30", 1774746000}, /* skipped: the change */
		{"Europe/London", "2026-03-29 02:00", 1774746000},
		{"Europe/London", "2026-10-25 01:30", 1792888200}, /* twice: the first */
		{"Europe/London", "2026-10-25 02:00", 1792893600},
		{"Australia/Lord_Howe", "2026-10-04 02:10", 1791041400}, /* skipped half hour */
		{"Asia/Kolkata", "2026-01-01", 1767205800},
		{"Europe/London", "2059-12-31 23:59", 2840140740},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = {0};
		int64_t at = -1;
		assert_true(snapshot_parse_time(
			in_zone(cases[i].zone, &b), span_str(cases[i].text), &at));
		if (at != cases[i].at)
			fail_msg("%s %s: %lld, expected %lld", cases[i].zone, cases[i].text,
				(long long)at, (long long)cases[i].at);
		buf_free(&b);
	}
}

static void every_day_reads_back_as_itself(void **state)
{
	struct buf b = {0};
	const struct snapshot *s = in_zone("America/New_York", &b);

	(void)state;
	for (int64_t t = 946789200; t < 2839000000; t += 86400) {
		char day[11];
		int64_t start;
		snapshot_day(s, t, day);
		assert_true(snapshot_parse_time(s, span_str(day), &start));
		assert_true(start <= t && t - start < 90000);
	}
	buf_free(&b);
}

static void malformed_times_are_refused(void **state)
{
	static const char *const texts[] = {"", "2026", "2026-1-1", "2026-13-01", "2026-00-10",
		"2026-02-29", "2026-04-31", "1999-12-31", "2061-01-01", "2026-01-01T12:00",
		"2026-01-01 24:00", "2026-01-01 12:60", "2026-01-01 1:00", "2026-01-01 12:00:00",
		"2026/01/01", "+026-01-01", " 2026-01-01"};
	struct buf b = {0};
	const struct snapshot *s = in_zone("UTC", &b);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		int64_t at;
		if (snapshot_parse_time(s, span_str(texts[i]), &at))
			fail_msg("\"%s\" was taken", texts[i]);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_follow_daylight_saving),
		cmocka_unit_test(steps_agree_with_the_c_library_all_over),
		cmocka_unit_test(unknown_zones_are_refused_and_never_taken_for_utc),
		cmocka_unit_test(the_callers_tz_is_left_as_it_was),
		cmocka_unit_test(local_time_has_day_weekday_and_minute),
		cmocka_unit_test(written_times_are_read_in_the_zone),
		cmocka_unit_test(every_day_reads_back_as_itself),
		cmocka_unit_test(malformed_times_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
