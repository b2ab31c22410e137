/* The record codec: every kind comes back as it went in, whatever its strings hold; what the
 * encoder would not write is not read. */
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static const char hostile_nul[] = "nul\0inside";

/* What goes in, and what comes back. */
static const struct {
	struct span in, out;
} hostile[] = {
	{SPAN("plain"), SPAN("plain")},
	{SPAN("quote \" backslash \\ slash /"), SPAN("quote \" backslash \\ slash /")},
	{SPAN("\x01\x02\x1f\x7f\b\f\n\r\t"), SPAN("\x01\x02\x1f\x7f\b\f\n\r\t")},
	{{hostile_nul, sizeof hostile_nul - 1}, {hostile_nul, sizeof hostile_nul - 1}},
	{SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x91"),
		SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x91")},
	{SPAN("\xff"), SPAN("\xef\xbf\xbd")},
	{SPAN("\"}\n{\"k\":\"mark\""), SPAN("\"}\n{\"k\":\"mark\"")},
	{SPAN("</script>\xe2\x80\xa8\xe2\x80\xa9"), SPAN("</script>\xe2\x80\xa8\xe2\x80\xa9")},
};

static void fill(struct record *r, enum record_kind kind, struct span s)
{
	record_init(r, kind);
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		enum field f = (enum field)i;

		if (!(record_fields(kind) >> i & 1))
			continue;
		if (field_type(f) == FIELD_TYPE_NUM)
			record_num(r, f, i * 1000003ULL);
		else
			record_str(
				r, f, field_type(f) == FIELD_TYPE_STR ? s : SPAN("one two three"));
	}
}

static struct span encode(const struct record *r, struct buf *b)
{
	buf_reset(b);
	assert_true(record_encode(r, b));
	assert_null(memchr(b->p, '\n', b->n));
	return buf_spanof(b);
}

static void assert_same(const struct record *a, const struct record *b, struct span s)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(a->present == b->present);
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		enum field f = (enum field)i;
		struct span want = record_get(a, f), is = record_get(b, f);

		assert_true(record_getnum(a, f) == record_getnum(b, f));
		if (want.n && field_type(f) == FIELD_TYPE_STR)
			want = s;
		assert_true(span_eq(want, is));
	}
}

static void every_kind_comes_back_with_every_string(void **state)
{
	struct record_decoder *d = record_decoder_new();
	struct buf b = {0};
	struct record in, out;
	struct err e;

	(void)state;
	for (unsigned k = 0; k < RECORD_COUNT; k++)
		for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
			fill(&in, (enum record_kind)k, hostile[i].in);
			if (!record_decode(d, encode(&in, &b), &out, &e))
				fail_msg("%s: %s", b.p, e.text);
			assert_same(&in, &out, hostile[i].out);
		}
	record_decoder_free(d);
	buf_free(&b);
}

static void bytes_that_are_no_utf8_still_give_a_record_that_reads(void **state)
{
	struct record_decoder *d = record_decoder_new();
	struct buf b = {0};
	struct record in, out;
	char junk[3];

	(void)state;
	for (unsigned i = 0; i < 256 * 256; i++) {
		junk[0] = (char)(i >> 8);
		junk[1] = (char)i;
		junk[2] = 'x';
		record_init(&in, RECORD_POLICY);
		record_str(&in, FIELD_TEXT, span_of(junk, 3));
		assert_true(record_decode(d, encode(&in, &b), &out, NULL));
		assert_true(record_has(&out, FIELD_TEXT));
	}
	record_decoder_free(d);
	buf_free(&b);
}

