/*
 * The rules that hold for a person, as cards of the status page and as JSON: what each opens or
 * shuts, until when, what is left of its limits, what it records, whom to ask.
 */
#include "portal_rules.h"

#include "active.h"
#include "clock.h"

#include <string.h>

/* --- what there is to tell -----------------------------------------------------------------------
 */

static void look_at_standing(const struct portal *p, struct portal_rule *r)
{
	const struct standing_entry *e = portal_standing(p, &r->view);

	left_look(p->c->w, p->c->access.person, &r->view, p->now_ms / 1000, &r->left);
	if (e && *p->c->access.person)
		standing_ack(e, &r->ack);
	r->acked = r->ack.until_s > p->now_ms / 1000;
}

bool portal_rule(const struct portal *p, size_t index, struct portal_rule *out)
{
	struct facts facts = portal_facts(p);

	memset(out, 0, sizeof *out);
	out->index = index;
	snapshot_rule(p->policy, index, &out->view);
	policy_rule_now(p->policy, &facts, index, &out->now);
	if (!out->now.for_you || out->view.observe)
		return false;
	look_at_standing(p, out);
	return true;
}

/* --- for people ----------------------------------------------------------------------------------
 */

static void put_amount(struct buf *b, enum limit_kind kind, uint64_t n)
{
	static const struct {
		uint64_t size;
		const char *unit;
	} units[] = {{1000000000, "GB"}, {1000000, "MB"}, {1000, "kB"}};

	if (kind == LIMIT_MINUTES) {
		buf_printf(b, "%llu %s", (unsigned long long)n, n == 1 ? "minute" : "minutes");
		return;
	}
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (n >= units[i].size) {
			buf_printf(b, "%.1f %s", (double)n / (double)units[i].size, units[i].unit);
			return;
		}
	buf_printf(b, "%llu bytes", (unsigned long long)n);
}

static unsigned thousandths(const struct left_budget *l)
{
	return l->used >= l->of ? 1000 : (unsigned)(l->used * 1000.0 / l->of);
}

static void put_left(struct portal *p, const struct portal_rule *r, const struct left_budget *l)
{
	struct buf *b = &p->body;

	buf_adds(b, "<p>");
	if (l->kind == LIMIT_MINUTES)
		buf_printf(b, "%llu", (unsigned long long)l->used);
	else
		put_amount(b, l->kind, l->used);
	buf_adds(b, " of ");
	put_amount(b, l->kind, l->of);
	if (l->spent)
		buf_adds(b, " used: <strong class=\"warn\">nothing is left</strong> until ");
	else if (l->warn)
		buf_printf(b,
			" used: <strong class=\"warn\">%u %% and more are gone</strong>, anew at ",
			r->view.limits.warn);
	else
		buf_adds(b, " used; anew at ");
	portal_time(p, r->left.anew_s, b);
	buf_adds(b, ".</p>\n");
	page_bar(b, thousandths(l), r->view.limits.warn * 10);
}

/* Limits that have no budget: only said. */
static void put_bounds(struct portal *p, const struct portal_rule *r)
{
	struct buf text = {0};

	for (enum limit_kind k = 0; k < LIMIT_COUNT; k++) {
		if (k == LIMIT_MINUTES || k == LIMIT_BYTES || !limits_have(&r->view.limits, k))
			continue;
		buf_adds(&text, text.n ? ", " : "");
		limits_put(&r->view.limits, k, &text);
		if (k == LIMIT_TUNNELS)
			buf_printf(&text, " (%u open now)", r->left.tunnels);
	}
	page_term(&p->body, "At most", buf_spanof(&text));
	buf_free(&text);
}

static const char *whether(const struct portal_rule *r)
{
	if (r->view.action == RULE_DENY)
		return "Not open";
	if (r->view.action == RULE_COACH && !r->acked)
		return "Open once you have accepted the code of conduct";
	return "Open";
}

