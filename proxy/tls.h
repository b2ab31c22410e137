/*
 * TLS towards clients: contexts made from the bundle's certificates, and sessions on accepted
 * sockets. Only tls.c (and hello.c, which answers nothing) knows libssl. Towards origins stile
 * speaks no TLS: tunnels carry it through.
 */
#ifndef STILE_TLS_H
#define STILE_TLS_H

#include "err.h"
#include "span.h"

#include <sys/types.h>

struct tls_server;
struct tls_shared;
struct tls;

/* TLS 1.2 and 1.3, ALPN http/1.1. `chain` and `key` are PEM; `secret` (32 bytes, the same in all
 * workers) makes session tickets of one worker good for the others. NULL with *e: not a chain, not
 * its key. */
struct tls_server *tls_server_new(
	struct span chain, struct span key, const uint8_t *secret, struct err *e);
/* Sessions that began with it go on. NULL is fine. */
void tls_server_free(struct tls_server *s);
/* When the first certificate of the chain ends, Unix seconds. */
int64_t tls_server_expires(const struct tls_server *s);

/* What a worker's sessions share, and outlives them. NULL: no memory. */
struct tls_shared *tls_shared_new(void);
void tls_shared_free(struct tls_shared *shared);

/* On a connected, non-blocking socket, which stays the caller's. NULL: no memory. */
struct tls *tls_accept(struct tls_server *s, struct tls_shared *shared, int fd);
/* Sends close_notify if it can be sent at once (RFC 9112 9.8), unless `spoiled`. NULL is fine. */
void tls_free(struct tls *t, bool spoiled);

/* The server name that the client asked for; empty where none was. Valid as long as *t. */
struct span tls_name(const struct tls *t);

enum tls_answer {
	TLS_DONE,
	TLS_READ,  /* the socket must become readable */
	TLS_WRITE, /* … writable */
	TLS_FAILED
};
enum tls_answer tls_handshake(struct tls *t);

#define TLS_AGAIN (-1)
#define TLS_BROKE (-2)
#define TLS_FULL  (-3)
/* Bytes, 0 at the end (clean or not: clients often just close), TLS_AGAIN or TLS_BROKE; TLS_FULL:
 * the client asked for something of TLS, and the socket must become writable first. */
ssize_t tls_read(struct tls *t, void *p, size_t n);
/* Bytes taken, fewer than n where the socket is full, or TLS_BROKE. What was not taken must come
 * first with the next call. As long as sealed bytes wait in the session, one byte that they hold
 * counts as not taken, so that the caller comes back. */
ssize_t tls_write(struct tls *t, const void *p, size_t n);
/* Something is left that the socket does not tell of. */
#define TLS_RECORD_MAX 16384 /* plain bytes of one record, RFC 8446 5.1 */
bool tls_buffered(const struct tls *t);
/* The last read or handshake has taken all there was, here and in the socket: it will tell of more.
 */
bool tls_drained(const struct tls *t);
/* close_notify: nothing more will be written. */
void tls_shut(struct tls *t);

#endif
