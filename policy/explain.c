/*
 * From words to facts. What is not said stays unknown where the proxy would ask, and is assumed to
 * be harmless where it would find out: an address outside and of no country, limits not spent.
 * Acknowledgements are those of somebody who comes for the first time.
 */
#include "explain.h"

#include "domain.h"

/* The name part of what was typed, in Unicode or as a bare IPv6 address. */
static bool typed_name(struct span typed, struct host *host)
{
	char name[HOST_MAX + 1];
	struct addr a;

	if (addr_parse(typed, &a)) {
		char text[ADDR_TEXT_MAX];
		char bracketed[ADDR_TEXT_MAX + 2];
		struct buf b;
		addr_format(&a, text);
		buf_init_fixed(&b, bracketed, sizeof(bracketed));
		buf_adds(&b, a.v4 ? "" : "[");
		buf_adds(&b, text);
		buf_adds(&b, a.v4 ? "" : "]");
		return host_parse(buf_spanof(&b), host);
	}
	return domain_to_ascii(typed, name) && host_parse(span_str(name), host);
}

bool explain_host(struct span typed, uint16_t otherwise, struct host *host, uint16_t *port)
{
	const char *colon;
	uint64_t number;

	*port = otherwise;
	if (authority_parse_default(typed, otherwise, host, port))
		return true;
	*port = otherwise;
	if (typed_name(typed, host))
		return true;
	colon = typed.n ? memrchr(typed.p, ':', typed.n) : NULL;
	if (!colon)
		return false;
	size_t n = (size_t)(colon - typed.p);
	if (!span_u64(span_of(colon + 1, typed.n - n - 1), 65535, &number) || number == 0)
		return false;
	*port = (uint16_t)number;
	return !memchr(typed.p, ':', n) && typed_name(span_of(typed.p, n), host);
}

static void take_person(const struct snapshot *s, const struct explain_ask *ask, struct facts *f)
{
	f->identity = ask->no_login ? IDENTITY_NOBODY : IDENTITY_UNKNOWN;
	if (ask->user.n == 0)
		return;
	f->identity = IDENTITY_KNOWN;
	f->roles = policy_roles(s, ask->user, ask->groups, ask->group_count);
}

static bool take_addresses(const struct explain_ask *ask, struct explained *out, struct err *e)
{
	struct facts *f = &out->facts;
	struct span client = ask->client.n ? ask->client : SPAN("0.0.0.0");

	if (!addr_parse(client, &f->client))
		return err_set(e, "client \"%.*s\" is no address; expected one like 192.0.2.7",
			SPAN_ARG(client));
	f->address_state = ADDRESS_OUTSIDE;
	if (out->host.literal) {
		f->address = out->host.addr;
		f->address_state = ADDRESS_KNOWN;
	}
	if (ask->address.n == 0)
		return true;
	if (!addr_parse(ask->address, &f->address))
		return err_set(e, "address \"%.*s\" is no address; expected one like 192.0.2.7",
			SPAN_ARG(ask->address));
	if (out->host.literal && !addr_eq(&f->address, &out->host.addr))
		return err_set(e, "the host is an address; it cannot have another one");
	f->address_state = ADDRESS_KNOWN;
	return true;
}

/* --- how the person stands under rules ---------------------------------------------------------
 */

static struct standing_facts *standing_of(const struct snapshot *s, struct span name,
	struct facts *f, struct rule_view *rule, struct err *e)
{
	for (size_t i = 0; i < snapshot_rules(s); i++) {
		snapshot_rule(s, i, rule);
		if (!span_eq(rule->name, name))
			continue;
		struct standing_facts *st = facts_standing(f, i);
		if (!st)
			err_set(e, "more than %d rules are acknowledged or spent",
				POLICY_STANDINGS_MAX);
		return st;
	}
	err_set(e, "no rule is named \"%.*s\"", SPAN_ARG(name));
	return NULL;
}

static bool take_acked(
	const struct snapshot *s, const struct explain_ask *ask, struct facts *f, struct err *e)
{
	struct rule_view rule;

	if (ask->user.n == 0 && ask->acked_count > 0)
		return err_set(e, "acknowledgements are those of a user, and none is named");
	for (size_t i = 0; i < ask->acked_count; i++) {
		struct standing_facts *st = standing_of(s, ask->acked[i], f, &rule, e);

		if (!st)
			return false;
		if (rule.remember_s == 0)
			return err_set(e, "rule \"%.*s\" asks for no acknowledgement",
				SPAN_ARG(rule.name));
		st->asked_ack = st->acked = true;
	}
	return true;
}