static void unknown_is_null_and_the_order_is_that_of_the_table(void **state)
{
	struct buf b = {0};
	struct record r;

	(void)state;
	record_init(&r, RECORD_PERSON);
	record_str(&r, FIELD_ROLES, SPAN("staff youth"));
	record_str(&r, FIELD_DAY, SPAN("2026-11-23"));
	record_num(&r, FIELD_T, 0);
	record_str(&r, FIELD_USER, SPAN(""));
	assert_true(span_is(encode(&r, &b),
		"{\"k\":\"person\",\"t\":0,\"day\":\"2026-11-23\",\"user\":null,"
		"\"roles\":[\"staff\",\"youth\"],\"groups\":null,\"strength\":null,\"sealed\":"
		"null}"));
	assert_false(record_has(&r, FIELD_USER));
	assert_int_equal(record_get(&r, FIELD_USER).n, 0);
	assert_true(record_has(&r, FIELD_T));
	record_str(&r, FIELD_DAY, SPAN("")); /* taken back */
	record_str(&r, FIELD_ROLES, SPAN("  one   two "));
	assert_true(span_is(encode(&r, &b),
		"{\"k\":\"person\",\"t\":0,\"day\":null,\"user\":null,"
		"\"roles\":[\"one\",\"two\"],\"groups\":null,\"strength\":null,\"sealed\":null}"));
	record_str(&r, FIELD_ROLES, SPAN("   "));
	assert_true(span_is(encode(&r, &b),
		"{\"k\":\"person\",\"t\":0,\"day\":null,\"user\":null,"
		"\"roles\":null,\"groups\":null,\"strength\":null,\"sealed\":null}"));
	buf_free(&b);
}

static void too_large_is_said(void **state)
{
	char mem[RECORD_MAX + 64], text[RECORD_MAX];
	struct record r;
	struct buf b;
	size_t frame, n;

	(void)state;
	memset(text, 'x', sizeof text);
	record_init(&r, RECORD_POLICY);
	record_str(&r, FIELD_TEXT, span_of(text, 1));
	buf_init_fixed(&b, mem, sizeof mem);
	assert_true(record_encode(&r, &b));
	frame = b.n - 1;

	n = RECORD_MAX - frame;
	for (size_t more = 0; more < 2; more++) {
		record_str(&r, FIELD_TEXT, span_of(text, n + more));
		buf_init_fixed(&b, mem, sizeof mem);
		assert_int_equal(record_encode(&r, &b), more == 0);
	}
	record_str(&r, FIELD_TEXT, span_of(text, 100));
	buf_init_fixed(&b, mem, 100); /* the caller's memory is too small */
	assert_false(record_encode(&r, &b));

	record_str(&r, FIELD_TEXT, SPAN("x"));
	record_num(&r, FIELD_T, INT64_MAX);
	buf_init_fixed(&b, mem, sizeof mem);
	assert_true(record_encode(&r, &b));
	record_num(&r, FIELD_T, (uint64_t)INT64_MAX + 1);
	buf_init_fixed(&b, mem, sizeof mem);
	assert_false(record_encode(&r, &b));
}

