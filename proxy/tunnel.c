/*
 * A tunnel: the answer to CONNECT, its first bytes (is it TLS, and for whom?), then bytes both ways
 * until both sides are done (RFC 9110 9.3.6).
 */
#include "conn.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

/* --- the first bytes ---------------------------------------------------------------------------
 */

bool tunnel_wants_tls(const struct conn *c)
{
	const struct snapshot *p = c->access.bundle->policy;
	struct rule_view rule;

	if (!snapshot_tls_only(p))
		return false;
	if (c->access.rule < 0)
		return true;
	snapshot_rule(p, (size_t)c->access.rule, &rule);
	return !rule.opaque;
}

enum step tunnel_start(struct conn *c)
{
	/* 2xx to CONNECT carries neither Content-Length nor Transfer-Encoding (RFC 9110 9.3.6) */
	static const char answer[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	struct request *rq = c->rq;
	size_t n = sizeof answer - 1;

	c->access.status = 200;
	/* the client has waited for this: its socket has room */
	if (endpoint_write(c, CLIENT, answer, n) != (ssize_t)n)
		return conn_leave(c, END_CLIENT_BROKE);
	if (!rejudge_watch(c))
		return conn_leave(c, END_NO_MEMORY);
	memmove(rq->bytes, rq->bytes + rq->head.size, rq->n - rq->head.size);
	rq->n -= rq->head.size;
	c->active_ms = loop_mono_ms(c->w->loop);
	return conn_move(c, STATE_HELLO);
}

/* The name in the ClientHello, where it is not the one that was judged: as much of it as the rule
 * records of destinations. */
static void note_name(struct conn *c, const char *name)
{
	struct request *rq = c->rq;
	const struct snapshot *p = c->access.bundle->policy;
	struct target t;
	struct host host;
	struct rule_view rule = {.record = RECORD_SERVICE};
	char label[HOST_MAX + 1];

	if (!*name || span_eq(span_str(name), host_span(&rq->head.host)))
		return;
	rq->other_name = true;
	if (!host_parse(span_str(name), &host)) {
		c->access.sni = strdup("?");
		return;
	}
	if (c->access.rule >= 0)
		snapshot_rule(p, (size_t)c->access.rule, &rule);
	policy_classify(p, &host, &t);
	policy_label(p, &host, &t, rule.record, label, sizeof label);
	c->access.sni = strdup(label);
}

/* From here on nothing of the request is needed; the bytes seen go on first. */
static enum step relay(struct conn *c, const char *tls)
{
	struct request *rq = c->rq;

	c->access.tls = tls;
	if (tunnel_wants_tls(c) && strcmp(tls, "tls") != 0)
		return conn_leave(c, END_NOT_TLS);
	/* what might still name another server is not passed on unread */
	if (snapshot_sni_match(c->access.bundle->policy) && (rq->other_name || rq->hello_open))
		return conn_leave(c, END_OTHER_NAME);
	if (!flow_send(c, &c->up, rq->bytes, rq->n))
		return conn_leave(c, END_NO_MEMORY);
	conn_drop_request(c);
	return conn_move(c, STATE_RELAY);
}

/* The first bytes so far, as OpenSSL reads them. True: they say what the tunnel carries. */
static bool recognised(struct conn *c, const char **tls)
{
	struct request *rq = c->rq;
	char name[HOST_MAX + 1] = "";

	rq->hello_open = false;
	switch (hello_read(c->w->hello, span_of(rq->bytes, rq->n), name)) {
	case HELLO_TLS:
		note_name(c, name);
		*tls = "tls";
		return true;
	case HELLO_OTHER:
		*tls = "other";
		return true;
	case HELLO_MORE:
		break;
	}
	*tls = "other";
	rq->hello_open = true;
	return rq->n >= HELLO_MAX;
}

enum step tunnel_hello(struct conn *c)
{
	struct request *rq = c->rq;
	const char *tls;
	ssize_t n;

