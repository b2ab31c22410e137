/*
 * Moving bytes from one end of a connection to the other. Nothing is kept for a silent flow: bytes
 * pass through a buffer of the worker, and only what the receiver did not take is copied. A long
 * transfer between plain sockets goes through a pipe instead, as long as nothing in it has to be
 * looked at or paced.
 */
#ifndef STILE_FLOW_H
#define STILE_FLOW_H

#include "body.h"
#include "endpoint.h"
#include "pipes.h"

struct flow {
	union {			   /* bytes that the receiver has not taken yet: */
		char *rest;	   /* owned; they are rest[at..n) */
		struct pipe *pipe; /* if piped: lent; it holds n - at bytes */
	};
	uint32_t at, n;
	uint8_t from;	   /* CLIENT or ORIGIN */
	bool ended;	   /* nothing more will come */
	bool shut;	   /* and the receiver was told */
	bool paused;	   /* the source is not read before its turn (pace.h) */
	bool piped;	   /* the rest is in a pipe */
	bool large;	   /* its last turn moved many bytes: more are to be expected */
	bool decode;	   /* chunked at the source, plain for the receiver (HTTP/1.0 clients) */
	struct body *body; /* followed by its framing; NULL: everything until the end */
};

enum flow_answer {
	FLOW_WAIT,   /* for either end */
	FLOW_ENDED,  /* the source ended, or the body is complete, and all is delivered */
	FLOW_SHORT,  /* the source ended in the middle of a body */
	FLOW_BAD,    /* the bytes break the body's grammar */
	FLOW_SOURCE, /* the source failed */
	FLOW_SINK,   /* the receiver failed */
	FLOW_MEMORY
};

#define FLOW_BUFFER   (256u << 10) /* a worker's buffer: a piece moves at most this */
#define FLOW_ALIGN    4096 /* of that buffer: a copy to a few bytes beside a page's begin is slow */
#define FLOW_TURN     (512u << 10) /* bytes of one flow before others have their turn */
#define FLOW_TURNS    8		   /* that a bulky one has before the next bulky one */
#define FLOW_TURN_TLS (256u << 10) /* where one end speaks TLS with stile, and only one turn */
#define FLOW_LARGE    FLOW_BUFFER  /* in a turn: who moves so much is patient, and worth a pipe */

void flow_init(struct flow *f, int from);
void flow_free(struct flow *f);
/* Bytes to send before anything else. False: no memory. */
bool flow_put(struct flow *f, const void *p, size_t n);
/* The same, but what the receiver takes now is not kept. That it broke is met by the next turn. */
bool flow_send(struct conn *c, struct flow *f, const void *p, size_t n);
static inline bool flow_pending(const struct flow *f)
{
	return f->n > f->at;
}
/* Moves what can be moved, within a turn. Bytes written are counted for the connection's access. */
enum flow_answer flow_pump(struct conn *c, struct flow *f);
/* Sends only what is pending. */
enum flow_answer flow_flush(struct conn *c, struct flow *f);
#endif
