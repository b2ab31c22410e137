/* Who you are to the proxy, which rules hold for you, what is recorded and for how long. */
#include "portal_rules.h"

/* --- for people ----------------------------------------------------------------------------------
 */

static void who(struct portal *p)
{
	struct buf *b = &p->body, roles = {0};

	portal_roles(p, &roles);
	buf_adds(b, "<h2>Who you are to the proxy</h2>\n<dl>\n");
	page_term(b, "User name", portal_user(p));
	page_term(b, "In the records", span_str(p->c->access.person));
	page_term(b, "Roles", roles.n ? buf_spanof(&roles) : SPAN("none"));
	page_term(b, "Known", span_str(portal_strength(p)));
	buf_adds(b, "</dl>\n");
	if (*p->c->access.person)
		buf_adds(b,
			"<p class=\"soft\">Records carry this pseudonym, never your name.</p>\n");
	else if (p->c->rq->bundle->accounts)
		buf_adds(b, "<p><a href=\"/login\">Log in</a> to see what holds for you as a "
			    "person.</p>\n");
	buf_free(&roles);
}

static void kept(struct buf *b, const char *what, int64_t ms)
{
	buf_printf(b, "<dt>%s</dt><dd>", what);
	portal_duration(ms, b);
	buf_adds(b, "</dd>\n");
}

static void recorded(struct portal *p)
{
	const struct settings *s = p->settings;
	struct buf *b = &p->body;

	buf_adds(b,
		"<h2>What is recorded, and for how long</h2>\n"
		"<p>Of each access: when, by which rule and for which purpose, bytes each way, how "
		"long it took, and of the destination what the rule says. Of each refusal: "
		"the rule and the reason. Never: your name, the address of your computer, "
		"what stands behind the host's name, or any contents.</p>\n<dl>\n");
	if (*s->redis) {
		kept(b, "Single records", s->keep_raw_ms);
		kept(b, "Daily figures and minutes", s->keep_rollups_ms);
		kept(b, "The proxy's own copy", s->keep_ms);
	} else {
		buf_adds(b, "<dt>All records</dt><dd>on the proxy alone, until its space is "
			    "needed</dd>\n");
	}
	buf_adds(b, "</dl>\n");
}

void portal_status(struct portal *p)
{
	portal_page_begin(p, PORTAL_STATUS, SPAN("Your access to the web"));
	who(p);
	portal_rules(p);
	recorded(p);
	portal_page_end(p);
}

/* --- for machines --------------------------------------------------------------------------------
 */

static void json_roles(const struct portal *p, struct buf *b)
{
	uint64_t roles = p->roles;

	buf_adds(b, ",\"roles\":[");
	for (size_t i = 0, n = 0; roles; i++, roles >>= 1)
		if (roles & 1) {
			buf_adds(b, n++ ? "," : "");
			buf_json(b, snapshot_role(p->policy, i));
		}
	buf_addc(b, ']');
}

static void json_you(const struct portal *p, struct buf *b)
{
	bool person = *p->c->access.person;

	buf_adds(b, ",\"you\":{\"known\":");
	buf_json(b, span_str(person ? "password" : p->roles ? "network" : "no"));
	portal_json_text(b, "name", portal_user(p));
	portal_json_text(b, "pseudonym", span_str(p->c->access.person));
	json_roles(p, b);
	buf_addc(b, '}');
}

static void json_recorded(const struct portal *p, struct buf *b)
{
	const struct settings *s = p->settings;

	if (!*s->redis) {
		buf_adds(b, ",\"recorded\":null");
		return;
	}
	buf_printf(b, ",\"recorded\":{\"raw_s\":%lld,\"figures_s\":%lld,\"journal_s\":%lld}",
		(long long)s->keep_raw_ms / 1000, (long long)s->keep_rollups_ms / 1000,
		(long long)s->keep_ms / 1000);
}

void portal_status_json(struct portal *p)
{
	struct buf *b = &p->body;

	p->type = "application/json";
	buf_printf(b, "{\"version\":1,\"at\":%lld", (long long)p->now_ms / 1000);
	portal_json_text(b, "zone", snapshot_zone_name(p->policy));
	json_you(p, b);
	portal_rules_json(p);
	json_recorded(p, b);
	buf_adds(b, "}\n");
}
