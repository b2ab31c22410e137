/*
 * A Redis server that lies: any bytes as its answers to one who wants to hear the totals of other
 * nodes. Every round ends; what is passed on is of today, of people and rules as they are written,
 * and never less than before.
 */
#include "totals_hear.h"

#include "redis_peer.h"

#define TODAY 29541600u

static uint32_t start(void *arg, int64_t now_ms, char day[11])
{
	(void)arg, (void)now_ms;
	memcpy(day, "2026-03-02", 11);
	return TODAY;
}

static bool take(void *arg, const struct total *sum)
{
	char mem[TOTAL_FIELD_MAX];
	struct buf b;
	unsigned *taken = arg;

	buf_init_fixed(&b, mem, sizeof mem);
	total_field(sum, &b);
	must(!b.failed && sum->start == TODAY);
	++*taken;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned taken = 0;
	struct totals_door door = {.arg = &taken, .start = start, .take = take};
	struct redis_options o = peer_begin(span_of(data, size));
	struct totals_figures figures = {0};
	struct totals_trouble wrong = {0};
	struct totals_hear h;
	enum cause why = CAUSE_NONE;
	struct err e = {""};
	bool whole, ok = true;

	struct redis *r = redis_open(&o, &why, &e);
	must(r && hear_start(&h, &door, "self", &figures));
	for (unsigned round = 0; ok && round < 4; round++) {
		ok = hear_round(&h, r, &whole, &wrong, &e);
		must(ok || e.text[0]);
		must(h.n <= TOTAL_NODES && taken <= figures.heard);
	}
	must(ok || redis_why(r) == CAUSE_CLOSED || redis_why(r) == CAUSE_PROTOCOL ||
		redis_why(r) == CAUSE_LOCAL);
	hear_free(&h);
	redis_free(r);
	peer_end();
	return 0;
}
