/* Hosts and authorities: one spelling in, one canonical form out, everything doubtful refused. */
#include "host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T(literal)                                                                                 \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

#define L63  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L61  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"
#define N253 L63 "." L63 "." L63 "." L61
#define N254 N253 "j"

static const struct {
	struct span in;
	const char *name; /* NULL: refused */
	bool literal;
} hosts[] = {
	/* names */
	{T("example.com"), "example.com", false},
	{T("EXAMPLE.Com"), "example.com", false},
	{T("example.com."), "example.com", false},
	{T("localhost"), "localhost", false},
	{T("a"), "a", false},
	{T("a.b.c.d.e.f"), "a.b.c.d.e.f", false},
	{T("3com.com"), "3com.com", false},
	{T("1.2.3.com"), "1.2.3.com", false},
	{T("0x7f.example"), "0x7f.example", false},
	{T("1e100.net"), "1e100.net", false},
	{T("a.1b"), "a.1b", false},
	{T("a.0xg"), "a.0xg", false},
	{T("_dmarc.example.com"), "_dmarc.example.com", false},
	{T("my_host.example"), "my_host.example", false},
	{T("r3---sn-abc.googlevideo.com"), "r3---sn-abc.googlevideo.com", false},
	{T("-a.example"), "-a.example", false},
	{T("a-.example"), "a-.example", false},
	{T("xn--bcher-kva.example"), "xn--bcher-kva.example", false},
	{T("deadbeef"), "deadbeef", false},
	{T("x1"), "x1", false},
	{T(L63 ".com"), L63 ".com", false},
	{T(N253), N253, false},
	{T(N253 "."), N253, false},
	/* literals */
	{T("127.0.0.1"), "127.0.0.1", true},
	{T("0.0.0.0"), "0.0.0.0", true},
	{T("255.255.255.255"), "255.255.255.255", true},
	{T("[::1]"), "::1", true},
	{T("[::]"), "::", true},
	{T("[2001:DB8::0:1]"), "2001:db8::1", true},
	{T("[::ffff:127.0.0.1]"), "::ffff:127.0.0.1", true},
	{T("[1:2:3:4:5:6:7:8]"), "1:2:3:4:5:6:7:8", true},
	/* empty and dots */
	{T(""), NULL, false},
	{{NULL, 0}, NULL, false},
	{T("."), NULL, false},
	{T(".."), NULL, false},
	{T(".example.com"), NULL, false},
	{T("example..com"), NULL, false},
	{T("example.com.."), NULL, false},
	{T("127.0.0.1."), NULL, false},
	{T("127.0.0..1"), NULL, false},
	/* what inet_aton or a browser would take for an address */
	{T("0x7f.1"), NULL, false},
	{T("2130706433"), NULL, false},
	{T("127.1"), NULL, false},
	{T("127.0.1"), NULL, false},
	{T("01.2.3.4"), NULL, false},
	{T("1.2.3.04"), NULL, false},
	{T("1.2.3.256"), NULL, false},
	{T("1.2.3.4.5"), NULL, false},
	{T("0x7f000001"), NULL, false},
	{T("0X7F000001"), NULL, false},
	{T("0x"), NULL, false},
	{T("a.0x"), NULL, false},
	{T("a.0X1f."), NULL, false},
	{T("017700000001"), NULL, false},
	{T("0177.0.0.1"), NULL, false},
	{T("1"), NULL, false},
	{T("0"), NULL, false},
	{T("example.1"), NULL, false},
	{T("example.09."), NULL, false},
	/* brackets */
	{T("::1"), NULL, false},
	{T("2001:db8::1"), NULL, false},
	{T("[127.0.0.1]"), NULL, false},
	{T("[example.com]"), NULL, false},
	{T("[]"), NULL, false},
	{T("["), NULL, false},
	{T("]"), NULL, false},
	{T("[::1"), NULL, false},
	{T("::1]"), NULL, false},
	{T("[[::1]]"), NULL, false},
	{T("[::1]."), NULL, false},
	{T("[::1%25lo]"), NULL, false},
	{T("[::1%lo]"), NULL, false},
	{T("[fe80::1%1]"), NULL, false},
	{T("[v1.x]"), NULL, false},
	{T("[::1 ]"), NULL, false},
	{T("[::1\0]"), NULL, false},
	/* bytes */
	{T("user@example.com"), NULL, false},
	{T("user:pw@example.com"), NULL, false},
	{T("example.com:80"), NULL, false},
	{T("example.com/"), NULL, false},
	{T("example.com?x"), NULL, false},
	{T("example.com#x"), NULL, false},
	{T("example%2ecom"), NULL, false},
	{T("exa mple.com"), NULL, false},
	{T(" example.com"), NULL, false},
	{T("example.com "), NULL, false},
	{T("example.com\n"), NULL, false},
	{T("example.com\r"), NULL, false},
	{T("example.com\0"), NULL, false},
	{T("exam\0ple.com"), NULL, false},
	{T("\0"), NULL, false},
	{T("b\xc3\xbc"
	   "cher.example"),
		NULL, false},
	{T("example\xe3\x80\x82"
	   "com"),
		NULL, false}, /* ideographic full stop */
	{T("*.example.com"), NULL, false},
	{T("a,b"), NULL, false},
	{T("a\\b"), NULL, false},
	{T("example.com\x7f"), NULL, false},
	/* lengths */
	{T(L63 "l.com"), NULL, false},
	{T("a." L63 "l"), NULL, false},
	{T(N254), NULL, false},
	{T(N254 "."), NULL, false},
};

