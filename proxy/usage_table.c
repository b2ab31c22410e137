/* A slot lives at one of a few places that its key names, so that full and nearly full cost the
 * same. */
#include "usage_table.h"

#define get(x)	  atomic_load_explicit(&(x), memory_order_acquire)
#define set(x, v) atomic_store_explicit(&(x), (v), memory_order_release)

bool slot_open(struct usage_range *r, uint32_t i)
{
	return get(r->mark[i].state) == SLOT_OPEN;
}

bool slot_takes(struct usage_range *r, uint32_t i, uint64_t key, uint32_t minute)
{
	struct usage_mark *m = &r->mark[i];

	return get(m->state) == SLOT_OPEN && get(m->key) == key && get(m->minute) == minute &&
	       get(r->slot[i].number) == 0;
}

/* Steps of an odd length visit every slot of a table whose size is a power of two. */
static uint32_t place(uint64_t key, unsigned probe)
{
	return (uint32_t)((key + probe * ((key >> 40) | 1)) % USAGE_SLOTS);
}

uint32_t slot_find(struct usage_range *r, uint64_t key, uint32_t minute)
{
	for (unsigned probe = 0; probe < USAGE_PROBES; probe++) {
		uint32_t i = place(key, probe);

		if (slot_takes(r, i, key, minute))
			return i;
	}
	return USAGE_NONE;
}

static void make(
	struct usage_range *r, uint32_t i, uint64_t key, uint32_t minute, struct span fixed)
{
	struct usage_slot *s = &r->slot[i];

	set(s->number, 0);
	set(s->up, 0);
	set(s->down, 0);
	set(s->core_up, 0);
	set(s->core_down, 0);
	set(s->n, 0);
	memcpy(s->fixed, fixed.p, fixed.n);
	s->len = (uint16_t)fixed.n;
	set(r->mark[i].key, key);
	set(r->mark[i].minute, minute);
	set(r->mark[i].state, SLOT_OPEN);
}

uint32_t slot_make(struct usage_range *r, uint64_t key, uint32_t minute, struct span fixed)
{
	if (fixed.n > USAGE_FIXED_MAX)
		return USAGE_NONE;
	for (unsigned probe = 0; probe < USAGE_PROBES; probe++) {
		uint32_t i = place(key, probe);

		if (!slot_open(r, i)) {
			make(r, i, key, minute, fixed);
			return i;
		}
	}
	return USAGE_NONE;
}

uint32_t slot_spare(struct usage_range *r, uint64_t key, uint32_t minute, struct span fixed)
{
	uint32_t unused = USAGE_NONE, other = USAGE_NONE;

	for (uint32_t i = USAGE_SLOTS; i < USAGE_ALL; i++) {
		if (slot_takes(r, i, key, minute))
			return i;
		if (!slot_open(r, i))
			unused = i;
		else if (get(r->slot[i].number) == 0)
			other = i;
	}
	if (unused == USAGE_NONE)
		return other;
	make(r, unused, key, minute, fixed);
	return unused;
}

void slot_free(struct usage_range *r, uint32_t i)
{
	set(r->mark[i].state, SLOT_FREE);
}
