/*
 * Internet addresses and prefixes. An address is 16 bytes; an IPv4 address is kept as
 * ::ffff:a.b.c.d with v4 set, so that a v4-mapped IPv6 address from the wire and the IPv4 address
 * stay apart.
 */
#ifndef STILE_ADDR_H
#define STILE_ADDR_H

#include "span.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct addr {
	uint8_t b[16];
	bool v4;
};

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t len;	  /* of the family: 0-32 or 0-128 */
};

#define ADDR_TEXT_MAX 64

/* Strict text forms only: dotted quad without leading zeros, RFC 4291 text without zone id. */
bool addr_parse(struct span s, struct addr *out);
/* NUL-terminated, RFC 5952 for IPv6, no brackets. */
void addr_format(const struct addr *a, char out[ADDR_TEXT_MAX]);
bool addr_eq(const struct addr *a, const struct addr *b);
/* 0.0.0.0 or :: */
bool addr_is_any(const struct addr *a);
/* Total order: IPv4 before IPv6, then by bytes. */
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *out, uint16_t *port);
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *out);

/* "10.0.0.0/8", "2001:db8::/32", or a bare address (a full-length prefix). False also when host
 * bits are set: 10.1.2.3/8 is likely a slip of the pen. */
bool prefix_parse(struct span s, struct prefix *out);
/* "10.0.0.0/8"; a full-length prefix without its length. */
#define PREFIX_TEXT_MAX (ADDR_TEXT_MAX + 4)
void prefix_format(const struct prefix *p, char out[PREFIX_TEXT_MAX]);
bool prefix_has(const struct prefix *p, const struct addr *a);

#endif
