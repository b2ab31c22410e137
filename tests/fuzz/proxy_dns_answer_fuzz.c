/*
 * Any bytes as an answer of the DNS: each address that is taken from it stands in it as four or
 * sixteen bytes, none twice, and IPv6 questions are never answered by what is IPv4.
 */
#include "dns_answer.h"

#include "fuzz.h"

static void check(struct span packet, bool v4)
{
	struct addr v[RESOLVE_ADDRS_MAX];
	size_t n, len = v4 ? 4 : 16;
	enum resolve_result r = dns_answer(packet, v4, v, &n);

	must(n <= RESOLVE_ADDRS_MAX && (n > 0) == (r == RESOLVE_OK) && r != RESOLVE_TIMEOUT);
	for (size_t i = 0; i < n; i++) {
		must(v[i].v4 == v4);
		must(memmem(packet.p, packet.n, v[i].b + 16 - len, len) != NULL);
		for (size_t k = 0; k < i; k++)
			must(!addr_eq(&v[i], &v[k]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(span_of(data, size), true);
	check(span_of(data, size), false);
	return 0;
}
