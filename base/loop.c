/*
 * The event loop. It waits with an epoll of its own, for sockets and for libevent, whose epoll is
 * one more descriptor in it: an epoll within another costs each event of the inner one, and each
 * new socket, a second lock and a look at how they lie within each other. libevent is used without
 * its locks (a loop belongs to one thread), with events in the caller's memory; the flags of loop.h
 * are its own, checked below.
 */
#include "loop.h"
#include "clock.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(sizeof(struct event) <= LOOP_EV_SIZE, "loop_ev holds an event");
static_assert(alignof(struct event) <= alignof(struct loop_ev), "loop_ev is aligned for an event");
static_assert(LOOP_READ == EV_READ && LOOP_WRITE == EV_WRITE && LOOP_PERSIST == EV_PERSIST &&
		      LOOP_EDGE == EV_ET && LOOP_TIMEOUT == EV_TIMEOUT,
	"flags are passed through");

#define ANY (EV_TIMEOUT | EV_READ | EV_WRITE | EV_SIGNAL)

#define NATIVE	    UINT64_MAX /* what the epoll says when libevent has something to tell */
#define NATIVE_MOST 4096       /* descriptors among which libevent's epoll is looked for */

#define TURN_SOCKETS 64 /* told of at once, */
#define TURN_ROUNDS  4	/* so often, before timers and others have theirs, */
#define TURN_BUSY    4	/* while so many are ready: then there will be more at once */

/* Events carry the socket's number and how often that number was watched before: one that was
 * closed while an event of it waited is not taken for its successor. */
struct socket {
	struct loop_watch *watch; /* NULL: none */
	uint32_t times;
};

struct loop {
	struct event_base *base;
	uint64_t native_ms;  /* when it has a timer due; 0: none */
	bool native_ready;   /* one of its descriptors has something to tell */
	bool native_changed; /* its timers have to be looked at anew */
	bool stopped;
	int epoll;
	bool hears;	   /* a socket was watched: it may always come to something */
	uint64_t timer_ms; /* when the wheel is to be looked at; 0: never */
	struct wheel wheel;
	struct epoll_event turn[TURN_SOCKETS];
	int at, n; /* of the turn */
	TAILQ_HEAD(, loop_watch) patient;
	bool telling; /* in a turn: both times below hold, once they were asked for */
	uint64_t mono_ms;
	int64_t wall_ms;
	const struct loop_watch *served; /* the one whose turn it is, while it may stay first */
	struct socket *socket;		 /* by descriptor */
	size_t n_sockets;
};

static struct event *native(struct loop_ev *ev)
{
	return (struct event *)(void *)ev->mem;
}

static void say(int severity, const char *msg)
{
	log_to(severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "loop", "%s", msg);
}

/* --- libevent ------------------------------------------------------------------------------------
 */

/* Precise: its clock is ours. */
static bool open_base(struct loop *l)
{
	struct event_config *cfg = event_config_new();

	event_set_log_callback(say);
	if (cfg && event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
						      EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		l->base = event_base_new_with_config(cfg);
	if (cfg)
		event_config_free(cfg);
	return l->base != NULL;
}

/* libevent does not say what it waits with: it is the epoll that knows `fd`, which libevent was
 * just asked to watch. -1: there is none. */
static int native_epoll(int fd)
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

static bool watch_native(struct loop *l)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = NATIVE};
	int fd = eventfd(0, EFD_CLOEXEC), native = -1;
	struct event ev;

	if (fd < 0)
		return false;
	if (event_assign(&ev, l->base, fd, EV_READ, nothing, NULL) == 0 &&
		event_add(&ev, NULL) == 0) {
		native = native_epoll(fd);
		event_del(&ev);
	}
	close(fd);
	return native >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, native, &e) == 0;
}

static void native_due_by(struct loop *l, uint64_t ms)
{
	if (!l->native_ms || ms < l->native_ms)
		l->native_ms = ms;
}

