/*
 * The ClientHello reader against hellos that a real OpenSSL client writes, whole and cut up, and
 * against what else may come first in a tunnel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "buf.h"
#include "hello.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_HEADER 5

static struct hello_reader *reader;

/* What a client writes first. alpn: so many bytes of protocol names make the hello as large as
 * those with post-quantum key shares are. */
static void client_hello(struct buf *out, const char *name, int max_version, size_t alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
	static unsigned char protocols[65535];
	char *p, sni[HOST_MAX + 1];
	long n;

	SSL_set_max_proto_version(ssl, max_version);
	snprintf(sni, sizeof(sni), "%s", name ? name : "");
	if (name)
		SSL_set_tlsext_host_name(ssl, sni);
	for (size_t i = 0; i < alpn; i += 100)
		protocols[i] = 99;
	if (alpn)
		assert_int_equal(SSL_set_alpn_protos(ssl, protocols, (unsigned)alpn), 0);
	SSL_set_bio(ssl, in, sent);
	assert_int_equal(SSL_connect(ssl), -1);
	n = BIO_get_mem_data(sent, &p);
	assert_true(n > 100);
	buf_reset(out);
	buf_add(out, p, (size_t)n);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* The same handshake message in records of `size` bytes. */
static void split_records(struct buf *out, const struct buf *hello, size_t size)
{
	buf_reset(out);
	for (size_t at = RECORD_HEADER; at < hello->n; at += size) {
		size_t n = hello->n - at < size ? hello->n - at : size;

		buf_add(out, hello->p, 3);
		buf_addc(out, (char)(n >> 8));
		buf_addc(out, (char)n);
		buf_add(out, hello->p + at, n);
	}
}

static enum hello_answer read_exact(struct span in, char name[HOST_MAX + 1])
{
	char *copy = malloc(in.n ? in.n : 1);
	enum hello_answer a;

	if (in.n)
		memcpy(copy, in.p, in.n);
	a = hello_read(reader, span_of(copy, in.n), name);
	free(copy);
	return a;
}

/* MORE until the last byte, then `expected`. */
static void check_bytewise(const struct buf *b, const char *expected)
{
	char name[HOST_MAX + 1];

	for (size_t n = 0; n < b->n; n++)
		assert_int_equal(read_exact(span_of(b->p, n), name), HELLO_MORE);
	assert_int_equal(read_exact(buf_spanof(b), name), HELLO_TLS);
	assert_string_equal(name, expected);
}

static const struct {
	const char *sent, *seen;
} names[] = {
	{"a.example", "a.example"},
	{"WWW.A-b.Example", "www.a-b.example"},
	{"a.example.", "a.example"},
	{NULL, ""},
	{"192.0.2.1", "?"},
	{"2001:db8::1", "?"},
	{"0x7f.1", "?"},
	{"a..example", "?"},
	{"a b", "?"},
	{"*.example", "?"},
	{"caf\xc3\xa9.example", "?"},
	{"a.example:443", "?"},
};

static void names_are_canonical_or_marked(void **state)
{
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char name[HOST_MAX + 1] = "stale";

		client_hello(&b, names[i].sent, TLS1_3_VERSION, 0);
		assert_int_equal(read_exact(buf_spanof(&b), name), HELLO_TLS);
		assert_string_equal(name, names[i].seen);
	}
	buf_free(&b);
}

static void hellos_come_byte_by_byte(void **state)
{
	struct buf b = {0};

	(void)state;
	client_hello(&b, "a.example", TLS1_3_VERSION, 0);
	check_bytewise(&b, "a.example");
	client_hello(&b, "a.example", TLS1_2_VERSION, 0);
	check_bytewise(&b, "a.example");
	client_hello(&b, NULL, TLS1_3_VERSION, 0);
	check_bytewise(&b, "");
	buf_free(&b);
}

static void large_hellos_span_packets(void **state)
{
	struct buf b = {0};

	(void)state;
	client_hello(&b, "a.example", TLS1_3_VERSION, 1800);
	assert_in_range(b.n, 1900, 2300);
	check_bytewise(&b, "a.example");
	buf_free(&b);
}

static void hellos_are_split_in_records(void **state)
{
	static const size_t sizes[] = {1, 3, 4, 5, 50, 99, 200};
	struct buf b = {0}, split = {0};

	(void)state;
	client_hello(&b, "a.example", TLS1_3_VERSION, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		split_records(&split, &b, sizes[i]);
		check_bytewise(&split, "a.example");
	}
	client_hello(&b, "a.example", TLS1_3_VERSION, 1800);
	split_records(&split, &b, 50);
	check_bytewise(&split, "a.example");
	buf_free(&split);
	buf_free(&b);
}

/* Early data or an impatient client. */
static void bytes_behind_the_hello_do_not_matter(void **state)
{
	char name[HOST_MAX + 1];
	struct buf b = {0};

	(void)state;
	client_hello(&b, "a.example", TLS1_3_VERSION, 0);
	buf_adds(&b, "\x17\x03\x03 and more");
	assert_int_equal(read_exact(buf_spanof(&b), name), HELLO_TLS);
	assert_string_equal(name, "a.example");
	buf_free(&b);
}

