/*
 * Figures of workers, in memory that the master shares with them: each worker has a block that it
 * alone writes and the master reads. So a figure costs one addition, no lock and no system call,
 * and it goes on where a dead worker left it.
 */
#ifndef STILE_COUNTERS_H
#define STILE_COUNTERS_H

#include "policy.h"

#include <stdatomic.h>
#include <stdint.h>

enum end_reason {
#define END(name, word, text) END_##name,
#include "ends.def"
#undef END
	END_COUNT
};

enum verdict_word {
#define VERDICT(name, word, text) VERDICT_##name,
#include "verdicts.def"
#undef VERDICT
	VERDICT_COUNT
};

enum lap {
#define LAP(name, text) LAP_##name,
#include "laps.def"
#undef LAP
	LAP_COUNT
};

enum portal_page {
#define PORTAL(name, word, path, methods, login, fill, text) PORTAL_##name,
#include "portal.def"
#undef PORTAL
	PORTAL_COUNT
};

enum drop {
#define DROP(name, word, text) DROP_##name,
#include "drops.def"
#undef DROP
	DROP_COUNT
};

/* Upper bounds of the buckets in microseconds; one more holds the rest. */
#define LAP_BUCKETS 12
extern const uint32_t lap_bound_us[LAP_BUCKETS];

struct lap_counts {
	_Atomic uint64_t bucket[LAP_BUCKETS + 1]; /* not cumulative */
	_Atomic uint64_t sum_us;
};

struct counters {
	/* ever growing */
	_Atomic uint64_t verdict[VERDICT_COUNT][REASON_COUNT];
	_Atomic uint64_t end[END_COUNT];
	_Atomic uint64_t drop[DROP_COUNT];
	_Atomic uint64_t pauses; /* of accepting */
	_Atomic uint64_t tunnels_begun;
	_Atomic uint64_t portal[PORTAL_COUNT];
	_Atomic uint64_t acks;
	_Atomic uint64_t up, down;
	_Atomic uint64_t lost; /* records */
	struct lap_counts lap[LAP_COUNT];
	/* as it is now; a successor begins anew */
	_Atomic uint64_t connections, tunnels;
	_Atomic uint64_t failing;	  /* the journal: 0 or 1 */
	_Atomic uint64_t certificate_end; /* the first of the listeners'; Unix seconds; 0: no TLS */
	char pad[64];			  /* the next worker's block has cache lines of its own */
};

static inline uint64_t count_get(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static inline void count_set(_Atomic uint64_t *n, uint64_t v)
{
	atomic_store_explicit(n, v, memory_order_relaxed);
}

/* One writer: no locked instruction is needed. */
static inline void count_add(_Atomic uint64_t *n, uint64_t by)
{
	count_set(n, count_get(n) + by);
}

const char *verdict_word(enum verdict_word v);
void count_lap(struct counters *c, enum lap lap, uint64_t us);
/* A successor has nothing open. */
void counters_begin(struct counters *c);
/* Adds `from` to `to`. */
void counters_sum(struct counters *to, const struct counters *from);
/* All accesses given; all refusals. */
uint64_t counters_verdicts(const struct counters *c, enum verdict_word v);

#endif
