/*
 * The event loop: libevent without its locks (a loop belongs to one thread), with events in the
 * caller's memory. The flags of loop.h are libevent's own, checked below. The epoll for sockets is
 * one event of libevent's: readable when one of its sockets has something to tell.
 */
#include "loop.h"
#include "clock.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static_assert(sizeof(struct event) <= LOOP_EV_SIZE, "loop_ev holds an event");
static_assert(alignof(struct event) <= alignof(struct loop_ev), "loop_ev is aligned for an event");
static_assert(LOOP_READ == EV_READ && LOOP_WRITE == EV_WRITE && LOOP_PERSIST == EV_PERSIST &&
		      LOOP_EDGE == EV_ET && LOOP_TIMEOUT == EV_TIMEOUT,
	"flags are passed through");

#define ANY (EV_TIMEOUT | EV_READ | EV_WRITE | EV_SIGNAL)

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
	bool stopped;
	int epoll;
	struct event told;  /* the epoll is readable */
	bool hears;	    /* it waits for that, as it does since the first socket */
	struct event more;  /* something was left for the next turn */
	struct event timer; /* of the wheel */
	uint64_t timer_ms;  /* when it comes; 0: it is not set */
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

static void on_told(int fd, short what, void *arg);
static void on_timer(int fd, short what, void *arg);

static bool open_base(struct loop *l)
{
	struct event_config *cfg = event_config_new();

	event_set_log_callback(say);
	if (cfg && event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == 0)
		l->base = event_base_new_with_config(cfg);
	if (cfg)
		event_config_free(cfg);
	return l->base != NULL;
}

/* The epoll itself is watched while a socket is: it keeps no loop running that has nothing to do.
 */
static bool open_sockets(struct loop *l)
{
	TAILQ_INIT(&l->patient);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll >= 0 &&
	       event_assign(&l->told, l->base, l->epoll, EV_READ | EV_PERSIST, on_told, l) == 0 &&
	       event_assign(&l->more, l->base, -1, 0, on_told, l) == 0 &&
	       event_assign(&l->timer, l->base, -1, 0, on_timer, l) == 0;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epoll = -1;
	if (open_base(l) && open_sockets(l))
		return l;
	loop_free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (event_initialized(&l->told))
		event_del(&l->told);
	if (event_initialized(&l->more))
		event_del(&l->more);
	if (event_initialized(&l->timer))
		event_del(&l->timer);
	if (l->base)
		event_base_free(l->base);
	if (l->epoll >= 0)
		close(l->epoll);
	free(l->socket);
	free(l);
}

void loop_run(struct loop *l)
{
	l->stopped = false;
	event_base_dispatch(l->base);
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
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

/* The timer of the wheel, for its entry that is looked at first. */
static void set_timer(struct loop *l, uint64_t look_ms, uint64_t now)
{
	uint64_t ms = look_ms > now ? look_ms - now : 0;
	struct timeval tv = {
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	l->timer_ms = event_add(&l->timer, &tv) == 0 ? look_ms : 0;
	if (!l->timer_ms) /* the next deadline that is set tries again */
		log_error("loop", "out of memory for the timer of deadlines");
}

static void place(struct loop_deadline *d, uint64_t now)
{
	struct loop *l = d->l;

	wheel_put(&l->wheel, &d->entry, d->due_ms, now);
	if (!l->timer_ms || d->entry.look_ms < l->timer_ms)
		set_timer(l, d->entry.look_ms, now);
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

static void on_timer(int fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t now = clock_mono_ms(), next;
	struct wheel_entry *e;

	(void)fd, (void)what;
	while (!l->stopped && (e = wheel_take(&l->wheel, now)) != NULL)
		meet((struct loop_deadline *)(void *)((char *)e -
						      offsetof(struct loop_deadline, entry)),
			now);
	next = wheel_next_ms(&l->wheel);
	l->timer_ms = 0;
	if (next)
		set_timer(l, next, now);
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
	if (d->l->wheel.n == 0) {
		event_del(&d->l->timer);
		d->l->timer_ms = 0;
	}
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
	const struct socket *s = &l->socket[fd];
	struct loop_watch *w = s->watch;

	if (!w || s->times != (uint32_t)e->data.u64)
		return;
	if (w->patient || w->queued)
		enqueue(l, w, loop_events(e->events));
	else
		w->fn((int)fd, loop_events(e->events), w->arg);
}

/* Behind timers and whatever else is due. */
static void go_on_next_turn(struct loop *l)
{
	static const struct timeval at_once = {0};

	event_add(&l->more, &at_once);
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

static void fetch(struct loop *l)
{
	l->at = 0;
	l->n = epoll_wait(l->epoll, l->turn, TURN_SOCKETS, 0);
	if (l->n < 0)
		l->n = 0;
	tell_the_time_anew(l);
}

/* False: loop_stop has cut it short. */
static bool tell_round(struct loop *l)
{
	if (l->at == l->n)
		fetch(l);
	while (l->at < l->n && !l->stopped)
		tell(l, &l->turn[l->at++]);
	return !l->stopped;
}

/* Asking our own epoll alone costs less than half of what a turn of libevent's loop does. */
static bool tell_ready(struct loop *l)
{
	for (int round = 1; tell_round(l); round++)
		if (l->n < TURN_BUSY || round == TURN_ROUNDS)
			return true;
	return false;
}

/* The rest of a turn that was cut short, and the other patient ones come with the next one: an edge
 * is told once. */
static void on_told(int fd, short what, void *arg)
{
	struct loop *l = arg;
	unsigned times = 1;

	(void)fd, (void)what;
	l->telling = true;
	tell_the_time_anew(l);
	while (tell_ready(l) && tell_patient(l, times))
		times++;
	l->telling = false;
	if (l->at < l->n || !TAILQ_EMPTY(&l->patient))
		go_on_next_turn(l);
}

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
	if (!l->hears && event_add(&l->told, NULL) != 0)
		return false;
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
	go_on_next_turn(l);
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
