/*
 * The portal: what stile answers itself, to plain http for its own name through the proxy, and to
 * requests that are sent to the listener as to a server. Here: which page, by which method, who
 * asks, and the answer's way out. No origin, no name look-up, and no access: it is not in the
 * journal, but for the person's first sight and acknowledgements.
 */
#include "portal_pages.h"

#include "clock.h"
#include "explain.h"
#include "standing.h"

#include <stdlib.h>
#include <string.h>

enum { GET = 1, POST = 2 };
enum who { ANYONE, KNOWN, PERSON };

static const struct {
	const char *path;
	unsigned methods;
	enum who login;
	void (*fill)(struct portal *p);
} pages[] = {
#define PORTAL(name, word, path, methods, login, fill, text) {path, methods, login, fill},
#include "portal.def"
#undef PORTAL
};

bool portal_named(const struct conn *c)
{
	const struct request *rq = c->rq;
	const char *name = rq->bundle->settings->portal;

	return *name && span_is(host_span(&rq->head.host), name);
}

bool portal_asked(const struct conn *c)
{
	const struct head_request *h = &c->rq->head;

	if (h->form == FORM_ORIGIN || h->form == FORM_ASTERISK)
		return *c->rq->bundle->settings->portal;
	return h->form == FORM_ABSOLUTE && h->port == 80 && portal_named(c);
}

/* --- the answer ----------------------------------------------------------------------------------
 */

static struct span query_of(const struct head_request *h)
{
	struct span rest = h->path;

	span_cut(&rest, '?');
	return rest.p ? rest : SPAN("");
}

/* Roles by network are the policy's to tell; any host will do to ask it. */
static uint64_t roles_held(const struct conn *c)
{
	struct facts facts = c->rq->facts;
	struct target target = {0};
	struct host host;
	struct verdict v = {0};

	if (!host_parse(SPAN("any.invalid"), &host))
		return 0;
	facts.host = &host;
	facts.target = &target;
	facts.port = 80;
	facts.now_s = clock_wall_ms() / 1000;
	policy_evaluate(c->rq->bundle->policy, &facts, &v, NULL);
	return v.roles;
}

static void begin(struct conn *c, struct portal *p)
{
	const struct request *rq = c->rq;

	p->c = c;
	p->policy = rq->bundle->policy;
	p->settings = rq->bundle->settings;
	p->now_ms = clock_wall_ms();
	p->roles = roles_held(c);
	p->query.n = 0;
	p->posted = NULL;
	p->ack = false;
	p->status = 200;
	p->type = "text/html; charset=utf-8";
	buf_init(&p->fields);
	buf_init(&p->body);
}

static enum step deliver(struct portal *p)
{
	struct answer a = {.status = p->status, .type = p->type, .whole = p->c->rq->form_read};
	enum step step;

	if (span_starts(span_str(p->type), SPAN("text/html")))
		buf_adds(&p->fields, PAGE_FIELDS);
	a.fields = buf_spanof(&p->fields);
	a.body = buf_spanof(&p->body);
	if (p->fields.failed || p->body.failed)
		step = conn_leave(p->c, END_NO_MEMORY);
	else
		step = reply_send(p->c, &a);
	buf_free(&p->fields);
	buf_free(&p->body);
	return step;
}

/* Fills in the answer and sends it, or what must come before it. */
static enum step answer_form(struct conn *c, const struct form *posted)
{
	struct portal p;

	begin(c, &p);
	p.posted = posted;
	if (form_parse(query_of(&c->rq->head), &p.query))
		pages[c->rq->portal].fill(&p);
	else
		portal_say(&p, 400, "The address could not be understood",
			"What stands behind the question mark is no query.");
	if (!p.ack)
		return deliver(&p);
	buf_free(&p.fields);
	buf_free(&p.body);
	conn_move(c, STATE_ACK);
	ledger_ack(c);
	return STEP_ON;
}

static enum step answer(struct conn *c)
{
	return answer_form(c, NULL);
}

