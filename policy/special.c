/*
 * What kind of place an address is. The table special.def decides; forms of IPv6 that carry an IPv4
 * address are looked through, because the network will take the packet to that one (the guard would
 * otherwise be passed with 64:ff9b::7f00:1 or 2002:a9fe:a9fe::).
 */
#include "policy.h"

#include <stdint.h>

enum look {
	LOOK_NONE,
	LOOK_LAST,	  /* the last 32 bits */
	LOOK_SIX_TO_FOUR, /* behind the first 16 bits */
	LOOK_TEREDO,	  /* RFC 4380 section 4: the server, and the client with all bits turned */
	LOOK_NAT64_LOCAL  /* RFC 8215: any of the layouts of RFC 6052 section 2.2 */
};

struct special4 {
	uint32_t net;
	uint8_t len, class;
	const char *word;
};
struct special6 {
	uint16_t net[8];
	uint8_t len, class, look;
	const char *word;
};
struct finding {
	enum address_class class;
	const char *word;
};

static const struct special4 table4[] = {
#define SPECIAL4(a, b, c, d, len, class, word)                                                     \
	{(uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d), len, CLASS_##class, word},
#define SPECIAL6(a, b, c, d, e, f, g, h, len, class, look, word)
#include "special.def"
#undef SPECIAL4
#undef SPECIAL6
};

static const struct special6 table6[] = {
#define SPECIAL4(a, b, c, d, len, class, word)
#define SPECIAL6(a, b, c, d, e, f, g, h, len, class, look, word)                                   \
	{{a, b, c, d, e, f, g, h}, len, CLASS_##class, LOOK_##look, word},
#include "special.def"
#undef SPECIAL4
#undef SPECIAL6
};

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct finding find4(uint32_t a)
{
	const struct special4 *s = table4;

	while (s->len > 0 && (a ^ s->net) >> (32 - s->len) != 0)
		s++;
	return (struct finding){s->class, s->word};
}

static bool has6(const struct special6 *s, const uint8_t b[16])
{
	for (unsigned group = 0; group * 16 < s->len; group++) {
		unsigned left = s->len - group * 16;
		unsigned here = (unsigned)b[2 * group] << 8 | b[2 * group + 1];
		unsigned differs = here ^ s->net[group];
		if (left < 16 ? differs >> (16 - left) : differs)
			return false;
	}
	return true;
}

static void stricter(struct finding *f, struct finding inner)
{
	if (inner.class == CLASS_PUBLIC)
		return;
	if (inner.class > f->class)
		f->class = inner.class;
	f->word = inner.word;
}

/* The layouts of /48, /56, /64 and /96; which one a network uses cannot be seen, so each counts. A
 * reading that begins with 0 is taken for the padding of another layout. */
static void look_nat64_local(struct finding *f, const uint8_t b[16])
{
	static const uint8_t layout[4][4] = {
		{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}};

	struct finding inner = {CLASS_PUBLIC, NULL};
	for (unsigned i = 0; i < 4; i++) {
		uint8_t v4[4];
		for (unsigned k = 0; k < 4; k++)
			v4[k] = b[layout[i][k]];
		struct finding one = find4(read32(v4));
		if (v4[0] != 0 && one.class > inner.class)
			inner = one;
	}
	stricter(f, inner);
}

static struct finding find6(const uint8_t b[16])
{
	const struct special6 *s = table6;

	while (!has6(s, b))
		s++;
	struct finding f = {s->class, s->word};
	switch ((enum look)s->look) {
	case LOOK_NONE:
		break;
	case LOOK_LAST:
		stricter(&f, find4(read32(b + 12)));
		break;
	case LOOK_SIX_TO_FOUR:
		stricter(&f, find4(read32(b + 2)));
		break;
	case LOOK_TEREDO:
		stricter(&f, find4(read32(b + 4)));
		stricter(&f, find4(~read32(b + 12)));
		break;
	case LOOK_NAT64_LOCAL:
		look_nat64_local(&f, b);
		break;
	}
	return f;
}

enum address_class address_class(const struct addr *a, const char **name)
{
	struct finding f = a->v4 ? find4(read32(a->b + 12)) : find6(a->b);

	if (name)
		*name = f.word;
	return f.class;
}
