/*
 * Zones as lists of steps. The C library knows the rules; it is asked for the offset once a day of
 * the span, and where two days differ the moment of the change is found by halving. What it would
 * do with an unknown name (silently UTC) is caught by looking at the zone file first.
 */
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ZONE_FROM     INT64_C(946684800)  /* 2000-01-01T00:00:00Z */
#define ZONE_TO	      INT64_C(2840140800) /* 2060-01-01T00:00:00Z */
#define ZONE_DAY      INT64_C(86400)
#define ZONE_NAME_MAX 64

static bool name_ok(struct span name)
{
	if (name.n == 0 || name.n > ZONE_NAME_MAX || name.p[0] == '/')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || !strchr("_+-/", c)))
			return false;
	}
	return true;
}

/* The C library counts leap seconds in the zones below "right/"; records and clocks do not. */
static bool counts_leap_seconds(struct span name)
{
	return span_starts(name, SPAN("right/"));
}

static bool zone_file_exists(const char *name)
{
	const char *dir = getenv("TZDIR");
	char path[512], magic[4];
	int n = snprintf(path, sizeof(path), "%s/%s", dir ? dir : "/usr/share/zoneinfo", name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool ok = fread(magic, 1, sizeof(magic), f) == sizeof(magic) && !memcmp(magic, "TZif", 4);
	fclose(f);
	return ok;
}

static int32_t offset_now(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;

	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

/* The first second at which the offset is no longer `before`; it is `before` at lo, not at hi. */
static int64_t find_change(int64_t lo, int64_t hi, int32_t before)
{
	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;
		if (offset_now(mid) == before)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

static void add_step(struct buf *out, int64_t from, int32_t offset)
{
	struct zone_step step = {.from_s = from, .offset_s = offset};

	buf_add(out, &step, sizeof(step));
}

static void walk(struct buf *out)
{
	int32_t offset = offset_now(ZONE_FROM);

	add_step(out, ZONE_FROM, offset);
	for (int64_t day = ZONE_FROM; day < ZONE_TO; day += ZONE_DAY) {
		int32_t next = offset_now(day + ZONE_DAY);
		if (next == offset)
			continue;
		add_step(out, find_change(day, day + ZONE_DAY, offset), next);
		offset = next;
	}
}

static void use_tz(const char *value)
{
	if (value)
		setenv("TZ", value, 1);
	else
		unsetenv("TZ");
	tzset();
}

bool zone_compile(const char *name, struct buf *out, struct err *e)
{
	const char *was = getenv("TZ");
	char tz[ZONE_NAME_MAX + 2];

	if (!name_ok(span_str(name)) || counts_leap_seconds(span_str(name)))
		return err_set(e,
			"\"%.*s\" is no name of a time zone; expected one like "
			"\"Europe/London\"",
			ZONE_NAME_MAX, name);
	if (strcmp(name, "UTC") == 0) {
		add_step(out, ZONE_FROM, 0);
		return !out->failed || err_set(e, "out of memory");
	}
	if (!zone_file_exists(name))
		return err_set(e,
			"no time zone \"%s\" on this system; expected a name like "
			"\"Europe/London\" (package tzdata has them)",
			name);

	char *saved = was ? strdup(was) : NULL;
	if (was && !saved)
		return err_set(e, "out of memory");
	snprintf(tz, sizeof(tz), ":%s", name);
	use_tz(tz);
	walk(out);
	use_tz(saved);
	free(saved);
	return !out->failed || err_set(e, "out of memory");
}

int32_t zone_offset(const struct zone_step *v, size_t n, int64_t unix_s)
{
	size_t lo = 0, hi = n; /* the step sought is in [lo, hi) */

	if (n == 0)
		return 0;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (v[mid].from_s <= unix_s)
			lo = mid;
		else
			hi = mid;
	}
	return v[lo].offset_s;
}
