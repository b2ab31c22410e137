/*
 * The event loop: a thin face over libevent, which only loop_native.c may know (and what attaches
 * libraries to it: resolve.c, scrape.c). Events live in the caller's memory and cost nothing else.
 *
 * The sockets of connections, of which there are many and short ones, and those that listen are
 * watched by an epoll of the loop's own: one registration for a socket's life, told of edges. With
 * that one the loop waits, for libevent as well.
 */
#ifndef STILE_LOOP_H
#define STILE_LOOP_H

#include "wheel.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define LOOP_READ    0x02
#define LOOP_WRITE   0x04
#define LOOP_PERSIST 0x10
#define LOOP_EDGE    0x20
#define LOOP_TIMEOUT 0x01 /* in callbacks only */
#define LOOP_HANGUP                                                                                \
	0x40 /* in callbacks of a watch only: the peer has ended its side, or it failed */

#define LOOP_EV_SIZE 128

struct loop;

struct loop_ev {
	alignas(16) unsigned char mem[LOOP_EV_SIZE];
	struct loop *l;
};

typedef void loop_fn(int fd, short what, void *arg);

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Returns when loop_stop was called, or when no event is left and no socket was ever watched. */
void loop_run(struct loop *l);
/* From a callback; what else is ready waits for the next loop_run. */
void loop_stop(struct loop *l);
/* libevent's event_base, for libraries that attach themselves. */
void *loop_native(struct loop *l);
/* Such a library was asked for something, not from a callback of its own: it may have a time-out
 * that the loop has not seen. */
void loop_native_changed(struct loop *l);

/* Prepares only; nothing is pending before loop_add. fd -1: timer only. */
void loop_init(struct loop_ev *ev, struct loop *l, int fd, short what, loop_fn *fn, void *arg);
void loop_init_signal(struct loop_ev *ev, struct loop *l, int signo, loop_fn *fn, void *arg);
/* ms < 0: no time-out. Adding again moves the time-out, or takes it away. When the kernel cannot
 * watch the descriptor, that is logged and fn runs as if timed out. */
void loop_add(struct loop_ev *ev, int64_t ms);
void loop_del(struct loop_ev *ev);
bool loop_pending(const struct loop_ev *ev);
/* Runs fn once, with LOOP_TIMEOUT, behind everything that is ready in this turn. For events without
 * a descriptor of their own: one that was added counts as fired. An fn that defers itself again
 * keeps the turn from ending. */
void loop_defer(struct loop_ev *ev);

/* Milliseconds for deadlines and times of day, read once for all that the kernel tells of together:
 * as old as that turn at most, and never back. Not to measure with. */
uint64_t loop_mono_ms(struct loop *l);
int64_t loop_wall_ms(struct loop *l);

/* --- deadlines ---------------------------------------------------------------------------------
 */

/* A time-out that is moved often and seldom met: moving it on is a store, setting it the first time
 * an entry of a wheel (wheel.h), which is looked at when it comes round. */
struct loop_deadline {
	struct wheel_entry entry;
	struct loop *l;
	uint64_t due_ms; /* monotonic; 0: none */
	loop_fn *fn;
	void *arg;
};

void loop_deadline_init(struct loop_deadline *d, struct loop *l, loop_fn *fn, void *arg);
/* Runs fn once, with LOOP_TIMEOUT, ms from loop_mono_ms and not before, late by WHEEL_SLOT_MS and a
 * tick of the kernel's at most; ms < 0: never. What was set earlier is forgotten. */
void loop_deadline_set(struct loop_deadline *d, int64_t ms);
/* The same as never, and the memory may go. */
void loop_deadline_drop(struct loop_deadline *d);

/* --- sockets -----------------------------------------------------------------------------------
 */

struct loop_watch {
	int fd; /* -1: none */
	/* The owner's to set. Not 0: told after all others, one of its kind in a turn; who asks for
	 * later meanwhile has so many turns in succession, and what others have to tell goes
	 * between. */
	uint8_t patient;
	bool queued;
	uint8_t told; /* while queued; and by one who hands it over */
	loop_fn *fn;
	void *arg;
	TAILQ_ENTRY(loop_watch) link;
};

/* Calls fn whenever the socket became readable or, if `what` has LOOP_WRITE, writable: once, when
 * it becomes so, and it may tell of what is no longer true. So who reads remembers that he may, and
 * reads until nothing is left. A hang-up or an error comes as readable and writable. False: the
 * kernel or memory is short; nothing is watched. */
bool loop_watch(struct loop *l, struct loop_watch *w, int fd, uint8_t what, loop_fn *fn, void *arg);
/* From now on for `what`; what is true of it already is told again, with the next turn. */
void loop_watch_again(struct loop *l, const struct loop_watch *w, uint8_t what);
/* Calls fn with `what`, and with what else there is to tell, in a later turn, as if it were
 * patient: others go first. */
void loop_watch_later(struct loop *l, struct loop_watch *w, uint8_t what);
/* The socket's watch goes over to another owner; `from` has none then. */
void loop_watch_move(
	struct loop *l, struct loop_watch *from, struct loop_watch *to, loop_fn *fn, void *arg);
/* Nothing comes any more. The socket must be closed next: that takes it out of the kernel's list.
 */
void loop_unwatch(struct loop *l, struct loop_watch *w);
/* The same for a socket that other processes have open, too: it may live on. */
void loop_unwatch_shared(struct loop *l, struct loop_watch *w);

#endif
