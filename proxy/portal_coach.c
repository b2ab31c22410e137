/*
 * The coach page: a person accepts the code of conduct and says what for; then a rule that coaches
 * is as open as one that allows, for a while. The form carries a token that only this page gives
 * out, to this person, for this rule and these terms, and that is void once it was used.
 */
#include "portal_pages.h"
#include "standing.h"
#include "token.h"

#include <string.h>

/* A rule that asks for an acknowledgement, as it is for the person who asks. */
struct coach {
	size_t index;
	struct rule_view rule;
	struct rule_now now;
	struct span purpose[POLICY_PURPOSES_MAX];
	size_t purposes;
	struct standing_ack ack;
	bool acked;
	/* what was to be opened, if the refusal told */
	bool has_host, plain;
	struct host host;
	uint16_t port;
};

static void take_rule(const struct portal *p, size_t i, struct coach *k)
{
	struct facts facts = portal_facts(p);
	const struct standing_entry *e;

	k->index = i;
	snapshot_rule(p->policy, i, &k->rule);
	policy_rule_now(p->policy, &facts, i, &k->now);
	k->purposes = snapshot_rule_purposes(p->policy, i, k->purpose, POLICY_PURPOSES_MAX);
	e = portal_standing(p, &k->rule);
	k->ack = (struct standing_ack){0};
	if (e && *p->c->access.person)
		standing_ack(e, &k->ack);
	k->acked = k->ack.until_s > p->now_ms / 1000;
}

/* Does the rule ask the person for anything? */
static bool asks(const struct coach *k)
{
	return k->rule.remember_s > 0 && !k->rule.observe && k->now.for_you;
}

static bool find_rule(const struct portal *p, struct span name, struct coach *k)
{
	size_t n = snapshot_rules(p->policy);

	memset(k, 0, sizeof *k);
	for (size_t i = 0; i < n; i++) {
		snapshot_rule(p->policy, i, &k->rule);
		if (!span_eq(k->rule.name, name))
			continue;
		take_rule(p, i, k);
		return asks(k);
	}
	return false;
}

static void take_host(const struct form *f, struct coach *k)
{
	struct span typed = form_get(f, "host");

	k->has_host = portal_host(typed, &k->host, &k->port, &k->plain);
}

/* --- tokens --------------------------------------------------------------------------------------
 */

/* What the page says is accepted: a token given out with other words is of no use. */
static struct token_claim claim_of(const struct portal *p, const struct coach *k)
{
	return (struct token_claim){.person = span_str(p->c->access.person),
		.rule = k->rule.name,
		.terms = snapshot_conduct(p->policy)};
}

static const char *token_fault(const struct portal *p, const struct coach *k)
{
	struct token_claim claim = claim_of(p, k);
	int64_t issued_ms = 0;

	switch (token_check(p->c->w->digest, p->c->rq->bundle->pseudonym_key, &claim,
		form_get(p->posted, "token"), p->now_ms, &issued_ms)) {
	case TOKEN_GOOD:
		break;
	case TOKEN_EXPIRED:
		return "The page was open for more than ten minutes.";
	case TOKEN_FORGED:
		return "The form was made for somebody else, for another rule or for other words.";
	}
	if (k->ack.until_s && issued_ms / 1000 <= k->ack.at_s)
		return "It was sent before.";
	return NULL;
}

/* A browser says where a form came from; a form on somebody else's page is not the person's word
 * (Fetch Metadata where it is sent; RFC 6454 7). */
static bool from_elsewhere(const struct portal *p)
{
	const struct head_request *h = &p->c->rq->head;
	const struct head_field *site = head_find(h->field, h->n, "Sec-Fetch-Site");
	const struct head_field *origin = head_find(h->field, h->n, "Origin");
	char own[HOST_MAX + 32], host[HOST_MAX + 3];
	bool tls = p->c->side[CLIENT].tls && h->form != FORM_ABSOLUTE;

	if (site && !span_is(site->value, "same-origin") && !span_is(site->value, "none"))
		return true;
	if (!origin)
		return false;
	host_text(&h->host, host);
	if (h->port == (tls ? 443 : 80))
		snprintf(own, sizeof own, "http%s://%s", tls ? "s" : "", host);
	else
		snprintf(own, sizeof own, "http%s://%s:%u", tls ? "s" : "", host, h->port);
	return !span_caseeq(origin->value, span_str(own));
}

/* --- the page ------------------------------------------------------------------------------------
 */

static void conduct(struct portal *p)
{
	struct span text = snapshot_conduct(p->policy);
	bool link = span_starts(text, SPAN("https://")) || span_starts(text, SPAN("http://"));

	if (text.n == 0) {
		buf_adds(&p->body, "<p>What is recorded, and for how long, stands on "
				   "<a href=\"/\">the page about your access</a>.</p>\n");
		return;
	}
	buf_adds(&p->body, "<h2>The code of conduct</h2>\n");
	if (!link) {
		page_text(&p->body, "", text, "");
		return;
	}
	buf_adds(&p->body, "<p>Read it at <a href=\"");
	buf_html(&p->body, text);
	buf_adds(&p->body, "\">");
	buf_html(&p->body, text);
	buf_adds(&p->body, "</a>.</p>\n");
}

