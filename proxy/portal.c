/*
 * The portal: what stile answers itself, to plain http for its own name through the proxy, and to
 * requests that are sent to the listener as to a server. Here: which page, by which method, who
 * asks, and the answer's way out. No origin, no name look-up, and no access: it is not in the
 * journal, but for the person's first sight and acknowledgements.
 */
#include "portal_pages.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

enum { GET = 1, POST = 2 };

static const struct {
	const char *path;
	unsigned methods;
	bool login;
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

static enum step answer(struct conn *c)
{
	struct portal p;

	begin(c, &p);
	if (form_parse(query_of(&c->rq->head), &p.query))
		pages[c->rq->portal].fill(&p);
	else
		portal_say(&p, 400, "The address could not be understood",
			"What stands behind the question mark is no query.");
	return deliver(&p);
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

enum step portal_begin(struct conn *c)
{
	struct request *rq = c->rq;

	rq->at_portal = true;
	rq->portal = (uint8_t)page_of(&rq->head);
	count_add(&c->w->counters->portal[rq->portal], 1);
	if (!(method_of(c) & (pages[rq->portal].methods | (rq->portal == PORTAL_OTHER ? POST : 0))))
		return refuse(c, 405, "This cannot be done here",
			"The page can be read, and nothing else.");
	if (!pages[rq->portal].login)
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
	return c->rq->portal == PORTAL_LOGIN || portal_credentials(c).n > 0 || roles_held(c) == 0;
}

enum step portal_decide(struct conn *c)
{
	if (wants_login(c))
		return decide_login(c);
	return answer(c);
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

void portal_time(const struct portal *p, int64_t unix_s, struct buf *out)
{
	struct local_time t;
	char day[11], today[11];

	snapshot_local(p->policy, unix_s, &t);
	snapshot_day(p->policy, unix_s, day);
	snapshot_day(p->policy, p->now_ms / 1000, today);
	buf_printf(out, "%02d:%02d", t.minute / 60, t.minute % 60);
	if (strcmp(day, today) != 0)
		buf_printf(out, " on %s", day);
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
