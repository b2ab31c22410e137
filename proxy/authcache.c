/*
 * Buckets of four entries, found by the tag's first bytes. An entry is a 128-bit tag and a time,
 * all plain atomics without a lock, so that a worker may die anywhere. The time is cleared before
 * the tag changes and set after it. Two writers at once can leave halves of two tags, which fit
 * nobody, or one's tag with the other's time: that is a credential which was right, counted for a
 * little longer or shorter, and still no longer than its stored hash stays, which the tag covers.
 */
#include "authcache.h"

#include <assert.h>
#include <stdatomic.h>

#define BUCKETS 4096
#define WAYS	4

struct entry {
	_Atomic uint64_t tag[2];
	_Atomic uint64_t until_ms; /* monotonic; 0: empty */
	uint64_t pad;
};

struct authcache {
	struct entry v[BUCKETS][WAYS];
};

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared atomics need no lock");

size_t authcache_size(void)
{
	return sizeof(struct authcache);
}

struct authcache *authcache_at(void *shared)
{
	return shared;
}

static struct entry *bucket(struct authcache *c, const uint64_t tag[2])
{
	return c->v[tag[0] % BUCKETS];
}

static bool is(struct entry *e, const uint64_t tag[2])
{
	return atomic_load_explicit(&e->tag[0], memory_order_acquire) == tag[0] &&
	       atomic_load_explicit(&e->tag[1], memory_order_acquire) == tag[1];
}

bool authcache_has(struct authcache *c, const uint64_t tag[2], uint64_t now_ms)
{
	struct entry *e = bucket(c, tag);

	for (size_t i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&e[i].until_ms, memory_order_acquire) > now_ms &&
			is(&e[i], tag))
			return true;
	return false;
}

void authcache_put(struct authcache *c, const uint64_t tag[2], uint64_t until_ms)
{
	uint64_t oldest = UINT64_MAX;
	struct entry *e = bucket(c, tag), *to = e;

	for (size_t i = 0; i < WAYS; i++) {
		uint64_t until = atomic_load_explicit(&e[i].until_ms, memory_order_acquire);

		if (is(&e[i], tag)) {
			to = &e[i];
			break;
		}
		if (until < oldest) {
			oldest = until;
			to = &e[i];
		}
	}
	atomic_store_explicit(&to->until_ms, 0, memory_order_seq_cst);
	atomic_store_explicit(&to->tag[0], tag[0], memory_order_seq_cst);
	atomic_store_explicit(&to->tag[1], tag[1], memory_order_seq_cst);
	atomic_store_explicit(&to->until_ms, until_ms, memory_order_release);
}
