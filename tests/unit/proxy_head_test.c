/*
 * Request heads. The cases are in tests/tables/requests.txt; here is how a parsed head is put into
 * their words, and what does not fit into a line: limits, helpers for forwarding, cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "head.h"
#include "vectors.h"

static const char *const error_names[] = {
#define HEAD_ERROR(name, status, text) #name,
#include "heads.def"
#undef HEAD_ERROR
};

static void describe_body(struct buf *out, enum head_body body, uint64_t length)
{
	if (body == BODY_LENGTH)
		buf_printf(out, " length:%llu", (unsigned long long)length);
	else
		buf_adds(out, body == BODY_CHUNKED ? " chunked" : " none");
}

static void describe_request(struct buf *out, const struct head_request *r, size_t all)
{
	static const char *const forms[] = {"connect", "absolute", "origin", "asterisk"};
	char host[HOST_MAX + 3] = "-";

	if (r->host.len)
		host_text(&r->host, host);
	buf_printf(out, "%s %s:%u ", forms[r->form], host, r->port);
	buf_span(out, r->path.n ? r->path : SPAN("-"));
	describe_body(out, r->body, r->length);
	buf_adds(out, r->keep_alive ? " keep" : "");
	buf_adds(out, r->expect_continue ? " expect" : "");
	buf_adds(out, r->upgrade ? " upgrade" : "");
	buf_adds(out, r->proxy_authorization.n ? " auth" : "");
	if (r->size < all)
		buf_printf(out, " rest:%zu", all - r->size);
}

static void parse(struct buf *out, const char *expected, struct span in, size_t all)
{
	static struct head_request r;

	(void)expected;
	memset(&r, 0xa5, sizeof(r)); /* nothing may be left from before */
	switch (head_parse_request(in, &r)) {
	case HEAD_DONE:
		describe_request(out, &r, all);
		break;
	case HEAD_MORE:
		buf_adds(out, "more");
		break;
	case HEAD_BAD:
		buf_printf(out, "bad %s", error_names[r.error]);
		break;
	}
}

static void heads_have_one_reading(void **state)
{
	unsigned failed, cases = vectors_run("requests.txt", false, parse, &failed);

	(void)state;
	assert_true(cases >= 150);
	assert_int_equal(failed, 0);
}

static void pieces_make_no_difference(void **state)
{
	unsigned failed, cases = vectors_run("requests.txt", true, parse, &failed);

	(void)state;
	assert_true(cases >= 150);
	assert_int_equal(failed, 0);
}

/* A head of fixed line lengths; see the limits in head.h. */
static void build_head(struct buf *b, size_t line, size_t fields, size_t field)
{
	const char *start = "GET http://a.example/", *end = " HTTP/1.1";

	buf_reset(b);
	buf_adds(b, start);
	while (b->n < line - strlen(end))
		buf_addc(b, 'x');
	buf_adds(b, end);
	buf_adds(b, "\r\nHost: a.example\r\n");
	for (size_t i = 1; i < fields; i++) {
		size_t from = b->n;

		buf_adds(b, "X:");
		while (b->n - from < field)
			buf_addc(b, 'y');
		buf_adds(b, "\r\n");
	}
	buf_adds(b, "\r\n");
}

static void limits_are_exact(void **state)
{
	static const struct {
		size_t line, fields, field;
		const char *expected;
	} cases[] = {
		{100, 1, 0, "done"},
		{HEAD_LINE_MAX, 1, 0, "done"},
		{HEAD_LINE_MAX + 1, 1, 0, "bad LINE_TOO_LONG"},
		{40, HEAD_FIELDS_MAX, 4, "done"},
		{40, HEAD_FIELDS_MAX + 1, 4, "bad TOO_LARGE"},
		{40, 2, HEAD_LINE_MAX, "done"},
		{40, 2, HEAD_LINE_MAX + 1, "bad TOO_LARGE"},
		/* 40 + 2, 15 + 2, 2 × (n + 2), 2 */
		{40, 3, (HEAD_MAX - 40 - 2 - 17 - 4 - 2) / 2, "done"},
		{41, 3, (HEAD_MAX - 40 - 2 - 17 - 4 - 2) / 2, "done"},
		{42, 3, (HEAD_MAX - 40 - 2 - 17 - 4 - 2) / 2, "bad TOO_LARGE"},
	};
	struct head_request r;
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[64] = "done";

		build_head(&b, cases[i].line, cases[i].fields, cases[i].field);
		if (head_parse_request(buf_spanof(&b), &r) == HEAD_BAD)
			snprintf(got, sizeof(got), "bad %s", error_names[r.error]);
		assert_string_equal(got, cases[i].expected);
	}
	buf_free(&b);
}

static void endless_heads_are_refused_without_their_end(void **state)
{
	struct head_request r;
	struct buf b = {0};

	(void)state;
	while (b.n < HEAD_LINE_MAX + 2)
		buf_addc(&b, 'A');
	assert_int_equal(head_parse_request(span_of(b.p, HEAD_LINE_MAX + 1), &r), HEAD_MORE);
	assert_int_equal(head_parse_request(buf_spanof(&b), &r), HEAD_BAD);
	assert_int_equal(r.error, HEAD_ERROR_LINE_TOO_LONG);

	build_head(&b, 40, 3, HEAD_LINE_MAX);
	assert_int_equal(head_parse_request(span_of(b.p, HEAD_MAX - 1), &r), HEAD_MORE);
	assert_int_equal(head_parse_request(span_of(b.p, HEAD_MAX), &r), HEAD_BAD);
	assert_int_equal(r.error, HEAD_ERROR_TOO_LARGE);
	buf_free(&b);
}

