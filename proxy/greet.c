/*
 * The beginning of a connection: where a balancer is in front it tells first who the client is; on
 * a TLS listener a handshake follows; then come requests as on any other.
 */
#include "conn.h"

#include "clock.h"
#include "listener.h"
#include "log.h"
#include "proxied.h"

#define SAY_MS 10000 /* between two lines about headers that are not sound */

bool greet_begin(struct conn *c)
{
	struct tls_server *tls = c->w->listener[c->listener].tls;

	conn_move(c, tls ? STATE_TLS : STATE_HEAD);
	if (tls)
		c->side[CLIENT].tls = tls_accept(tls, c->side[CLIENT].fd);
	return !tls || c->side[CLIENT].tls;
}

/* An access that was not judged by its client's address is none: whoever is trusted to tell must.
 */
static enum step drop(struct conn *c, const char *why)
{
	struct listener *l = &c->w->listener[c->listener];

	count_add(&c->w->counters->drop[DROP_HEADER], 1);
	if (c->w->now_ms - l->said_header_ms > SAY_MS || !l->said_header_ms) {
		l->said_header_ms = c->w->now_ms;
		log_warn("accept",
			"a connection of a balancer named in proxy_protocol (port %u) is dropped: "
			"%s",
			l->at.port, why);
	}
	return conn_leave(c, END_CLIENT_BAD);
}

static enum step introduced(struct conn *c, const struct proxied *told)
{
	conn_drop_request(c);
	if (told->told)
		c->client = told->client;
	return greet_begin(c) ? STEP_ON : conn_leave(c, END_NO_MEMORY);
}

/* Bytes behind the header are the client's, and TLS's to read: they are only looked at. Those of a
 * header that goes on are kept here, so that the loop does not tell of them again and again. */
enum step greet_balancer(struct conn *c)
{
	char part[PROXIED_MAX];
	struct proxied told;
	enum proxied_answer a;
	size_t before;
	ssize_t n;

	if (!c->rq && !(c->side[CLIENT].ready & LOOP_READ))
		return STEP_WAIT;
	if (!c->rq && !conn_take_request(c))
		return conn_leave(c, END_NO_MEMORY);
	before = c->rq->n;
	n = endpoint_peek(c, CLIENT, part, sizeof part - before);
	if (n == ENDPOINT_AGAIN)
		return STEP_WAIT;
	if (n <= 0)
		return before ? drop(c, "its header is cut off")
			      : conn_leave(c, END_CLIENT_CLOSED); /* a look whether we live */
	if (!request_keep(c, part, (size_t)n))
		return conn_leave(c, END_NO_MEMORY);
	a = proxied_parse(span_of(c->rq->bytes, c->rq->n), &told);
	if (a == PROXIED_BAD || (a == PROXIED_MORE && c->rq->n == PROXIED_MAX))
		return drop(c, "it does not begin with a sound PROXY protocol header");
	endpoint_skip(c, CLIENT, a == PROXIED_DONE ? told.size - before : (size_t)n);
	return a == PROXIED_DONE ? introduced(c, &told) : STEP_ON;
}

enum step greet_balancer_late(struct conn *c)
{
	return drop(c, "its header did not come in time");
}

enum step greet_client(struct conn *c)
{
	switch (tls_handshake(c->side[CLIENT].tls)) {
	case TLS_DONE:
		endpoint_want(c, CLIENT, LOOP_READ);
		c->side[CLIENT].ready |= LOOP_READ; /* a request may have come with it */
		return conn_move(c, STATE_HEAD);
	case TLS_READ:
		endpoint_want(c, CLIENT, LOOP_READ);
		return STEP_WAIT;
	case TLS_WRITE:
		endpoint_want(c, CLIENT, LOOP_WRITE);
		return STEP_WAIT;
	case TLS_FAILED:
		break;
	}
	return conn_leave(c, END_CLIENT_BROKE);
}

enum step greet_late(struct conn *c)
{
	return conn_leave(c, END_STALLED);
}
