/*
 * The PROXY protocol, versions 1 and 2: what a balancer says of the client before the client's
 * first byte (haproxy's doc/proxy-protocol.txt, sections 2.1 and 2.2).
 */
#ifndef STILE_PROXIED_H
#define STILE_PROXIED_H

#include "addr.h"

/* A header is never longer. Version 2 could say 65551; extensions that are in use need some
 * hundred. */
#define PROXIED_MAX 4096

enum proxied_answer {
	PROXIED_DONE,
	PROXIED_MORE, /* all of it belongs to the header, which goes on */
	PROXIED_BAD
};

struct proxied {
	size_t size; /* bytes of the header; the client's begin behind it */
	bool told;   /* false: UNKNOWN, UNSPEC or LOCAL, the balancer speaks for itself */
	struct addr client;
	uint16_t port;
};

/* Pure: no state but the bytes. *out is set with DONE only. Addresses that are IPv4 inside IPv6
 * (::ffff:0:0/96) are told as IPv4, so that networks of a policy match them. Extensions (TLV) are
 * passed over; datagrams and Unix sockets are bad, since no client of a proxy comes that way. */
enum proxied_answer proxied_parse(struct span in, struct proxied *out);

#endif
