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
	int fd;	      /* -1: none */
	bool ready;   /* it may be read: the loop said so, and "nothing now" was not met since */
	bool hung_up; /* its peer will send no more: after the last bytes comes the end */
	bool room;    /* the loop tells when it can be written */
	bool spoiled;
	struct tls *tls; /* NULL: plain */
	struct loop_watch watch;
};

/* Answers of endpoint_read beside a number of bytes and 0, the end. */
#define ENDPOINT_AGAIN	(-1) /* nothing now: the loop will tell */
#define ENDPOINT_FAILED (-2)

/* The socket is watched from now until it is closed: whatever happens to it runs conn_step. What a
 * step does not read stays in the socket, and the endpoint remembers that it may be read. False: it
 * cannot be watched; it is the endpoint's to close all the same. */
bool endpoint_open(struct conn *c, int side, int fd);
/* A connected socket that was watched already, for reading and writing. */
void endpoint_take(struct conn *c, int side, struct loop_watch *watched);
void endpoint_close(struct conn *c, int side);
/* Gives the socket of a plain end away: `to` has its watch, which tells nobody until it is moved
 * on. */
void endpoint_give(struct conn *c, int side, struct loop_watch *to);
/* Let others have their turn: the loop comes back, since there is more to read. */
void endpoint_later(struct conn *c, int side);
/* Not 0: whatever happens at either end waits until others had their turn (loop.h). */
void endpoint_patience(struct conn *c, uint8_t turns);
/* The loop will tell when it can be written; after "none taken now" it does by itself. */
void endpoint_await_room(struct conn *c, int side);

/* Without waiting. AGAIN also where the loop has not said that there is something: it will. */
ssize_t endpoint_read(struct conn *c, int side, void *p, size_t n);
/* The same, but the bytes stay where they are, of a plain socket; endpoint_skip takes n of them
 * away. */
ssize_t endpoint_peek(struct conn *c, int side, void *p, size_t n);
void endpoint_skip(struct conn *c, int side, size_t n);
/* Bytes taken, 0 if none are taken now, or ENDPOINT_FAILED. */
ssize_t endpoint_write(struct conn *c, int side, const void *p, size_t n);
/* The same between a plain socket and a pipe's end, without copying: into the pipe, which was
 * empty, and out of it. */
ssize_t endpoint_fill(struct conn *c, int side, int pipe, size_t n);
ssize_t endpoint_drain(struct conn *c, int side, int pipe, size_t n);
/* About how many bytes a read would bring; at least 1, which may be the end. */
size_t endpoint_readable(const struct conn *c, int side);
/* Nothing more will be written: the peer is told. */
void endpoint_shut(struct conn *c, int side);
/* The close will be seen as a failure: what was sent is not all (RFC 9112 8). */
void endpoint_spoil(struct conn *c, int side);

#endif
