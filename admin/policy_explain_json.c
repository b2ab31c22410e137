/* An explained answer for machines. */
#include "policy_explain.h"

#include "jsonout.h"

static struct js *json_acked(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; cli_value_at(q->c, "acked", i); i++)
		js_add(list, js_text(span_str(cli_value_at(q->c, "acked", i))));
	return list;
}

static struct js *json_spent(const struct question *q)
{
	const struct facts *f = &q->x.facts;
	struct js *list = js_list();
	for (size_t i = 0; i < f->standings; i++) {
		struct rule_view r;
		struct js *o;
		if (f->standing[i].spent != SPENT_YES)
			continue;
		snapshot_rule(q->s, f->standing[i].rule, &r);
		o = js_object();
		js_put(o, "rule", js_text(r.name));
		js_put(o, "limit", js_text(span_str(limit_word(f->standing[i].kind))));
		js_add(list, o);
	}
	return list;
}

static struct js *json_asked(const struct question *q)
{
	static const char *const login[] = {[IDENTITY_UNKNOWN] = "unknown",
		[IDENTITY_NOBODY] = "none",
		[IDENTITY_KNOWN] = "known"};
	struct js *o = js_object(), *groups = js_list();
	char text[ADDR_TEXT_MAX] = "";
	for (size_t i = 0; i < q->groups; i++)
		js_add(groups, js_text(q->group[i]));
	js_put(o, "user", js_text_or_null(span_str(q->user)));
	js_put(o, "groups", groups);
	js_put(o, "login", js_text(span_str(login[q->x.facts.identity])));
	addr_format(&q->x.facts.client, text);
	js_put(o, "client", cli_has(q->c, "client") ? js_text(span_str(text)) : js_null());
	js_put(o, "host", js_text(host_span(&q->x.host)));
	js_put(o, "port", js_number(q->x.facts.port));
	addr_format(&q->x.facts.address, text);
	js_put(o, "address",
		q->x.facts.address_state == ADDRESS_KNOWN ? js_text(span_str(text)) : js_null());
	js_put(o, "at", js_text(span_str(q->moment)));
	js_put(o, "at_skipped", js_bool(q->skipped));
	js_put(o, "zone", js_text(snapshot_zone_name(q->s)));
	js_put(o, "acked", json_acked(q));
	js_put(o, "spent", json_spent(q));
	return o;
}

static struct js *json_requests(const struct rate_limit *r)
{
	if (r->interval_us == 0)
		return js_null();
	struct js *o = js_object();
	js_put(o, "count", js_number(r->count));
	js_put(o, "seconds", js_number(r->period_s));
	js_put(o, "burst", js_number(r->burst));
	return o;
}

static struct js *number_or_null(uint64_t v)
{
	return v ? js_number(v) : js_null();
}

/* null where nothing is limited. */
static struct js *json_limits(const struct limits_view *l)
{
	bool any = false;
	for (int k = 0; k < LIMIT_COUNT; k++)
		any = any || limits_have(l, (enum limit_kind)k);
	if (!any)
		return js_null();
	struct js *o = js_object();
	js_put(o, "minutes", number_or_null(l->minutes));
	js_put(o, "bytes", number_or_null(l->bytes));
	js_put(o, "tunnels", number_or_null(l->tunnels));
	js_put(o, "requests", json_requests(&l->requests));
	js_put(o, "bandwidth", number_or_null(l->bandwidth));
	js_put(o, "warn", js_number(l->warn));
	js_put(o, "when_spent", js_text(span_str(when_spent_words[l->when_spent])));
	js_put(o, "grace_s", js_number(l->grace_s));
	js_put(o, "without_redis", js_text(span_str(without_redis_words[l->without_redis])));
	return o;
}

static struct js *json_purposes(const struct question *q)
{
	struct span v[POLICY_PURPOSES_MAX];
	struct js *list = js_list();
	size_t n = snapshot_rule_purposes(q->s, q->rule_index, v, POLICY_PURPOSES_MAX);
	for (size_t i = 0; q->rule.remember_s && i < n; i++)
		js_add(list, js_text(v[i]));
	return list;
}