static void put_when(struct portal *p, const struct portal_rule *r)
{
	struct buf *b = &p->body;

	buf_adds(b, "<dt>When</dt><dd>");
	if (!r->now.until_s) {
		buf_adds(b, r->now.open ? "at any time" : "at no time");
	} else {
		buf_adds(b, r->now.open ? "now, until " : "not now, but from ");
		portal_time(p, r->now.until_s, b);
	}
	buf_adds(b, "</dd>\n");
}

static const char *recorded_as(const struct portal_rule *r)
{
	switch (r->view.record) {
	case RECORD_SERVICE:
		return "the service, or the domain where none is known";
	case RECORD_HOST:
		return "the name of the host";
	case RECORD_NONE:
		break;
	}
	return "nothing";
}

static void put_ack(struct portal *p, const struct portal_rule *r)
{
	struct buf *b = &p->body;
	struct span purpose[POLICY_PURPOSES_MAX];
	size_t n;

	if (!r->view.remember_s)
		return;
	buf_adds(b, "<dt>Code of conduct</dt><dd>");
	if (r->acked) {
		n = snapshot_rule_purposes(p->policy, r->index, purpose, POLICY_PURPOSES_MAX);
		buf_adds(b, "accepted");
		if (r->ack.purpose < n) {
			buf_adds(b, " for ");
			buf_html(b, purpose[r->ack.purpose]);
		}
		buf_adds(b, ", until ");
		portal_time(p, r->ack.until_s, b);
	} else {
		buf_adds(b, "<a href=\"/coach?rule=");
		form_encode(b, r->view.name);
		buf_adds(b, "\">read and accept it</a>");
		if (r->view.action != RULE_COACH)
			buf_adds(b, " to go on when a limit is spent");
	}
	buf_adds(b, "</dd>\n");
}

static void put_card(struct portal *p, const struct portal_rule *r)
{
	struct buf *b = &p->body, to = {0};

	policy_rule_to(p->policy, r->index, &to);
	buf_printf(b, "<li><h3>%s: ", whether(r));
	buf_html(b, buf_spanof(&to));
	buf_adds(b, "</h3>\n");
	page_text(b, "", r->view.message, "");
	for (size_t i = 0; i < r->left.n; i++)
		put_left(p, r, &r->left.budget[i]);
	buf_adds(b, "<dl>\n");
	put_when(p, r);
	put_ack(p, r);
	put_bounds(p, r);
	page_term(b, "Purpose", r->view.purpose);
	page_term(b, "Whom to ask", r->view.owner);
	page_term(b, "Recorded of the destination", span_str(recorded_as(r)));
	page_term(b, "Rule", r->view.name);
	buf_adds(b, "</dl></li>\n");
	buf_free(&to);
}

/* Those that are open at this time of day, or the others. False: there is none. */
static bool put_cards(struct portal *p, bool open, const char *title)
{
	struct buf *b = &p->body;
	size_t n = snapshot_rules(p->policy), found = 0;
	struct portal_rule r;

	for (size_t i = 0; i < n; i++) {
		if (!portal_rule(p, i, &r) || r.now.open != open)
			continue;
		if (found++ == 0)
			buf_printf(b, "<h2>%s</h2>\n<ul class=\"cards\">\n", title);
		put_card(p, &r);
	}
	if (found)
		buf_adds(b, "</ul>\n");
	return found > 0;
}

/* Wherever time is shown it is said what it means, and what is wrong with it. */
static void put_method(struct portal *p)
{
	size_t n = snapshot_rules(p->policy);
	struct portal_rule r;
	bool minutes = false;

	for (size_t i = 0; i < n && !minutes; i++)
		minutes = portal_rule(p, i, &r) && r.view.limits.minutes;
	if (!minutes)
		return;
	buf_printf(&p->body,
		"<h2>How minutes are counted</h2>\n<p>A minute of the clock counts when what you "
		"and one service send each other in it comes to %d KiB or more, %d KiB of them "
		"from you. It counts once, however many tabs are open. Pages that move by "
		"themselves use minutes while nobody looks; reading, typing and pictures from "
		"other hosts than the service's own may use none.</p>\n",
		ACTIVE_BYTES / 1024, ACTIVE_BYTES_UP / 1024);
}

