/*
 * Pipes for long transfers: bytes spliced from socket to pipe to socket are not copied through the
 * worker. A user may have only so much room in pipes, and an idle tunnel is to keep nothing, so a
 * pipe is lent to a flow from the filling until it is empty again.
 */
#ifndef STILE_PIPES_H
#define STILE_PIPES_H

#include <stdbool.h>
#include <stddef.h>

struct pipe {
	struct pipe *next; /* in the pool */
	struct pipes *pool;
	int in, out;
};

/* A worker's. {0} is a pool that lends nothing. */
struct pipes {
	struct pipe *idle;
	unsigned n, most; /* made, lent ones included; and how many there may be */
};

/* An empty pipe, made if need be; NULL: none is left, and bytes are copied instead. */
struct pipe *pipes_lend(struct pipes *p);
/* One that still holds bytes is closed: nobody else may read them. */
void pipes_take_back(struct pipe *p, bool empty);
/* Closes those in the pool. */
void pipes_free(struct pipes *p);

#endif
