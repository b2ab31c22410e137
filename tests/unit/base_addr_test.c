/* Addresses and prefixes: strict text in, canonical text out, families kept apart. */
#include "addr.h"

#include <arpa/inet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T(literal)                                                                                 \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	struct span in;
	const char *out; /* NULL: refused */
	bool v4;
} texts[] = {
	{T("0.0.0.0"), "0.0.0.0", true},
	{T("255.255.255.255"), "255.255.255.255", true},
	{T("192.0.2.7"), "192.0.2.7", true},
	{T("9.10.99.100"), "9.10.99.100", true},
	{T("101.110.200.209"), "101.110.200.209", true},
	{T("::"), "::", false},
	{T("::1"), "::1", false},
	{T("2001:DB8:0:0:0:0:0:1"), "2001:db8::1", false},
	{T("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1", false},
	{T("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1", false},
	{T("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1", false},
	{T("::ffff:192.0.2.1"), "::ffff:192.0.2.1", false},
	{T("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0", false},
	{T("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
	{T(""), NULL, false},
	{T("1.2.3"), NULL, false},
	{T("1.2.3.4.5"), NULL, false},
	{T("1.2.3.4."), NULL, false},
	{T("01.2.3.4"), NULL, false},
	{T("1.2.3.04"), NULL, false},
	{T("1.2.3.256"), NULL, false},
	{T("0x7f.0.0.1"), NULL, false},
	{T("2130706433"), NULL, false},
	{T(" 1.2.3.4"), NULL, false},
	{T("1.2.3.4 "), NULL, false},
	{T("1.2.3.4\n"), NULL, false},
	{T("1.2.3.4\0"), NULL, false},
	{T("1.2.3.4\0.5"), NULL, false},
	{T("1.2.3.-4"), NULL, false},
	{T("[::1]"), NULL, false},
	{T("::1%lo"), NULL, false},
	{T("fe80::1%1"), NULL, false},
	{T(":::"), NULL, false},
	{T("1::2::3"), NULL, false},
	{T("1:2:3:4:5:6:7:8:9"), NULL, false},
	{T("1:2:3:4:5:6:7"), NULL, false},
	{T("12345::"), NULL, false},
	{T("00001::"), NULL, false},
	{T("g::"), NULL, false},
	{T("::ffff:1.2.3"), NULL, false},
	{T("::ffff:01.2.3.4"), NULL, false},
	{T("1:2:3:4:5:6:7:8:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:1:1:1:1"), NULL, false},
};

static void text_is_strict_and_canonical(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct addr a;
		char out[ADDR_TEXT_MAX];
		bool ok = addr_parse(texts[i].in, &a);

		if (ok != !!texts[i].out)
			fail_msg("%.*s: %d", SPAN_ARG(texts[i].in), ok);
		if (!ok)
			continue;
		addr_format(&a, out);
		assert_string_equal(out, texts[i].out);
		assert_int_equal(a.v4, texts[i].v4);
	}
}

static struct addr parsed(const char *s)
{
	struct addr a;

	assert_true(addr_parse(span_str(s), &a));
	return a;
}

static void mapped_and_plain_ipv4_stay_apart(void **state)
{
	struct addr plain = parsed("192.0.2.1"), mapped = parsed("::ffff:192.0.2.1");
	struct prefix p;

	(void)state;
	assert_memory_equal(plain.b, mapped.b, 16);
	assert_false(addr_eq(&plain, &mapped));
	assert_true(addr_cmp(&plain, &mapped) < 0);
	assert_true(addr_cmp(&mapped, &plain) > 0);
	assert_true(prefix_parse(SPAN("0.0.0.0/0"), &p));
	assert_true(prefix_has(&p, &plain));
	assert_false(prefix_has(&p, &mapped));
	assert_true(prefix_parse(SPAN("::/0"), &p));
	assert_true(prefix_has(&p, &mapped));
	assert_false(prefix_has(&p, &plain));
}

static void order_is_by_bytes_within_a_family(void **state)
{
	struct addr a = parsed("9.255.0.0"), b = parsed("10.0.0.0"), c = parsed("::1");

	(void)state;
	assert_true(addr_cmp(&a, &b) < 0);
	assert_true(addr_cmp(&b, &c) < 0);
	assert_int_equal(addr_cmp(&c, &c), 0);
}

static void socket_addresses_go_there_and_back(void **state)
{
	static const char *const v[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
	struct sockaddr_storage ss;
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct addr back;
	uint16_t port = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(v); i++) {
		struct addr a = parsed(v[i]);
		socklen_t n = addr_to_sockaddr(&a, 443, &ss);

		assert_int_equal(
			n, a.v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(((struct sockaddr_in *)&ss)->sin_port, htons(443));
		assert_true(addr_from_sockaddr((struct sockaddr *)&ss, &back, &port));
		assert_true(addr_eq(&a, &back));
		assert_int_equal(port, 443);
	}
	assert_false(addr_from_sockaddr(&other, &back, &port));
	assert_false(addr_from_sockaddr(&other, &back, NULL));
}

static const struct {
	const char *prefix; /* NULL with no "in": refused */
	const char *in, *out;
} prefixes[] = {
	{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
	{"0.0.0.0/0", "255.1.2.3", "::"},
	{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
	{"192.0.2.7", "192.0.2.7", "192.0.2.6"},
	{"192.0.2.6/31", "192.0.2.7", "192.0.2.8"},
	{"192.0.2.7/32", "192.0.2.7", "192.0.2.8"},
	{"2001:db8::/32", "2001:db8:ffff::", "2001:db9::"},
	{"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
	{"::/0", "ffff::", "1.2.3.4"},
	{"::1", "::1", "::2"},
	{"::1/128", "::1", "::"},
	{"::ffff:0:0/96", "::ffff:1.2.3.4", "1.2.3.4"},
	{"10.1.2.3/8", NULL, NULL},
	{"192.0.2.129/25", NULL, NULL},
	{"2001:db8::1/32", NULL, NULL},
	{"10.0.0.0/33", NULL, NULL},
	{"::/129", NULL, NULL},
	{"10.0.0.0/", NULL, NULL},
	{"10.0.0.0/08", NULL, NULL},
	{"10.0.0.0/+8", NULL, NULL},
	{"10.0.0.0/8/8", NULL, NULL},
	{"10.0.0.0/8 ", NULL, NULL},
	{"10.0.0.0/255.0.0.0", NULL, NULL},
	{"10/8", NULL, NULL},
	{"/8", NULL, NULL},
	{"", NULL, NULL},
	{"[::1]/128", NULL, NULL},
	{"10.0.0.0/00", NULL, NULL},
	{"1.0.0.0/0", NULL, NULL},
};

static void any_is_all_zeros_of_a_family(void **state)
{
	static const struct {
		const char *text;
		bool any;
	} t[] = {{"0.0.0.0", true}, {"::", true}, {"::1", false}, {"127.0.0.1", false},
		{"::ffff:0.0.0.0", false}, {"1::", false}};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct addr a;

		assert_true(addr_parse(span_str(t[i].text), &a));
		assert_int_equal(addr_is_any(&a), t[i].any);
	}
}

static void prefixes_hold_their_addresses_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		struct prefix p;
		struct addr in, out;

		if (prefix_parse(span_str(prefixes[i].prefix), &p) != !!prefixes[i].in)
			fail_msg("%s", prefixes[i].prefix);
		if (!prefixes[i].in)
			continue;
		in = parsed(prefixes[i].in);
		out = parsed(prefixes[i].out);
		if (!prefix_has(&p, &in) || prefix_has(&p, &out))
			fail_msg("%s", prefixes[i].prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_strict_and_canonical),
		cmocka_unit_test(mapped_and_plain_ipv4_stay_apart),
		cmocka_unit_test(order_is_by_bytes_within_a_family),
		cmocka_unit_test(socket_addresses_go_there_and_back),
		cmocka_unit_test(any_is_all_zeros_of_a_family),
		cmocka_unit_test(prefixes_hold_their_addresses_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
