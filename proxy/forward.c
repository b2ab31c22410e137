/*
 * Plain http requests: the message is rebuilt from what was parsed, never copied through; bodies
 * are followed by their framing; what leaves has exactly one reading (RFC 9112 6, RFC 9110 7.6).
 */
#include "conn.h"

#include "buf.h"
#include "clock.h"
#include "hops.h"
#include "left.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERIM_MAX 100 /* 1xx responses to one request */

static bool is(struct span name, const char *what)
{
	return span_caseeq(name, span_str(what));
}

/* Fields that are written anew, or that end at this proxy. */
static bool own_field(struct span name)
{
	static const struct span own[] = {SPAN("Host"), SPAN("Content-Length"),
		SPAN("Transfer-Encoding"), SPAN("Proxy-Authorization"), SPAN("Proxy-Connection"),
		SPAN("Keep-Alive"), SPAN("TE"), SPAN("Stile-Limit")};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (own[i].n == name.n && span_caseeq(own[i], name))
			return true;
	return false;
}

static void field(struct buf *b, struct span name, struct span value)
{
	buf_span(b, name);
	buf_adds(b, ": ");
	buf_span(b, value);
	buf_adds(b, "\r\n");
}

/* What goes on as it came, and Via with the version in which it came. */
static void fields(struct buf *b, const struct head_field *v, size_t n, uint8_t minor, bool counted)
{
	for (size_t i = 0; i < n; i++)
		if (!own_field(v[i].name) && !head_hop_by_hop(v, n, v[i].name) &&
			!(counted && is(v[i].name, "Max-Forwards")))
			field(b, v[i].name, v[i].value);
	buf_adds(b, minor ? "Via: 1.1 " HOPS_VIA "\r\n" : "Via: 1.0 " HOPS_VIA "\r\n");
}

static void number_field(struct buf *b, const char *name, uint64_t value)
{
	buf_adds(b, name);
	buf_u64(b, value);
	buf_adds(b, "\r\n");
}

static void framing(struct buf *b, enum head_body body, uint64_t length)
{
	if (body == BODY_LENGTH)
		number_field(b, "Content-Length: ", length);
	else if (body == BODY_CHUNKED)
		buf_adds(b, "Transfer-Encoding: chunked\r\n");
}

static void upgrade(struct buf *b, const struct head_field *v, size_t n)
{
	const struct head_field *f = head_find(v, n, "Upgrade");

	buf_adds(b, "Connection: upgrade\r\n");
	if (f)
		field(b, SPAN("Upgrade"), f->value);
}

/* --- the request
 * ----------------------------------------------------------------------------------- */

static void request_head(const struct head_request *h, struct buf *b)
{
	char host[HOST_MAX + 3];
	uint64_t left;
	bool counted;

	buf_span(b, h->method);
	buf_addc(b, ' ');
	if (h->path.n == 0 && is(h->method, "OPTIONS"))
		buf_addc(b, '*'); /* RFC 9112 3.2.4 */
	else if (h->path.n == 0 || h->path.p[0] != '/')
		buf_addc(b, '/');
	buf_span(b, h->path);
	host_text(&h->host, host);
	buf_adds(b, " HTTP/1.1\r\nHost: ");
	buf_adds(b, host);
	if (h->port != 80) {
		buf_addc(b, ':');
		buf_u64(b, h->port);
	}
	buf_adds(b, "\r\n");
	counted = hops_left(h, &left) == HOPS_COUNTED;
	fields(b, h->field, h->n, h->minor, counted);
	if (counted) /* one hop is taken */
		number_field(b, "Max-Forwards: ", left - 1);
	if (h->upgrade)
		upgrade(b, h->field, h->n);
	framing(b, h->body, h->length);
	buf_adds(b, "\r\n");
}

/* Body bytes that came with the head; what lies behind the body stays for the next request.
 * END_DONE: fine. */
static enum end_reason early_body(struct conn *c)
{
	struct request *rq = c->rq;
	char *p = rq->bytes + rq->head.size;
	size_t n = rq->n - rq->head.size, used = 0;
	enum body_answer a = body_take(&rq->up_body, span_of(p, n), &used);

	if (a == BODY_BAD)
		return END_CLIENT_BAD;
	if (!flow_put(&c->up, p, used))
		return END_NO_MEMORY;
	memmove(p, p + used, n - used);
	rq->n -= used;
	c->up.ended = a == BODY_DONE;
	return END_DONE;
}

