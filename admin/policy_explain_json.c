/* An explained answer for machines. */
#include "policy_explain.h"

#include "jsonout.h"

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
	js_put(o, "zone", js_text(snapshot_zone_name(q->s)));
	return o;
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
	js_put(o, "verdict", js_text(span_str(decision_word(q->v.decision))));
	js_put(o, "need",
		q->v.need == NEED_NONE ? js_null() : js_text(span_str(need_word(q->v.need))));
	js_put(o, "reason", decided ? js_text(span_str(reason->word)) : js_null());
	js_put(o, "text", decided ? js_text(span_str(reason->text)) : js_null());
	js_put(o, "status",
		q->v.decision == DECISION_DENY ? js_number((uint64_t)reason->status) : js_null());
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
