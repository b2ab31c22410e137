/*
 * libevent, as the loop sees it: a descriptor to wait for and a time to come back. For loop.c
 * alone, which gives each loop one; the events of loop.h are libevent's.
 */
#ifndef STILE_LOOP_NATIVE_H
#define STILE_LOOP_NATIVE_H

#include "loop.h"

#define NATIVE_MOST 4096 /* descriptors among which libevent's is looked for */

struct native {
	struct event_base *base;
	int epoll;	 /* libevent's own: readable when it has something to tell */
	bool ready;	 /* the loop saw that */
	bool changed;	 /* its time-outs have to be looked at anew */
	uint64_t due_ms; /* monotonic; of its first time-out, or before; 0: none */
};

/* False, and logged: there is none. native_close is due in any case. */
bool native_open(struct native *n);
void native_close(struct native *n);
/* When the first time-out is due; 0: never. */
uint64_t native_due_ms(struct native *n);
/* Has it anything to do at that time? */
bool native_due(const struct native *n, uint64_t now_ms);
/* Runs what is due, and does not wait. */
void native_run(struct native *n);
/* Within native_run: no further callback is called. */
void native_stop(struct native *n);
/* Does anybody wait for anything? */
bool native_used(const struct native *n);

/* In loop.c. */
struct native *native_of(struct loop *l);

#endif