static void hidden(struct buf *b, const char *name, struct span value)
{
	buf_printf(b, "<input type=\"hidden\" name=\"%s\" value=\"", name);
	buf_html(b, value);
	buf_adds(b, "\">\n");
}

static void choices(struct portal *p, const struct coach *k)
{
	struct buf *b = &p->body;

	if (k->purposes == 0)
		return;
	if (k->purposes == 1) {
		page_text(b, "Purpose: <strong>", k->purpose[0], "</strong>");
		return;
	}
	buf_adds(b, "<fieldset><legend>What is it for?</legend>\n");
	for (size_t i = 0; i < k->purposes; i++) {
		buf_adds(b, "<label class=\"tick\"><input type=\"radio\" name=\"purpose\" "
			    "required value=\"");
		buf_html(b, k->purpose[i]);
		buf_adds(b, "\"><span>");
		buf_html(b, k->purpose[i]);
		buf_adds(b, "</span></label>\n");
	}
	buf_adds(b, "</fieldset>\n");
}

static void acceptance(struct portal *p, const struct coach *k)
{
	struct token_claim claim = claim_of(p, k);
	struct buf *b = &p->body, host = {0};
	char token[TOKEN_LEN + 1];

	token_make(p->c->w->digest, p->c->rq->bundle->pseudonym_key, &claim, p->now_ms, token);
	buf_adds(b, "<form action=\"/coach\" method=\"post\">\n");
	hidden(b, "rule", k->rule.name);
	hidden(b, "token", span_str(token));
	if (k->has_host) {
		portal_host_text(&k->host, k->port, k->plain, &host);
		hidden(b, "host", buf_spanof(&host));
	}
	choices(p, k);
	buf_printf(b,
		"<p><label class=\"tick\"><input type=\"checkbox\" name=\"accept\" value=\"yes\" "
		"required><span>%s</span></label></p>\n<p><button>Accept and go on</button></p>\n"
		"</form>\n",
		snapshot_conduct(p->policy).n
			? "I accept the code of conduct."
			: "I keep to this purpose, and know that it is recorded.");
	buf_free(&host);
}

/* What the rule is, in a list. */
static void terms(struct portal *p, const struct coach *k)
{
	struct buf *b = &p->body, to = {0};

	policy_rule_to(p->policy, k->index, &to);
	buf_adds(b, "<dl>\n");
	page_term(b, "Open then", buf_spanof(&to));
	buf_adds(b, "<dt>For</dt><dd>");
	portal_duration((int64_t)k->rule.remember_s * 1000, b);
	buf_adds(b, " from when you accept</dd>\n");
	page_term(b, "Rule", k->rule.name);
	page_term(b, "Whom to ask", k->rule.owner);
	buf_adds(b, "</dl>\n");
	buf_free(&to);
}

static void ask(struct portal *p, const struct coach *k, const char *fault)
{
	struct buf *b = &p->body;

	portal_page_begin(p, PORTAL_COACH, SPAN("Before you go on"));
	if (fault)
		page_text(b, "<strong class=\"warn\">", span_str(fault), "</strong>");
	page_text(b, "", k->rule.message, "");
	if (k->has_host)
		page_text(b, "<strong>", host_span(&k->host),
			"</strong> opens once you have accepted what stands here.");
	terms(p, k);
	conduct(p);
	acceptance(p, k);
	buf_printf(b,
		"<p class=\"soft\">Recorded are your pseudonym (%s), the rule, the purpose and the "
		"time.</p>\n",
		p->c->access.person);
	portal_page_end(p);
}

static void way_on(struct portal *p, const struct coach *k)
{
	struct buf *b = &p->body;
	char host[HOST_MAX + 3];

	if (!k->has_host) {
		buf_adds(b, "<p>Go back to the page that you wanted and load it again.</p>\n");
		return;
	}
	host_text(&k->host, host);
	buf_printf(b, "<p><a href=\"http%s://%s", k->plain ? "" : "s", host);
	if (k->port != (k->plain ? 80 : 443))
		buf_printf(b, ":%u", k->port);
	buf_adds(b, "/\">Open ");
	buf_html(b, host_span(&k->host));
	buf_adds(b, "</a>, or go back to the page that you wanted and load it again.</p>\n");
}

static void thank(struct portal *p, const struct coach *k)
{
	struct buf *b = &p->body;

	portal_page_begin(p, PORTAL_COACH, SPAN("You may go on"));
	buf_adds(b, "<div class=\"say\"><p>You accepted the code of conduct at <strong>");
	portal_time(p, k->ack.at_s, b);
	buf_adds(b, "</strong>. It holds until <strong>");
	portal_time(p, k->ack.until_s, b);
	buf_adds(b, "</strong>.</p></div>\n");
	way_on(p, k);
	buf_adds(b, "<dl>\n");
	if (k->ack.purpose < k->purposes)
		page_term(b, "Purpose", k->purpose[k->ack.purpose]);
	page_term(b, "Rule", k->rule.name);
	page_term(b, "Whom to ask", k->rule.owner);
	buf_adds(b, "</dl>\n");
	if (!k->now.open)
		buf_adds(b, "<p>The rule is not open at this time of day, though.</p>\n");
	portal_page_end(p);
}