	if (rq->n && recognised(c, &tls)) /* it came with the request's head */
		return relay(c, tls);
	while ((n = endpoint_read(c, CLIENT, c->w->scratch, HELLO_MAX)) > 0) {
		if (!request_keep(c, c->w->scratch, (size_t)n))
			return conn_leave(c, END_NO_MEMORY);
		if (recognised(c, &tls))
			return relay(c, tls);
	}
	if (n == ENDPOINT_FAILED)
		return conn_leave(c, END_CLIENT_BROKE);
	if (n == 0) {
		c->up.ended = true;
		return relay(c, rq->n ? "other" : "none");
	}
	/* an origin that speaks first is heard, unless the policy waits for TLS */
	if (!tunnel_wants_tls(c)) {
		enum flow_answer a = flow_pump(c, &c->down);

		if (a == FLOW_SOURCE || a == FLOW_ENDED)
			return relay(c, rq->n ? "other" : "none");
		if (a != FLOW_WAIT)
			return conn_leave(c, END_CLIENT_BROKE);
	}
	return STEP_WAIT;
}

enum step tunnel_hello_late(struct conn *c)
{
	return relay(c, c->rq->n ? "other" : "none");
}

/* --- both ways -----------------------------------------------------------------------------------
 */

enum step tunnel_upgrade(struct conn *c)
{
	struct request *rq = c->rq;

	c->access.tls = "none";
	c->up.body = c->down.body = NULL;
	c->up.ended = c->down.ended = false;
	if (!flow_put(&c->up, rq->bytes + rq->head.size, rq->n - rq->head.size))
		return conn_leave(c, END_NO_MEMORY);
	conn_drop_request(c); /* its access is watched since it was forwarded */
	return conn_move(c, STATE_RELAY);
}

/* A direction is over. True: the other is not, and what it still says is relayed, for a bounded
 * time; the first one says how the tunnel ends. */
static bool over(struct conn *c, struct flow *f, enum end_reason why)
{
	f->ended = f->shut = true;
	if (c->up.shut && c->down.shut)
		return false;
	c->ending = (uint8_t)why;
	loop_deadline_set(&c->timer, c->access.bundle->settings->stall_ms);
	return true;
}

/* One direction. True: go on; false: the tunnel ends, by *why unless a direction was over before.
 */
static bool move(struct conn *c, struct flow *f, enum end_reason *why)
{
	bool from_client = f->from == CLIENT;
	const struct flow *other = from_client ? &c->down : &c->up;

	switch (flow_pump(c, f)) {
	case FLOW_ENDED:
		if (f->shut)
			return true;
		if (!other->shut) /* otherwise the close, which is next, tells both */
			endpoint_shut(c, !f->from);
		return over(c, f, from_client ? END_CLIENT_CLOSED : END_ORIGIN_CLOSED);
	case FLOW_SOURCE:
		*why = from_client ? END_CLIENT_BROKE : END_ORIGIN_BROKE;
		return false;
	case FLOW_SINK: /* what it said before it broke is still in its socket */
		flow_free(f);
		return over(c, f, from_client ? END_ORIGIN_BROKE : END_CLIENT_BROKE);
	case FLOW_MEMORY:
		*why = END_NO_MEMORY;
		return false;
	case FLOW_WAIT:
	case FLOW_SHORT:
	case FLOW_BAD:
		break;
	}
	return true;
}

enum step tunnel_relay(struct conn *c)
{
	enum end_reason why = END_DONE;

	if (!move(c, &c->up, &why) || !move(c, &c->down, &why))
		return conn_leave(c, c->up.shut || c->down.shut ? c->ending : why);
	return STEP_WAIT;
}

void tunnel_renew(struct conn *c, const struct verdict *v, const struct facts *f)
{
	ledger_renew(c, v, f);
	if (c->access.tls && tunnel_wants_tls(c) && strcmp(c->access.tls, "tls") != 0)
		conn_end(c, END_NOT_TLS);
}

enum step tunnel_late(struct conn *c)
{
	const struct settings *s = c->access.bundle->settings;
	int64_t bound = c->up.shut || c->down.shut ? s->stall_ms : s->idle_ms;
	int64_t silent = (int64_t)(clock_mono_ms() - c->active_ms);

	if (silent >= bound)
		return conn_leave(c, END_IDLE);
	loop_deadline_set(
		&c->timer, bound - silent); /* it was not silent: no timer is moved per byte */
	return STEP_WAIT;
}
