/* Packs: what goes in comes out, and no damaged pack passes the check. */
#include "pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct span finish(struct pack_writer *w)
{
	struct span out;

	assert_true(pack_finish(w, &out));
	return out;
}

static void make_sample(struct pack_writer *w)
{
	pack_start(w);
	pack_add(w, "policy", SPAN("seventeen bytes !"));
	pack_add(w, "empty", SPAN(""));
	pack_add(w, "a-name-of-thirty-one-characters", SPAN("0123456789abcdef"));
	pack_add(w, "last", SPAN("z"));
}

static void blobs_come_back_by_name_and_aligned(void **state)
{
	struct pack_writer w;
	struct span pack, out = SPAN("untouched");
	struct err e = {""};

	(void)state;
	make_sample(&w);
	pack = finish(&w);
	assert_true(pack_check(pack, &e));
	assert_false(pack_get(pack, "polic", &out));
	assert_false(pack_get(pack, "", &out));
	assert_true(span_is(out, "untouched"));
	assert_true(pack_get(pack, "policy", &out));
	assert_true(span_is(out, "seventeen bytes !"));
	assert_int_equal((out.p - pack.p) % 16, 0);
	assert_true(pack_get(pack, "empty", &out));
	assert_int_equal(out.n, 0);
	assert_true(pack_get(pack, "a-name-of-thirty-one-characters", &out));
	assert_true(span_is(out, "0123456789abcdef"));
	assert_true(pack_get(pack, "last", &out));
	assert_true(span_is(out, "z"));
	assert_int_equal((out.p - pack.p) % 16, 0);
	assert_ptr_equal(out.p + out.n, pack.p + pack.n);
	pack_drop(&w);
	pack_drop(&w);
}

static void empty_and_full_packs_are_packs(void **state)
{
	struct pack_writer w;
	struct span pack, out;

	(void)state;
	pack_start(&w);
	assert_true(pack_check(finish(&w), NULL));
	for (int i = 0; i < 32; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		pack_add(&w, name, span_str(name));
	}
	pack = finish(&w);
	assert_true(pack_check(pack, NULL));
	assert_true(pack_get(pack, "n31", &out));
	assert_true(span_is(out, "n31"));
	pack_drop(&w);
}

/* Each byte of head, table and padding changed in turn: the check says no, or (a byte of a name)
 * the pack is another valid one whose blobs still lie inside. */
static void no_changed_byte_leads_outside(void **state)
{
	struct pack_writer w;
	struct span pack;
	size_t table = 16 + 4 * 48, accepted = 0;

	(void)state;
	make_sample(&w);
	pack = finish(&w);
	for (size_t i = 0; i < table; i++) {
		for (int bit = 0; bit < 8; bit++) {
			char *copy = malloc(pack.n);
			bool harmless = i >= 16 && ((i - 16) % 48 < 32 || (i - 16) % 48 == 40);

			memcpy(copy, pack.p, pack.n);
			copy[i] = (char)(copy[i] ^ 1 << bit);
			if (pack_check(span_of(copy, pack.n), NULL)) {
				accepted++;
				if (!harmless)
					fail_msg("bit %d of byte %zu", bit, i);
			}
			free(copy);
		}
	}
	assert_true(accepted > 0);
	pack_drop(&w);
}

static void no_cut_or_longer_pack_passes(void **state)
{
	struct pack_writer w;
	struct span pack;
	struct err e = {""};

	(void)state;
	make_sample(&w);
	pack = finish(&w);
	for (size_t n = 0; n <= pack.n + 1; n++) {
		char *copy = calloc(1, n ? n : 1); /* its own size, so that a sanitizer sees more */

		memcpy(copy, pack.p, n < pack.n ? n : pack.n);
		assert_int_equal(pack_check(span_of(copy, n), &e), n == pack.n);
		free(copy);
	}
	assert_true(e.text[0] != 0);
	pack_drop(&w);
}

static void change(char *at, int by)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	v += (uint64_t)by;
	memcpy(at, &v, sizeof(v));
}

/* Offset and length changed together still end at the end; only the alignment speaks against it. */
static void blob_starts_exactly_where_it_must(void **state)
{
	struct pack_writer w;
	struct span pack;
	char copy[128];

	(void)state;
	pack_start(&w);
	pack_add(&w, "a", SPAN("\0x"));
	pack = finish(&w);
	assert_true(pack.n < sizeof(copy));
	memcpy(copy, pack.p, pack.n);
	assert_true(pack_check(span_of(copy, pack.n), NULL));
	change(copy + 16 + 32, 1);
	change(copy + 16 + 40, -1);
	assert_false(pack_check(span_of(copy, pack.n), NULL));
	change(copy + 16 + 32, -2);
	change(copy + 16 + 40, 2);
	assert_false(pack_check(span_of(copy, pack.n), NULL));
	pack_drop(&w);
}

static void padding_is_zero_and_names_differ(void **state)
{
	struct pack_writer w;
	struct span pack;
	char *copy;

	(void)state;
	pack_start(&w);
	pack_add(&w, "a", SPAN("x"));
	pack_add(&w, "b", SPAN("y"));
	pack = finish(&w);
	copy = malloc(pack.n);
	memcpy(copy, pack.p, pack.n);
	copy[16 + 2 * 48 + 5] = 1;
	assert_false(pack_check(span_of(copy, pack.n), NULL));
	memcpy(copy, pack.p, pack.n);
	copy[16 + 48] = 'a';
	assert_false(pack_check(span_of(copy, pack.n), NULL));
	free(copy);
	pack_drop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blobs_come_back_by_name_and_aligned),
		cmocka_unit_test(empty_and_full_packs_are_packs),
		cmocka_unit_test(no_changed_byte_leads_outside),
		cmocka_unit_test(no_cut_or_longer_pack_passes),
		cmocka_unit_test(blob_starts_exactly_where_it_must),
		cmocka_unit_test(padding_is_zero_and_names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
