/* SipHash-2-4 against the vectors of its authors. */
#include "siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Key 00 01 … 0f, as two little-endian words; the input is 00 01 02 … */
static const struct sip_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static const struct {
	size_t n;
	uint64_t hash, tag[2];
} vectors[] = {
	{0, UINT64_C(0x726fdb47dd0e0e31),
		{UINT64_C(0xe6a825ba047f81a3), UINT64_C(0x930255c71472f66d)}},
	{1, UINT64_C(0x74f839c593dc67fd),
		{UINT64_C(0x44af996bd8c187da), UINT64_C(0x45fc229b11597634)}},
	{7, UINT64_C(0xab0200f58b01d137),
		{UINT64_C(0x53c1dbd8beebf1a1), UINT64_C(0x3982f01fa64ab8c0)}},
	{8, UINT64_C(0x93f5f5799a932462),
		{UINT64_C(0x61f55862baa9623b), UINT64_C(0xb49714f364e2830f)}},
	{9, UINT64_C(0x9e0082df0ba9e4b0),
		{UINT64_C(0xabbad90a06994426), UINT64_C(0xed716dbb028b7fc4)}},
	{15, UINT64_C(0xa129ca6149be45e5),
		{UINT64_C(0x11a8b03399e99354), UINT64_C(0xd9c3cf970fec087e)}},
	{16, UINT64_C(0x3f2acc7f57c29bdb),
		{UINT64_C(0xbb54b067caa4e26e), UINT64_C(0x77052385bf1533fd)}},
	{63, UINT64_C(0x958a324ceb064572),
		{UINT64_C(0x4a83502f77d15051), UINT64_C(0x7cbd3f979a063e50)}},
};

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)i;
}

static void it_matches_the_authors_vectors(void **state)
{
	uint8_t in[64];

	(void)state;
	fill(in, sizeof in);
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct span part = span_of(in, vectors[i].n);

		assert_true(siphash(&key, &part, 1) == vectors[i].hash);
	}
	assert_true(siphash(&key, NULL, 0) == vectors[0].hash);
}

/* Wherever the parts meet, in the middle of a word or between two. */
static void parts_are_put_end_to_end(void **state)
{
	uint8_t in[64];

	(void)state;
	fill(in, sizeof in);
	for (size_t a = 0; a <= 63; a++)
		for (size_t b = a; b <= 63; b++) {
			const struct span parts[] = {span_of(in, a), span_of(in + a, b - a),
				{NULL, 0}, span_of(in + b, 63 - b)};

			assert_true(siphash(&key, parts, COUNT(parts)) ==
				    vectors[COUNT(vectors) - 1].hash);
		}
}

static void another_key_gives_another_hash(void **state)
{
	const struct sip_key other = {key.k0, key.k1 ^ 1};
	const struct span part = SPAN("stile");

	(void)state;
	assert_true(siphash(&key, &part, 1) != siphash(&other, &part, 1));
}

static void a_tag_matches_the_authors_vectors(void **state)
{
	uint8_t in[64];
	uint64_t tag[2];

	(void)state;
	fill(in, sizeof in);
	for (size_t i = 0; i < COUNT(vectors); i++) {
		size_t half = vectors[i].n / 2;
		const struct span parts[] = {
			span_of(in, half), span_of(in + half, vectors[i].n - half)};

		siphash_tag(&key, parts, COUNT(parts), tag);
		assert_true(tag[0] == vectors[i].tag[0] && tag[1] == vectors[i].tag[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_matches_the_authors_vectors),
		cmocka_unit_test(parts_are_put_end_to_end),
		cmocka_unit_test(another_key_gives_another_hash),
		cmocka_unit_test(a_tag_matches_the_authors_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
