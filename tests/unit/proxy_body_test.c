/*
 * Bodies by their framing. The chunked cases are in tests/tables/chunked.txt; each is taken as a
 * whole, byte by byte and in pieces of every size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "body.h"
#include "vectors.h"

/* Takes `in` in pieces of `step` bytes; *used is the sum. */
static enum body_answer take_steps(struct body *b, struct span in, size_t step, size_t *used)
{
	enum body_answer a = BODY_MORE;

	*used = 0;
	while (a == BODY_MORE && *used < in.n) {
		size_t n = in.n - *used < step ? in.n - *used : step, got;

		a = body_take(b, span_of(in.p + *used, n), &got);
		*used += got;
		assert_true(got <= n);
		assert_true(a != BODY_MORE || got == n);
	}
	return a;
}

static void describe(struct buf *out, enum body_answer a, size_t used, size_t all)
{
	if (a == BODY_BAD)
		buf_printf(out, "bad %zu", used);
	else
		buf_adds(out, a == BODY_DONE ? "done" : "more");
	if (a == BODY_DONE && used < all)
		buf_printf(out, " rest:%zu", all - used);
}

static void take_whole(struct buf *out, const char *expected, struct span in, size_t all)
{
	struct body b;
	size_t used;
	enum body_answer a;

	(void)expected;
	body_start(&b, BODY_CHUNKED, 0);
	a = body_take(&b, in, &used);
	assert_int_equal(body_done(&b), a == BODY_DONE);
	describe(out, a, used, all);
}

static void take_bytes(struct buf *out, const char *expected, struct span in, size_t all)
{
	struct body b;
	size_t used;
	enum body_answer a;

	(void)expected;
	body_start(&b, BODY_CHUNKED, 0);
	a = take_steps(&b, in, 1, &used);
	describe(out, a, used, all);
}

static void take_pieces(struct buf *out, const char *expected, struct span in, size_t all)
{
	for (size_t cut = 1; cut <= all; cut++) {
		struct body b;
		size_t used;
		enum body_answer a;

		body_start(&b, BODY_CHUNKED, 0);
		buf_reset(out);
		a = take_steps(&b, in, cut, &used);
		describe(out, a, used, all);
		if (strcmp(out->p, expected) != 0)
			return;
	}
	if (all == 0)
		buf_adds(out, "more");
}

static void chunks_have_one_reading(void **state)
{
	unsigned failed, cases = vectors_run("chunked.txt", false, take_whole, &failed);

	(void)state;
	assert_true(cases >= 60);
	assert_int_equal(failed, 0);
}

static void pieces_make_no_difference(void **state)
{
	unsigned failed;

	(void)state;
	vectors_run("chunked.txt", false, take_bytes, &failed);
	assert_int_equal(failed, 0);
	vectors_run("chunked.txt", false, take_pieces, &failed);
	assert_int_equal(failed, 0);
	vectors_run("chunked.txt", true, take_whole, &failed);
	assert_int_equal(failed, 0);
}

/* `n` bytes of filling between `before` and `after`. */
static enum body_answer take_filled(const char *before, size_t n, const char *after)
{
	struct buf s = {0};
	struct body b;
	size_t used;
	enum body_answer a;

	buf_adds(&s, before);
	for (size_t i = 0; i < n; i++)
		buf_addc(&s, 'x');
	buf_adds(&s, after);
	body_start(&b, BODY_CHUNKED, 0);
	a = body_take(&b, buf_spanof(&s), &used);
	buf_free(&s);
	return a;
}

static void limits_are_exact(void **state)
{
	(void)state;
	assert_int_equal(
		take_filled("5;", BODY_EXTENSION_MAX, "\r\nhello\r\n0\r\n\r\n"), BODY_DONE);
	assert_int_equal(take_filled("5;", BODY_EXTENSION_MAX + 1, ""), BODY_BAD);
	/* "X:" CR LF CR LF */
	assert_int_equal(take_filled("0\r\nX:", BODY_TRAILER_MAX - 6, "\r\n\r\n"), BODY_DONE);
	assert_int_equal(take_filled("0\r\nX:", BODY_TRAILER_MAX - 5, "\r\n\r\n"), BODY_BAD);
	assert_int_equal(take_filled("0\r\nX:", BODY_TRAILER_MAX - 2, ""), BODY_MORE);
	assert_int_equal(take_filled("0\r\nX:", BODY_TRAILER_MAX - 1, ""), BODY_BAD);
	/* names longer than the counter that follows them */
	assert_int_equal(take_filled("0\r\n", 255, ":\r\n\r\n"), BODY_DONE);
	assert_int_equal(take_filled("0\r\n", 256, ":\r\n\r\n"), BODY_DONE);
	assert_int_equal(take_filled("0\r\nhost", 252, ":\r\n\r\n"), BODY_DONE);
}

