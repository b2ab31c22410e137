/* A count-min sketch: of the rows the smallest count is nearest to the truth, and never below it.
 */
#include "crowd.h"

#include "digest.h"

#include <stdatomic.h>
#include <stdlib.h>

#define ROWS   2
#define PLACES 16384 /* a power of two */
#define WORDS  3

#define get(x) atomic_load_explicit(&(x), memory_order_relaxed)

struct counts {
	_Atomic uint32_t row[ROWS][PLACES];
};

struct shared {
	_Atomic uint64_t key[ROWS][WORDS + 1]; /* the first worker chooses */
	struct counts worker[];
};

struct crowd {
	struct shared *shared;
	struct counts *own;
	unsigned workers;
};

size_t crowd_size(unsigned workers)
{
	return sizeof(struct shared) + workers * sizeof(struct counts);
}

static void choose_key(_Atomic uint64_t *key)
{
	uint64_t none = 0, chosen = 0;

	random_bytes(&chosen, sizeof chosen);
	atomic_compare_exchange_strong(key, &none, chosen | 1);
}

struct crowd *crowd_open(
	void *shared, size_t size, unsigned workers, unsigned worker, struct err *e)
{
	struct crowd *c = calloc(1, sizeof *c);

	if (!c || worker >= workers || size < crowd_size(workers)) {
		err_set(e, c ? "crowd: no room for worker %u" : "out of memory", worker);
		free(c);
		return NULL;
	}
	c->shared = shared;
	c->own = &c->shared->worker[worker];
	c->workers = workers;
	for (size_t r = 0; r < ROWS; r++) {
		for (size_t k = 0; k <= WORDS; k++)
			choose_key(&c->shared->key[r][k]);
		for (size_t i = 0; i < PLACES; i++)
			atomic_store_explicit(&c->own->row[r][i], 0, memory_order_relaxed);
	}
	return c;
}

void crowd_close(struct crowd *c)
{
	free(c);
}

/* Multilinear hashing: who does not know the key cannot choose addresses that meet. Its sum runs
 * evenly where addresses do, as those of an office: mixing scatters them. */
static size_t place(const struct crowd *c, size_t row, const struct addr *a)
{
	const _Atomic uint64_t *key = c->shared->key[row];
	uint32_t word[WORDS] = {a->v4};
	uint64_t h = get(key[WORDS]);

	if (a->v4)
		memcpy(&word[1], a->b + 12, 4);
	else
		memcpy(&word[1], a->b, 8);
	for (size_t i = 0; i < WORDS; i++)
		h += get(key[i]) * word[i];
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return (size_t)(h >> 32) & (PLACES - 1);
}

static uint64_t count(const struct crowd *c, size_t row, size_t at)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < c->workers; w++)
		n += get(c->shared->worker[w].row[row][at]);
	return n;
}

bool crowd_enter(struct crowd *c, const struct addr *client, uint64_t limit)
{
	size_t at[ROWS];
	uint64_t least = UINT64_MAX;

	for (size_t r = 0; r < ROWS; r++) {
		uint64_t n;

		at[r] = place(c, r, client);
		n = count(c, r, at[r]);
		least = n < least ? n : least;
	}
	if (least >= limit)
		return false;
	for (size_t r = 0; r < ROWS; r++)
		atomic_fetch_add_explicit(&c->own->row[r][at[r]], 1, memory_order_relaxed);
	return true;
}

void crowd_leave(struct crowd *c, const struct addr *client)
{
	for (size_t r = 0; r < ROWS; r++)
		atomic_fetch_sub_explicit(
			&c->own->row[r][place(c, r, client)], 1, memory_order_relaxed);
}