/* Its times are of CLOCK_MONOTONIC, with marks of its own in the bits above the microseconds. */
static int note_timer(const struct event_base *base, const struct event *ev, void *arg)
{
	const struct timeval *t = &ev->ev_timeout;

	(void)base;
	if (ev->ev_evcallback.evcb_flags & EVLIST_TIMEOUT)
		native_due_by(arg, (uint64_t)t->tv_sec * 1000 +
					   (((uint64_t)t->tv_usec & 0xfffff) + 999) / 1000);
	return 0;
}

static void look_at_native_timers(struct loop *l)
{
	l->native_changed = false;
	l->native_ms = 0;
	event_base_foreach_event(l->base, note_timer, l);
}

static bool native_due(const struct loop *l, uint64_t now)
{
	return l->native_ready || (l->native_ms && l->native_ms <= now) ||
	       event_base_get_num_events(l->base, EVENT_BASE_COUNT_ACTIVE) > 0;
}

static void run_native(struct loop *l)
{
	l->native_ready = false;
	event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	look_at_native_timers(l);
}

void loop_native_changed(struct loop *l)
{
	l->native_changed = true;
}

void *loop_native(struct loop *l)
{
	l->native_changed = true;
	return l->base;
}

/* --- its life ------------------------------------------------------------------------------------
 */

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	TAILQ_INIT(&l->patient);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll >= 0 && open_base(l) && watch_native(l))
		return l;
	loop_free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->base)
		event_base_free(l->base);
	if (l->epoll >= 0)
		close(l->epoll);
	free(l->socket);
	free(l);
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	event_base_loopbreak(l->base);
}

/* --- libevent's events ---------------------------------------------------------------------------
 */

