/*
 * One end of a connection: a socket, what is known of its readiness, and the one way to read and
 * write it.
 */
#ifndef STILE_ENDPOINT_H
#define STILE_ENDPOINT_H

#include "loop.h"
#include "tls.h"

#include <sys/types.h>

struct conn;

enum { CLIENT, ORIGIN };

struct endpoint {
	int fd;	       /* -1: none */
	uint8_t want;  /* LOOP_READ | LOOP_WRITE: what the event is set for */
	uint8_t ready; /* what the loop said and nobody used up yet */
	bool spoiled;
	struct tls *tls; /* NULL: plain */
	struct loop_ev ev;
};

/* Answers of endpoint_read beside a number of bytes and 0, the end. */
#define ENDPOINT_AGAIN	(-1) /* nothing now: `ready` is cleared, the loop will tell */
#define ENDPOINT_FAILED (-2)

void endpoint_open(struct conn *c, int side, int fd);
void endpoint_close(struct conn *c, int side);
/* Sets what the loop watches for; costs nothing when nothing changes. */
void endpoint_want(struct conn *c, int side, uint8_t want);

/* While a step waits for something else, what the client sends stays in its socket: watching ends
 * once the loop has told of it, so that a client that waits as it should costs no system call. */
void endpoint_rest(struct conn *c);

/* Without waiting. AGAIN also where the loop has not said that there is something. */
ssize_t endpoint_read(struct conn *c, int side, void *p, size_t n);
/* The same, but the bytes stay where they are, of a plain socket; endpoint_skip takes n of them
 * away. */
ssize_t endpoint_peek(struct conn *c, int side, void *p, size_t n);
void endpoint_skip(struct conn *c, int side, size_t n);
/* Bytes taken, 0 if none are taken now, or ENDPOINT_FAILED. */
ssize_t endpoint_write(struct conn *c, int side, const void *p, size_t n);
/* Bytes are here that the loop does not tell of: read on. */
bool endpoint_buffered(const struct conn *c, int side);
/* About how many bytes a read would bring; at least 1, which may be the end. */
size_t endpoint_readable(const struct conn *c, int side);
/* Nothing more will be written: the peer is told. */
void endpoint_shut(struct conn *c, int side);
/* The close will be seen as a failure: what was sent is not all (RFC 9112 8). */
void endpoint_spoil(struct conn *c, int side);

#endif
