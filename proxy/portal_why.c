/*
 * Why is a host refused, or open? The same function answers that decides, with a trace. No name is
 * looked up: the address behind it counts as an outside one of no country, and the answer says so.
 */
#include "explain.h"
#include "portal_pages.h"
#include "quota.h"

#include <string.h>

/* A question and its answer; the page and the JSON are made from it. */
struct why {
	bool asked, understood, plain;
	struct span typed;
	struct host host;
	struct target target;
	uint16_t port;
	struct verdict v;
	struct rule_view rule; /* that decided; without one its texts are empty */
	struct trace trace;
	enum condition tried[POLICY_RULES_MAX];
};

/* How the person stands under the rule that the policy asks about; nothing is taken. */
static bool tell_standing(const struct portal *p, const struct why *w, struct facts *f)
{
	int64_t until_s = INT64_MAX;

	return w->v.decision == DECISION_NEED &&
	       (w->v.need == NEED_ACK || w->v.need == NEED_LIMIT) &&
	       quota_look(p->c->w, p->policy, p->c->access.person, &w->v, f, &until_s);
}

static void evaluate(const struct portal *p, struct why *w)
{
	struct facts facts = portal_facts(p);

	policy_classify(p->policy, &w->host, &w->target);
	facts.host = &w->host;
	facts.target = &w->target;
	facts.port = w->port;
	facts.address_state = w->host.literal ? ADDRESS_KNOWN : ADDRESS_OUTSIDE;
	facts.address = w->host.addr;
	facts.observe_all = worker_observes(p->c->w);
	w->trace = (struct trace){.cap = POLICY_RULES_MAX, .v = w->tried};
	do
		policy_evaluate(p->policy, &facts, &w->v, &w->trace);
	while (tell_standing(p, w, &facts));
	if (w->v.rule >= 0)
		snapshot_rule(p->policy, (size_t)w->v.rule, &w->rule);
	/* the portal's own name is never judged */
	if (!span_is(host_span(&w->host), p->settings->portal))
		return;
	w->v = (struct verdict){.decision = w->port == 80 ? DECISION_ALLOW : DECISION_DENY,
		.reason = REASON_PORTAL,
		.rule = -1};
	w->rule = (struct rule_view){.line = 0};
	w->trace.n = 0;
}

static void work_out(const struct portal *p, struct why *w)
{
	memset(w, 0, offsetof(struct why, tried));
	w->typed = form_get(&p->query, "host");
	w->asked = w->typed.n > 0;
	w->understood = portal_host(w->typed, &w->host, &w->port, &w->plain);
	if (w->understood)
		evaluate(p, w);
}

/* --- for people ----------------------------------------------------------------------------------
 */

static void form(struct portal *p, const struct why *w)
{
	struct buf *b = &p->body;

	buf_adds(b, "<form action=\"/why\" method=\"get\">\n<p><label for=\"host\">Name of the "
		    "host, or "
		    "the address of the page</label><br>\n"
		    "<input type=\"text\" id=\"host\" name=\"host\" required maxlength=\"1000\" "
		    "autocomplete=\"off\" spellcheck=\"false\" value=\"");
	buf_html(b, w->typed);
	buf_adds(b, "\"></p>\n<p><button>Ask</button></p>\n</form>\n");
}

static const char *open_or_not(const struct why *w)
{
	switch (w->v.decision) {
	case DECISION_ALLOW:
		return "is open to you";
	case DECISION_DENY:
		return "is not open to you";
	case DECISION_NEED:
		break;
	}
	return w->v.need == NEED_IDENTITY ? "depends on who you are"
					  : "cannot be told from its name";
}

static void coach_link(struct portal *p, const struct why *w)
{
	struct buf *b = &p->body, host = {0};

	buf_adds(b, "<p><a class=\"go\" href=\"/coach?rule=");
	form_encode(b, w->rule.name);
	buf_adds(b, "&amp;host=");
	portal_host_text(&w->host, w->port, w->plain, &host);
	form_encode(b, buf_spanof(&host));
	buf_adds(b, "\">Read and accept the code of conduct</a></p>\n");
	buf_free(&host);
}

static void sentence(struct portal *p, const struct why *w)
{
	struct buf *b = &p->body;

	buf_printf(b, "<div class=\"say%s\"><p><strong>",
		w->v.decision == DECISION_ALLOW ? "" : " warn");
	buf_html(b, host_span(&w->host));
	buf_printf(b, "</strong>, port %u, <strong>%s</strong>.", w->port, open_or_not(w));
	if (w->v.decision == DECISION_DENY && w->rule.message.n) {
		buf_addc(b, ' ');
		buf_html(b, w->rule.message);
	}
	buf_adds(b, "</p></div>\n");
	if (w->v.decision == DECISION_DENY && w->v.reason == REASON_COACH)
		coach_link(p, w);
	if (w->v.decision == DECISION_NEED && w->v.need == NEED_IDENTITY)
		buf_adds(b, "<p><a href=\"/login\">Log in</a> to know.</p>\n");
}