static void host_has_one_canonical_form_or_is_refused(void **state)
{
	(void)state;
	assert_int_equal(strlen(N253), 253);
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct host h;
		bool ok = host_parse(hosts[i].in, &h);

		if (ok != !!hosts[i].name)
			fail_msg("row %zu, %.*s: %s", i, SPAN_ARG(hosts[i].in),
				ok ? "taken" : "refused");
		if (!ok)
			continue;
		assert_string_equal(h.name, hosts[i].name);
		assert_int_equal(h.len, strlen(h.name));
		assert_int_equal(h.literal, hosts[i].literal);
		assert_true(span_is(host_span(&h), h.name));
	}
}

static void literal_carries_its_address(void **state)
{
	struct host h;
	struct addr a;

	(void)state;
	assert_true(host_parse(SPAN("[::ffff:10.0.0.1]"), &h));
	assert_true(addr_parse(SPAN("::ffff:10.0.0.1"), &a));
	assert_true(addr_eq(&h.addr, &a));
	assert_true(host_parse(SPAN("10.0.0.1"), &h));
	assert_true(h.addr.v4);
	assert_false(addr_eq(&h.addr, &a));
}

#define OTHERWISE 8080

static const struct {
	struct span in;
	const char *name; /* NULL: refused by both */
	uint16_t port;	  /* 0: only the form with a default takes it */
} authorities[] = {
	{T("example.com:443"), "example.com", 443}, {T("example.com.:443"), "example.com", 443},
	{T("EXAMPLE.com:1"), "example.com", 1}, {T("example.com:65535"), "example.com", 65535},
	{T("127.0.0.1:80"), "127.0.0.1", 80}, {T("[::1]:443"), "::1", 443},
	{T("example.com"), "example.com", 0}, {T("example.com:"), "example.com", 0},
	{T("[::1]"), "::1", 0}, {T("[::1]:"), "::1", 0}, {T("127.0.0.1"), "127.0.0.1", 0},
	{T(N253 ":443"), N253, 443}, {T(""), NULL, 0}, {{NULL, 0}, NULL, 0}, {T(":"), NULL, 0},
	{T(":443"), NULL, 0}, {T("443"), NULL, 0}, {T("example.com:0"), NULL, 0},
	{T("example.com:65536"), NULL, 0}, {T("example.com:99999"), NULL, 0},
	{T("example.com:100000"), NULL, 0}, {T("example.com:0x1bb"), NULL, 0},
	{T("example.com:+443"), NULL, 0}, {T("example.com:-443"), NULL, 0},
	{T("example.com:00443"), NULL, 0}, {T("example.com:0443"), NULL, 0},
	{T("example.com:443 "), NULL, 0}, {T("example.com: 443"), NULL, 0},
	{T("example.com :443"), NULL, 0}, {T("example.com:443\0"), NULL, 0},
	{T("example.com:44\0"), NULL, 0}, {T("example.com:443:443"), NULL, 0},
	{T("example.com::443"), NULL, 0}, {T("example.com:https"), NULL, 0},
	{T("example.com:443/"), NULL, 0}, {T("user@example.com:443"), NULL, 0},
	{T("user:pw@example.com:443"), NULL, 0}, {T("http://example.com:443"), NULL, 0},
	{T("::1"), NULL, 0}, {T("::1:443"), NULL, 0}, {T("2001:db8::1"), NULL, 0},
	{T("[::1]443"), NULL, 0}, {T("[::1]x:443"), NULL, 0}, {T("[::1]]:443"), NULL, 0},
	{T("[::1]:0"), NULL, 0}, {T("[::1]:443]"), NULL, 0}, {T("[::1"), NULL, 0},
	{T("[::1:443"), NULL, 0}, {T("[::1%25lo]:443"), NULL, 0}, {T("[example.com]:443"), NULL, 0},
	{T("127.1:80"), NULL, 0}, {T("0x7f.1:80"), NULL, 0}, {T("2130706433:80"), NULL, 0},
	{T("example.com:\xd9\xa1"), NULL, 0}, /* an Arabic digit */
};

static void authority_names_one_host_and_one_port(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(authorities); i++) {
		struct host h;
		uint16_t port = 9;
		bool strict = authority_parse(authorities[i].in, &h, &port);

		if (strict != (authorities[i].port != 0))
			fail_msg("row %zu, %.*s", i, SPAN_ARG(authorities[i].in));
		assert_int_equal(port, strict ? authorities[i].port : 9);
	}
}

static void missing_port_takes_the_default_and_a_bad_one_does_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(authorities); i++) {
		struct host h;
		uint16_t port = 9;
		bool ok = authority_parse_default(authorities[i].in, OTHERWISE, &h, &port);

		if (ok != !!authorities[i].name)
			fail_msg("row %zu, %.*s", i, SPAN_ARG(authorities[i].in));
		if (!ok)
			continue;
		assert_string_equal(h.name, authorities[i].name);
		assert_int_equal(port, authorities[i].port ? authorities[i].port : OTHERWISE);
	}
}

static void text_reads_back_as_the_same_host(void **state)
{
	char text[HOST_MAX + 3];

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct host h, again;

		if (!hosts[i].name)
			continue;
		assert_true(host_parse(hosts[i].in, &h));
		host_text(&h, text);
		assert_true(host_parse(span_str(text), &again));
		assert_string_equal(h.name, again.name);
		assert_int_equal(text[0] == '[', h.literal && !h.addr.v4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_has_one_canonical_form_or_is_refused),
		cmocka_unit_test(literal_carries_its_address),
		cmocka_unit_test(authority_names_one_host_and_one_port),
		cmocka_unit_test(missing_port_takes_the_default_and_a_bad_one_does_not),
		cmocka_unit_test(text_reads_back_as_the_same_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
