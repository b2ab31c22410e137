/*
 * From a client's bytes to a parsed request head, and from one request to the next on a connection
 * that is kept.
 */
#include "conn.h"

#include "clock.h"
#include "hops.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_READ 4096

static bool reserve(struct request *rq, size_t cap)
{
	char *grown;

	if (rq->cap >= cap)
		return true;
	grown = realloc(rq->bytes, cap);
	if (!grown)
		return false;
	rq->bytes = grown;
	rq->cap = cap;
	return true;
}

static void grown(struct request *rq, size_t n)
{
	rq->n += n;
	if (rq->written < rq->n)
		rq->written = rq->n;
}

bool request_keep(struct conn *c, const void *p, size_t n)
{
	struct request *rq = c->rq;

	if (!reserve(rq, rq->n + n))
		return false;
	memcpy(rq->bytes + rq->n, p, n);
	grown(rq, n);
	return true;
}

/* One read into the request's buffer. 1: got some; 0: nothing now; -1: the client is gone. */
static int receive(struct conn *c)
{
	struct request *rq = c->rq;
	ssize_t n;

	if (rq->n == rq->cap && !reserve(rq, rq->cap ? rq->cap * 2 : FIRST_READ))
		return -1;
	n = endpoint_read(c, CLIENT, rq->bytes + rq->n, rq->cap - rq->n);
	if (n == ENDPOINT_AGAIN)
		return 0;
	if (n <= 0)
		return -1;
	if (rq->n == 0) /* the head's deadline begins with its first byte */
		conn_move(c, STATE_HEAD);
	grown(rq, (size_t)n);
	return 1;
}

/* The head is whole: from here on one bundle decides everything about this request. */
static enum step begin(struct conn *c)
{
	struct request *rq = c->rq;
	uint64_t hops = 0;

	rq->parsed = true;
	rq->is_head = span_is(rq->head.method, "HEAD");
	rq->bundle = bundle_ref(c->w->bundle);
	rq->generation = rejudge_generation(c->w->rejudge);
	rq->verdict.rule = rq->verdict.role = -1;
	rq->facts = (struct facts){
		.client = c->client,
		.identity = rq->bundle->accounts ? IDENTITY_UNKNOWN : IDENTITY_NOBODY,
	};
	if (portal_asked(c))
		return portal_begin(c);
	if (rq->head.form != FORM_AUTHORITY && rq->head.form != FORM_ABSOLUTE)
		return reply_bad_request(c, HEAD_ERROR_TARGET);
	policy_classify(rq->bundle->policy, &rq->head.host, &rq->target);
	rq->facts.host = &rq->head.host;
	rq->facts.target = &rq->target;
	rq->facts.port = rq->head.port;
	if (portal_named(c)) /* it has one port, and no TLS */
		return reply_refuse(c, REASON_PORTAL);
	if (hops_loop(&rq->head))
		return reply_bad_request(c, HEAD_ERROR_LOOP);
	switch (hops_left(&rq->head, &hops)) {
	case HOPS_BAD:
		return reply_bad_request(c, HEAD_ERROR_HOPS);
	case HOPS_COUNTED:
		if (hops == 0)
			return hops_answer(c);
		break;
	case HOPS_FREE:
		break;
	}
	return conn_move(c, STATE_DECIDE);
}

enum step request_read(struct conn *c)
{
	struct request *rq;
	int got;

	if (c->side[ORIGIN].ready && !open_origin_waits(c)) /* it has closed, or babbles */
		open_close_origin(c);
	if (!c->rq && !c->side[CLIENT].ready)
		return STEP_WAIT;
	if (!c->rq && !conn_take_request(c))
		return conn_leave(c, END_NO_MEMORY);
	rq = c->rq;
	got = rq->n ? 1 : receive(c);
	for (; got > 0; got = receive(c)) {
		enum head_answer a = head_parse_request(span_of(rq->bytes, rq->n), &rq->head);

		if (a == HEAD_DONE)
			return begin(c);
		if (a == HEAD_BAD)
			return reply_bad_request(c, rq->head.error);
	}
	if (got < 0)
		return conn_leave(c, END_CLIENT_CLOSED);
	if (rq->n == 0)
		conn_drop_request(c);
	return STEP_WAIT;
}

enum step request_late(struct conn *c)
{
	/* silence between requests needs no answer; half a head does (RFC 9110 15.5.9) */
	if (!c->rq || c->rq->n == 0)
		return conn_leave(c, END_IDLE);
	return reply_failure(c, 408, END_STALLED);
}

enum step request_next(struct conn *c)
{
	struct request *rq = c->rq, *old;
	const struct bundle *b = c->w->bundle;
	char *left = rq->bytes + rq->head.size;
	size_t n = rq->n - rq->head.size;

	if (c->draining)
		return reply_closing(c);
	flow_free(&c->up);
	flow_free(&c->down);
	c->served = true;
	old = rq;
	c->rq = NULL;
	if (n && !(conn_take_request(c) && request_keep(c, left, n))) {
		conn_drop_request(c);
		c->rq = old;
		return conn_leave(c, END_NO_MEMORY);
	}
	rq = c->rq;
	c->rq = old;
	conn_drop_request(c);
	c->rq = rq;
	c->access.person[0] = 0; /* each request says anew who asks */
	conn_move(c, STATE_HEAD);
	if (!rq)
		loop_deadline_set(&c->timer, b->settings->keep_alive_ms);
	return STEP_ON;
}