void portal_rules(struct portal *p)
{
	struct buf *b = &p->body;

	if (!standing_known(p->c->w->standing, clock_mono_ms()) && *p->settings->redis)
		buf_adds(b, "<p class=\"soft\">What you used through other proxies is not known at "
			    "the moment: the figures below are those of this one.</p>\n");
	if (!put_cards(p, true, "What holds for you now"))
		buf_adds(b, "<h2>What holds for you now</h2>\n<p>No rule: nothing is open.</p>\n");
	else
		buf_adds(b, "<p class=\"soft\">The first rule that speaks of a page decides; where "
			    "none does, it is not open.</p>\n");
	put_cards(p, false, "What holds at other times");
	put_method(p);
}

/* --- for machines --------------------------------------------------------------------------------
 */

static void json_moment(struct buf *b, const char *key, int64_t s)
{
	if (s)
		buf_printf(b, ",\"%s\":%lld", key, (long long)s);
	else
		buf_printf(b, ",\"%s\":null", key);
}

static void json_limits(struct portal *p, const struct portal_rule *r)
{
	struct buf *b = &p->body;

	buf_adds(b, ",\"limits\":[");
	for (size_t i = 0; i < r->left.n; i++) {
		const struct left_budget *l = &r->left.budget[i];

		buf_printf(b,
			"%s{\"kind\":\"%s\",\"used\":%llu,\"of\":%llu,\"warn\":%s,\"spent\":%s,"
			"\"reset\":%lld}",
			i ? "," : "", limit_word(l->kind), (unsigned long long)l->used,
			(unsigned long long)l->of, l->warn ? "true" : "false",
			l->spent ? "true" : "false", (long long)r->left.anew_s);
	}
	buf_addc(b, ']');
}

static void json_bounds(struct portal *p, const struct portal_rule *r)
{
	struct buf *b = &p->body, text = {0};
	size_t n = 0;

	buf_adds(b, ",\"bounds\":[");
	for (enum limit_kind k = 0; k < LIMIT_COUNT; k++) {
		if (k == LIMIT_MINUTES || k == LIMIT_BYTES || !limits_have(&r->view.limits, k))
			continue;
		buf_reset(&text);
		limits_put(&r->view.limits, k, &text);
		buf_printf(b, "%s{\"kind\":\"%s\"", n++ ? "," : "", limit_word(k));
		portal_json_text(b, "text", buf_spanof(&text));
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
	buf_free(&text);
}

static void json_rule(struct portal *p, const struct portal_rule *r)
{
	static const char *const recorded[] = {
		[RECORD_SERVICE] = "service", [RECORD_HOST] = "host", [RECORD_NONE] = "none"};
	struct buf *b = &p->body, to = {0};

	policy_rule_to(p->policy, r->index, &to);
	buf_adds(b, "{\"rule\":");
	buf_json(b, r->view.name);
	portal_json_text(b, "action", span_str(action_word(r->view.action)));
	portal_json_text(b, "to", buf_spanof(&to));
	buf_printf(b, ",\"open\":%s", r->now.open ? "true" : "false");
	json_moment(b, "until", r->now.until_s);
	json_limits(p, r);
	json_bounds(p, r);
	buf_printf(b, ",\"asks\":%s", r->view.remember_s ? "true" : "false");
	json_moment(b, "accepted_until", r->acked ? r->ack.until_s : 0);
	portal_json_text(b, "message", r->view.message);
	portal_json_text(b, "purpose", r->view.purpose);
	portal_json_text(b, "owner", r->view.owner);
	portal_json_text(b, "record", span_str(recorded[r->view.record]));
	buf_addc(b, '}');
	buf_free(&to);
}

void portal_rules_json(struct portal *p)
{
	size_t n = snapshot_rules(p->policy), found = 0;
	struct portal_rule r;

	buf_adds(&p->body, ",\"rules\":[");
	for (size_t i = 0; i < n; i++) {
		if (!portal_rule(p, i, &r))
			continue;
		buf_adds(&p->body, found++ ? "," : "");
		json_rule(p, &r);
	}
	buf_addc(&p->body, ']');
}
