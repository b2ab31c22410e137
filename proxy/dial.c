/*
 * Happy Eyeballs over addresses that are already judged and ordered. Each attempt is a socket and a
 * watch; `advance` is the one place that starts attempts, `finish` the one door out.
 */
#include "dial.h"

#include "descriptors.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#define DIAL_MAX      16
#define DIAL_DELAY_MS 250 /* Connection Attempt Delay, RFC 8305 5 */

struct attempt {
	struct dial *dial;
	struct addr addr;
	int fd; /* -1: not started, or failed */
	struct loop_watch watch;
};

struct dial {
	struct loop *loop;
	struct loop_deadline next; /* of the next attempt; also tells a failure seen at the start */
	struct loop_deadline deadline; /* of the whole */
	uint16_t port;
	int error; /* of the last attempt that failed */
	size_t n, started, live;
	dial_fn *fn;
	void *arg;
	struct attempt v[];
};

static void advance(struct dial *d);

static void drop(struct attempt *a)
{
	if (a->fd < 0)
		return;
	loop_unwatch(a->dial->loop, &a->watch);
	close(a->fd);
	a->fd = -1;
	a->dial->live--;
}

void dial_cancel(struct dial *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->started; i++)
		drop(&d->v[i]);
	loop_deadline_drop(&d->next);
	loop_deadline_drop(&d->deadline);
	free(d);
}

/* Gives the result away; `won` is NULL when nobody answered. An origin that spoke at once was told
 * of together with its connection, and will not be again. */
static void finish(struct dial *d, struct attempt *won, short told, int error)
{
	dial_fn *fn = d->fn;
	void *arg = d->arg;
	struct loop *l = d->loop;
	struct loop_watch watch;
	struct addr addr;

	if (won) {
		addr = won->addr;
		loop_watch_move(l, &won->watch, &watch, NULL, NULL);
		watch.told = (uint8_t)told;
		won->fd = -1;
	}
	dial_cancel(d);
	fn(arg, won ? &watch : NULL, won ? &addr : NULL, error);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t n = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 ? error : errno;
}

/* Ports whose servers greet before the client has said a word. */
static bool greets(uint16_t port)
{
	static const uint16_t ports[] = {
		21, 22, 23, 25, 110, 119, 143, 587, 873, 2222, 2525, 3306, 4190, 5900};

	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
		if (ports[i] == port)
			return true;
	return false;
}

/* No delay for small segments; and the handshake's last segment, an empty acknowledgement, is
 * saved: the first bytes acknowledge as well (RFC 9293 3.5 lets the third segment carry data), and
 * where none come, the kernel sends it 0.2 s later. A server that greets waits for it, so it is not
 * saved for those. A kernel that cannot save it is no error. */
static bool prepare(int fd, uint16_t port)
{
	static const int on = 1, off = 0;

	if (!greets(port))
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

/* A server whose window is shut, as that of a SYN proxy is until it has the acknowledgement, gets
 * it now: no first bytes could bring it. */
static void open_window(int fd)
{
	static const int on = 1;
	struct tcp_info info = {.tcpi_snd_wnd = 1}; /* older kernels do not tell */
	socklen_t n = sizeof info;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 && info.tcpi_snd_wnd == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static void on_attempt(int fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct dial *d = a->dial;
	int error;

	if (!(what & LOOP_WRITE))
		return;
	/* a failure is told as a hang-up, too */
	error = what & LOOP_HANGUP ? socket_error(fd) : 0;
	if (!error) {
		open_window(fd);
		finish(d, a, what, 0);
		return;
	}
	d->error = error;
	drop(a);
	advance(d);
	if (!d->live)
		finish(d, NULL, 0, d->error);
}

static void on_next(int fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	advance(d);
	if (!d->live)
		finish(d, NULL, 0, d->error);
}

static void on_deadline(int fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	finish(d, NULL, 0, ETIMEDOUT);
}

/* errno, or 0 when the attempt is under way. An immediate success is told by the watch as well. */
static int begin(struct attempt *a)
{
	struct dial *d = a->dial;
	struct sockaddr_storage to;
	socklen_t n = addr_to_sockaddr(&a->addr, d->port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return errno;
	if (fd >= descriptors_ceiling()) {
		close(fd);
		return EMFILE;
	}
	if (!prepare(fd, d->port) ||
		(connect(fd, (struct sockaddr *)&to, n) < 0 && errno != EINPROGRESS)) {
		int error = errno;

		close(fd);
		return error;
	}
	if (!loop_watch(d->loop, &a->watch, fd, LOOP_READ | LOOP_WRITE, on_attempt, a)) {
		close(fd);
		return ENOMEM;
	}
	a->fd = fd;
	d->live++;
	return 0;
}

/* Starts the next address that can be started at all, and the clock for the one behind it. */
static void advance(struct dial *d)
{
	loop_deadline_set(&d->next, -1);
	while (d->started < d->n) {
		int error = begin(&d->v[d->started++]);

		if (!error)
			break;
		d->error = error;
	}
	if (d->live && d->started < d->n)
		loop_deadline_set(&d->next, DIAL_DELAY_MS);
}

struct dial *dial_start(struct loop *l, const struct addr *addrs, size_t n, uint16_t port,
	unsigned timeout_ms, dial_fn *fn, void *arg)
{
	struct dial *d;

	if (n > DIAL_MAX)
		n = DIAL_MAX;
	d = malloc(sizeof(*d) + n * sizeof(d->v[0]));
	if (!d)
		return NULL;
	*d = (struct dial){
		.loop = l, .port = port, .error = EADDRNOTAVAIL, .n = n, .fn = fn, .arg = arg};
	for (size_t i = 0; i < n; i++)
		d->v[i] = (struct attempt){.dial = d, .addr = addrs[i], .fd = -1};
	loop_deadline_init(&d->next, l, on_next, d);
	loop_deadline_init(&d->deadline, l, on_deadline, d);
	advance(d);
	if (d->live)
		loop_deadline_set(&d->deadline, timeout_ms);
	else
		loop_deadline_set(&d->next, 0);
	return d;
}
