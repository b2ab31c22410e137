/*
 * Hosts and authorities in one canonical form. Whatever two parsers might read differently (numbers
 * in odd bases, zone ids, user info, stray dots) is refused here, so that the name that was judged
 * cannot turn into another address on the way to connect(2).
 */
#include "host.h"

#define LABEL_MAX   63
#define PORT_DIGITS 5

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool name_byte(char c)
{
	return digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
}

static bool set_literal(struct host *out, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	addr_format(a, text);
	out->literal = true;
	out->addr = *a;
	out->len = (uint8_t)strlen(text);
	memcpy(out->name, text, (size_t)out->len + 1);
	return true;
}

static bool parse_bracketed(struct span s, struct host *out)
{
	struct addr a;

	if (s.n < 2 || s.p[s.n - 1] != ']')
		return false;
	if (!addr_parse(span_of(s.p + 1, s.n - 2), &a) || a.v4)
		return false;
	return set_literal(out, &a);
}

/* inet_aton(3) and browsers read such a last label as a number: all digits, or 0x and hexadecimal
 * digits, perhaps none (URL Standard, "ends in a number"). */
static bool looks_numeric(struct span label)
{
	bool hex = label.n >= 2 && label.p[0] == '0' && lower(label.p[1]) == 'x';

	for (size_t i = hex ? 2 : 0; i < label.n; i++) {
		char c = lower(label.p[i]);

		if (!digit(c) && !(hex && c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

static bool good_labels(struct span name, struct span *last)
{
	while (name.p) {
		*last = span_cut(&name, '.');
		if (last->n == 0 || last->n > LABEL_MAX)
			return false;
		for (size_t i = 0; i < last->n; i++)
			if (!name_byte(last->p[i]))
				return false;
	}
	return true;
}

static bool parse_name(struct span s, struct host *out)
{
	struct span last = {0};
	struct addr a;

	if (addr_parse(s, &a))
		return a.v4 && set_literal(out, &a);
	if (s.p[s.n - 1] == '.')
		s.n--;
	if (s.n == 0 || s.n > HOST_MAX || !good_labels(s, &last) || looks_numeric(last))
		return false;
	out->literal = false;
	out->addr = (struct addr){0};
	out->len = (uint8_t)s.n;
	for (size_t i = 0; i < s.n; i++)
		out->name[i] = lower(s.p[i]);
	out->name[s.n] = 0;
	return true;
}

bool host_parse(struct span s, struct host *out)
{
	if (s.n == 0)
		return false;
	return s.p[0] == '[' ? parse_bracketed(s, out) : parse_name(s, out);
}

/* Leading zeros are refused: a port has one spelling. */
static bool parse_port(struct span s, uint16_t *port)
{
	uint64_t v;

	if (s.n == 0 || s.n > PORT_DIGITS || s.p[0] == '0' || !span_u64(s, UINT16_MAX, &v))
		return false;
	*port = (uint16_t)v;
	return true;
}

/* Cuts `s` into host and port text; port->p is NULL when there is no colon behind the host. */
static bool cut(struct span s, struct span *host, struct span *port)
{
	const char *close;

	*port = s;
	if (s.n == 0 || s.p[0] != '[') {
		*host = span_cut(port, ':');
		return true;
	}
	close = memchr(s.p, ']', s.n);
	if (!close)
		return false;
	*host = span_of(s.p, (size_t)(close - s.p) + 1);
	*port = span_of(close + 1, s.n - host->n);
	if (port->n == 0)
		*port = (struct span){NULL, 0};
	else if (span_cut(port, ':').n != 0 || !port->p)
		return false;
	return true;
}

bool authority_parse(struct span s, struct host *out, uint16_t *port)
{
	struct span host, digits;

	return cut(s, &host, &digits) && host_parse(host, out) && parse_port(digits, port);
}

bool authority_parse_default(struct span s, uint16_t otherwise, struct host *out, uint16_t *port)
{
	struct span host, digits;

	if (!cut(s, &host, &digits) || !host_parse(host, out))
		return false;
	if (digits.n == 0) {
		*port = otherwise;
		return true;
	}
	return parse_port(digits, port);
}

void host_text(const struct host *h, char out[HOST_MAX + 3])
{
	bool brackets = h->literal && !h->addr.v4;
	size_t n = 0;

	if (brackets)
		out[n++] = '[';
	memcpy(out + n, h->name, h->len);
	n += h->len;
	if (brackets)
		out[n++] = ']';
	out[n] = 0;
}
