/*
 * Durations, sizes and speeds as anybody may write them: what is read is written in one way, and
 * that way reads as the same value.
 */
#include "units.h"

#include "fuzz.h"

static void check_duration(struct span s)
{
	struct buf text = {0};
	int64_t ms, again;

	if (!units_duration(s, &ms))
		return;
	must(ms >= 0);
	units_put_duration(&text, ms);
	must(units_duration(buf_spanof(&text), &again) && again == ms);
	buf_free(&text);
}

static void check_bytes(
	struct span s, bool (*read)(struct span, uint64_t *), void (*put)(struct buf *, uint64_t))
{
	struct buf text = {0};
	uint64_t n, again;

	if (!read(s, &n))
		return;
	must(n <= INT64_MAX);
	put(&text, n);
	must(read(buf_spanof(&text), &again) && again == n);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span_of(data, size);

	check_duration(s);
	check_bytes(s, units_size, units_put_size);
	check_bytes(s, units_speed, units_put_speed);
	return 0;
}