/* Forwarding looks every field up in the Connection fields: their product must stay small. */
static void connection_options_are_limited(void **state)
{
	struct head_request r;
	struct buf b = {0};

	(void)state;
	for (unsigned options = 100; options <= 101; options++) {
		buf_reset(&b);
		buf_adds(&b, "GET / HTTP/1.1\r\nHost: a\r\nConnection: x");
		for (unsigned i = 1; i < options; i++)
			buf_adds(&b, ",x");
		buf_adds(&b, "\r\n\r\n");
		assert_int_equal(head_parse_request(buf_spanof(&b), &r),
			options <= 100 ? HEAD_DONE : HEAD_BAD);
	}
	assert_int_equal(r.error, HEAD_ERROR_TOO_LARGE);
	buf_free(&b);
}

static void fields_stay_in_order_with_names_and_values(void **state)
{
	struct head_request r;
	struct span in =
		SPAN("GET /p?q HTTP/1.1\r\nHost:  a \r\nA:1\r\nB:\r\na: \t2 3\t\r\n\r\nrest");

	(void)state;
	assert_int_equal(head_parse_request(in, &r), HEAD_DONE);
	assert_int_equal(in.n - r.size, 4);
	assert_true(span_is(r.method, "GET"));
	assert_true(span_is(r.target, "/p?q"));
	assert_int_equal(r.minor, 1);
	assert_int_equal(r.n, 4);
	assert_true(span_is(r.field[0].name, "Host") && span_is(r.field[0].value, "a"));
	assert_true(span_is(r.field[1].name, "A") && span_is(r.field[1].value, "1"));
	assert_true(span_is(r.field[2].name, "B") && span_is(r.field[2].value, ""));
	assert_true(span_is(r.field[3].name, "a") && span_is(r.field[3].value, "2 3"));
	assert_ptr_equal(head_find(r.field, r.n, "a"), &r.field[1]);
	assert_null(head_find(r.field, r.n, "C"));
}

static void credentials_are_handed_out(void **state)
{
	struct head_request r;

	(void)state;
	assert_int_equal(head_parse_request(SPAN("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n"
						 "proxy-authorization:  Basic YTpi \r\n\r\n"),
				 &r),
		HEAD_DONE);
	assert_true(span_is(r.proxy_authorization, "Basic YTpi"));
}

static void hop_by_hop_fields_are_known(void **state)
{
	static const struct {
		const char *name;
		bool hop;
	} cases[] = {{"Connection", true}, {"keep-alive", true}, {"Proxy-Connection", true},
		{"TE", true}, {"Transfer-Encoding", true}, {"Upgrade", true},
		{"HTTP2-Settings", true}, {"Proxy-Authorization", true},
		{"Proxy-Authenticate", true}, {"x-one", true}, {"X-Two", true}, {"X-Three", true},
		{"close", true}, {"X-On", false}, {"X-Ones", false}, {"Host", false},
		{"Trailer", false}, {"Content-Length", false}, {"Authorization", false}};
	static const struct head_field f[] = {{{"Connection", 10}, {"close, X-One,,\tx-two", 20}},
		{{"Host", 4}, {"X-On", 4}}, {{"CONNECTION", 10}, {"X-Three", 7}}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(head_hop_by_hop(f, 3, span_str(cases[i].name)), cases[i].hop);
	assert_true(head_list_has(f, 3, "connection", "X-THREE"));
	assert_false(head_list_has(f, 3, "connection", "X-Four"));
}

static void every_error_has_status_and_text(void **state)
{
	(void)state;
	for (int e = 1; e < HEAD_ERROR_COUNT; e++) {
		assert_in_range(head_error_status((enum head_error)e), 400, 599);
		assert_true(strlen(head_error_text((enum head_error)e)) > 0);
	}
}

/* Not a timed test: the bound is hundreds of times what is measured, and stands against quadratic
 * work only. */
static void a_large_head_byte_by_byte_is_cheap(void **state)
{
	struct head_request r;
	struct buf b = {0};
	uint64_t start;

	(void)state;
	build_head(&b, 8000, 99, 200);
	assert_true(b.n < HEAD_MAX);
	start = clock_mono_us();
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(head_parse_request(span_of(b.p, n), &r), HEAD_MORE);
	assert_int_equal(head_parse_request(buf_spanof(&b), &r), HEAD_DONE);
	assert_true(clock_mono_us() - start < 20 * 1000 * 1000);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_have_one_reading),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(endless_heads_are_refused_without_their_end),
		cmocka_unit_test(connection_options_are_limited),
		cmocka_unit_test(fields_stay_in_order_with_names_and_values),
		cmocka_unit_test(credentials_are_handed_out),
		cmocka_unit_test(hop_by_hop_fields_are_known),
		cmocka_unit_test(every_error_has_status_and_text),
		cmocka_unit_test(a_large_head_byte_by_byte_is_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