static void other_protocols_are_named_at_once(void **state)
{
	static const struct span cases[] = {
		{"SSH-2.0-OpenSSH_9.2\r\n", 21},
		{"S", 1},
		{"GET / HTTP/1.1\r\n", 16},
		{"\x00", 1},
		{"\x16\x02", 2},
		{"\x16\x04", 2},
		{"\x17\x03\x03\x00\x05", 5},
		{"\x15\x03\x03\x00\x02\x02\x00", 7},	     /* an alert */
		{"\x16\x03\x01\x00\x05\x02", 6},	     /* a ServerHello */
		{"\x80\x2e\x01\x00\x02\x00\x15", 7},	     /* SSL 2.0 */
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9}, /* an empty hello */
		{"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 11},
		{"\x16\x03\x01\xff\xff\x00", 6},
	};
	char name[HOST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(read_exact(cases[i], name), HELLO_OTHER);
		assert_string_equal(name, "");
	}
}

static void starts_of_hellos_wait(void **state)
{
	static const struct span cases[] = {
		{"", 0}, {"\x16", 1}, {"\x16\x03", 2}, {"\x16\x03\x01\x02\x00\x01", 6}};
	char name[HOST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(read_exact(cases[i], name), HELLO_MORE);
}

/* Something that only promises to become a hello does not wait for ever. */
static void endless_hellos_are_given_up(void **state)
{
	char name[HOST_MAX + 1];
	struct buf b = {0};

	(void)state;
	buf_add(&b, "\x16\x03\x01\x40\x00\x01\x00\x7f\xff\x03\x03", 11);
	while (b.n < HELLO_MAX)
		buf_addc(&b, 'x');
	assert_int_equal(read_exact(span_of(b.p, HELLO_MAX - 1), name), HELLO_MORE);
	assert_int_equal(read_exact(buf_spanof(&b), name), HELLO_OTHER);
	buf_free(&b);
}

/* The start of the server name extension's content in a hello; its type is 0. */
static size_t find_name(const struct buf *b, const char *name)
{
	char *p = memmem(b->p, b->n, name, strlen(name));

	assert_non_null(p);
	return (size_t)(p - b->p) - 5;
}

static void malformed_name_lists_are_marked(void **state)
{
	/* offset within the extension, new byte */
	static const struct {
		size_t at;
		char byte;
	} cases[] = {{1, 1}, {1, 99}, {2, 1}, {3, 1}, {4, 8}, {4, 10}, {5, 0}, {9, '\n'}};
	char name[HOST_MAX + 1];
	struct buf b = {0};

	(void)state;
	client_hello(&b, "a.example", TLS1_3_VERSION, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *p = b.p + find_name(&b, "a.example") + cases[i].at, kept = *p;

		*p = cases[i].byte;
		assert_int_equal(read_exact(buf_spanof(&b), name), HELLO_TLS);
		assert_string_equal(name, "?");
		*p = kept;
	}
	buf_free(&b);
}

/* The reader is used for every tunnel of a worker: one must leave nothing for the next. */
static void readings_do_not_touch_each_other(void **state)
{
	char name[HOST_MAX + 1];
	struct buf with = {0}, without = {0};

	(void)state;
	client_hello(&with, "a.example", TLS1_3_VERSION, 0);
	client_hello(&without, NULL, TLS1_3_VERSION, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(read_exact(buf_spanof(&with), name), HELLO_TLS);
		assert_string_equal(name, "a.example");
		assert_int_equal(read_exact(span_of(with.p, with.n / 2), name), HELLO_MORE);
		assert_int_equal(read_exact(SPAN("SSH-2.0-x\r\n"), name), HELLO_OTHER);
		assert_int_equal(read_exact(buf_spanof(&without), name), HELLO_TLS);
		assert_string_equal(name, "");
	}
	buf_free(&with);
	buf_free(&without);
}

static int open_reader(void **state)
{
	(void)state;
	reader = hello_new();
	return reader ? 0 : -1;
}

static int close_reader(void **state)
{
	(void)state;
	hello_free(reader);
	hello_free(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_canonical_or_marked),
		cmocka_unit_test(hellos_come_byte_by_byte),
		cmocka_unit_test(large_hellos_span_packets),
		cmocka_unit_test(hellos_are_split_in_records),
		cmocka_unit_test(bytes_behind_the_hello_do_not_matter),
		cmocka_unit_test(other_protocols_are_named_at_once),
		cmocka_unit_test(starts_of_hellos_wait),
		cmocka_unit_test(endless_hellos_are_given_up),
		cmocka_unit_test(malformed_name_lists_are_marked),
		cmocka_unit_test(readings_do_not_touch_each_other),
	};

	return cmocka_run_group_tests(tests, open_reader, close_reader);
}
