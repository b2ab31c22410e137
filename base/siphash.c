/* Words of eight bytes go in as they fill up, whatever part their bytes come from. */
#include "siphash.h"

#include "word.h"

struct state {
	uint64_t v0, v1, v2, v3;
	uint64_t word; /* its bytes so far, the first one lowest */
	size_t n;      /* of all bytes */
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void round_of(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static inline void take_word(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	round_of(s);
	round_of(s);
	s->v0 ^= word;
}

/* Bytes end the word that was begun, if they are enough, and begin the next one. x: n of them, at
 * most 8, the first one lowest. */
static inline void take_bytes(struct state *s, uint64_t x, size_t n)
{
	unsigned begun = s->n % 8 * 8;

	s->word |= x << begun;
	s->n += n;
	if (begun + 8 * n < 64)
		return;
	take_word(s, s->word);
	s->word = begun ? x >> (64 - begun) : 0;
}

static inline void take(struct state *s, struct span part)
{
	for (; part.n >= 8; part = span_of(part.p + 8, part.n - 8))
		take_bytes(s, word_at(part.p), 8);
	if (part.n)
		take_bytes(s, word_of(part.p, part.n), part.n);
}

static inline uint64_t finish(struct state *s)
{
	for (int i = 0; i < 4; i++)
		round_of(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* second: of 128 bits the other word; NULL: of 64 there is none. */
static uint64_t hash(
	const struct sip_key *key, const struct span *parts, size_t n, uint64_t *second)
{
	struct state s = {.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d) ^ (second ? 0xee : 0),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573)};
	uint64_t first;

	for (size_t i = 0; i < n; i++)
		take(&s, parts[i]);
	take_word(&s, s.word | (uint64_t)s.n << 56);
	s.v2 ^= second ? 0xee : 0xff;
	first = finish(&s);
	if (second) {
		s.v1 ^= 0xdd;
		*second = finish(&s);
	}
	return first;
}

uint64_t siphash(const struct sip_key *key, const struct span *parts, size_t n)
{
	return hash(key, parts, n, NULL);
}

void siphash_tag(const struct sip_key *key, const struct span *parts, size_t n, uint64_t tag[2])
{
	tag[0] = hash(key, parts, n, &tag[1]);
}