/* The limit holds for one chunk's extensions; many chunks with some are no attack. */
static void extensions_of_many_chunks_do_not_add_up(void **state)
{
	struct body b;
	size_t used;

	(void)state;
	body_start(&b, BODY_CHUNKED, 0);
	for (int i = 0; i < BODY_EXTENSION_MAX; i++)
		assert_int_equal(body_take(&b, SPAN("1;abc=def\r\nx\r\n"), &used), BODY_MORE);
	assert_int_equal(body_take(&b, SPAN("0\r\n\r\n"), &used), BODY_DONE);
}

static void a_large_chunk_is_counted_to_its_end(void **state)
{
	static char block[1 << 16];
	struct body b;
	size_t used;

	(void)state;
	body_start(&b, BODY_CHUNKED, 0);
	assert_int_equal(body_take(&b, SPAN("10000000\r\n"), &used), BODY_MORE);
	for (int i = 0; i < (1 << 28) / (1 << 16); i++)
		assert_int_equal(body_take(&b, span_of(block, sizeof(block)), &used), BODY_MORE);
	assert_int_equal(body_take(&b, SPAN("\r\n0\r\n\r\nx"), &used), BODY_DONE);
	assert_int_equal(used, 7);
}

static void a_length_ends_where_it_says(void **state)
{
	struct body b;
	size_t used;

	(void)state;
	body_start(&b, BODY_LENGTH, 5);
	assert_false(body_done(&b));
	assert_int_equal(body_take(&b, SPAN("hel"), &used), BODY_MORE);
	assert_int_equal(used, 3);
	assert_int_equal(body_take(&b, SPAN(""), &used), BODY_MORE);
	assert_int_equal(body_take(&b, SPAN("loGET"), &used), BODY_DONE);
	assert_int_equal(used, 2);
	assert_true(body_done(&b));
	assert_int_equal(body_take(&b, SPAN("GET"), &used), BODY_DONE);
	assert_int_equal(used, 0);
	body_start(&b, BODY_LENGTH, UINT64_MAX);
	assert_int_equal(body_take(&b, SPAN("x"), &used), BODY_MORE);
	body_start(&b, BODY_LENGTH, 0);
	assert_true(body_done(&b));
}

static void no_body_takes_nothing(void **state)
{
	struct body b;
	size_t used;

	(void)state;
	body_start(&b, BODY_NONE, 7);
	assert_true(body_done(&b));
	assert_int_equal(body_take(&b, SPAN("x"), &used), BODY_DONE);
	assert_int_equal(used, 0);
}

static void until_close_never_ends_by_itself(void **state)
{
	struct body b;
	size_t used;

	(void)state;
	body_start(&b, BODY_UNTIL_CLOSE, 0);
	assert_int_equal(body_take(&b, SPAN("0\r\n\r\n"), &used), BODY_MORE);
	assert_int_equal(used, 5);
	assert_false(body_done(&b));
}

static void what_was_bad_stays_bad(void **state)
{
	struct body b;
	size_t used;

	(void)state;
	body_start(&b, BODY_CHUNKED, 0);
	assert_int_equal(body_take(&b, SPAN("x"), &used), BODY_BAD);
	assert_int_equal(body_take(&b, SPAN("0\r\n\r\n"), &used), BODY_BAD);
	assert_int_equal(used, 0);
	assert_false(body_done(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_have_one_reading),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(extensions_of_many_chunks_do_not_add_up),
		cmocka_unit_test(a_large_chunk_is_counted_to_its_end),
		cmocka_unit_test(a_length_ends_where_it_says),
		cmocka_unit_test(no_body_takes_nothing),
		cmocka_unit_test(until_close_never_ends_by_itself),
		cmocka_unit_test(what_was_bad_stays_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
