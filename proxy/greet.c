/*
 * The beginning of a connection: where a balancer is in front it tells first who the client is; on
 * a TLS listener a handshake follows; then come requests as on any other.
 */
#include "conn.h"

#include "crowd.h"
#include "listener.h"
#include "proxied.h"

/* Who the client is is known from here on, and how many connections it has. */
enum end_reason greet_begin(struct conn *c)
{
	struct listener *l = &c->w->listener[c->listener];

	if (!crowd_enter(c->w->crowd, &c->client, worker_per_client(c->w))) {
		listener_refuse(l, c->side[CLIENT].fd, DROP_CLIENT);
		return END_REFUSED;
	}
	c->counted = true;
	conn_move(c, l->tls ? STATE_TLS : STATE_HEAD);
	if (l->tls &&
		!(c->side[CLIENT].tls = tls_accept(l->tls, c->w->tls_shared, c->side[CLIENT].fd)))
		return END_NO_MEMORY;
	return END_DONE;
}

/* An access that was not judged by its client's address is none: whoever is trusted to tell must.
 */
static enum step drop(struct conn *c)
{
	listener_dropped(&c->w->listener[c->listener], DROP_HEADER);
	return conn_leave(c, END_CLIENT_BAD);
}

static enum step introduced(struct conn *c, const struct proxied *told)
{
	enum end_reason why;

	conn_drop_request(c);
	if (told->told)
		c->client = told->client;
	why = greet_begin(c);
	return why == END_DONE ? STEP_ON : conn_leave(c, why);
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

	if (!c->rq && !c->side[CLIENT].ready)
		return STEP_WAIT;
	if (!c->rq && !conn_take_request(c))
		return conn_leave(c, END_NO_MEMORY);
	before = c->rq->n;
	n = endpoint_peek(c, CLIENT, part, sizeof part - before);
	if (n == ENDPOINT_AGAIN)
		return STEP_WAIT;
	if (n <= 0)
		return before ? drop(c)
			      : conn_leave(c, END_CLIENT_CLOSED); /* a look whether we live */
	if (!request_keep(c, part, (size_t)n))
		return conn_leave(c, END_NO_MEMORY);
	a = proxied_parse(span_of(c->rq->bytes, c->rq->n), &told);
	if (a == PROXIED_BAD || (a == PROXIED_MORE && c->rq->n == PROXIED_MAX))
		return drop(c);
	endpoint_skip(c, CLIENT, a == PROXIED_DONE ? told.size - before : (size_t)n);
	return a == PROXIED_DONE ? introduced(c, &told) : STEP_ON;
}

enum step greet_balancer_late(struct conn *c)
{
	return drop(c);
}

enum step greet_client(struct conn *c)
{
	switch (tls_handshake(c->side[CLIENT].tls)) {
	case TLS_DONE:
		/* a request may have come with it */
		c->side[CLIENT].ready =
			c->side[CLIENT].hung_up || !tls_drained(c->side[CLIENT].tls);
		return conn_move(c, STATE_HEAD);
	case TLS_WRITE:
		endpoint_await_room(c, CLIENT);
		return STEP_WAIT;
	case TLS_READ:
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