/* The kind of that name; without a name the first that can be spent. */
static bool find_kind(
	const struct rule_view *rule, struct span word, enum limit_kind *out, struct err *e)
{
	for (int k = 0; k < LIMIT_COUNT; k++) {
		if (word.p ? !span_is(word, limit_word((enum limit_kind)k)) : k == LIMIT_BANDWIDTH)
			continue;
		if (k == LIMIT_BANDWIDTH)
			return err_set(e, "bandwidth slows and is never spent");
		if (!limits_have(&rule->limits, (enum limit_kind)k)) {
			if (!word.p)
				continue;
			return err_set(e, "rule \"%.*s\" does not limit %.*s", SPAN_ARG(rule->name),
				SPAN_ARG(word));
		}
		*out = (enum limit_kind)k;
		return true;
	}
	if (word.p)
		return err_set(e,
			"\"%.*s\" is no limit; expected minutes, bytes, tunnels or "
			"requests",
			SPAN_ARG(word));
	return err_set(e, "rule \"%.*s\" has no limit that could be spent", SPAN_ARG(rule->name));
}

static bool take_spent(
	const struct snapshot *s, const struct explain_ask *ask, struct facts *f, struct err *e)
{
	struct rule_view rule;

	for (size_t i = 0; i < ask->spent_count; i++) {
		struct span kind = ask->spent[i], name = span_cut(&kind, ':');
		struct standing_facts *st = standing_of(s, name, f, &rule, e);

		if (!st || !find_kind(&rule, kind, &st->kind, e))
			return false;
		st->spent = SPENT_YES;
	}
	return true;
}

bool explain_facts(const struct snapshot *s, const struct explain_ask *ask, struct explained *out,
	struct err *e)
{
	struct facts *f = &out->facts;

	memset(out, 0, sizeof(*out));
	f->now_s = ask->now_s;
	f->limits_unspent = true;
	if (ask->host.n == 0)
		return err_set(e, "no host is named; expected host[:port]");
	if (!explain_host(ask->host, 443, &out->host, &f->port))
		return err_set(e, "host \"%.*s\" is no host name with or without a port",
			SPAN_ARG(ask->host));
	if (ask->user.n == 0 && ask->group_count > 0)
		return err_set(e, "groups are those of a user, and none is named");
	if (ask->user.n > 0 && ask->no_login)
		return err_set(e, "a user is named although nobody can log in");
	if (ask->at.n > 0 && !snapshot_parse_time(s, ask->at, &f->now_s))
		return err_set(e, "\"%.*s\" is no time; expected YYYY-MM-DD or YYYY-MM-DD HH:MM",
			SPAN_ARG(ask->at));
	if (!take_addresses(ask, out, e))
		return false;
	take_person(s, ask, f);
	if (!take_acked(s, ask, f, e) || !take_spent(s, ask, f, e))
		return false;
	policy_classify(s, &out->host, &out->target);
	f->host = &out->host;
	f->target = &out->target;
	return true;
}

void explain_answer(
	const struct snapshot *s, struct explained *x, struct verdict *v, struct trace *t)
{
	struct standing_facts *st;

	for (;;) {
		policy_evaluate(s, &x->facts, v, t);
		if (v->need != NEED_ACK)
			return;
		st = facts_standing(&x->facts, (size_t)v->rule);
		if (!st)
			return;
		st->asked_ack = true;
	}
}

const char *answer_word(const struct verdict *v)
{
	bool coach = v->decision == DECISION_DENY && v->reason == REASON_COACH;

	return coach ? "coach" : decision_word(v->decision);
}

const char *need_word(enum need n)
{
	switch (n) {
	case NEED_NONE:
		return "-";
	case NEED_IDENTITY:
		return "identity";
	case NEED_ADDRESS:
		return "address";
	case NEED_ACK:
		return "ack";
	case NEED_LIMIT:
		return "limit";
	}
	return "?";
}
