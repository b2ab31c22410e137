/* Words of eight bytes go in as they fill up, whatever part their bytes come from. */
#include "siphash.h"

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

static inline void take_byte(struct state *s, uint8_t byte)
{
	s->word |= (uint64_t)byte << s->n % 8 * 8;
	if (++s->n % 8)
		return;
	take_word(s, s->word);
	s->word = 0;
}

/* Eight bytes end the word that was begun and begin the next one. */
static inline void take_eight(struct state *s, uint64_t x)
{
	unsigned begun = s->n % 8 * 8;

	take_word(s, s->word | x << begun);
	s->word = begun ? x >> (64 - begun) : 0;
	s->n += 8;
}

static inline void take(struct state *s, struct span part)
{
	size_t i = 0;
	uint64_t x;

	for (; part.n - i >= 8; i += 8) {
		memcpy(&x, part.p + i, sizeof x);
		if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
			x = __builtin_bswap64(x);
		take_eight(s, x);
	}
	while (i < part.n)
		take_byte(s, (uint8_t)part.p[i++]);
}

uint64_t siphash(const struct sip_key *key, const struct span *parts, size_t n)
{
	struct state s = {.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573)};

	for (size_t i = 0; i < n; i++)
		take(&s, parts[i]);
	take_word(&s, s.word | (uint64_t)s.n << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_of(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void siphash_tag(const struct sip_key key[2], const struct span *parts, size_t n, uint64_t tag[2])
{
	tag[0] = siphash(&key[0], parts, n);
	tag[1] = siphash(&key[1], parts, n);
}
