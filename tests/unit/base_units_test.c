/* Durations, sizes and speeds, there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "units.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define REFUSED	 UINT64_MAX

struct text_value {
	const char *text;
	uint64_t value; /* or REFUSED */
};

static const struct text_value durations[] = {
	{"250ms", 250},
	{"30s", 30000},
	{"5m", 300000},
	{"8h", 28800000},
	{"14d", 1209600000},
	{"0s", 0},
	{"5 m", 300000},
	{"9223372036854775807ms", INT64_MAX},
	{"106751991167d", UINT64_C(106751991167) * 86400000},
	{"9223372036854775808ms", REFUSED},
	{"106751991168d", REFUSED},
	{"99999999999999999999s", REFUSED},
	{"", REFUSED},
	{"30", REFUSED},
	{"s", REFUSED},
	{"-5s", REFUSED},
	{"+5s", REFUSED},
	{"1.5h", REFUSED},
	{" 5s", REFUSED},
	{"5s ", REFUSED},
	{"5S", REFUSED},
	{"5M", REFUSED},
	{"5min", REFUSED},
	{"5m30s", REFUSED},
	{"0x5s", REFUSED},
};

static const struct text_value sizes[] = {
	{"0", 0},
	{"1500", 1500},
	{"7B", 7},
	{"64K", 65536},
	{"64k", 65536},
	{"64KiB", 65536},
	{"64 KB", 64000},
	{"64kB", 64000},
	{"512 MB", 512000000},
	{"512 MiB", 512u << 20},
	{"2 GB", UINT64_C(2000000000)},
	{"2GiB", UINT64_C(2) << 30},
	{"10G", UINT64_C(10) << 30},
	{"2T", UINT64_C(2) << 40},
	{"2 TB", UINT64_C(2000000000000)},
	{"8388607T", UINT64_C(8388607) << 40},
	{"8388608T", REFUSED},
	{"9223372TB", UINT64_C(9223372000000000000)},
	{"9223373TB", REFUSED},
	{"9223372036854775807", INT64_MAX},
	{"9223372036854775808", REFUSED},
	{"", REFUSED},
	{"K", REFUSED},
	{"-1K", REFUSED},
	{"1.5G", REFUSED},
	{"64Kb", REFUSED},
	{"64kiB", REFUSED},
	{"64m", REFUSED},
	{"64 K ", REFUSED},
	{"64\tK", REFUSED},
	{"4 MB/s", REFUSED},
	{"0x10", REFUSED},
};

static const struct text_value speeds[] = {
	{"4 MB/s", 4000000},
	{"4MiB/s", 4u << 20},
	{"1 kB/s", 1000},
	{"1500 B/s", 1500},
	{"9/s", 9},
	{"4 MB", REFUSED},
	{"4 MB /s", REFUSED},
	{"4 MB/m", REFUSED},
	{"/s", REFUSED},
	{"s", REFUSED},
	{"", REFUSED},
	{"4 MB/s/s", REFUSED},
};

static bool duration(struct span text, uint64_t *out)
{
	int64_t ms = 0;
	bool ok = units_duration(text, &ms);

	*out = (uint64_t)ms;
	return ok;
}

static void put_duration(struct buf *out, uint64_t v)
{
	units_put_duration(out, (int64_t)v);
}

/* In memory of exactly its size, so that the sanitizer sees a step beyond it. */
static bool read_exactly(
	bool (*read)(struct span, uint64_t *), const char *text, size_t n, uint64_t *out)
{
	char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, text, n);
	bool ok = read(span_of(copy, n), out);
	free(copy);
	return ok;
}

/* What is written must be read again as the same. */
static void check(const struct text_value *v, size_t n, bool (*read)(struct span, uint64_t *),
	void (*put)(struct buf *, uint64_t))
{
	for (size_t i = 0; i < n; i++) {
		uint64_t got = REFUSED, again = REFUSED;
		struct buf b = {0};

		bool ok = read_exactly(read, v[i].text, strlen(v[i].text), &got);
		if (ok != (v[i].value != REFUSED) || (ok && got != v[i].value))
			fail_msg("\"%s\"", v[i].text);
		if (ok) {
			put(&b, got);
			if (!read_exactly(read, b.p, b.n, &again) || again != got)
				fail_msg("\"%s\" comes back as \"%s\"", v[i].text, b.p);
		}
		buf_free(&b);
	}
}

static void units_are_exact_and_come_back_as_they_were(void **state)
{
	(void)state;
	check(durations, COUNT(durations), duration, put_duration);
	check(sizes, COUNT(sizes), units_size, units_put_size);
	check(speeds, COUNT(speeds), units_speed, units_put_speed);
}

static void the_largest_unit_that_is_exact_is_shown(void **state)
{
	static const struct {
		void (*put)(struct buf *, uint64_t);
		uint64_t value;
		const char *text;
	} v[] = {
		{put_duration, 0, "0s"},
		{put_duration, 1500, "1500ms"},
		{put_duration, 90000, "90s"},
		{put_duration, 604800000, "7d"},
		{units_put_size, 0, "0"},
		{units_put_size, 1023, "1023"},
		{units_put_size, 1000, "1 kB"},
		{units_put_size, 1024, "1K"},
		{units_put_size, 2000000000, "2 GB"},
		{units_put_size, UINT64_C(10) << 30, "10G"},
		{units_put_speed, 4000000, "4 MB/s"},
		{units_put_speed, 1500, "1500 B/s"},
		{units_put_speed, 4096, "4K/s"},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(v); i++) {
		struct buf b = {0};

		v[i].put(&b, v[i].value);
		assert_string_equal(b.p, v[i].text);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_exact_and_come_back_as_they_were),
		cmocka_unit_test(the_largest_unit_that_is_exact_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
