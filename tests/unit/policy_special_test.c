/* What the guard may not be led past: every special range at its edges, and every form of IPv6 that
 * carries such an IPv4 address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy.h"

#define P CLASS_PUBLIC
#define I CLASS_INSIDE
#define S CLASS_SPECIAL

static const struct {
	const char *text;
	enum address_class class;
	const char *word;
} cases[] = {
	{"0.0.0.0", S, "unspecified"},
	{"0.255.255.255", S, "unspecified"},
	{"1.0.0.0", P, "public"},
	{"9.255.255.255", P, "public"},
	{"10.0.0.0", I, "private"},
	{"10.255.255.255", I, "private"},
	{"11.0.0.0", P, "public"},
	{"100.63.255.255", P, "public"},
	{"100.64.0.0", I, "carrier-nat"},
	{"100.127.255.255", I, "carrier-nat"},
	{"100.128.0.0", P, "public"},
	{"100.100.100.200", S, "metadata"},
	{"126.255.255.255", P, "public"},
	{"127.0.0.1", S, "loopback"},
	{"127.255.255.255", S, "loopback"},
	{"128.0.0.0", P, "public"},
	{"168.63.129.16", S, "metadata"},
	{"168.63.129.17", P, "public"},
	{"169.253.255.255", P, "public"},
	{"169.254.0.0", S, "link-local"},
	{"169.254.169.254", S, "metadata"},
	{"169.254.169.253", S, "link-local"},
	{"169.254.255.255", S, "link-local"},
	{"169.255.0.0", P, "public"},
	{"172.15.255.255", P, "public"},
	{"172.16.0.0", I, "private"},
	{"172.31.255.255", I, "private"},
	{"172.32.0.0", P, "public"},
	{"192.0.0.0", S, "protocol"},
	{"192.0.0.255", S, "protocol"},
	{"192.0.0.192", S, "metadata"},
	{"192.0.1.0", P, "public"},
	{"192.0.2.0", I, "documentation"},
	{"192.0.2.255", I, "documentation"},
	{"192.0.3.0", P, "public"},
	{"192.88.99.1", S, "6to4-relay"},
	{"192.88.100.0", P, "public"},
	{"192.167.255.255", P, "public"},
	{"192.168.0.0", I, "private"},
	{"192.168.255.255", I, "private"},
	{"192.169.0.0", P, "public"},
	{"198.17.255.255", P, "public"},
	{"198.18.0.0", I, "benchmarking"},
	{"198.19.255.255", I, "benchmarking"},
	{"198.20.0.0", P, "public"},
	{"198.51.100.0", I, "documentation"},
	{"198.51.101.0", P, "public"},
	{"203.0.113.255", I, "documentation"},
	{"203.0.114.0", P, "public"},
	{"223.255.255.255", P, "public"},
	{"224.0.0.0", S, "multicast"},
	{"239.255.255.255", S, "multicast"},
	{"240.0.0.0", S, "reserved"},
	{"255.255.255.254", S, "reserved"},
	{"255.255.255.255", S, "broadcast"},
	{"8.8.8.8", P, "public"},
	/* IPv6 */
	{"::", S, "unspecified"},
	{"::1", S, "loopback"},
	{"::2", S, "unspecified"},
	{"fd00:ec2::254", S, "metadata"},
	{"fd20:ce::254", S, "metadata"},
	{"fd00:ec2::255", I, "unique-local"},
	{"100::1", S, "discard"},
	{"100:0:0:1::1", S, "dummy"},
	{"100:0:0:2::1", S, "reserved"},
	{"2000::", P, "public"},
	{"3fff:fff:ffff::", I, "documentation"},
	{"3fff:1000::", P, "public"},
	{"4000::", S, "reserved"},
	{"1fff:ffff::", S, "reserved"},
	{"2001:2::1", I, "benchmarking"},
	{"2001:2:1::1", S, "protocol"},
	{"2001:10::1", S, "orchid"},
	{"2001:2f:ffff::1", S, "orchid"},
	{"2001:30::1", S, "drone-id"},
	{"2001:1::1", S, "protocol"},
	{"2001:1ff:ffff::", S, "protocol"},
	{"2001:200::", P, "public"},
	{"2001:3::1", P, "amt"},
	{"2001:4:112::1", P, "as112"},
	{"2001:db7:ffff::", P, "public"},
	{"2001:db8::1", I, "documentation"},
	{"2001:db9::", P, "public"},
	{"2606:4700::1111", P, "public"},
	{"5f00::1", S, "segment-routing"},
	{"fbff::", S, "reserved"},
	{"fc00::", I, "unique-local"},
	{"fdff:ffff::", I, "unique-local"},
	{"fe00::", S, "reserved"},
	{"fe80::1", S, "link-local"},
	{"febf::1", S, "link-local"},
	{"fec0::1", I, "site-local"},
	{"feff::1", I, "site-local"},
	{"ff00::", S, "multicast"},
	{"ff02::1", S, "multicast"},
	/* an IPv4 address inside */
	{"::ffff:127.0.0.1", S, "loopback"},
	{"::ffff:10.1.2.3", I, "private"},
	{"::ffff:8.8.8.8", P, "v4-mapped"},
	{"::ffff:169.254.169.254", S, "metadata"},
	{"::127.0.0.1", S, "loopback"},
	{"::10.0.0.1", S, "private"},
	{"::8.8.8.8", S, "v4-compatible"},
	{"::ffff:0:127.0.0.1", S, "loopback"},
	{"::ffff:0:8.8.8.8", S, "v4-translated"},
	{"64:ff9b::7f00:1", S, "loopback"},
	{"64:ff9b::a9fe:a9fe", S, "metadata"},
	{"64:ff9b::c0a8:1", I, "private"},
	{"64:ff9b::808:808", P, "nat64"},
	{"64:ff9b:0:1::808:808", S, "reserved"},
	{"64:ff9b:1::808:808", I, "nat64-local"},
	{"64:ff9b:1::7f00:1", S, "loopback"},
	{"64:ff9b:1:7f00:0:100::", S, "loopback"},    /* the /48 layout of 127.0.0.1 */
	{"64:ff9b:1:a9fe:a9:fe00::", S, "metadata"},  /* … of 169.254.169.254 */
	{"64:ff9b:1:1:7f:0:100::", S, "loopback"}, /* the /64 layout of 127.0.0.1 */
	{"2002:7f00:1::", S, "loopback"},
	{"2002:a9fe:a9fe::1", S, "metadata"},
	{"2002:a00:1::1", I, "private"},
	{"2002:808:808::1", P, "6to4"},
	{"2001:0:808:808:0:0:80ff:fffe", S, "loopback"}, /* Teredo: client 127.0.0.1, turned */
	{"2001:0:808:808:0:0:f5ff:fffe", I, "private"},	 /* client 10.0.0.1 */
	{"2001:0:7f00:1:0:0:f7f7:f7f7", S, "loopback"},	 /* server 127.0.0.1 */
	{"2001:0:808:808:0:0:f7f7:f7f7", P, "teredo"},
};

