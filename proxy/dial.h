/*
 * Connecting to one of several judged addresses: Happy Eyeballs (RFC 8305 5): the next attempt
 * starts 250 ms after the last one or as soon as it failed; the first to connect wins, the others
 * are closed. The server may hear of it with the first bytes only, or 0.2 s later where none come.
 */
#ifndef STILE_DIAL_H
#define STILE_DIAL_H

#include "addr.h"
#include "loop.h"

struct dial;
/* won: the watch of a socket that is connected, non-blocking, TCP_NODELAY; socket and watch are the
 * receiver's, who moves the watch (loop_watch_move) before he returns; its `told` says what is
 * there to read already. NULL: none, with the last errno (ETIMEDOUT past the deadline). addr: of
 * the connection. Both are valid for the call. The dial is gone by then. */
typedef void dial_fn(void *arg, struct loop_watch *won, const struct addr *addr, int error);

/* Copies addrs (at most 16). fn is called once, never before this returns. NULL: no memory. */
struct dial *dial_start(struct loop *l, const struct addr *addrs, size_t n, uint16_t port,
	unsigned timeout_ms, dial_fn *fn, void *arg);
/* fn will not be called. NULL is fine. */
void dial_cancel(struct dial *d);

#endif
