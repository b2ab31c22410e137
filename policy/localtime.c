/*
 * Moments and the policy's local time. The snapshot brings the zone's steps along; the calendar
 * arithmetic (proleptic Gregorian, counted from 1 March so that leap days come last) is all that is
 * needed beside them.
 */
#include "snapshot.h"

#include "zone.h"

#define DAY_S 86400

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970-01-01 to year, month, day. An era is 400 years or 146097 days. */
static void civil_from_days(int64_t days, struct local_time *out)
{
	int64_t z = days + 719468; /* since 0000-03-01 */
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153; /* 0: March */

	out->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	out->year = (int)(yoe + era * 400 + (out->month <= 2));
}

static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_div(y, 400);
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

void snapshot_local(const struct snapshot *s, int64_t unix_s, struct local_time *out)
{
	size_t n;
	const struct zone_step *steps = snapshot_zone_steps(s, &n);

	out->offset_s = zone_offset(steps, n, unix_s);
	int64_t local = unix_s + out->offset_s;
	int64_t days = floor_div(local, DAY_S);

	civil_from_days(days, out);
	out->weekday = (int)(days + 3 - floor_div(days + 3, 7) * 7); /* 1970-01-01: a Thursday */
	out->minute = (int)((local - days * DAY_S) / 60);
}

static void put_digits(char *out, size_t n, int v)
{
	while (n-- > 0) {
		out[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void snapshot_day(const struct snapshot *s, int64_t unix_s, char out[11])
{
	struct local_time t;

	snapshot_local(s, unix_s, &t);
	memcpy(out, "0000-00-00", 11);
	put_digits(out, 4, t.year < 0 ? 0 : t.year);
	put_digits(out + 5, 2, t.month);
	put_digits(out + 8, 2, t.day);
}

static bool number(struct span s, size_t at, size_t n, uint64_t min, uint64_t max, int *out)
{
	uint64_t v;

	if (!span_u64(span_of(s.p + at, n), max, &v) || v < min)
		return false;
	*out = (int)v;
	return true;
}

/* "YYYY-MM-DD[ HH:MM]" to seconds since 1970-01-01 00:00 of the same local calendar. */
static bool parse_calendar(struct span s, int64_t *local)
{
	static const uint8_t month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, m, d, hour = 0, minute = 0;

	if ((s.n != 10 && s.n != 16) || s.p[4] != '-' || s.p[7] != '-' ||
		!number(s, 0, 4, 2000, 2060, &y) || !number(s, 5, 2, 1, 12, &m) ||
		!number(s, 8, 2, 1, 31, &d))
		return false;
	bool leap = m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
	if (d > month_days[m - 1] + leap)
		return false;
	if (s.n == 16 && (s.p[10] != ' ' || s.p[13] != ':' || !number(s, 11, 2, 0, 23, &hour) ||
				 !number(s, 14, 2, 0, 59, &minute)))
		return false;
	*local = days_from_civil(y, m, d) * DAY_S + hour * 3600 + minute * 60;
	return true;
}

static int64_t day_number(const struct snapshot *s, int64_t unix_s)
{
	size_t n;
	const struct zone_step *steps = snapshot_zone_steps(s, &n);

	return floor_div(unix_s + zone_offset(steps, n, unix_s), DAY_S);
}

/* The first moment in (lo, hi] whose day is `number` or a later one; it is an earlier one at lo. */
static int64_t day_begins(const struct snapshot *s, int64_t lo, int64_t hi, int64_t number)
{
	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (day_number(s, mid) < number)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

/* Further than any day is long. */
#define DAYS_APART (2 * DAY_S)

void snapshot_local_day(const struct snapshot *s, int64_t unix_s, struct local_day *out)
{
	int64_t number = day_number(s, unix_s);

	out->number = number < 0 ? 0 : (uint32_t)number;
	out->from_s = day_begins(s, unix_s - DAYS_APART, unix_s, number);
	out->to_s = day_begins(s, unix_s, unix_s + DAYS_APART, number + 1);
	snapshot_day(s, unix_s, out->text);
}

bool snapshot_parse_time(const struct snapshot *s, struct span text, int64_t *unix_s)
{
	size_t n;
	const struct zone_step *steps = snapshot_zone_steps(s, &n);
	int64_t local, at = 0;

	if (!parse_calendar(text, &local))
		return false;
	for (size_t i = 0; i < n; i++) {
		at = local - steps[i].offset_s;
		if (i > 0 && at < steps[i].from_s)
			at = steps[i].from_s; /* skipped by the clocks: too late for the step before
					       */
		if (i + 1 == n || at < steps[i + 1].from_s)
			break;
	}
	*unix_s = n > 0 ? at : local;
	return true;
}
