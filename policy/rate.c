/*
 * Rates as people write them. A rate is kept as the interval of GCRA (one every so many
 * microseconds) together with what was written, for those who show it.
 */
#include "rate.h"

#define BURST_LEAST 3

static const struct unit {
	const char *word;
	uint32_t seconds;
} units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"day", 86400}};

static uint32_t unit_seconds(struct span word)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (span_is(word, units[i].word))
			return units[i].seconds;
	return 0;
}

static uint32_t default_burst(uint64_t count)
{
	return count / 4 > BURST_LEAST ? (uint32_t)(count / 4) : BURST_LEAST;
}

/* `text` is what follows the unit: nothing, or "burst" and a number. */
static bool burst_parse(struct span text, uint64_t count, uint32_t *out)
{
	uint64_t n;

	text = span_trim(text);
	if (text.n == 0) {
		*out = default_burst(count);
		return true;
	}
	struct span word = span_cut(&text, ' ');
	if (!span_is(word, "burst") || !span_u64(span_trim(text), RATE_COUNT_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

bool rate_parse(struct span text, struct rate_limit *out, struct err *e)
{
	struct span rest = span_trim(text);
	struct span digits = span_cut(&rest, '/');
	uint64_t count;

	if (!span_u64(digits, RATE_COUNT_MAX, &count) || count == 0)
		return err_set(e,
			"\"%.*s\" does not begin with a count from 1 to %d and \"/\", as in "
			"\"60/min\"",
			SPAN_ARG(text), RATE_COUNT_MAX);
	struct span unit = span_cut(&rest, ' ');
	uint32_t seconds = unit_seconds(unit);
	if (seconds == 0)
		return err_set(
			e, "\"%.*s\" is no period; expected s, min, h or day", SPAN_ARG(unit));
	uint32_t burst;
	if (!burst_parse(rest, count, &burst))
		return err_set(e,
			"\"%.*s\" after the rate; expected \"burst\" and a number up to %d",
			SPAN_ARG(rest), RATE_COUNT_MAX);
	*out = (struct rate_limit){.interval_us = UINT64_C(1000000) * seconds / count,
		.burst = burst,
		.count = (uint32_t)count,
		.period_s = seconds};
	return true;
}

void rate_put(const struct rate_limit *r, const char *what, struct buf *out)
{
	size_t unit = 0;

	while (unit + 1 < sizeof units / sizeof *units && units[unit].seconds != r->period_s)
		unit++;
	buf_printf(out, "%u%s/%s", r->count, what, units[unit].word);
	if (r->burst != default_burst(r->count))
		buf_printf(out, " burst %u", r->burst);
}
