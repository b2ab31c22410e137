/*
 * Via and Max-Forwards. What has come through stile too often goes in circles (RFC 9110 7.6). A
 * TRACE or OPTIONS whose hops are used up is answered here and not forwarded, so it is no access;
 * of others one hop is taken (RFC 9110 7.6.2).
 */
#include "conn.h"

#include "buf.h"
#include "hops.h"

#define HOPS_MAX UINT32_MAX

static bool counts_hops(const struct head_request *h)
{
	return span_is(h->method, "TRACE") || span_is(h->method, "OPTIONS");
}

/* received-protocol received-by [comment] (RFC 9110 7.6.3) */
static bool is_ours(struct span element)
{
	struct span rest = span_trim(element), protocol = span_cut(&rest, ' ');

	rest = span_trim(rest);
	return protocol.n && rest.p && span_is(span_cut(&rest, ' '), HOPS_VIA);
}

bool hops_loop(const struct head_request *h)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->n; i++) {
		struct span rest = h->field[i].value;

		while (span_caseeq(h->field[i].name, SPAN("Via")) && rest.p)
			n += is_ours(span_cut(&rest, ','));
	}
	return n >= HOPS_LOOP;
}

enum hops hops_left(const struct head_request *h, uint64_t *left)
{
	const struct head_field *f = head_find(h->field, h->n, "Max-Forwards");

	if (!f || !counts_hops(h))
		return HOPS_FREE;
	for (size_t i = 0; i < f->value.n; i++)
		if (f->value.p[i] < '0' || f->value.p[i] > '9')
			return HOPS_BAD;
	/* more than that many proxies stand in no row */
	if (!span_u64(f->value, HOPS_MAX, left))
		*left = HOPS_MAX;
	return f->value.n ? HOPS_COUNTED : HOPS_BAD;
}

/* What would tell who asks is left out (RFC 9110 9.3.8). */
static bool tells_who(struct span name)
{
	return span_caseeq(name, SPAN("Proxy-Authorization")) ||
	       span_caseeq(name, SPAN("Authorization")) || span_caseeq(name, SPAN("Cookie"));
}

static void mirror(const struct head_request *h, struct buf *b)
{
	buf_span(b, h->method);
	buf_addc(b, ' ');
	buf_span(b, h->target);
	buf_printf(b, " HTTP/1.%u\r\n", h->minor);
	for (size_t i = 0; i < h->n; i++) {
		if (tells_who(h->field[i].name))
			continue;
		buf_span(b, h->field[i].name);
		buf_adds(b, ": ");
		buf_span(b, h->field[i].value);
		buf_adds(b, "\r\n");
	}
	buf_adds(b, "\r\n");
}

enum step hops_answer(struct conn *c)
{
	const struct head_request *h = &c->rq->head;
	bool trace = span_is(h->method, "TRACE");
	struct answer a = {.status = 200, .type = trace ? "message/http" : "text/plain"};
	struct buf body;
	enum step step;

	buf_init(&body);
	if (trace)
		mirror(h, &body);
	else
		a.fields = SPAN(
			"Allow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE\r\n");
	a.body = buf_spanof(&body);
	step = body.failed ? conn_leave(c, END_NO_MEMORY) : reply_send(c, &a);
	buf_free(&body);
	return step;
}