static struct js *json_rule(const struct question *q)
{
	const struct rule_view *r = &q->rule;
	if (!q->has_rule)
		return js_null();
	struct js *o = js_object();
	js_put(o, "name", js_text(r->name));
	js_put(o, "line", js_number(r->line));
	js_put(o, "action", js_text(span_str(action_word(r->action))));
	js_put(o, "purpose", js_text_or_null(r->purpose));
	js_put(o, "owner", js_text_or_null(r->owner));
	js_put(o, "benefit", js_text_or_null(r->benefit));
	js_put(o, "risk", js_text_or_null(r->risk));
	js_put(o, "risk_owner", js_text_or_null(r->risk_owner));
	js_put(o, "review", js_text_or_null(r->review));
	js_put(o, "message", js_text_or_null(r->message));
	js_put(o, "remember_s", number_or_null(r->remember_s));
	js_put(o, "purposes", json_purposes(q));
	js_put(o, "limits", json_limits(&r->limits));
	return o;
}

static struct js *json_roles(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < snapshot_roles(q->s); i++)
		if (q->v.roles & UINT64_C(1) << i)
			js_add(list, js_text(snapshot_role(q->s, i)));
	return list;
}

static struct js *json_services(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < q->x.target.services; i++) {
		const struct service_tag *t = &q->x.target.service[i];
		struct js *o = js_object();
		js_put(o, "service", js_text(snapshot_service(q->s, t->service)));
		js_put(o, "part", js_text(span_str(part_word((enum service_part)t->part))));
		js_put(o, "zone", js_text_or_null(snapshot_service_zone(q->s, t->service)));
		js_add(list, o);
	}
	return list;
}

static struct js *json_categories(const struct question *q)
{
	struct span category[HOST_CATEGORIES_MAX];
	size_t n = host_categories(q->s, &q->x.target, category);
	struct js *list = js_list();
	for (size_t i = 0; i < n; i++)
		js_add(list, js_text(category[i]));
	return list;
}

static struct js *json_observed(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < q->v.seen; i++) {
		struct rule_view r;
		snapshot_rule(q->s, q->v.seen_rule[i], &r);
		js_add(list, js_text(r.name));
	}
	return list;
}

static struct js *json_trace(const struct question *q)
{
	struct js *list = js_list();
	for (size_t i = 0; i < q->trace.n; i++) {
		struct rule_view r;
		struct js *o = js_object();
		snapshot_rule(q->s, i, &r);
		js_put(o, "rule", js_text(r.name));
		js_put(o, "line", js_number(r.line));
		js_put(o, "reached", js_bool(q->trace.v[i] != COND_NOT_REACHED));
		js_put(o, "condition", js_text(span_str(question_condition(q, i))));
		js_add(list, o);
	}
	return list;
}

void question_print_json(const struct question *q)
{
	const struct reason_info *reason = reason_info(q->v.reason);
	bool decided = q->v.decision != DECISION_NEED;
	char label[LABEL_MAX];
	struct js *o = js_object();
	js_put(o, "report", js_text(SPAN("explain")));
	js_put(o, "version", js_number(1));
	js_put(o, "policy", js_text(span_str(q->path)));
	js_put(o, "asked", json_asked(q));
	js_put(o, "verdict", js_text(span_str(answer_word(&q->v))));
	js_put(o, "need",
		q->v.need == NEED_NONE ? js_null() : js_text(span_str(need_word(q->v.need))));
	js_put(o, "reason", decided ? js_text(span_str(reason->word)) : js_null());
	js_put(o, "text", decided ? js_text(span_str(reason->text)) : js_null());
	js_put(o, "status",
		q->v.decision == DECISION_DENY ? js_number((uint64_t)reason->status) : js_null());
	js_put(o, "limit",
		q->v.limit == LIMIT_COUNT ? js_null() : js_text(span_str(limit_word(q->v.limit))));
	js_put(o, "rule", json_rule(q));
	js_put(o, "role",
		q->v.role >= 0 ? js_text(snapshot_role(q->s, (size_t)q->v.role)) : js_null());
	js_put(o, "roles", json_roles(q));
	js_put(o, "country", js_text_or_null(span_str(q->v.country)));
	js_put(o, "services", json_services(q));
	js_put(o, "categories", json_categories(q));
	js_put(o, "record", decided ? js_text(span_str(question_label(q, label))) : js_null());
	js_put(o, "observed", json_observed(q));
	js_put(o, "rules", json_trace(q));
	js_print(o);
}
