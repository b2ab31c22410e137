/*
 * Host names and authorities as they come from clients and policy files, in one canonical form, so
 * that what was judged is what is connected (RFC 3986 3.2.2, RFC 9110 4.2.3, RFC 1123 2.1).
 */
#ifndef STILE_HOST_H
#define STILE_HOST_H

#include "addr.h"

#define HOST_MAX 253

struct host {
	char name[HOST_MAX + 1]; /* lower case, no trailing dot, no brackets; a literal's RFC 5952 text */
	uint8_t len;
	bool literal; /* an address, in `addr` */
	struct addr addr;
};

/* Accepts a registered name (letters, digits, hyphen, underscore; labels of 1-63; one trailing dot
 * is dropped), a strict dotted quad, or an IPv6 literal in brackets. Everything else is refused: a
 * last label that looks like a number (0x7f.1, 2130706433) but is no dotted quad, zone ids,
 * [example.com], empty labels, non-ASCII bytes. */
bool host_parse(struct span s, struct host *out);

/* host ":" port; the port is 1-65535 in at most five digits (RFC 9110 9.3.6 asks for it). */
bool authority_parse(struct span s, struct host *out, uint16_t *port);
/* The port may be missing or empty: then `otherwise`. */
bool authority_parse_default(struct span s, uint16_t otherwise, struct host *out, uint16_t *port);

/* Text for a Host field or authority: IPv6 literals get their brackets. NUL-terminated. */
void host_text(const struct host *h, char out[HOST_MAX + 3]);

static inline struct span host_span(const struct host *h)
{
	return span_of(h->name, h->len);
}

#endif
