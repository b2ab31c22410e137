/*
 * A Redis server that lies to reports: any bytes as its answers. Reading ends, and of what was read
 * rows can be made that add up to no more people than there are pseudonyms.
 */
#include "source.h"

#include "redis_peer.h"

static void take(void *arg, const struct record *r)
{
	++*(unsigned *)arg;
	must(r->kind == RECORD_ACCESS);
}

static void make_rows(struct tally *t)
{
	struct figures all;

	tally_total(t, &all);
	for (int d = 0; d < DIM_COUNT; d++) {
		struct tally_row *rows;
		size_t n;

		if (!tally_rows(t, (enum dim)d, 2, &rows, &n))
			continue;
		for (size_t i = 0; i < n; i++)
			must(rows[i].f.people <= all.people && rows[i].rows > 0);
		free(rows);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct period period;
	unsigned taken = 0;
	const struct raw_taker raw = {take, &taken};
	struct err e = {""};

	if (!period.days)
		must(period_make(
			&period, "2026-03-02", "2026-03-02", "Europe/London", 1772445600, &e));
	struct redis_options o = peer_begin(span_of(data, size));
	struct tally *t = tally_new(&period);
	must(t != NULL);
	bool ok = source_redis_read(&o, t, &raw, false, &e);
	must(ok || e.text[0]);
	if (ok)
		make_rows(t);
	tally_free(t);
	peer_end();
	return 0;
}