static void services(const struct portal *p, const struct why *w, struct buf *out)
{
	for (size_t i = 0; i < w->target.services; i++) {
		struct span title = snapshot_service_title(p->policy, w->target.service[i].service);

		if (title.n == 0)
			title = snapshot_service(p->policy, w->target.service[i].service);
		buf_adds(out, i ? ", " : "");
		buf_span(out, title);
	}
}

static void reasons(struct portal *p, const struct why *w)
{
	struct buf *b = &p->body, service = {0};

	services(p, w, &service);
	buf_adds(b, "<dl>\n");
	if (w->v.decision != DECISION_NEED)
		page_term(b, "Reason", span_str(reason_info(w->v.reason)->text));
	page_term(b, "Service", buf_spanof(&service));
	page_term(b, "Rule", w->rule.name);
	page_term(b, "Purpose", w->rule.purpose);
	page_term(b, "Whom to ask", w->rule.owner);
	buf_adds(b, "</dl>\n");
	buf_free(&service);
}

static bool speaks_of_host(enum condition c)
{
	return c != COND_TO && c != COND_NOT_REACHED;
}

static void tried(struct portal *p, const struct why *w)
{
	struct buf *b = &p->body;
	size_t others = 0;

	if (w->trace.n == 0)
		return;
	buf_adds(b, "<h2>The rules, in the order in which they are tried</h2>\n"
		    "<p>The first that holds decides.</p>\n<ol class=\"trace\">\n");
	for (size_t i = 0; i < w->trace.n; i++) {
		struct rule_view r;

		if (!speaks_of_host(w->tried[i])) {
			others += w->tried[i] == COND_TO;
			continue;
		}
		snapshot_rule(p->policy, i, &r);
		buf_printf(b, "<li value=\"%zu\"><strong>", i + 1);
		buf_html(b, r.name);
		buf_printf(b, "</strong>: %s</li>\n", condition_text(w->tried[i]));
	}
	buf_adds(b, "</ol>\n");
	if (others)
		buf_printf(b, "<p>%zu %s for other hosts.</p>\n", others,
			others == 1 ? "rule before it is" : "rules before it are");
}

void portal_why(struct portal *p)
{
	struct why w;

	work_out(p, &w);
	portal_page_begin(p, PORTAL_WHY, SPAN("Why is a page refused?"));
	form(p, &w);
	if (w.asked && !w.understood) {
		p->status = 400;
		buf_adds(&p->body, "<div class=\"say warn\"><p>That is no name of a host. Expected "
				   "something like <strong>www.example.org</strong>.</p></div>\n");
	}
	if (w.understood) {
		sentence(p, &w);
		reasons(p, &w);
		tried(p, &w);
		buf_adds(&p->body,
			"<p class=\"soft\">The name was not looked up. If its address lies inside "
			"the organisation, or in a country that a rule speaks of, the proxy may "
			"answer otherwise.</p>\n");
	}
	portal_page_end(p);
}

/* --- for machines --------------------------------------------------------------------------------
 */

static void json_tried(const struct portal *p, const struct why *w, struct buf *b)
{
	buf_adds(b, ",\"rules\":[");
	for (size_t i = 0; i < w->trace.n && w->tried[i] != COND_NOT_REACHED; i++) {
		struct rule_view r;

		snapshot_rule(p->policy, i, &r);
		buf_adds(b, i ? ",{\"rule\":" : "{\"rule\":");
		buf_json(b, r.name);
		buf_adds(b, ",\"condition\":");
		buf_json(b, span_str(condition_text(w->tried[i])));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void json_services(const struct portal *p, const struct why *w, struct buf *b)
{
	buf_adds(b, ",\"services\":[");
	for (size_t i = 0; i < w->target.services; i++) {
		buf_adds(b, i ? "," : "");
		buf_json(b, snapshot_service(p->policy, w->target.service[i].service));
	}
	buf_addc(b, ']');
}

void portal_why_json(struct portal *p)
{
	struct buf *b = &p->body;
	struct why w;
	bool decided;

	p->type = "application/json";
	work_out(p, &w);
	if (!w.understood) {
		p->status = 400;
		buf_adds(b, "{\"version\":1,\"error\":\"expected ?host=NAME\"}\n");
		return;
	}
	decided = w.v.decision != DECISION_NEED;
	buf_adds(b, "{\"version\":1");
	portal_json_text(b, "host", host_span(&w.host));
	buf_printf(b, ",\"port\":%u", w.port);
	portal_json_text(b, "verdict", span_str(decision_word(w.v.decision)));
	portal_json_text(b, "need", span_str(decided ? "" : need_word(w.v.need)));
	portal_json_text(b, "reason", span_str(decided ? reason_info(w.v.reason)->word : ""));
	portal_json_text(b, "text", span_str(decided ? reason_info(w.v.reason)->text : ""));
	portal_json_text(b, "rule", w.rule.name);
	portal_json_text(b, "message", w.rule.message);
	portal_json_text(b, "purpose", w.rule.purpose);
	portal_json_text(b, "owner", w.rule.owner);
	json_services(p, &w, b);
	json_tried(p, &w, b);
	buf_adds(b, "}\n");
}
