/* Days as numbers since 1970-01-01; the C library's UTC calendar does the arithmetic. */
#include "period.h"

#include "zone.h"

#include <stdio.h>
#include <time.h>

#define DAY_S 86400

struct zone_table {
	struct buf bytes;
	const struct zone_step *v;
	size_t n;
};

bool day_number(const char *text, int64_t *day)
{
	struct tm tm = {0};
	char again[11];
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	if (!end || *end || strlen(text) != 10)
		return false;
	time_t t = timegm(&tm);
	strftime(again, sizeof again, "%Y-%m-%d", &tm);
	*day = t / DAY_S;
	return t >= 0 && tm.tm_year < 1000 && strcmp(text, again) == 0;
}

static void day_format(int64_t day, char out[11])
{
	time_t t = (time_t)(day * DAY_S);
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(out, 11, "%Y-%m-%d", &tm);
}

static int32_t offset_at(const struct zone_table *z, int64_t unix_s)
{
	return z->n ? zone_offset(z->v, z->n, unix_s) : 0;
}

/* UTC of a day's local midnight; the second step is right unless the clocks change within an hour
 * of midnight, where it is off by that change at most. */
static int64_t midnight(const struct zone_table *z, int64_t day)
{
	int64_t local = day * DAY_S;
	int64_t guess = local - offset_at(z, local);
	return local - offset_at(z, guess);
}

static bool zone_load(struct zone_table *z, const char *name, struct err *e)
{
	*z = (struct zone_table){0};
	if (!*name)
		return true;
	if (!zone_compile(name, &z->bytes, e))
		return false;
	z->v = (const struct zone_step *)(const void *)z->bytes.p;
	z->n = z->bytes.n / sizeof *z->v;
	return true;
}

static bool day_typed(const char *text, int64_t today, int64_t *day)
{
	bool yesterday = strcmp(text, "yesterday") == 0;
	if (!yesterday && strcmp(text, "today") != 0)
		return day_number(text, day);
	*day = today - yesterday;
	return true;
}

static bool set_days(
	struct period *out, const char *from, const char *to, int64_t today, struct err *e)
{
	int64_t first, last;
	if (from && !day_typed(from, today, &first))
		return err_set(
			e, "--from '%s' is no day: expected YYYY-MM-DD, today or yesterday", from);
	if (to && !day_typed(to, today, &last))
		return err_set(
			e, "--to '%s' is no day: expected YYYY-MM-DD, today or yesterday", to);
	if (!to)
		last = !from || first < today ? today : first;
	if (!from)
		first = to ? last : last - 6;
	if (first > last)
		return err_set(e, "the period ends before it begins");
	if (last - first >= PERIOD_DAYS_MAX)
		return err_set(e, "the period is longer than %d days", PERIOD_DAYS_MAX);
	day_format(first, out->from);
	day_format(last, out->to);
	out->days = (size_t)(last - first) + 1;
	return true;
}

static void set_minutes(struct period *out, const struct zone_table *z, int64_t now_s)
{
	int64_t first = 0, last = 0;
	day_number(out->from, &first);
	day_number(out->to, &last);
	int64_t begin = midnight(z, first), end = midnight(z, last + 1);
	if (end > now_s)
		end = now_s;
	out->minutes = end > begin ? (uint64_t)(end - begin) / 60 : 0;
}

bool period_make(struct period *out, const char *from, const char *to, const char *zone,
	int64_t now_s, struct err *e)
{
	struct zone_table z;
	*out = (struct period){0};
	if (zone && strlen(zone) >= sizeof out->zone)
		return err_set(e, "the name of the zone is too long");
	snprintf(out->zone, sizeof out->zone, "%s", zone ? zone : "");
	if (!zone_load(&z, out->zone, e))
		return false;
	int64_t today = (now_s + offset_at(&z, now_s)) / DAY_S;
	bool ok = set_days(out, from, to, today, e);
	if (ok)
		set_minutes(out, &z, now_s);
	buf_free(&z.bytes);
	return ok;
}

void period_day(const struct period *p, size_t i, char out[11])
{
	int64_t first = 0;
	day_number(p->from, &first);
	day_format(first + (int64_t)i, out);
}

bool period_index(const struct period *p, struct span day, size_t *i)
{
	char text[11];
	int64_t first, at;
	if (day.n != 10 || !span_copy(day, text, sizeof text) || !day_number(p->from, &first) ||
		!day_number(text, &at) || at < first || (size_t)(at - first) >= p->days)
		return false;
	*i = (size_t)(at - first);
	return true;
}
