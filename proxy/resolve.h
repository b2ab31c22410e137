/*
 * Names to addresses through libunbound on the worker's loop: hosts lines from the bundle, own
 * servers or those of the system, search list, deadline for each look-up. Answers may come inside
 * the call.
 */
#ifndef STILE_RESOLVE_H
#define STILE_RESOLVE_H

#include "addr.h"
#include "err.h"
#include "host.h"
#include "loop.h"

#define RESOLVE_ADDRS_MAX 16

struct resolver;
struct resolve; /* one look-up under way */

struct resolver_options {
	struct span hosts;	    /* text of a hosts(5) file; may be empty */
	const struct addr *servers; /* port 53, or server_port */
	const uint16_t *ports;
	size_t n_servers;	   /* 0: the root servers, iterating */
	const char *const *search; /* for names without a dot */
	size_t n_search;
	unsigned timeout_ms; /* of one look-up, A and AAAA together */
	unsigned sockets;    /* at a time; 0: 512 */
};

enum resolve_result {
	RESOLVE_OK,
	RESOLVE_NO_NAME, /* NXDOMAIN, or no address of either family */
	RESOLVE_FAILED,	 /* SERVFAIL, malformed */
	RESOLVE_BUSY,	 /* not asked: too many look-ups under way, or no memory for another */
	RESOLVE_TIMEOUT
};

/* addrs: RFC 8305 order (families interleaved, IPv6 first), at most RESOLVE_ADDRS_MAX, doubles
 * gone. */
typedef void resolve_fn(void *arg, enum resolve_result r, const struct addr *addrs, size_t n);

struct resolver *resolver_new(struct loop *l, const struct resolver_options *o, struct err *e);
/* Look-ups under way are cancelled; their fn is not called. */
void resolver_free(struct resolver *r);
/* For one that a newer one replaces: nothing more is asked of it, and it is freed once its last
 * look-up has ended. NULL is fine. */
void resolver_retire(struct resolver *r);
/* A look-up; fn is called once, maybe before this returns: *handle is then NULL. Literals are
 * answered at once. Above 1024 look-ups under way, and where memory is short, more answer
 * RESOLVE_BUSY at once. A name without a dot that hosts does not know is tried below each search
 * domain first. */
void resolve_start(struct resolver *r, const struct host *h, resolve_fn *fn, void *arg,
	struct resolve **handle);
/* fn will not be called. NULL is fine. */
void resolve_cancel(struct resolve *h);

#endif
