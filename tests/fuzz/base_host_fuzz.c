/*
 * Hosts and authorities of any kind: what is accepted is canonical, that is, it reads back as
 * itself, and nothing accepted as a name is an address to the C library.
 */
#include "host.h"

#include "fuzz.h"

#include <arpa/inet.h>

static void check_canonical(const struct host *h)
{
	char text[HOST_MAX + 3];
	struct host again;
	struct in_addr in;
	struct in6_addr in6;

	must(h->len == strlen(h->name) && h->len > 0 && h->len <= HOST_MAX);
	host_text(h, text);
	must(host_parse(span_str(text), &again));
	must(again.literal == h->literal && strcmp(again.name, h->name) == 0);
	must(addr_eq(&again.addr, &h->addr) || !h->literal);
	/* inet_aton knows every odd spelling of an IPv4 address there is */
	if (!h->literal)
		must(!inet_aton(h->name, &in) && inet_pton(AF_INET6, h->name, &in6) != 1);
	else if (h->addr.v4)
		must(inet_aton(h->name, &in) && memcmp(&in, h->addr.b + 12, 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span_of(data, size);
	struct host h, h2;
	struct prefix prefix;
	uint16_t port = 0, port2 = 0;

	if (host_parse(s, &h))
		check_canonical(&h);
	if (authority_parse(s, &h, &port)) {
		must(port > 0);
		check_canonical(&h);
		must(authority_parse_default(s, 7, &h2, &port2) && port2 == port);
		must(strcmp(h.name, h2.name) == 0);
	} else if (authority_parse_default(s, 7, &h, &port)) {
		must(port == 7);
		check_canonical(&h);
	}
	if (prefix_parse(s, &prefix))
		must(prefix_has(&prefix, &prefix.addr));
	return 0;
}