void loop_init(struct loop_ev *ev, struct loop *l, int fd, short what, loop_fn *fn, void *arg)
{
	int failed = event_assign(native(ev), l->base, fd, what, fn, arg);

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
		event_remove_timer(native(ev));
	else
		native_due_by(ev->l, clock_mono_ms() + (uint64_t)ms + (ms > 0));
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

/* --- time ----------------------------------------------------------------------------------------
 */

static void tell_the_time_anew(struct loop *l)
{
	l->mono_ms = 0;
	l->wall_ms = 0;
}

uint64_t loop_mono_ms(struct loop *l)
{
	if (!l->telling)
		return clock_mono_ms();
	if (!l->mono_ms)
		l->mono_ms = clock_mono_ms();
	return l->mono_ms;
}

int64_t loop_wall_ms(struct loop *l)
{
	if (!l->telling)
		return clock_wall_ms();
	if (!l->wall_ms)
		l->wall_ms = clock_wall_ms();
	return l->wall_ms;
}

/* --- deadlines -----------------------------------------------------------------------------------
 */

static void place(struct loop_deadline *d, uint64_t now)
{
	struct loop *l = d->l;

	wheel_put(&l->wheel, &d->entry, d->due_ms, now);
	if (!l->timer_ms || d->entry.look_ms < l->timer_ms)
		l->timer_ms = d->entry.look_ms;
}

static void meet(struct loop_deadline *d, uint64_t now)
{
	if (!d->due_ms)
		return;
	if (now < d->due_ms) {
		place(d, now);
		return;
	}
	d->due_ms = 0;
	d->fn(-1, LOOP_TIMEOUT, d->arg);
}

static void turn_wheel(struct loop *l, uint64_t now)
{
	struct wheel_entry *e;

	while (!l->stopped && (e = wheel_take(&l->wheel, now)) != NULL)
		meet((struct loop_deadline *)(void *)((char *)e -
						      offsetof(struct loop_deadline, entry)),
			now);
	l->timer_ms = wheel_next_ms(&l->wheel);
}

void loop_deadline_init(struct loop_deadline *d, struct loop *l, loop_fn *fn, void *arg)
{
	*d = (struct loop_deadline){.l = l, .fn = fn, .arg = arg};
}

void loop_deadline_set(struct loop_deadline *d, int64_t ms)
{
	uint64_t now;

	if (ms < 0) {
		d->due_ms = 0;
		return;
	}
	now = loop_mono_ms(d->l);
	d->due_ms = now + (uint64_t)ms;
	if (d->entry.look_ms && d->due_ms >= d->entry.look_ms)
		return;
	wheel_drop(&d->l->wheel, &d->entry);
	place(d, now);
}

void loop_deadline_drop(struct loop_deadline *d)
{
	d->due_ms = 0;
	if (!d->entry.look_ms)
		return;
	wheel_drop(&d->l->wheel, &d->entry);
	if (d->l->wheel.n == 0)
		d->l->timer_ms = 0;
}

/* --- sockets -------------------------------------------------------------------------------------
 */

static uint32_t kernel_events(uint8_t what)
{
	return EPOLLET | EPOLLRDHUP | (what & LOOP_READ ? EPOLLIN : 0U) |
	       (what & LOOP_WRITE ? EPOLLOUT : 0U);
}

static short loop_events(uint32_t kernel)
{
	short what = 0;

	if (kernel & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		what |= LOOP_READ;
	if (kernel & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		what |= LOOP_WRITE;
	if (kernel & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		what |= LOOP_HANGUP;
	return what;
}

static void enqueue(struct loop *l, struct loop_watch *w, short what)
{
	w->told |= (uint8_t)what;
	if (w->queued)
		return;
	w->queued = true;
	if (w == l->served)
		TAILQ_INSERT_HEAD(&l->patient, w, link);
	else
		TAILQ_INSERT_TAIL(&l->patient, w, link);
}

static void dequeue(struct loop *l, struct loop_watch *w)
{
	if (!w->queued)
		return;
	w->queued = false;
	TAILQ_REMOVE(&l->patient, w, link);
}

static void tell(struct loop *l, const struct epoll_event *e)
{
	size_t fd = (size_t)(e->data.u64 >> 32);
	const struct socket *s;
	struct loop_watch *w;

	if (e->data.u64 == NATIVE) {
		l->native_ready = true;
		return;
	}
	s = &l->socket[fd];
	w = s->watch;
	if (!w || s->times != (uint32_t)e->data.u64)
		return;
	if (w->patient || w->queued)
		enqueue(l, w, loop_events(e->events));
	else
		w->fn((int)fd, loop_events(e->events), w->arg);
}

/* True: it wants to go on, and may, once the others have been told. */
static bool tell_patient(struct loop *l, unsigned times)
{
	struct loop_watch *w = TAILQ_FIRST(&l->patient);
	bool again;
	short what;

	if (!w)
		return false;
	again = times < w->patient;
	dequeue(l, w);
	what = w->told;
	w->told = 0;
	tell_the_time_anew(l);
	l->served = again ? w : NULL;
	w->fn(w->fd, what, w->arg); /* w may be gone */
	l->served = NULL;
	return again && TAILQ_FIRST(&l->patient) == w;
}

static void fetch(struct loop *l, int wait_ms)
{
	l->at = 0;
	l->n = epoll_wait(l->epoll, l->turn, TURN_SOCKETS, wait_ms);
	if (l->n < 0)
		l->n = 0;
	tell_the_time_anew(l);
}

/* False: loop_stop has cut it short. */
static bool tell_round(struct loop *l)
{
	while (l->at < l->n && !l->stopped)
		tell(l, &l->turn[l->at++]);
	return !l->stopped;
}

/* While many are ready, more will be at once. */
static bool tell_ready(struct loop *l)
{
	for (int round = 1; tell_round(l); round++) {
		if (l->n < TURN_BUSY || round == TURN_ROUNDS)
			return true;
		fetch(l, 0);
	}
	return false;
}

static void tell_sockets(struct loop *l)
{
	unsigned times = 1;

	l->telling = true;
	while (tell_ready(l) && tell_patient(l, times)) {
		times++;
		fetch(l, 0);
	}
	l->telling = false;
}

/* --- turns ---------------------------------------------------------------------------------------
 */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

/* How long there is nothing to do, as epoll_wait takes it. The rest of a turn that was cut short,
 * and the other patient ones, come with the next one: an edge is told once. */
static int may_wait(struct loop *l)
{
	uint64_t now, due;

	if (l->native_changed)
		look_at_native_timers(l);
	if (l->at < l->n || !TAILQ_EMPTY(&l->patient))
		return 0;
	due = sooner(l->timer_ms, l->native_ms);
	now = due ? clock_mono_ms() : 0;
	if (native_due(l, now) || (due && due <= now))
		return 0;
	if (!due)
		return -1;
	return due - now < INT_MAX ? (int)(due - now) : INT_MAX;
}

static void turn(struct loop *l)
{
	int wait_ms = may_wait(l);
	uint64_t now;

	if (l->at == l->n)
		fetch(l, wait_ms);
	tell_sockets(l);
	if (l->stopped)
		return;
	now = l->timer_ms || l->native_ms ? clock_mono_ms() : 0;
	if (l->timer_ms && l->timer_ms <= now)
		turn_wheel(l, now);
	if (!l->stopped && native_due(l, now))
		run_native(l);
}

/* A socket that was watched may always have more to tell. */
static bool has_work(const struct loop *l)
{
	return l->hears || l->wheel.n ||
	       event_base_get_num_events(
		       l->base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE) > 0;
}

void loop_run(struct loop *l)
{
	l->stopped = false;
	while (!l->stopped && has_work(l))
		turn(l);
}

/* --- watching ------------------------------------------------------------------------------------
 */

static bool make_room(struct loop *l, int fd)
{
	size_t n = l->n_sockets ? l->n_sockets : 64;
	struct socket *grown;

	if ((size_t)fd < l->n_sockets)
		return true;
	while (n <= (size_t)fd)
		n *= 2;
	grown = realloc(l->socket, n * sizeof *grown);
	if (!grown)
		return false;
	for (size_t i = l->n_sockets; i < n; i++)
		grown[i] = (struct socket){0};
	l->socket = grown;
	l->n_sockets = n;
	return true;
}

static bool control(struct loop *l, int how, int fd, uint8_t what)
{
	struct epoll_event e = {.events = kernel_events(what),
		.data.u64 = (uint64_t)fd << 32 | l->socket[fd].times};

	return epoll_ctl(l->epoll, how, fd, &e) == 0;
}

bool loop_watch(struct loop *l, struct loop_watch *w, int fd, uint8_t what, loop_fn *fn, void *arg)
{
	*w = (struct loop_watch){.fd = -1, .fn = fn, .arg = arg};
	l->hears = true;
	if (!make_room(l, fd))
		return false;
	l->socket[fd].times++;
	if (!control(l, EPOLL_CTL_ADD, fd, what)) {
		log_error("loop", "cannot watch descriptor %d", fd);
		return false;
	}
	w->fd = fd;
	l->socket[fd].watch = w;
	return true;
}

void loop_watch_again(struct loop *l, const struct loop_watch *w, uint8_t what)
{
	control(l, EPOLL_CTL_MOD, w->fd, what);
}

void loop_watch_later(struct loop *l, struct loop_watch *w, uint8_t what)
{
	enqueue(l, w, what);
}

void loop_watch_move(
	struct loop *l, struct loop_watch *from, struct loop_watch *to, loop_fn *fn, void *arg)
{
	*to = (struct loop_watch){.fd = from->fd, .fn = fn, .arg = arg, .patient = from->patient};
	l->socket[to->fd].watch = to;
	if (from->queued)
		enqueue(l, to, from->told);
	dequeue(l, from);
	from->fd = -1;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	l->socket[w->fd].watch = NULL;
	dequeue(l, w);
	w->fd = -1;
}

void loop_unwatch_shared(struct loop *l, struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	control(l, EPOLL_CTL_DEL, w->fd, 0);
	loop_unwatch(l, w);
}