/* --- which rules ask -----------------------------------------------------------------------------
 */

static void list_rules(struct portal *p)
{
	struct buf *b = &p->body;
	size_t n = snapshot_rules(p->policy), found = 0;
	struct coach k;

	portal_page_begin(p, PORTAL_COACH, SPAN("What opens once you accept the code of conduct"));
	for (size_t i = 0; i < n; i++) {
		take_rule(p, i, &k);
		if (!asks(&k))
			continue;
		buf_adds(b, found++ ? "<li><a href=\"/coach?rule="
				    : "<ul>\n<li><a href=\"/coach?rule=");
		form_encode(b, k.rule.name);
		buf_adds(b, "\">");
		policy_rule_to(p->policy, i, b);
		buf_printf(b, "</a>%s</li>\n", k.acked ? " (accepted)" : "");
	}
	buf_adds(
		b, found ? "</ul>\n" : "<p>Nothing: no rule that holds for you asks for it.</p>\n");
	portal_page_end(p);
}

/* --- the answer to the form ----------------------------------------------------------------------
 */

static bool pick(const struct portal *p, const struct coach *k, struct ack *out)
{
	struct span picked = form_get(p->posted, "purpose");

	out->purpose = k->purposes ? k->purpose[0] : SPAN("");
	out->choice = 0;
	if (k->purposes < 2)
		return true;
	for (size_t i = 0; i < k->purposes; i++)
		if (span_eq(k->purpose[i], picked)) {
			out->purpose = k->purpose[i];
			out->choice = (uint8_t)i;
			return true;
		}
	return false;
}

static void stale(struct portal *p, const struct coach *k, const char *why)
{
	struct buf *b = &p->body;

	p->status = 403;
	portal_page_begin(p, PORTAL_COACH, SPAN("This form is no longer good"));
	page_text(b, "", span_str(why), " Nothing was accepted by it.");
	buf_adds(b, "<p><a href=\"/coach?rule=");
	form_encode(b, k->rule.name);
	buf_adds(b, "\">Open the page again</a>.</p>\n");
	portal_page_end(p);
}

static void accept_form(struct portal *p)
{
	struct ack *ack = &p->c->rq->ack;
	const char *fault;
	struct coach k;

	if (from_elsewhere(p)) {
		portal_say(p, 403, "This form came from another page",
			"Only the form on the proxy's own page is taken for your word.");
		return;
	}
	if (!find_rule(p, form_get(p->posted, "rule"), &k)) {
		portal_missing(p);
		return;
	}
	take_host(p->posted, &k);
	fault = token_fault(p, &k);
	if (fault) {
		stale(p, &k, fault);
		return;
	}
	ack->rule = k.index;
	ack->role = k.now.role;
	ack->at_ms = p->now_ms;
	ack->until_ms = p->now_ms + (int64_t)k.rule.remember_s * 1000;
	if (!span_is(form_get(p->posted, "accept"), "yes")) {
		p->status = 400;
		ask(p, &k, "Tick the box if you accept.");
	} else if (!pick(p, &k, ack)) {
		p->status = 400;
		ask(p, &k, "Pick what it is for.");
	} else {
		p->ack = true;
	}
}

void portal_coach(struct portal *p)
{
	struct span name = form_get(p->posted ? p->posted : &p->query, "rule");
	struct coach k;

	if (!*p->c->access.person) {
		portal_say(p, 403, "Please log in first",
			"Only a person can accept the code of conduct, and the proxy does not know "
			"who "
			"you are.");
		return;
	}
	if (p->posted) {
		accept_form(p);
		return;
	}
	if (name.n == 0) {
		list_rules(p);
		return;
	}
	if (!find_rule(p, name, &k)) {
		portal_say(p, 404, "There is nothing to accept",
			"No rule of this name asks you for it.");
		return;
	}
	take_host(&p->query, &k);
	if (k.acked)
		thank(p, &k);
	else
		ask(p, &k, NULL);
}

/* A redirect, so that loading the page again sends no form. */
void portal_coached(struct portal *p)
{
	struct buf host = {0};
	struct rule_view rule;
	struct form posted;
	struct coach k;

	snapshot_rule(p->policy, p->c->rq->ack.rule, &rule);
	p->status = 303;
	buf_adds(&p->fields, "Location: /coach?rule=");
	form_encode(&p->fields, rule.name);
	if (form_parse(span_of(p->c->rq->form, p->c->rq->form_n), &posted)) {
		take_host(&posted, &k);
		if (k.has_host) {
			portal_host_text(&k.host, k.port, k.plain, &host);
			buf_adds(&p->fields, "&host=");
			form_encode(&p->fields, buf_spanof(&host));
		}
	}
	buf_adds(&p->fields, "\r\n");
	buf_free(&host);
}