static enum step refuse(struct conn *c, int status, const char *title, const char *text)
{
	struct portal p;

	begin(c, &p);
	if (status == 405)
		buf_printf(&p.fields, "Allow: GET, HEAD%s\r\n",
			pages[c->rq->portal].methods & POST ? ", POST" : "");
	portal_say(&p, status, title, text);
	return deliver(&p);
}

/* --- the question --------------------------------------------------------------------------------
 */

static enum portal_page page_of(const struct head_request *h)
{
	struct span rest = h->path, path = span_cut(&rest, '?');

	if (path.n == 0 && h->form != FORM_ASTERISK)
		path = SPAN("/");
	for (size_t i = 0; i < PORTAL_OTHER; i++)
		if (span_is(path, pages[i].path))
			return (enum portal_page)i;
	return PORTAL_OTHER;
}

static unsigned method_of(const struct conn *c)
{
	if (c->rq->is_head || span_is(c->rq->head.method, "GET"))
		return GET;
	return span_is(c->rq->head.method, "POST") ? POST : 0;
}

static enum step begin_form(struct conn *c);

enum step portal_begin(struct conn *c)
{
	struct request *rq = c->rq;

	rq->at_portal = true;
	rq->portal = (uint8_t)page_of(&rq->head);
	count_add(&c->w->counters->portal[rq->portal], 1);
	if (!(method_of(c) & (pages[rq->portal].methods | (rq->portal == PORTAL_OTHER ? POST : 0))))
		return refuse(c, 405, "This cannot be done here",
			"The page can be read, and nothing else.");
	if (pages[rq->portal].login == ANYONE)
		return answer(c);
	return conn_move(c, STATE_DECIDE);
}

struct span portal_credentials(const struct conn *c)
{
	const struct head_request *h = &c->rq->head;
	const struct head_field *f;

	if (h->form == FORM_ABSOLUTE)
		return h->proxy_authorization;
	f = head_find(h->field, h->n, "Authorization");
	return f ? f->value : SPAN("");
}

/* A terminal whose network gives it a role needs no login; who sends one is known by it. */
static bool wants_login(const struct conn *c)
{
	if (c->rq->facts.identity != IDENTITY_UNKNOWN)
		return false;
	return pages[c->rq->portal].login == PERSON || portal_credentials(c).n > 0 ||
	       roles_held(c) == 0;
}

enum step portal_decide(struct conn *c)
{
	if (wants_login(c))
		return decide_login(c);
	return method_of(c) == POST ? begin_form(c) : answer(c);
}

/* --- forms ---------------------------------------------------------------------------------------
 */

static bool is_form(const struct head_request *h)
{
	const struct head_field *f = head_find(h->field, h->n, "Content-Type");
	struct span rest = f ? f->value : SPAN("");

	return span_caseeq(
		span_trim(span_cut(&rest, ';')), SPAN("application/x-www-form-urlencoded"));
}

/* What of the body came with the head; what lies behind it stays for the next request. */
static void take_early(struct request *rq)
{
	char *p = rq->bytes + rq->head.size;
	size_t n = rq->n - rq->head.size;

	rq->form_n = n < rq->head.length ? n : (size_t)rq->head.length;
	memcpy(rq->form, p, rq->form_n);
	memmove(p, p + rq->form_n, n - rq->form_n);
	rq->n -= rq->form_n;
}

static enum step begin_form(struct conn *c)
{
	struct request *rq = c->rq;
	const struct head_request *h = &rq->head;

	if (h->expect_continue)
		return refuse(c, 417, "The form was not sent", "It is short: send it at once.");
	if (h->body != BODY_LENGTH)
		return refuse(c, 411, "The form could not be read",
			"It came without saying how long it is.");
	if (h->length > FORM_MAX)
		return refuse(
			c, 413, "The form could not be read", "It is longer than any of ours.");
	if (!is_form(h))
		return refuse(c, 415, "The form could not be read", "It is none of a browser's.");
	rq->form = malloc((size_t)h->length + 1);
	if (!rq->form)
		return conn_leave(c, END_NO_MEMORY);
	take_early(rq);
	return conn_move(c, STATE_FORM);
}

