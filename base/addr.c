/*
 * Addresses and prefixes. The C library's inet_pton and inet_ntop are strict enough (no zone ids,
 * no leading zeros, no short forms); what is ours is bounds, families and prefixes.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#define V4_AT 12 /* where the four bytes of an IPv4 address lie */

static const uint8_t v4_head[V4_AT] = {[10] = 0xff, [11] = 0xff};

static void set_v4(struct addr *a, const void *four)
{
	memcpy(a->b, v4_head, V4_AT);
	memcpy(a->b + V4_AT, four, 4);
	a->v4 = true;
}

static void set_v6(struct addr *a, const void *sixteen)
{
	memcpy(a->b, sixteen, 16);
	a->v4 = false;
}

bool addr_parse(struct span s, struct addr *out)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t raw[16];

	if (!span_copy(s, text, sizeof(text)))
		return false;
	if (inet_pton(AF_INET, text, raw) == 1)
		set_v4(out, raw);
	else if (inet_pton(AF_INET6, text, raw) == 1)
		set_v6(out, raw);
	else
		return false;
	return true;
}

static char *put_byte(char *out, unsigned v)
{
	if (v >= 100)
		*out++ = (char)('0' + v / 100);
	if (v >= 10)
		*out++ = (char)('0' + v / 10 % 10);
	*out++ = (char)('0' + v % 10);
	return out;
}

void addr_format(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	if (!a->v4) {
		inet_ntop(AF_INET6, a->b, out, ADDR_TEXT_MAX);
		return;
	}
	/* inet_ntop prints it; each request to a literal address is formatted */
	for (size_t i = 0; i < 4; i++) {
		out = put_byte(out, a->b[V4_AT + i]);
		*out++ = i < 3 ? '.' : 0;
	}
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t none[16];

	return a->v4 ? memcmp(a->b + 12, none, 4) == 0 : memcmp(a->b, none, 16) == 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->v4 != b->v4)
		return a->v4 ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *out, uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		set_v4(out, &in.sin_addr);
		if (port)
			*port = ntohs(in.sin_port);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		set_v6(out, &in6.sin6_addr);
		if (port)
			*port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(out, 0, sizeof(*out));
	if (a->v4) {
		memcpy(&in.sin_addr, a->b + V4_AT, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, a->b, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

/* The first bit after the prefix, counted in the 16 bytes. */
static unsigned end_bit(const struct prefix *p)
{
	return p->len + (p->addr.v4 ? 8 * V4_AT : 0);
}

static bool host_bits_clear(const struct prefix *p)
{
	for (unsigned bit = end_bit(p); bit < 128; bit++)
		if (p->addr.b[bit / 8] & (0x80u >> bit % 8))
			return false;
	return true;
}

bool prefix_parse(struct span s, struct prefix *out)
{
	struct span head = span_cut(&s, '/');
	bool bare = s.p == NULL;
	uint64_t len, max;

	if (!addr_parse(head, &out->addr))
		return false;
	max = out->addr.v4 ? 32 : 128;
	len = max;
	if (!bare && (!span_u64(s, max, &len) || (s.n > 1 && s.p[0] == '0')))
		return false;
	out->len = (uint8_t)len;
	return host_bits_clear(out);
}

void prefix_format(const struct prefix *p, char out[PREFIX_TEXT_MAX])
{
	addr_format(&p->addr, out);
	if (p->len < (p->addr.v4 ? 32 : 128))
		snprintf(out + strlen(out), 5, "/%u", p->len);
}

bool prefix_has(const struct prefix *p, const struct addr *a)
{
	unsigned end = end_bit(p), whole = end / 8, rest = end % 8;

	if (p->addr.v4 != a->v4 || memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}
