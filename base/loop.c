/*
 * The event loop: libevent without its locks (a loop belongs to one thread), with events in the
 * caller's memory. The flags of loop.h are libevent's own, checked below.
 */
#include "loop.h"
#include "log.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

static_assert(sizeof(struct event) <= LOOP_EV_SIZE, "loop_ev holds an event");
static_assert(alignof(struct event) <= alignof(struct loop_ev), "loop_ev is aligned for an event");
static_assert(LOOP_READ == EV_READ && LOOP_WRITE == EV_WRITE && LOOP_PERSIST == EV_PERSIST &&
		      LOOP_EDGE == EV_ET && LOOP_TIMEOUT == EV_TIMEOUT,
	"flags are passed through");

#define ANY (EV_TIMEOUT | EV_READ | EV_WRITE | EV_SIGNAL)

struct loop {
	struct event_base *base;
};

static struct event *native(struct loop_ev *ev)
{
	return (struct event *)(void *)ev->mem;
}

static void say(int severity, const char *msg)
{
	log_to(severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "loop", "%s", msg);
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct event_config *cfg = event_config_new();

	event_set_log_callback(say);
	if (l && cfg && event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == 0)
		l->base = event_base_new_with_config(cfg);
	if (cfg)
		event_config_free(cfg);
	if (l && l->base)
		return l;
	free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	event_base_free(l->base);
	free(l);
}

void loop_run(struct loop *l)
{
	event_base_dispatch(l->base);
}

void loop_stop(struct loop *l)
{
	event_base_loopbreak(l->base);
}

void *loop_native(struct loop *l)
{
	return l->base;
}

void loop_init(struct loop_ev *ev, struct loop *l, int fd, short what, loop_fn *fn, void *arg)
{
	int failed = event_assign(native(ev), l->base, fd, what, fn, arg);

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
		event_remove_timer(native(ev));
	if (event_add(native(ev), ms < 0 ? NULL : &tv) == 0)
		return;
	/* The kernel is short of memory or watches. The owner's time-out is the one way out that
	 * every owner has. */
	log_error("loop", "cannot watch descriptor %d", (int)event_get_fd(native(ev)));
	event_active(native(ev), EV_TIMEOUT, 1);
}

void loop_del(struct loop_ev *ev)
{
	if (event_initialized(native(ev)))
		event_del(native(ev));
}

bool loop_pending(const struct loop_ev *ev)
{
	const struct event *e = (const struct event *)(const void *)ev->mem;

	return event_initialized(e) && event_pending(e, ANY, NULL);
}

void loop_defer(struct loop_ev *ev)
{
	event_active(native(ev), EV_TIMEOUT, 1);
}