static enum step form_came(struct conn *c)
{
	struct request *rq = c->rq;
	struct form posted;

	rq->form_read = true;
	if (!form_parse(span_of(rq->form, rq->form_n), &posted))
		return refuse(c, 400, "The form could not be read", "It is malformed.");
	return answer_form(c, &posted);
}

enum step portal_form(struct conn *c)
{
	struct request *rq = c->rq;
	size_t length = (size_t)rq->head.length;

	while (rq->form_n < length) {
		ssize_t n = endpoint_read(c, CLIENT, rq->form + rq->form_n, length - rq->form_n);

		if (n == ENDPOINT_AGAIN)
			return STEP_WAIT;
		if (n <= 0)
			return conn_leave(c, END_CLIENT_CLOSED);
		rq->form_n += (size_t)n;
	}
	return form_came(c);
}

enum step portal_form_late(struct conn *c)
{
	return refuse(c, 408, "The form could not be read", "It did not come in time.");
}

/* --- acknowledgements ----------------------------------------------------------------------------
 */

/* The journal has it: now, and not before, it is in force. */
static bool put_in_force(struct conn *c)
{
	const struct ack *a = &c->rq->ack;
	struct worker *w = c->w;
	struct standing_ack ack = {
		.at_s = a->at_ms / 1000, .until_s = a->until_ms / 1000, .purpose = a->choice};
	struct rule_view rule;
	struct standing_entry *e;

	snapshot_rule(c->rq->bundle->policy, a->rule, &rule);
	e = standing_hold(w->standing, w->index, span_str(c->access.person), rule.name,
		worker_today(w, ack.at_s));
	if (!e)
		return false;
	standing_acknowledge(w->standing, e, &ack);
	standing_release(e, w->index);
	count_add(&w->counters->acks, 1);
	return true;
}

static enum step unrecorded(struct conn *c)
{
	return refuse(c, 503, "Please try again",
		"Your acknowledgement could not be recorded, so it does not hold.");
}

enum step portal_acked(struct conn *c)
{
	struct portal p;

	if (c->rq->noted == NOTED_NOTHING) {
		return STEP_WAIT;
	}
	if (c->rq->noted == NOTED_FAILED || !put_in_force(c))
		return unrecorded(c);
	begin(c, &p);
	portal_coached(&p);
	return deliver(&p);
}

enum step portal_acked_late(struct conn *c)
{
	if (c->rq->ticket)
		journal_forget(c->rq->ticket);
	c->rq->ticket = NULL;
	return unrecorded(c);
}

/* --- what pages have in common -------------------------------------------------------------------
 */

static void link_to(struct portal *p, enum portal_page here, enum portal_page to, const char *text)
{
	buf_printf(&p->body, "<li><a href=\"%s\"%s>%s</a></li>\n", pages[to].path,
		here == to ? " aria-current=\"page\"" : "", text);
}

void portal_page_begin(struct portal *p, enum portal_page here, struct span title)
{
	page_begin(&p->body, title);
	buf_adds(&p->body, "<nav aria-label=\"Pages\"><ul>\n");
	link_to(p, here, PORTAL_STATUS, "Your access");
	link_to(p, here, PORTAL_WHY, "Why is a page refused?");
	buf_adds(&p->body, "</ul></nav>\n");
}

void portal_page_end(struct portal *p)
{
	page_end(&p->body);
}

void portal_say(struct portal *p, int status, const char *title, const char *text)
{
	p->status = status;
	portal_page_begin(p, PORTAL_OTHER, span_str(title));
	page_text(&p->body, "", span_str(text), "");
	portal_page_end(p);
}

void portal_missing(struct portal *p)
{
	portal_say(
		p, 404, "There is no such page", "The links above lead to those that there are.");
}

