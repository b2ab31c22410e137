/* Reading, writing and watching one end of a connection. */
#include "endpoint.h"

#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_ready(struct conn *c, int side, short what)
{
	struct endpoint *end = &c->side[side];

	if (what & LOOP_READ)
		end->ready = true;
	if (what & LOOP_HANGUP)
		end->hung_up = true;
	conn_step(c);
}

static void on_client(int fd, short what, void *arg)
{
	(void)fd;
	on_ready(arg, CLIENT, what);
}

static void on_origin(int fd, short what, void *arg)
{
	(void)fd;
	on_ready(arg, ORIGIN, what);
}

static loop_fn *const on_side[] = {[CLIENT] = on_client, [ORIGIN] = on_origin};

bool endpoint_open(struct conn *c, int side, int fd)
{
	struct endpoint *end = &c->side[side];

	*end = (struct endpoint){.fd = fd};
	return loop_watch(c->w->loop, &end->watch, fd, LOOP_READ, on_side[side], c);
}

void endpoint_take(struct conn *c, int side, struct loop_watch *watched)
{
	struct endpoint *end = &c->side[side];

	*end = (struct endpoint){.fd = watched->fd,
		.room = true,
		.ready = watched->told & LOOP_READ,
		.hung_up = watched->told & LOOP_HANGUP};
	loop_watch_move(c->w->loop, watched, &end->watch, on_side[side], c);
}

void endpoint_later(struct conn *c, int side)
{
	loop_watch_later(c->w->loop, &c->side[side].watch, LOOP_READ);
}

void endpoint_patience(struct conn *c, uint8_t turns)
{
	c->side[CLIENT].watch.patient = c->side[ORIGIN].watch.patient = turns;
}

void endpoint_await_room(struct conn *c, int side)
{
	struct endpoint *end = &c->side[side];

	if (end->room)
		return;
	end->room = true;
	loop_watch_again(c->w->loop, &end->watch, LOOP_READ | LOOP_WRITE);
}

void endpoint_close(struct conn *c, int side)
{
	struct endpoint *end = &c->side[side];

	if (end->fd < 0)
		return;
	loop_unwatch(c->w->loop, &end->watch);
	tls_free(end->tls, end->spoiled);
	close(end->fd);
	*end = (struct endpoint){.fd = -1};
}

void endpoint_give(struct conn *c, int side, struct loop_watch *to)
{
	struct endpoint *end = &c->side[side];

	loop_watch_move(c->w->loop, &end->watch, to, NULL, NULL);
	*end = (struct endpoint){.fd = -1};
}

static bool not_now(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* A record may be left inside the session; and an end that was told before is not told again. */
static ssize_t read_tls(struct conn *c, int side, void *p, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t got = tls_read(end->tls, p, n);

	if (got == TLS_AGAIN || (got > 0 && tls_drained(end->tls) && !end->hung_up))
		end->ready = false;
	if (got == TLS_FULL)
		endpoint_await_room(c, side);
	if (got >= 0)
		return got;
	return got == TLS_BROKE ? ENDPOINT_FAILED : ENDPOINT_AGAIN;
}

static ssize_t write_plain(const struct endpoint *end, const void *p, size_t n)
{
	ssize_t sent;

	do
		sent = send(end->fd, p, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 && not_now() ? 0 : sent;
}

static bool buffered(const struct conn *c, int side)
{
	return c->side[side].tls && tls_buffered(c->side[side].tls);
}

size_t endpoint_readable(const struct conn *c, int side)
{
	int n = 0;

	if (buffered(c, side))
		return TLS_RECORD_MAX;
	if (ioctl(c->side[side].fd, FIONREAD, &n) < 0)
		return TLS_RECORD_MAX;
	return n < 1 ? 1 : (size_t)n;
}

ssize_t endpoint_read(struct conn *c, int side, void *p, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t got;

	if (!end->ready)
		return ENDPOINT_AGAIN;
	if (end->tls)
		return read_tls(c, side, p, n);
	do
		got = recv(end->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	/* what comes after the last byte is told, but for an end that was told before */
	if (got != 0 && got < (ssize_t)n && !(got > 0 && end->hung_up))
		end->ready = false;
	if (got >= 0)
		return got;
	return not_now() ? ENDPOINT_AGAIN : ENDPOINT_FAILED;
}

ssize_t endpoint_peek(struct conn *c, int side, void *p, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t got;

	if (!end->ready)
		return ENDPOINT_AGAIN;
	do
		got = recv(end->fd, p, n, MSG_PEEK);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	end->ready = false;
	return not_now() ? ENDPOINT_AGAIN : ENDPOINT_FAILED;
}

void endpoint_skip(struct conn *c, int side, size_t n)
{
	char away[4096];

	while (n) {
		ssize_t got = recv(c->side[side].fd, away, n < sizeof away ? n : sizeof away, 0);

		if (got <= 0 && errno != EINTR)
			return;
		n -= got > 0 ? (size_t)got : 0;
	}
}

ssize_t endpoint_write(struct conn *c, int side, const void *p, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t sent = end->tls ? tls_write(end->tls, p, n) : write_plain(end, p, n);

	if (sent < 0)
		return ENDPOINT_FAILED;
	if (sent < (ssize_t)n)
		endpoint_await_room(c, side);
	return sent;
}

ssize_t endpoint_fill(struct conn *c, int side, int pipe, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t got;

	if (!end->ready)
		return ENDPOINT_AGAIN;
	do
		got = splice(end->fd, NULL, pipe, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (got < 0 && errno == EINTR);
	/* less than n says nothing: the pipe may be full of small pieces */
	if (got >= 0)
		return got;
	end->ready = false;
	return not_now() ? ENDPOINT_AGAIN : ENDPOINT_FAILED;
}

ssize_t endpoint_drain(struct conn *c, int side, int pipe, size_t n)
{
	ssize_t sent;

	do
		sent = splice(
			pipe, NULL, c->side[side].fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && !not_now())
		return ENDPOINT_FAILED;
	if (sent < (ssize_t)n)
		endpoint_await_room(c, side);
	return sent < 0 ? 0 : sent;
}

void endpoint_shut(struct conn *c, int side)
{
	if (c->side[side].tls)
		tls_shut(c->side[side].tls);
	shutdown(c->side[side].fd, SHUT_WR);
}

void endpoint_spoil(struct conn *c, int side)
{
	static const struct linger at_once = {.l_onoff = 1};

	c->side[side].spoiled = true;
	setsockopt(c->side[side].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}