static const struct {
	const char *line;
	const char *says; /* part of the error; NULL: it is a record */
} lines[] = {
	{"{\"k\":\"person\"}", NULL},
	{"{\"t\":1,\"k\":\"person\"}", NULL},
	{"{\"k\":\"person\",\"t\":null,\"roles\":null}", NULL},
	{"{\"k\":\"person\",\"t\":9223372036854775807}", NULL},
	{"{\"k\":\"person\",\"roles\":[\"a\"]}", NULL},
	{"{\"k\":\"person\",\"user\":\"\\u0000\\ud83d\\udc11\"}", NULL},
	{"", "one JSON object"},
	{"{", "one JSON object"},
	{"[]", "one JSON object"},
	{"null", "one JSON object"},
	{" {\"k\":\"person\"}", "one JSON object"},
	{"{\"k\":\"person\"}\n", "one JSON object"},
	{"{\"k\":\"person\"}x", "one JSON object"},
	{"{\"k\":\"person\"}{}", "byte"},
	{"{\"k\":\"person\"},{}", "byte"},
	{"{\"k\":\"person\"", "one JSON object"},
	{"{}", "known kind"},
	{"{\"t\":1}", "known kind"},
	{"{\"k\":\"persons\"}", "known kind"},
	{"{\"k\":\"person\\u0000\"}", "known kind"},
	{"{\"k\":\"\"}", "known kind"},
	{"{\"k\":null}", "known kind"},
	{"{\"k\":3}", "known kind"},
	{"{\"k\":[\"person\"]}", "known kind"},
	{"{\"k\":\"person\",\"k\":\"person\"}", "duplicate"},
	{"{\"k\":\"person\",\"t\":1,\"t\":1}", "duplicate"},
	{"{\"k\":\"person\",\"t\":1,\"\\u0074\":2}", "duplicate"},
	{"{\"k\":\"person\",\"address\":\"192.0.2.1\"}", "unknown field \"address\""},
	{"{\"k\":\"person\",\"\":1}", "unknown field"},
	{"{\"k\":\"person\",\"T\":1}", "unknown field"},
	{"{\"k\":\"person\",\"up\":1}", "carries no field \"up\""},
	{"{\"k\":\"person\",\"up\":null}", "carries no field \"up\""},
	{"{\"k\":\"person\",\"t\":\"1\"}", "\"t\" is expected to be an integer"},
	{"{\"k\":\"person\",\"t\":-1}", "\"t\" is expected to be an integer"},
	{"{\"k\":\"person\",\"t\":1.0}", "\"t\" is expected to be an integer"},
	{"{\"k\":\"person\",\"t\":1e3}", "\"t\" is expected to be an integer"},
	{"{\"k\":\"person\",\"t\":true}", "\"t\" is expected to be an integer"},
	{"{\"k\":\"person\",\"t\":[1]}", "\"t\" is expected to be an integer"},
	{"{\"k\":\"person\",\"t\":9223372036854775808}", "byte"},
	{"{\"k\":\"person\",\"t\":01}", "byte"},
	{"{\"k\":\"person\",\"user\":1}", "\"user\" is expected to be a non-empty string"},
	{"{\"k\":\"person\",\"user\":\"\"}", "\"user\" is expected to be a non-empty string"},
	{"{\"k\":\"person\",\"user\":{}}", "\"user\" is expected to be a non-empty string"},
	{"{\"k\":\"person\",\"user\":[\"a\"]}", "\"user\" is expected to be a non-empty string"},
	{"{\"k\":\"person\",\"roles\":\"a\"}", "\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"roles\":[]}", "\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"roles\":[\"\"]}", "\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"roles\":[\"a b\"]}", "\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"roles\":[\"a\",1]}", "\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"roles\":[\"a\",null]}",
		"\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"roles\":[[\"a\"]]}", "\"roles\" is expected to be a non-empty list"},
	{"{\"k\":\"person\",\"user\":\"\xff\"}", "byte"},
	{"{\"k\":\"person\",\"user\":\"\xc0\x80\"}", "byte"},
	{"{\"k\":\"person\",\"user\":\"\xed\xa0\x80\"}", "byte"},
	{"{\"k\":\"person\",\"user\":\"\\ud800\"}", "byte"},
	{"{\"k\":\"person\",\"user\":\"\x01\"}", "byte"},
	{"{\"k\":\"person\",}", "byte"},
	{"{'k':'person'}", "byte"},
	{"{\"k\":\"person\",\"\\u0000\":1}", "byte"},
};

static void only_what_the_encoder_could_have_written_is_read(void **state)
{
	struct record_decoder *d = record_decoder_new();
	struct record r;

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct err e = {""};
		bool ok = record_decode(d, span_str(lines[i].line), &r, &e);

		if (ok != !lines[i].says)
			fail_msg("%s: %s", lines[i].line, ok ? "was read" : e.text);
		if (!ok && !strstr(e.text, lines[i].says))
			fail_msg("%s: \"%s\" lacks \"%s\"", lines[i].line, e.text, lines[i].says);
	}
	record_decoder_free(d);
}

/* What the encoder never writes, yet may stand in a line: it makes the decoder read JSON. */
static struct span with_a_space(struct span line, struct buf *b)
{
	buf_reset(b);
	buf_addc(b, '{');
	buf_addc(b, ' ');
	buf_span(b, span_of(line.p + 1, line.n - 1));
	return buf_spanof(b);
}