enum step forward_start(struct conn *c)
{
	struct request *rq = c->rq;
	enum end_reason why;
	struct buf b;
	bool ok;

	/* what comes behind a 101 is a tunnel as well: where it would be refused it is not asked
	 * for */
	if (tunnel_wants_tls(c))
		rq->head.upgrade = false;
	buf_init(&b);
	request_head(&rq->head, &b);
	flow_free(&c->up);
	flow_free(&c->down);
	ok = !b.failed && flow_put(&c->up, b.p, b.n);
	buf_free(&b);
	if (!ok)
		return reply_failure(c, 503, END_NO_MEMORY);
	body_start(&rq->up_body, rq->head.body, rq->head.length);
	why = early_body(c);
	if (why != END_DONE)
		return reply_failure(c, why == END_CLIENT_BAD ? 400 : 503, why);
	c->up.body = &rq->up_body;
	rejudge_forget(c); /* a second try leads to another address */
	if (!rejudge_watch(c))
		return reply_failure(c, 503, END_NO_MEMORY);
	c->origin_own |= head_find(rq->head.field, rq->head.n, "Authorization") != NULL;
	rq->answer_n = 0;
	rq->answered = false;
	rq->close_client = !rq->head.keep_alive || c->draining;
	rq->keep_origin = true;
	c->active_ms = loop_mono_ms(c->w->loop);
	return conn_move(c, STATE_FORWARD);
}

/* --- the response
 * ----------------------------------------------------------------------------------- */

/* Put together once a second; a worker is one thread. */
static void date(struct buf *b)
{
	static char text[64];
	static time_t said;
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	if (now != said)
		strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	said = now;
	field(b, SPAN("Date"), span_str(text));
}

/* A response without body may still say how long one would be (RFC 9110 8.6). */
static void response_framing(const struct request *rq, const struct head_response *r, struct buf *b)
{
	if (r->body != BODY_NONE)
		framing(b, r->body, r->length);
	else if ((rq->is_head || r->status == 304) && head_find(r->field, r->n, "Content-Length"))
		framing(b, BODY_LENGTH, r->length);
}

/* People whose budget is nearly spent are told in passing. */
static void limit_field(struct conn *c, struct buf *b)
{
	int64_t now_s = clock_wall_ms() / 1000;
	struct rule_view rule;
	struct left left;

	if (!c->access.bundle || c->access.rule < 0)
		return;
	snapshot_rule(c->access.bundle->policy, (size_t)c->access.rule, &rule);
	if (!rule.limits.minutes && !rule.limits.bytes)
		return;
	left_look(c->w, c->access.person, &rule, now_s, &left);
	left_field(&left, &rule, now_s, b);
}

static void response_head(struct conn *c, const struct head_response *r, struct buf *b)
{
	const struct request *rq = c->rq;

	buf_adds(b, "HTTP/1.1 ");
	buf_u64(b, r->status);
	buf_addc(b, ' ');
	buf_span(b, r->reason);
	buf_adds(b, "\r\n");
	fields(b, r->field, r->n, r->minor, false);
	if (r->status == 101)
		upgrade(b, r->field, r->n);
	else if (r->status >= 200 && !head_find(r->field, r->n, "Date"))
		date(b);
	if (r->status >= 200) {
		limit_field(c, b);
		response_framing(rq, r, b);
	}
	if (r->status >= 200 && rq->close_client)
		buf_adds(b, "Connection: close\r\n");
	buf_adds(b, "\r\n");
}

/* 1: more; 0: nothing now; -1: closed; -2: failed; -3: too large; -4: no memory. */
static int receive(struct conn *c)
{
	struct request *rq = c->rq;
	ssize_t n;

	if (rq->answer_n == rq->answer_cap) {
		size_t cap = rq->answer_cap ? rq->answer_cap * 2 : 4096;
		char *grown;

		if (cap > 2 * HEAD_MAX)
			return -3;
		grown = realloc(rq->answer, cap);
		if (!grown)
			return -4;
		rq->answer = grown;
		rq->answer_cap = cap;
	}
	n = endpoint_read(c, ORIGIN, rq->answer + rq->answer_n, rq->answer_cap - rq->answer_n);
	if (n == ENDPOINT_AGAIN)
		return 0;
	if (n <= 0)
		return n == 0 ? -1 : -2;
	rq->answer_n += (size_t)n;
	c->active_ms = loop_mono_ms(c->w->loop);
	return 1;
}

