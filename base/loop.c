/*
 * The event loop: turns, deadlines, and the epoll that it waits with, in which libevent's is one
 * descriptor more (loop_native.h). The other way round each event of a socket would go through two
 * ready lists, and each new socket take a lock that all processes of the machine share, under which
 * the kernel looks that no epolls lie in a circle.
 */
#include "loop.h"

#include "clock.h"
#include "log.h"
#include "loop_native.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define NATIVE UINT64_MAX /* what the epoll says when libevent has something to tell */

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
	struct native native;
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

/* --- its life ------------------------------------------------------------------------------------
 */

struct native *native_of(struct loop *l)
{
	return &l->native;
}

static bool wait_for_native(struct loop *l)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = NATIVE};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->native.epoll, &e) == 0;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	TAILQ_INIT(&l->patient);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (native_open(&l->native) && wait_for_native(l))
		return l;
	loop_free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	native_close(&l->native);
	if (l->epoll >= 0)
		close(l->epoll);
	free(l->socket);
	free(l);
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	native_stop(&l->native);
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
		l->native.ready = true;
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
	uint64_t due = sooner(l->timer_ms, native_due_ms(&l->native)),
		 now = due ? clock_mono_ms() : 0;

	if (l->at < l->n || !TAILQ_EMPTY(&l->patient) || native_due(&l->native, now) ||
		(due && due <= now))
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
	now = clock_mono_ms();
	if (!l->stopped && l->timer_ms && l->timer_ms <= now)
		turn_wheel(l, now);
	if (!l->stopped && native_due(&l->native, now))
		native_run(&l->native);
}

/* A socket that was watched may always have more to tell. */
static bool has_work(const struct loop *l)
{
	return l->hears || l->wheel.n || native_used(&l->native);
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
