/* Reading, writing and watching one end of a connection. */
#include "endpoint.h"

#include "conn.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_ready(struct conn *c, int side, short what)
{
	c->side[side].ready |= (uint8_t)(what & (LOOP_READ | LOOP_WRITE));
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

void endpoint_want(struct conn *c, int side, uint8_t want)
{
	struct endpoint *end = &c->side[side];

	if (end->want == want || end->fd < 0)
		return;
	if (end->want)
		loop_del(&end->ev);
	end->want = want;
	if (!want)
		return;
	loop_init(&end->ev, c->w->loop, end->fd, want | LOOP_PERSIST,
		side == CLIENT ? on_client : on_origin, c);
	loop_add(&end->ev, -1);
}

void endpoint_rest(struct conn *c)
{
	if (c->side[CLIENT].ready & LOOP_READ)
		endpoint_want(c, CLIENT, 0);
}

void endpoint_open(struct conn *c, int side, int fd)
{
	struct endpoint *end = &c->side[side];

	end->fd = fd;
	end->want = end->ready = 0;
	end->spoiled = false;
	end->tls = NULL;
}

void endpoint_close(struct conn *c, int side)
{
	struct endpoint *end = &c->side[side];

	if (end->fd < 0)
		return;
	endpoint_want(c, side, 0);
	tls_free(end->tls, end->spoiled);
	end->tls = NULL;
	close(end->fd);
	end->fd = -1;
	end->ready = 0;
}

static bool not_now(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* A record may be left inside the session: only its "nothing now" uses the readiness up. */
static ssize_t read_tls(struct endpoint *end, void *p, size_t n)
{
	ssize_t got = tls_read(end->tls, p, n);

	if (got == TLS_AGAIN)
		end->ready &= (uint8_t)~LOOP_READ;
	if (got >= 0)
		return got;
	return got == TLS_AGAIN ? ENDPOINT_AGAIN : ENDPOINT_FAILED;
}

static ssize_t write_tls(struct endpoint *end, const void *p, size_t n)
{
	ssize_t sent = tls_write(end->tls, p, n);

	if (sent >= 0)
		return sent;
	return sent == TLS_AGAIN ? 0 : ENDPOINT_FAILED;
}

bool endpoint_buffered(const struct conn *c, int side)
{
	return c->side[side].tls && tls_buffered(c->side[side].tls);
}

size_t endpoint_readable(const struct conn *c, int side)
{
	int n = 0;

	if (endpoint_buffered(c, side))
		return TLS_RECORD_MAX;
	if (ioctl(c->side[side].fd, FIONREAD, &n) < 0)
		return TLS_RECORD_MAX;
	return n < 1 ? 1 : (size_t)n;
}

ssize_t endpoint_read(struct conn *c, int side, void *p, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t got;

	if (!(end->ready & LOOP_READ))
		return ENDPOINT_AGAIN;
	if (end->tls)
		return read_tls(end, p, n);
	do
		got = recv(end->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	/* level-triggered: what comes later is told again */
	if (got != 0 && got < (ssize_t)n)
		end->ready &= (uint8_t)~LOOP_READ;
	if (got >= 0)
		return got;
	return not_now() ? ENDPOINT_AGAIN : ENDPOINT_FAILED;
}

ssize_t endpoint_peek(struct conn *c, int side, void *p, size_t n)
{
	struct endpoint *end = &c->side[side];
	ssize_t got;

	if (!(end->ready & LOOP_READ))
		return ENDPOINT_AGAIN;
	do
		got = recv(end->fd, p, n, MSG_PEEK);
	while (got < 0 && errno == EINTR);
	if (got >= 0)
		return got;
	end->ready &= (uint8_t)~LOOP_READ;
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
	ssize_t sent;

	if (c->side[side].tls)
		return write_tls(&c->side[side], p, n);
	do
		sent = send(c->side[side].fd, p, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return not_now() ? 0 : ENDPOINT_FAILED;
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