static void every_range_has_its_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *word = "";
		struct addr a;
		assert_true(addr_parse(span_str(cases[i].text), &a));
		enum address_class got = address_class(&a, &word);
		if (got != cases[i].class || strcmp(word, cases[i].word) != 0)
			fail_msg("%s: %d %s, expected %d %s", cases[i].text, (int)got, word,
				(int)cases[i].class, cases[i].word);
		assert_int_equal(address_class(&a, NULL), got);
	}
}

/* Each special IPv4 address must stay special in all forms that lead to it. */
static void no_form_of_ipv6_leads_past_the_guard(void **state)
{
	static const struct {
		const char *before, *behind;
	} forms[] = {{"::ffff:", ""}, {"::", ""}, {"64:ff9b::", ""}, {"64:ff9b:1::", ""},
		{"2002:", "::1"}};
	unsigned tried = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct addr a, inside;
		assert_true(addr_parse(span_str(cases[i].text), &a));
		if (!a.v4)
			continue;
		for (size_t k = 0; k < sizeof(forms) / sizeof(*forms); k++) {
			char text[64];
			snprintf(text, sizeof(text), "%s%02x%02x:%02x%02x%s", forms[k].before,
				a.b[12], a.b[13], a.b[14], a.b[15], forms[k].behind);
			assert_true(addr_parse(span_str(text), &inside));
			if (a.b[12] == 0 && k == 3)
				continue; /* padding of another layout; inside anyway, tried above
					   */
			if (address_class(&inside, NULL) < cases[i].class)
				fail_msg("%s is less than %s", text, cases[i].text);
			tried++;
		}
	}
	assert_true(tried > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_range_has_its_class),
		cmocka_unit_test(no_form_of_ipv6_leads_past_the_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
