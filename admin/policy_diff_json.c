/* A difference for machines. */
#include "policy_diff.h"

#include "jsonout.h"

static struct js *json_roles(const struct snapshot *s, uint64_t roles)
{
	struct js *list = js_list();

	for (size_t i = 0; i < snapshot_roles(s); i++)
		if (roles >> i & 1)
			js_add(list, js_text(snapshot_role(s, i)));
	return list;
}

static struct js *json_who(const struct diff *d, const struct compare_who *who)
{
	static const char *const words[] = {[WHO_NOBODY] = "nobody",
		[WHO_ANYBODY] = "anybody",
		[WHO_GROUP] = "group",
		[WHO_USER] = "user",
		[WHO_NETWORK] = "network"};
	struct js *o = js_object();

	js_put(o, "kind", js_text(span_str(words[who->kind])));
	js_put(o, "name", js_text_or_null(span_str(who->name)));
	js_put(o, "roles_old", json_roles(d->s[COMPARE_OLD], who->roles[COMPARE_OLD]));
	js_put(o, "roles_new", json_roles(d->s[COMPARE_NEW], who->roles[COMPARE_NEW]));
	return o;
}

static struct js *json_answer(const struct compare_answer *a)
{
	struct js *o = js_object();
	struct buf limits = {0};
	bool rule = a->v.rule >= 0;

	js_put(o, "verdict", js_text(span_str(answer_word(&a->v))));
	js_put(o, "reason", js_text(span_str(reason_info(a->v.reason)->word)));
	js_put(o, "rule", rule ? js_text(a->rule.name) : js_null());
	js_put(o, "message", rule ? js_text_or_null(a->rule.message) : js_null());
	if (rule)
		diff_put_limits(&a->rule, &limits);
	js_put(o, "limits", js_text_or_null(buf_spanof(&limits)));
	js_put(o, "remember_s",
		rule && a->rule.remember_s ? js_number(a->rule.remember_s) : js_null());
	buf_free(&limits);
	return o;
}

static struct js *json_sites(const struct diff_row *r)
{
	const struct compare_site *v = (const void *)r->sites.p;
	struct js *list = js_list();

	for (size_t i = 0; i < r->sites.n / sizeof *v; i++) {
		struct js *o = js_object();

		js_put(o, "name", js_text(span_str(v[i].label)));
		js_put(o, "host", js_text(span_str(v[i].host)));
		js_add(list, o);
	}
	return list;
}

static struct js *json_row(const struct diff *d, const struct diff_row *r)
{
	static const char *const levels[] = {[COMPARE_SAME] = "same",
		[COMPARE_RULE] = "rule",
		[COMPARE_LIMITS] = "limits",
		[COMPARE_ANSWER] = "answer"};
	struct js *o = js_object();

	js_put(o, "change", js_text(span_str(levels[r->level])));
	js_put(o, "who", json_who(d, &r->who));
	js_put(o, "to", json_sites(r));
	js_put(o, "when", js_text(buf_spanof(&r->when)));
	js_put(o, "old", json_answer(&r->first[COMPARE_OLD]));
	js_put(o, "new", json_answer(&r->first[COMPARE_NEW]));
	return o;
}

static struct js *json_settings(const struct diff *d)
{
	struct diff_setting v[DIFF_SETTINGS];
	struct js *list = js_list();
	size_t n = diff_settings(d, v);

	for (size_t i = 0; i < n; i++) {
		struct js *o = js_object();

		js_put(o, "name", js_text(span_str(v[i].name)));
		js_put(o, "old", js_text(v[i].value[COMPARE_OLD]));
		js_put(o, "new", js_text(v[i].value[COMPARE_NEW]));
		js_add(list, o);
	}
	return list;
}

void diff_print_json(const struct diff *d)
{
	struct js *o = js_object(), *list = js_list(), *looked_at = js_object();
	size_t n;
	const struct diff_row *v = diff_rows(d, &n);

	for (size_t i = 0; i < n; i++)
		js_add(list, json_row(d, &v[i]));
	js_put(looked_at, "people", js_number(d->looked_at.people));
	js_put(looked_at, "sites", js_number(d->looked_at.sites));
	js_put(looked_at, "times", js_number(d->looked_at.moments));
	js_put(o, "report", js_text(SPAN("diff")));
	js_put(o, "version", js_number(1));
	js_put(o, "old", js_text(span_str(d->path[COMPARE_OLD])));
	js_put(o, "new", js_text(span_str(d->path[COMPARE_NEW])));
	js_put(o, "settings", json_settings(d));
	js_put(o, "answers", js_number(d->found[COMPARE_ANSWER]));
	js_put(o, "limits", js_number(d->found[COMPARE_LIMITS]));
	js_put(o, "rules", js_number(d->found[COMPARE_RULE]));
	js_put(o, "looked_at", looked_at);
	js_put(o, "changes", list);
	js_print(o);
}