void portal_login(struct portal *p)
{
	p->status = 303;
	buf_adds(&p->fields, "Location: /\r\n");
}

bool portal_host(struct span typed, struct host *host, uint16_t *port, bool *plain)
{
	static const struct span https = {"https://", 8}, http = {"http://", 7};

	typed = span_trim(typed);
	*plain = typed.n >= http.n && span_caseeq(span_of(typed.p, http.n), http);
	if (*plain)
		typed = span_of(typed.p + http.n, typed.n - http.n);
	else if (typed.n >= https.n && span_caseeq(span_of(typed.p, https.n), https))
		typed = span_of(typed.p + https.n, typed.n - https.n);
	for (size_t i = 0; i < typed.n; i++)
		if (strchr("/?#", typed.p[i]))
			typed.n = i;
	return typed.n && explain_host(typed, *plain ? 80 : 443, host, port);
}

void portal_host_text(const struct host *host, uint16_t port, bool plain, struct buf *out)
{
	char text[HOST_MAX + 3];

	host_text(host, text);
	buf_printf(out, "%s%s", plain ? "http://" : "", text);
	if (port != (plain ? 80 : 443))
		buf_printf(out, ":%u", port);
}

struct facts portal_facts(const struct portal *p)
{
	struct facts facts = p->c->rq->facts;

	facts.now_s = p->now_ms / 1000;
	return facts;
}

struct standing_entry *portal_standing(const struct portal *p, const struct rule_view *rule)
{
	/* without a login all of a network's people share what the rule gives */
	const char *person = *p->c->access.person ? p->c->access.person : "-";

	return standing_find(p->c->w->standing, span_str(person), rule->name);
}

struct span portal_user(const struct portal *p)
{
	return span_str(p->c->rq->user);
}

const char *portal_strength(const struct portal *p)
{
	if (*p->c->access.person)
		return "by user name and password";
	return p->roles ? "by the network of this computer, without a login" : "not at all";
}

void portal_roles(const struct portal *p, struct buf *out)
{
	uint64_t roles = p->roles;

	for (size_t i = 0, n = 0; roles; i++, roles >>= 1)
		if (roles & 1) {
			buf_adds(out, n++ ? ", " : "");
			buf_span(out, snapshot_role(p->policy, i));
		}
}

void portal_moment(const struct snapshot *p, int64_t now_s, int64_t at_s, struct buf *out)
{
	struct local_time t;
	struct local_day today, that;
	char date[11];

	snapshot_local(p, at_s, &t);
	snapshot_local_day(p, now_s, &today);
	snapshot_local_day(p, at_s, &that);
	buf_printf(out, "%02d:%02d", t.minute / 60, t.minute % 60);
	if (that.number == today.number)
		return;
	snapshot_day(p, at_s, date);
	if (that.number == today.number + 1)
		buf_adds(out, " tomorrow");
	else
		buf_printf(out, " on %s", date);
}

void portal_time(const struct portal *p, int64_t unix_s, struct buf *out)
{
	portal_moment(p->policy, p->now_ms / 1000, unix_s, out);
}

void portal_duration(int64_t ms, struct buf *out)
{
	static const struct {
		int64_t ms;
		const char *one, *many;
	} units[] = {{86400000, "day", "days"}, {3600000, "hour", "hours"},
		{60000, "minute", "minutes"}, {1000, "second", "seconds"}};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (ms >= units[i].ms && ms % units[i].ms == 0) {
			int64_t n = ms / units[i].ms;

			buf_printf(out, "%lld %s", (long long)n,
				n == 1 ? units[i].one : units[i].many);
			return;
		}
	buf_printf(out, "%lld milliseconds", (long long)ms);
}

void portal_json_text(struct buf *b, const char *key, struct span text)
{
	buf_printf(b, ",\"%s\":", key);
	if (text.n)
		buf_json(b, text);
	else
		buf_adds(b, "null");
}
