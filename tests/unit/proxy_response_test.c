/*
 * Response heads. The cases are in tests/tables/responses.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "head.h"
#include "vectors.h"

static const char *const error_names[] = {
#define HEAD_ERROR(name, status, text) #name,
#include "heads.def"
#undef HEAD_ERROR
};

static void describe_response(struct buf *out, const struct head_response *r, size_t all)
{
	static const char *const bodies[] = {" none", "", " chunked", " until-close"};

	buf_printf(out, "%u%s", r->status, bodies[r->body]);
	if (r->body == BODY_LENGTH || r->length)
		buf_printf(out, " length:%llu", (unsigned long long)r->length);
	buf_adds(out, r->keep_alive ? " keep" : "");
	if (r->size < all)
		buf_printf(out, " rest:%zu", all - r->size);
}

static void parse(struct buf *out, const char *expected, struct span in, size_t all)
{
	static struct head_response r;
	bool to_head = strncmp(expected, "head ", 5) == 0;
	enum head_answer a;

	memset(&r, 0xa5, sizeof(r)); /* nothing may be left from before */
	a = head_parse_response(in, to_head, &r);
	if (to_head && a != HEAD_MORE)
		buf_adds(out, "head ");
	if (a == HEAD_DONE)
		describe_response(out, &r, all);
	else if (a == HEAD_MORE)
		buf_adds(out, "more");
	else
		buf_printf(out, "bad %s", error_names[r.error]);
}

static void heads_have_one_reading(void **state)
{
	unsigned failed, cases = vectors_run("responses.txt", false, parse, &failed);

	(void)state;
	assert_true(cases >= 60);
	assert_int_equal(failed, 0);
}

static void pieces_make_no_difference(void **state)
{
	unsigned failed, cases = vectors_run("responses.txt", true, parse, &failed);

	(void)state;
	assert_true(cases >= 60);
	assert_int_equal(failed, 0);
}

static void names_lose_white_space_and_order_stays(void **state)
{
	struct head_response r;
	struct span in = SPAN("HTTP/1.1 404 Not  Found\r\nSet-Cookie \t:  a=b \r\nX:\r\n"
			      "Set-Cookie: c\r\n\r\n");

	(void)state;
	assert_int_equal(head_parse_response(in, false, &r), HEAD_DONE);
	assert_int_equal(r.size, in.n);
	assert_int_equal(r.status, 404);
	assert_int_equal(r.minor, 1);
	assert_true(span_is(r.reason, "Not  Found"));
	assert_int_equal(r.n, 3);
	assert_true(span_is(r.field[0].name, "Set-Cookie") && span_is(r.field[0].value, "a=b"));
	assert_true(span_is(r.field[1].name, "X") && span_is(r.field[1].value, ""));
	assert_true(span_is(r.field[2].name, "Set-Cookie") && span_is(r.field[2].value, "c"));
}

static enum head_answer parse_sized(
	struct head_response *r, size_t reason, size_t fields, size_t field)
{
	struct buf b = {0};
	enum head_answer a;

	buf_adds(&b, "HTTP/1.1 200 ");
	for (size_t i = 0; i < reason; i++)
		buf_addc(&b, 'r');
	buf_adds(&b, "\r\n");
	for (size_t i = 0; i < fields; i++) {
		buf_adds(&b, "X:");
		for (size_t k = 2; k < field; k++)
			buf_addc(&b, 'y');
		buf_adds(&b, "\r\n");
	}
	buf_adds(&b, "\r\n");
	a = head_parse_response(buf_spanof(&b), false, r);
	buf_free(&b);
	return a;
}

static void limits_are_exact(void **state)
{
	struct head_response r;

	(void)state;
	assert_int_equal(parse_sized(&r, HEAD_LINE_MAX - 13, 1, 4), HEAD_DONE);
	assert_int_equal(parse_sized(&r, HEAD_LINE_MAX - 12, 1, 4), HEAD_BAD);
	assert_int_equal(r.error, HEAD_ERROR_TOO_LARGE);
	assert_int_equal(parse_sized(&r, 2, HEAD_FIELDS_MAX, 4), HEAD_DONE);
	assert_int_equal(r.n, HEAD_FIELDS_MAX);
	assert_int_equal(parse_sized(&r, 2, HEAD_FIELDS_MAX + 1, 4), HEAD_BAD);
	assert_int_equal(r.error, HEAD_ERROR_TOO_LARGE);
	assert_int_equal(parse_sized(&r, 13, 2, (HEAD_MAX - 28 - 2 - 4) / 2), HEAD_DONE);
	assert_int_equal(r.size, HEAD_MAX);
	assert_int_equal(parse_sized(&r, 14, 2, (HEAD_MAX - 28 - 2 - 4) / 2), HEAD_BAD);
	assert_int_equal(r.error, HEAD_ERROR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_have_one_reading),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(names_lose_white_space_and_order_stays),
		cmocka_unit_test(limits_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
