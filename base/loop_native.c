/*
 * libevent without its locks (a loop belongs to one thread), with events in the caller's memory.
 * The flags of loop.h are its own, checked below.
 */
#include "loop_native.h"

#include "clock.h"
#include "log.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(sizeof(struct event) <= LOOP_EV_SIZE, "loop_ev holds an event");
static_assert(alignof(struct event) <= alignof(struct loop_ev), "loop_ev is aligned for an event");
static_assert(LOOP_READ == EV_READ && LOOP_WRITE == EV_WRITE && LOOP_PERSIST == EV_PERSIST &&
		      LOOP_EDGE == EV_ET && LOOP_TIMEOUT == EV_TIMEOUT,
	"flags are passed through");

#define ANY (EV_TIMEOUT | EV_READ | EV_WRITE | EV_SIGNAL)

/* --- opening -------------------------------------------------------------------------------------
 */

static void say(int severity, const char *msg)
{
	log_to(severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "loop", "%s", msg);
}

/* Precise time-outs are those whose clock is the one that we wait by. */
static struct event_base *open_base(void)
{
	const int flags =
		EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_PRECISE_TIMER;
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	event_set_log_callback(say);
	if (cfg && event_config_set_flag(cfg, flags) == 0)
		base = event_base_new_with_config(cfg);
	if (cfg)
		event_config_free(cfg);
	return base;
}

/* The epoll that knows `fd`, as libevent registers it. -1: there is none. */
static int epoll_that_knows(int fd)
{
	struct epoll_event same = {.events = EPOLLIN, .data.fd = fd};

	for (int at = 0; at < NATIVE_MOST; at++)
		if (at != fd && epoll_ctl(at, EPOLL_CTL_MOD, fd, &same) == 0)
			return at;
	return -1;
}

static void nothing(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* libevent does not tell what it waits with; it is asked to watch something that nobody else does.
 */
static int find_epoll(struct event_base *base)
{
	int fd = eventfd(0, EFD_CLOEXEC), found = -1;
	struct event ev;

	if (fd < 0)
		return -1;
	if (event_assign(&ev, base, fd, EV_READ, nothing, NULL) == 0 && event_add(&ev, NULL) == 0) {
		found = epoll_that_knows(fd);
		event_del(&ev);
	}
	close(fd);
	return found;
}

bool native_open(struct native *n)
{
	*n = (struct native){.base = open_base(), .epoll = -1};
	if (!n->base) {
		log_error("loop", "libevent cannot start: memory or descriptors are short");
		return false;
	}
	n->epoll = find_epoll(n->base);
	if (n->epoll < 0)
		log_error("loop",
			"libevent's epoll is not among the first %d descriptors: close some of "
			"those that this process was started with",
			NATIVE_MOST);
	return n->epoll >= 0;
}

void native_close(struct native *n)
{
	if (n->base)
		event_base_free(n->base);
	n->base = NULL;
}

/* --- running -------------------------------------------------------------------------------------
 */

static void due_by(struct native *n, uint64_t ms)
{
	if (!n->due_ms || ms < n->due_ms)
		n->due_ms = ms;
}

/* Its times are of CLOCK_MONOTONIC, with marks of its own in the bits above the microseconds. */
static int note_time_out(const struct event_base *base, const struct event *ev, void *arg)
{
	const struct timeval *t = &ev->ev_timeout;

	(void)base;
	if (ev->ev_evcallback.evcb_flags & EVLIST_TIMEOUT)
		due_by(arg, (uint64_t)t->tv_sec * 1000 +
				    (((uint64_t)t->tv_usec & 0xfffff) + 999) / 1000);
	return 0;
}

static void look_at_time_outs(struct native *n)
{
	n->changed = false;
	n->due_ms = 0;
	event_base_foreach_event(n->base, note_time_out, n);
}

uint64_t native_due_ms(struct native *n)
{
	if (n->changed)
		look_at_time_outs(n);
	return n->due_ms;
}

bool native_due(const struct native *n, uint64_t now_ms)
{
	return n->ready || (n->due_ms && n->due_ms <= now_ms) ||
	       event_base_get_num_events(n->base, EVENT_BASE_COUNT_ACTIVE) > 0;
}

void native_run(struct native *n)
{
	n->ready = false;
	event_base_loop(n->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	look_at_time_outs(n);
}

void native_stop(struct native *n)
{
	event_base_loopbreak(n->base);
}

bool native_used(const struct native *n)
{
	return event_base_get_num_events(
		       n->base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE) > 0;
}

void loop_native_changed(struct loop *l)
{
	native_of(l)->changed = true;
}

void *loop_native(struct loop *l)
{
	loop_native_changed(l);
	return native_of(l)->base;
}

/* --- events --------------------------------------------------------------------------------------
 */

static struct event *event_of(struct loop_ev *ev)
{
	return (struct event *)(void *)ev->mem;
}

void loop_init(struct loop_ev *ev, struct loop *l, int fd, short what, loop_fn *fn, void *arg)
{
	int failed = event_assign(event_of(ev), native_of(l)->base, fd, what, fn, arg);

	ev->l = l;
	assert(!failed);
	(void)failed;
}

void loop_init_signal(struct loop_ev *ev, struct loop *l, int signo, loop_fn *fn, void *arg)
{
	loop_init(ev, l, signo, EV_SIGNAL | EV_PERSIST, fn, arg);
}

void loop_add(struct loop_ev *ev, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	/* event_add without a time keeps an older time-out; here it means none */
	if (ms < 0)
		event_remove_timer(event_of(ev));
	else /* in whole milliseconds, behind the time that libevent takes */
		due_by(native_of(ev->l), clock_mono_ms() + (uint64_t)ms + (ms > 0));
	if (event_add(event_of(ev), ms < 0 ? NULL : &tv) == 0)
		return;
	/* The kernel is short of memory or watches. The owner's time-out is the one way out that
	 * every owner has. */
	log_error("loop", "cannot watch descriptor %d", (int)event_get_fd(event_of(ev)));
	event_active(event_of(ev), EV_TIMEOUT, 1);
}

void loop_del(struct loop_ev *ev)
{
	if (event_initialized(event_of(ev)))
		event_del(event_of(ev));
}

bool loop_pending(const struct loop_ev *ev)
{
	const struct event *e = (const struct event *)(const void *)ev->mem;

	return event_initialized(e) && event_pending(e, ANY, NULL);
}

void loop_defer(struct loop_ev *ev)
{
	event_active(event_of(ev), EV_TIMEOUT, 1);
}
