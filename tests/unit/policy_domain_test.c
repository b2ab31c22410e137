/* Registrable domains, as records name sites without a service, and names as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain.h"

static void registrable_domains(void **state)
{
	static const struct {
		const char *name, *registrable;
	} cases[] = {
		{"www.example.com", "example.com"},
		{"example.com", "example.com"},
		{"a.b.c.example.co.uk", "example.co.uk"},
		{"co.uk", "co.uk"},
		{"com", "com"},
		{"intranet", "intranet"},
		{"www.council.gov.uk", "council.gov.uk"},
		{"me.github.io", "me.github.io"},
		{"x.me.github.io", "me.github.io"},
		{"printer.corp.invalid", "corp.invalid"},
		{"127.0.0.1", "127.0.0.1"},
		{"2001:db8::1", "2001:db8::1"},
		{"_dmarc.example.com", "example.com"},
		{"www.xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct span name = span_str(cases[i].name), got = domain_registrable(name);
		if (!span_is(got, cases[i].registrable))
			fail_msg("%s: %.*s, expected %s", cases[i].name, SPAN_ARG(got),
				cases[i].registrable);
		assert_true(got.p >= name.p && got.p + got.n == name.p + name.n);
	}
}

static void names_become_their_a_labels(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: no host name */
	} cases[] = {
		{"WWW.Example.COM.", "www.example.com"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.Example", "xn--bcher-kva.example"},
		{"faß.de", "xn--fa-hia.de"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"},
		{"r3---sn-h0jeln7e.googlevideo.com", "r3---sn-h0jeln7e.googlevideo.com"},
		{"_sip.example.com", "_sip.example.com"},
		{"intranet", "intranet"},
		{"", NULL},
		{".", NULL},
		{"a..b", NULL},

		{"a b.example", NULL},
		{"*.example", NULL},
		{".example", NULL},
		{"10.0.0.1", NULL},
		{"[::1]", NULL},
		{"0x7f.1", NULL},
		{"b\xc3.example", NULL},
		{"\xe2\x82\xac", NULL},
		{"http://example.com", NULL},
		{"example.com:443", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char out[HOST_MAX + 1] = "";
		bool ok = domain_to_ascii(span_str(cases[i].in), out);
		if (ok != (cases[i].out != NULL) || (ok && strcmp(out, cases[i].out) != 0))
			fail_msg("\"%s\": %s", cases[i].in, ok ? out : "refused");
	}
}

static void long_names_and_nul_bytes_are_refused(void **state)
{
	char big[3000], out[HOST_MAX + 1];

	(void)state;
	memset(big, 'a', sizeof(big));
	assert_false(domain_to_ascii(span_of(big, sizeof(big)), out));
	assert_false(domain_to_ascii(span_of(big, 64), out));
	memcpy(big, "\xc3\xbc", 2);
	assert_false(domain_to_ascii(span_of(big, sizeof(big)), out));
	assert_false(domain_to_ascii(span_of(big, 300), out));
	assert_false(domain_to_ascii(span_of("a\0.example", 10), out));
	assert_false(domain_to_ascii(span_of("\xc3\xbc\0.example", 11), out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registrable_domains),
		cmocka_unit_test(names_become_their_a_labels),
		cmocka_unit_test(long_names_and_nul_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