bool forward_repeatable(const struct request *rq)
{
	return rq->head.form == FORM_ABSOLUTE && rq->head.body == BODY_NONE &&
	       (rq->is_head || is(rq->head.method, "GET") || is(rq->head.method, "OPTIONS"));
}

/* The origin closed a kept connection just when it was used again: once more, on a new one. Only
 * where nothing of the answer came and a second request does no harm (RFC 9112 9.3.1). */
static bool may_retry(const struct conn *c)
{
	const struct request *rq = c->rq;

	return rq->reused && rq->answer_n == 0 && !rq->interim && forward_repeatable(rq);
}

/* Says it to the client, unless the client is in the middle of a message. */
static enum step fail(struct conn *c, int status, enum end_reason why)
{
	if (c->rq->answered || flow_pending(&c->down))
		return conn_leave(c, why);
	return reply_failure(c, status, why);
}

static enum step origin_failed(struct conn *c, enum end_reason why)
{
	if (may_retry(c))
		return open_close_origin(c), open_origin(c);
	return fail(c, 502, why);
}

/* What of the answer's bytes lies behind its head is the beginning of its body. */
static enum step body_begins(struct conn *c)
{
	struct request *rq = c->rq;
	char *p = rq->answer + rq->response.size;
	size_t n = rq->answer_n - rq->response.size, used = 0, content = 0;
	enum body_answer a;

	body_start(&rq->down_body, rq->response.body, rq->response.length);
	if (c->down.decode) {
		a = body_take_content(&rq->down_body, p, n, &used, &content);
	} else {
		a = body_take(&rq->down_body, span_of(p, n), &used);
		content = used;
	}
	if (a == BODY_BAD)
		return conn_leave(c, END_ORIGIN_BAD);
	if (used < n) /* never another response (RFC 9112 6.3) */
		rq->keep_origin = false;
	if (!flow_put(&c->down, p, content))
		return conn_leave(c, END_NO_MEMORY);
	c->down.body = &rq->down_body;
	c->down.ended = a == BODY_DONE;
	return STEP_ON;
}

static bool put_head(struct conn *c, const struct head_response *r)
{
	struct buf b;
	bool ok;

	buf_init(&b);
	response_head(c, r, &b);
	ok = !b.failed && flow_put(&c->down, b.p, b.n);
	buf_free(&b);
	return ok;
}

static void drop_answer(struct request *rq, size_t n)
{
	memmove(rq->answer, rq->answer + n, rq->answer_n - n);
	rq->answer_n -= n;
}

/* A head is whole: an interim one is passed on to those who know such (RFC 9110 15.2), a final one
 * begins the body. */
static enum step head_came(struct conn *c)
{
	struct request *rq = c->rq;
	struct head_response *r = &rq->response;

	if (r->status == 101) {
		if (!rq->head.upgrade)
			return origin_failed(c, END_ORIGIN_BAD);
		if (!put_head(c, r) ||
			!flow_put(&c->down, rq->answer + r->size, rq->answer_n - r->size))
			return conn_leave(c, END_NO_MEMORY);
		c->access.status = 101;
		return tunnel_upgrade(c);
	}
	if (r->status < 200) {
		if (++rq->interim > INTERIM_MAX)
			return origin_failed(c, END_ORIGIN_BAD);
		if (rq->head.minor == 1 && !put_head(c, r))
			return conn_leave(c, END_NO_MEMORY);
		drop_answer(rq, r->size);
		return STEP_ON;
	}
	rq->answered = true;
	c->access.status = r->status;
	c->origin_own |= r->status == 401;
	rq->keep_origin &= r->keep_alive && r->body != BODY_UNTIL_CLOSE;
	if (r->body == BODY_UNTIL_CLOSE || (r->body == BODY_CHUNKED && rq->head.minor == 0))
		rq->close_client = true;
	c->down.decode = r->body == BODY_CHUNKED && rq->head.minor == 0;
	if (c->down.decode)
		r->body = BODY_UNTIL_CLOSE; /* as the client will see it */
	if (!put_head(c, r))
		return conn_leave(c, END_NO_MEMORY);
	if (c->down.decode)
		r->body = BODY_CHUNKED;
	return body_begins(c);
}

