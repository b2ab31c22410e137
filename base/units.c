/* Units as tables; reading takes any row, writing the first of those with the largest factor. */
#include "units.h"

#include <assert.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit times[] = {
	{"ms", 1},
	{"s", 1000},
	{"m", 60 * 1000},
	{"h", 3600 * 1000},
	{"d", 24 * 3600 * 1000},
	{NULL, 0},
};

#define KILO UINT64_C(1000)
#define KIBI UINT64_C(1024)

static const struct unit sizes[] = {
	{"", 1},
	{"B", 1},
	{"kB", KILO},
	{"KB", KILO},
	{"K", KIBI},
	{"k", KIBI},
	{"KiB", KIBI},
	{"MB", KILO *KILO},
	{"M", KIBI *KIBI},
	{"MiB", KIBI *KIBI},
	{"GB", KILO *KILO *KILO},
	{"G", KIBI *KIBI *KIBI},
	{"GiB", KIBI *KIBI *KIBI},
	{"TB", KILO *KILO *KILO *KILO},
	{"T", KIBI *KIBI *KIBI *KIBI},
	{"TiB", KIBI *KIBI *KIBI *KIBI},
	{NULL, 0},
};

static bool parse(struct span text, const struct unit *units, uint64_t *out)
{
	size_t digits = 0, unit;
	uint64_t v;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	for (unit = digits; unit < text.n && text.p[unit] == ' ';)
		unit++;
	for (; units->name; units++)
		if (span_is(span_of(text.p + unit, text.n - unit), units->name))
			break;
	if (!units->name || !span_u64(span_of(text.p, digits), INT64_MAX / units->factor, &v))
		return false;
	*out = v * units->factor;
	return true;
}

bool units_duration(struct span text, int64_t *ms)
{
	uint64_t v;

	if (!parse(text, times, &v))
		return false;
	*ms = (int64_t)v;
	return true;
}

bool units_size(struct span text, uint64_t *bytes)
{
	return parse(text, sizes, bytes);
}

bool units_speed(struct span text, uint64_t *bytes_s)
{
	return span_ends(text, SPAN("/s")) && parse(span_of(text.p, text.n - 2), sizes, bytes_s);
}

static const struct unit *largest(uint64_t v, const struct unit *units)
{
	const struct unit *best = units;

	for (; units->name; units++)
		if (v && v % units->factor == 0 && units->factor > best->factor)
			best = units;
	return best;
}

void units_put_duration(struct buf *out, int64_t ms)
{
	assert(ms >= 0);
	const struct unit *u = ms ? largest((uint64_t)ms, times) : &times[1];

	buf_u64(out, (uint64_t)ms / u->factor);
	buf_adds(out, u->name);
}

void units_put_size(struct buf *out, uint64_t bytes)
{
	const struct unit *u = largest(bytes, sizes);

	buf_u64(out, bytes / u->factor);
	buf_adds(out, strlen(u->name) > 1 ? " " : "");
	buf_adds(out, u->name);
}

void units_put_speed(struct buf *out, uint64_t bytes_s)
{
	units_put_size(out, bytes_s);
	buf_adds(out, largest(bytes_s, sizes) == sizes ? " B/s" : "/s");
}
