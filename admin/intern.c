/* A hash table of numbers over blocks of bytes. */
#include "intern.h"

#include <stdlib.h>

#define BLOCK_BYTES 65536
#define SLOTS_FIRST 1024

struct intern_block {
	struct intern_block *next;
	size_t used, cap;
	char bytes[];
};

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static uint64_t word_at(const char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof word);
	return word;
}

/* Two lanes of eight bytes; high bits, which a product mixes best, come down to where slots are
 * taken from. */
static uint64_t hash_of(struct span s)
{
	uint64_t h = s.n, g = 0, last = 0;
	for (; s.n >= 16; s = span_of(s.p + 16, s.n - 16)) {
		h = mix(h, word_at(s.p));
		g = mix(g, word_at(s.p + 8));
	}
	if (s.n >= 8) {
		h = mix(h, word_at(s.p));
		s = span_of(s.p + 8, s.n - 8);
	}
	if (s.n)
		memcpy(&last, s.p, s.n);
	return mix(mix(h, g), last);
}

void intern_free(struct intern *p)
{
	for (struct intern_block *b = p->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(p->v);
	free(p->slot);
	*p = (struct intern){0};
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

/* Where the string stands, or the free place where it would. Others of another hash are told apart
 * without a look at their bytes, which lie far away. */
static size_t place_of(const struct intern *p, struct span s, uint64_t hash)
{
	size_t i = hash & (p->slots - 1);
	while (p->slot[i].id1 &&
		(p->slot[i].tag != tag_of(hash) || !span_eq(p->v[p->slot[i].id1 - 1], s)))
		i = (i + 1) & (p->slots - 1);
	return i;
}

static bool grow_slots(struct intern *p)
{
	size_t want = p->slots ? p->slots * 2 : SLOTS_FIRST;
	struct intern_slot *old = p->slot, *fresh = calloc(want, sizeof *fresh);
	if (!fresh)
		return false;
	p->slot = fresh;
	p->slots = want;
	for (size_t i = 0; i < p->n; i++) {
		const uint64_t hash = hash_of(p->v[i]);
		p->slot[place_of(p, p->v[i], hash)] =
			(struct intern_slot){(uint32_t)i + 1, tag_of(hash)};
	}
	free(old);
	return true;
}

static bool grow_list(struct intern *p)
{
	size_t want = p->cap ? p->cap * 2 : SLOTS_FIRST;
	struct span *more = realloc(p->v, want * sizeof *more);
	if (!more)
		return false;
	p->v = more;
	p->cap = want;
	return true;
}

static const char *keep(struct intern *p, struct span s)
{
	struct intern_block *b = p->blocks;
	if (!b || b->cap - b->used < s.n) {
		size_t cap = s.n > BLOCK_BYTES ? s.n : BLOCK_BYTES;
		b = malloc(sizeof *b + cap);
		if (!b)
			return NULL;
		*b = (struct intern_block){p->blocks, 0, cap};
		p->blocks = b;
	}
	char *at = b->bytes + b->used;
	if (s.n)
		memcpy(at, s.p, s.n);
	b->used += s.n;
	return at;
}

uint32_t intern_find(const struct intern *p, struct span s)
{
	uint32_t at = p->slots ? p->slot[place_of(p, s, hash_of(s))].id1 : 0;
	return at ? at - 1 : INTERN_NONE;
}

uint32_t intern_id(struct intern *p, struct span s)
{
	if (p->n * 2 >= p->slots && !grow_slots(p))
		return INTERN_NONE;
	const uint64_t hash = hash_of(s);
	size_t i = place_of(p, s, hash);
	if (p->slot[i].id1)
		return p->slot[i].id1 - 1;
	if (p->n == p->cap && !grow_list(p))
		return INTERN_NONE;
	const char *bytes = p->n < INTERN_NONE - 1 ? keep(p, s) : NULL;
	if (!bytes)
		return INTERN_NONE;
	p->v[p->n++] = span_of(bytes, s.n);
	p->slot[i] = (struct intern_slot){(uint32_t)p->n, tag_of(hash)};
	return (uint32_t)p->n - 1;
}