/* Reads the response's head. */
static enum step await_answer(struct conn *c)
{
	struct request *rq = c->rq;
	int got = rq->answer_n ? 1 : receive(c);

	for (; got > 0; got = receive(c)) {
		enum head_answer a = head_parse_response(
			span_of(rq->answer, rq->answer_n), rq->is_head, &rq->response);

		if (a == HEAD_BAD)
			return origin_failed(c, END_ORIGIN_BAD);
		if (a == HEAD_DONE)
			return head_came(c);
	}
	if (got == -1)
		return origin_failed(c, rq->answer_n ? END_ORIGIN_SHORT : END_ORIGIN_CLOSED);
	if (got == -4)
		return fail(c, 503, END_NO_MEMORY);
	if (got < 0)
		return origin_failed(c, got == -2 ? END_ORIGIN_BROKE : END_ORIGIN_BAD);
	return STEP_WAIT;
}

/* --- both together
 * ------------------------------------------------------------------------------------ */

static enum step finished(struct conn *c)
{
	struct request *rq = c->rq;
	bool whole = c->up.ended && !flow_pending(&c->up);

	c->origin_kept = rq->keep_origin && whole;
	if (!c->origin_kept)
		open_close_origin(c);
	ledger_close(c, END_DONE);
	/* the rest of the request, or more than was asked for, may still be coming */
	return whole && !rq->close_client ? request_next(c) : reply_closing(c);
}

void forward_break(struct conn *c)
{
	/* where only the end of the connection ends the message, a clean one would lie (RFC 9112 8)
	 */
	if (c->rq && c->rq->answered &&
		(c->down.decode || c->rq->response.body == BODY_UNTIL_CLOSE))
		endpoint_spoil(c, CLIENT);
}

/* The request's way up. True: go on. */
static bool send_up(struct conn *c, enum step *step)
{
	switch (flow_pump(c, &c->up)) {
	case FLOW_WAIT:
	case FLOW_ENDED:
		return true;
	case FLOW_SINK: /* it may have answered before it had all */
		if (may_retry(c)) {
			*step = origin_failed(c, END_ORIGIN_BROKE);
			return false;
		}
		flow_free(&c->up);
		c->up.ended = true;
		c->rq->keep_origin = false;
		c->rq->close_client = true;
		return true;
	case FLOW_BAD:
		*step = fail(c, 400, END_CLIENT_BAD);
		return false;
	case FLOW_SHORT:
	case FLOW_SOURCE:
		*step = conn_leave(c, END_CLIENT_CLOSED);
		return false;
	case FLOW_MEMORY:
		break;
	}
	*step = conn_leave(c, END_NO_MEMORY);
	return false;
}

static enum step send_down(struct conn *c)
{
	switch (flow_pump(c, &c->down)) {
	case FLOW_WAIT:
		break;
	case FLOW_ENDED:
		return finished(c);
	case FLOW_SHORT:
		return conn_leave(c, END_ORIGIN_SHORT);
	case FLOW_BAD:
		return conn_leave(c, END_ORIGIN_BAD);
	case FLOW_SOURCE:
		return conn_leave(c, END_ORIGIN_BROKE);
	case FLOW_SINK:
		return conn_leave(c, END_CLIENT_BROKE);
	case FLOW_MEMORY:
		return conn_leave(c, END_NO_MEMORY);
	}
	return STEP_WAIT;
}

/* One response's head, once the interim one before it is with the client. */
static enum step next_head(struct conn *c)
{
	enum flow_answer before = flow_flush(c, &c->down);
	enum step step = before == FLOW_ENDED ? await_answer(c) : STEP_WAIT;

	if (before == FLOW_SINK)
		return conn_leave(c, END_CLIENT_BROKE);
	return step;
}

enum step forward_step(struct conn *c)
{
	enum step step;

	if (!send_up(c, &step))
		return step;
	return c->rq->answered ? send_down(c) : next_head(c);
}

enum step forward_late(struct conn *c)
{
	int64_t bound = c->access.bundle->settings->stall_ms;
	int64_t silent = (int64_t)(clock_mono_ms() - c->active_ms);

	if (silent < bound) {
		loop_deadline_set(&c->timer, bound - silent);
		return STEP_WAIT;
	}
	return fail(c, 504, END_STALLED);
}
