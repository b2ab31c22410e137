/* Figures of workers: words, buckets and sums. */
#include "counters.h"

const uint32_t lap_bound_us[LAP_BUCKETS] = {
	50, 100, 250, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000};

const char *verdict_word(enum verdict_word v)
{
	static const char *const words[] = {
#define VERDICT(name, word, text) word,
#include "verdicts.def"
#undef VERDICT
	};
	return words[v];
}

void count_lap(struct counters *c, enum lap lap, uint64_t us)
{
	struct lap_counts *l = &c->lap[lap];
	size_t i = 0;

	while (i < LAP_BUCKETS && us > lap_bound_us[i])
		i++;
	count_add(&l->bucket[i], 1);
	count_add(&l->sum_us, us);
}

void counters_begin(struct counters *c)
{
	count_set(&c->connections, 0);
	count_set(&c->tunnels, 0);
	count_set(&c->failing, 0);
}

static void sum(_Atomic uint64_t *to, const _Atomic uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		count_add(&to[i], count_get(&from[i]));
}

void counters_sum(struct counters *to, const struct counters *from)
{
	for (size_t v = 0; v < VERDICT_COUNT; v++)
		sum(to->verdict[v], from->verdict[v], REASON_COUNT);
	sum(to->end, from->end, END_COUNT);
	sum(to->portal, from->portal, PORTAL_COUNT);
	sum(to->drop, from->drop, DROP_COUNT);
	sum(&to->acks, &from->acks, 1);
	sum(&to->pauses, &from->pauses, 1);
	sum(&to->tunnels_begun, &from->tunnels_begun, 1);
	sum(&to->up, &from->up, 1);
	sum(&to->down, &from->down, 1);
	sum(&to->lost, &from->lost, 1);
	for (size_t i = 0; i < LAP_COUNT; i++) {
		sum(to->lap[i].bucket, from->lap[i].bucket, LAP_BUCKETS + 1);
		sum(&to->lap[i].sum_us, &from->lap[i].sum_us, 1);
	}
	sum(&to->connections, &from->connections, 1);
	sum(&to->tunnels, &from->tunnels, 1);
	sum(&to->failing, &from->failing, 1);
}

uint64_t counters_verdicts(const struct counters *c, enum verdict_word v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < REASON_COUNT; i++)
		n += count_get(&c->verdict[v][i]);
	return n;
}
