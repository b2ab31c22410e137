/*
 * What stile itself says to a client: refusals, challenges, failures. Each tells which rule, why,
 * and whom to ask or when to come again; none repeats what the client sent beyond the host's name.
 */
#include "buf.h"
#include "clock.h"
#include "page.h"
#include "portal_pages.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINGER_BYTES (1u << 20)

/* Why there is no page, for people and for tools. */
struct reply {
	int status;
	const char *title;
	struct span text;  /* why, a sentence */
	const char *error; /* Proxy-Status error token (RFC 9209 2.3) */
	struct span rule, message, owner;
	uint32_t retry_s; /* 0: not said */
	bool coach;	  /* the portal has a page that opens it */
	bool challenge;
	bool close;
};

static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} known[] = {{200, "OK"}, {303, "See Other"}, {400, "Bad Request"}, {401, "Unauthorized"},
		{403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{407, "Proxy Authentication Required"}, {408, "Request Timeout"},
		{411, "Length Required"}, {413, "Content Too Large"}, {414, "URI Too Long"},
		{415, "Unsupported Media Type"}, {417, "Expectation Failed"},
		{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
		{501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
		{504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
		{508, "Loop Detected"}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].status == status)
			return known[i].phrase;
	return "Error";
}

/* --- any answer ----------------------------------------------------------------------------------
 */

static void head(const struct answer *a, bool close, struct buf *b)
{
	char date[64];
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	buf_printf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", a->status, phrase(a->status), date);
	buf_span(b, a->fields);
	buf_printf(b,
		"Content-Type: %s\r\nContent-Length: %zu\r\n"
		"Cache-Control: no-store\r\n%s\r\n",
		a->type, a->body.n, close ? "Connection: close\r\n" : "");
}

/* The rest of a request that is refused must be read or the connection closed (RFC 9112 9.3). */
static bool must_close(const struct conn *c, const struct answer *a)
{
	const struct request *rq = c->rq;

	return a->close || c->draining || !rq->parsed ||
	       (rq->head.body != BODY_NONE && !a->whole) || !rq->head.keep_alive;
}

enum step reply_send(struct conn *c, const struct answer *a)
{
	struct request *rq = c->rq;
	struct buf all;
	bool close, ok;

	if (!rq)
		return conn_leave(c, END_REFUSED);
	close = must_close(c, a);
	open_close_origin(c);
	flow_free(&c->up);
	flow_free(&c->down);
	buf_init(&all);
	head(a, close, &all);
	if (!rq->is_head)
		buf_span(&all, a->body);
	ok = !all.failed && flow_put(&c->down, all.p, all.n);
	buf_free(&all);
	if (!ok)
		return conn_leave(c, END_NO_MEMORY);
	rq->close_client = close;
	c->down.ended = true;
	return conn_move(c, STATE_REPLY);
}

/* --- answers that say why not --------------------------------------------------------------------
 */

static const struct settings *settings_of(const struct conn *c)
{
	return (c->rq->bundle ? c->rq->bundle : c->w->bundle)->settings;
}

/* The request's host as the portal takes it in a query. */
static void put_host(const struct conn *c, struct buf *b)
{
	const struct head_request *h = &c->rq->head;
	struct buf text = {0};

	portal_host_text(&h->host, h->port, h->form != FORM_AUTHORITY, &text);
	form_encode(b, buf_spanof(&text));
	buf_free(&text);
}

/* Short: people may have to type it. */
static void put_coach(const struct conn *c, const struct reply *r, struct buf *b)
{
	buf_printf(b, "http://%s/coach?rule=", settings_of(c)->portal);
	form_encode(b, r->rule);
}

/* Where the portal opens it, or tells more; nothing where there is no portal. */
static void more(const struct conn *c, const struct reply *r, struct buf *b)
{
	const char *portal = settings_of(c)->portal;

	if (!*portal)
		return;
	if (r->coach) {
		buf_adds(b, "<p><a class=\"go\" href=\"");
		put_coach(c, r, b);
		buf_adds(b, "&amp;host=");
		put_host(c, b);
		buf_adds(b, "\">Read and accept the code of conduct</a></p>\n");
	}
	buf_printf(b, "<p><a href=\"http://%s/why?host=", portal);
	put_host(c, b);
	buf_printf(b,
		"\">Why this page is not open</a> and <a href=\"http://%s/\">what is open to you"
		"</a>: the proxy's own pages tell.</p>\n",
		portal);
}

static void again(const struct conn *c, const struct reply *r, struct buf *b)
{
	int64_t now_s = clock_wall_ms() / 1000;

	if (!r->retry_s)
		return;
	if (r->retry_s < 120 || !c->rq->bundle) {
		buf_printf(b, "<p>Try again in %u seconds.</p>\n", r->retry_s);
		return;
	}
	buf_adds(b, "<p>Try again at ");
	portal_moment(c->rq->bundle->policy, now_s, now_s + r->retry_s, b);
	buf_adds(b, ".</p>\n");
}

static void page(const struct conn *c, const struct reply *r, struct buf *b)
{
	const struct request *rq = c->rq;

	page_begin(b, span_str(r->title));
	page_text(b, "<strong>", r->message, "</strong>");
	if (rq->facts.host)
		page_text(b, "You asked for <strong>", host_span(&rq->head.host), "</strong>.");
	buf_adds(b, "<dl>\n");
	page_term(b, "Reason", r->text);
	page_term(b, "Rule", r->rule);
	page_term(b, "Whom to ask", r->owner);
	buf_adds(b, "</dl>\n");
	again(c, r, b);
	if (rq->facts.host)
		more(c, r, b);
	page_end(b);
}

/* RFC 9209: what went wrong, for tools and support; words and rule names only, so quoting is safe.
 */
static void proxy_status(const struct conn *c, const struct reply *r, struct buf *b)
{
	buf_printf(b, "Proxy-Status: stile; error=%s; details=\"", r->error);
	if (r->rule.n) {
		buf_adds(b, "rule ");
		buf_span(b, r->rule);
		buf_adds(b, ": ");
	}
	buf_span(b, r->text);
	if (r->coach && *settings_of(c)->portal) {
		buf_adds(b, ": ");
		put_coach(c, r, b);
	}
	buf_adds(b, "\"\r\n");
}

/* A proxy asks with one field, a server with another (RFC 9110 11.6 and 11.7). */
static void challenge(const struct conn *c, const struct reply *r, struct buf *b)
{
	if (r->challenge)
		buf_printf(b, "%s: Basic realm=\"%s\", charset=\"UTF-8\"\r\n",
			r->status == 401 ? "WWW-Authenticate" : "Proxy-Authenticate",
			settings_of(c)->realm);
}

static enum step start(struct conn *c, const struct reply *r)
{
	struct answer a = {.status = r->status, .close = r->close};
	struct buf body, fields;
	enum step step;

	if (!c->rq)
		return conn_leave(c, END_REFUSED);
	buf_init(&body);
	buf_init(&fields);
	page(c, r, &body);
	challenge(c, r, &fields);
	if (r->retry_s)
		buf_printf(&fields, "Retry-After: %u\r\n", r->retry_s);
	proxy_status(c, r, &fields);
	buf_adds(&fields, PAGE_FIELDS);
	a.type = "text/html; charset=utf-8";
	a.body = buf_spanof(&body);
	a.fields = buf_spanof(&fields);
	step = body.failed || fields.failed ? conn_leave(c, END_NO_MEMORY) : reply_send(c, &a);
	buf_free(&body);
	buf_free(&fields);
	return step;
}

/* The portal's own requests are no accesses, and their refusals none either. */
static void write_down(struct conn *c, enum verdict_word verdict, enum reason reason)
{
	if (!c->rq->at_portal)
		ledger_refusal(c, verdict, reason);
}

static bool no_name(enum reason r)
{
	return r == REASON_NO_ADDRESS || r == REASON_DNS_FAILED || r == REASON_DNS_TIMEOUT;
}

enum step reply_refuse(struct conn *c, enum reason reason)
{
	const struct reason_info *info = reason_info(reason);
	struct request *rq = c->rq;
	struct rule_view rule = {.line = 0};
	struct reply r = {.status = info->status,
		.title = "This page is not open",
		.text = span_str(info->text),
		.error = "http_request_denied",
		.retry_s = rq->verdict.retry_s};

	if (rq->verdict.rule >= 0)
		snapshot_rule(rq->bundle->policy, (size_t)rq->verdict.rule, &rule);
	r.rule = rule.name;
	r.message = rule.message;
	r.owner = rule.owner;
	r.coach = reason == REASON_COACH;
	if (r.coach)
		r.title = "Before you go on";
	if (no_name(reason)) {
		r.title = "The name could not be found";
		r.error = reason == REASON_DNS_TIMEOUT ? "dns_timeout" : "dns_error";
	} else if (info->status == 503) {
		r.title = "Please try again";
		r.error = "proxy_internal_error";
		r.retry_s = 5;
	}
	write_down(c,
		no_name(reason) || reason == REASON_DNS_BUSY || reason == REASON_NO_RECORD
			? VERDICT_FAIL
			: VERDICT_DENY,
		reason);
	return start(c, &r);
}

enum step reply_challenge(struct conn *c, bool wrong)
{
	enum reason reason = wrong ? REASON_WRONG_LOGIN : REASON_LOGIN;
	bool asked_as_server = c->rq->at_portal && c->rq->head.form != FORM_ABSOLUTE;
	struct reply r = {.status = asked_as_server ? 401 : 407,
		.title = "Please log in to the proxy",
		.text = span_str(reason_info(reason)->text),
		.error = "http_request_denied",
		.challenge = true};

	write_down(c, VERDICT_CHALLENGE, reason);
	return start(c, &r);
}

enum step reply_bad_request(struct conn *c, enum head_error e)
{
	struct reply r = {.status = head_error_status(e),
		.title = "The request could not be understood",
		.text = span_str(head_error_text(e)),
		.error = "http_request_error",
		.close = true};

	ledger_refusal(c, VERDICT_FAIL, REASON_BAD_REQUEST);
	return start(c, &r);
}

enum step reply_failure(struct conn *c, int status, enum end_reason why)
{
	static const char *const texts[] = {
#define END(name, word, text) text,
#include "ends.def"
#undef END
	};
	struct reply r = {.status = status,
		.title = status == 503 ? "Please try again" : "The page could not be fetched",
		.text = span_str(texts[why]),
		.error = status == 504 ? "connection_timeout" : "destination_unavailable",
		.retry_s = status == 503 ? 5 : 0};

	if (status == 503)
		r.error = "proxy_internal_error";
	else if (status < 500)
		r.error = "http_request_error", r.close = true;
	c->access.status = (uint16_t)status;
	ledger_close(c, why);
	return start(c, &r);
}

/* Closing so that what was sent arrives: a close with unread bytes in the socket would reset it. */
enum step reply_closing(struct conn *c)
{
	open_close_origin(c); /* nobody listens to it any more */
	endpoint_shut(c, CLIENT);
	c->rq->lingered = 0;
	return conn_move(c, STATE_LINGER);
}

enum step reply_step(struct conn *c)
{
	enum flow_answer a = flow_flush(c, &c->down);

	if (a == FLOW_WAIT)
		return STEP_WAIT;
	if (a != FLOW_ENDED)
		return conn_leave(c, END_CLIENT_BROKE);
	if (c->rq->close_client)
		return reply_closing(c);
	return request_next(c);
}

enum step reply_linger(struct conn *c)
{
	ssize_t n;

	while ((n = endpoint_read(c, CLIENT, c->w->scratch, FLOW_BUFFER)) > 0) {
		c->rq->lingered += (size_t)n;
		if (c->rq->lingered > LINGER_BYTES)
			return conn_leave(c, END_REFUSED);
	}
	return n == ENDPOINT_AGAIN ? STEP_WAIT : conn_leave(c, END_REFUSED);
}

enum step reply_late(struct conn *c)
{
	return conn_leave(c, END_STALLED);
}