static void read_both_ways(struct record_decoder *d[2], struct span line, struct buf *b)
{
	struct record own, json;
	struct err e;
	bool ok = record_decode(d[0], line, &own, &e);

	if (record_decode(d[1], with_a_space(line, b), &json, &e) != ok)
		fail_msg("%.*s: read %s", SPAN_ARG(line), ok ? "as our own only" : "as JSON only");
	if (!ok)
		return;
	assert_int_equal(own.kind, json.kind);
	assert_true(own.present == json.present);
	for (unsigned f = 0; f < FIELD_COUNT; f++) {
		assert_true(
			span_eq(record_get(&own, (enum field)f), record_get(&json, (enum field)f)));
		assert_true(
			record_getnum(&own, (enum field)f) == record_getnum(&json, (enum field)f));
	}
}

/* Each byte of a line of each kind becomes others, and goes. */
static void damage(struct record_decoder *d[2], struct span line, struct buf *b)
{
	static const char bytes[] = "\"\\,:[]{} n019-.e\x1f\x7f\xc3";
	char mem[RECORD_MAX];

	for (size_t at = 1; at < line.n; at++) {
		memcpy(mem, line.p, line.n);
		for (const char *c = bytes; *c; c++) {
			mem[at] = *c;
			read_both_ways(d, span_of(mem, line.n), b);
		}
		memmove(mem + at, line.p + at + 1, line.n - at - 1);
		read_both_ways(d, span_of(mem, line.n - 1), b);
	}
}

static void own_lines_and_json_are_read_alike(void **state)
{
	struct record_decoder *d[2] = {record_decoder_new(), record_decoder_new()};
	struct buf line = {0}, other = {0};
	struct record r;

	(void)state;
	for (unsigned k = 0; k < RECORD_COUNT; k++)
		for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
			fill(&r, (enum record_kind)k, hostile[i].in);
			damage(d, encode(&r, &line), &other);
		}
	record_decoder_free(d[0]);
	record_decoder_free(d[1]);
	buf_free(&line);
	buf_free(&other);
}

static void a_line_beyond_the_limit_is_not_even_parsed(void **state)
{
	struct record_decoder *d = record_decoder_new();
	struct buf b = {0};
	struct record r;
	struct err e;

	(void)state;
	for (size_t n = RECORD_MAX; n <= RECORD_MAX + 1; n++) {
		buf_reset(&b);
		buf_adds(&b, "{\"k\":\"person\",\"user\":\"");
		while (b.n < n - 2)
			buf_addc(&b, 'x');
		buf_adds(&b, "\"}");
		assert_int_equal(b.n, n);
		assert_int_equal(record_decode(d, buf_spanof(&b), &r, &e), n == RECORD_MAX);
	}
	assert_non_null(strstr(e.text, "at most 8192"));
	record_decoder_free(d);
	buf_free(&b);
}

static void words_and_keys_are_those_of_the_tables(void **state)
{
	(void)state;
	assert_string_equal(record_word(RECORD_ACCESS), "access");
	assert_string_equal(record_word(RECORD_MARK), "mark");
	assert_string_equal(field_key(FIELD_CORE_DOWN), "core_down");
	assert_int_equal(field_type(FIELD_TIPS), FIELD_TYPE_STRS);
	assert_true(record_fields(RECORD_MARK) >> FIELD_SIG & 1);
	assert_false(record_fields(RECORD_MARK) >> FIELD_USER & 1);
	record_decoder_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_comes_back_with_every_string),
		cmocka_unit_test(bytes_that_are_no_utf8_still_give_a_record_that_reads),
		cmocka_unit_test(unknown_is_null_and_the_order_is_that_of_the_table),
		cmocka_unit_test(too_large_is_said),
		cmocka_unit_test(only_what_the_encoder_could_have_written_is_read),
		cmocka_unit_test(own_lines_and_json_are_read_alike),
		cmocka_unit_test(a_line_beyond_the_limit_is_not_even_parsed),
		cmocka_unit_test(words_and_keys_are_those_of_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
