/*
 * Tables of expectations against the one function that decides. A line is cut into words, the words
 * before "=>" are a question for explain_facts(), those behind it are compared with what the answer
 * says under the same keys.
 */
#include "expect.h"

#include "explain.h"
#include "snapshot.h"

#include <stdlib.h>

/* What may be expected; the order is that of failure messages. */
#define WANTS(W)                                                                                   \
	W(decision) W(rule) W(reason) W(need) W(limit) W(role) W(service) W(part) W(country)

enum want {
#define W(key) WANT_##key,
	WANTS(W)
#undef W
		WANT_COUNT
};

static const char *const want_keys[WANT_COUNT] = {
#define W(key) #key,
	WANTS(W)
#undef W
};

/* p == NULL: nothing is expected under that key. */
struct wants {
	struct span v[WANT_COUNT];
};

struct line {
	struct explain_ask ask;
	struct span groups[EXPECT_GROUPS_MAX];
	struct span acked[POLICY_STANDINGS_MAX], spent[POLICY_STANDINGS_MAX];
	struct wants wants;
};

struct answer {
	struct wants got;
	struct verdict v;
	char service[HOST_MAX + 1];
};

struct run_of {
	const struct snapshot *s;
	const char *name;
	unsigned line;
	FILE *out;
};

/* --- words ----------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next word from *rest; key is empty for a word without "=". False: no word is left, or
 * (with e->text set) it is malformed. */
static bool next_word(struct span *rest, struct span *key, struct span *value, struct err *e)
{
	size_t i = 0, start, eq;

	while (i < rest->n && is_blank(rest->p[i]))
		i++;
	if (i == rest->n || rest->p[i] == '#')
		return false;
	for (start = i; i < rest->n && !is_blank(rest->p[i]) && rest->p[i] != '='; i++)
		;
	eq = i;
	bool arrow = eq == start && i + 1 < rest->n && rest->p[i + 1] == '>';
	*key = span_of(rest->p + start, 0);
	if (!arrow && i < rest->n && rest->p[i] == '=') {
		*key = span_of(rest->p + start, eq - start);
		start = ++i;
	}
	if (i < rest->n && rest->p[i] == '"') {
		start = ++i;
		while (i < rest->n && rest->p[i] != '"')
			i++;
		if (i == rest->n)
			return err_set(e, "a quote is not closed");
		*value = span_of(rest->p + start, i++ - start);
		if (i < rest->n && !is_blank(rest->p[i]))
			return err_set(e, "expected a blank behind a quoted value");
	} else {
		while (i < rest->n && !is_blank(rest->p[i]))
			i++;
		*value = span_of(rest->p + start, i - start);
	}
	*rest = span_of(rest->p + i, rest->n - i);
	return true;
}

/* Names joined by commas. */
struct names_of {
	const char *what;
	struct span *v;
	size_t *n, cap;
};

static bool take_names(struct names_of list, struct span key, struct span value, struct err *e)
{
	while (value.p) {
		struct span name = span_cut(&value, ',');
		if (name.n == 0)
			return err_set(
				e, "an empty %s; expected %.*s=a,b", list.what, SPAN_ARG(key));
		if (*list.n == list.cap)
			return err_set(e, "more than %zu %ss", list.cap, list.what);
		list.v[(*list.n)++] = name;
	}
	return true;
}

static bool take_span(struct span *out, struct span key, struct span value, struct err *e)
{
	if (out->n > 0)
		return err_set(e, "%.*s= stands twice", SPAN_ARG(key));
	if (value.n == 0)
		return err_set(e, "%.*s= has no value", SPAN_ARG(key));
	*out = value;
	return true;
}

static bool take_ask(struct line *l, struct span key, struct span value, struct err *e)
{
	if (span_is(key, "user"))
		return take_span(&l->ask.user, key, value, e);
	if (span_is(key, "client"))
		return take_span(&l->ask.client, key, value, e);
	if (span_is(key, "host"))
		return take_span(&l->ask.host, key, value, e);
	if (span_is(key, "address"))
		return take_span(&l->ask.address, key, value, e);
	if (span_is(key, "at"))
		return take_span(&l->ask.at, key, value, e);
	if (span_is(key, "groups"))
		return take_names((struct names_of){"group", l->groups, &l->ask.group_count,
					  EXPECT_GROUPS_MAX},
			key, value, e);
	if (span_is(key, "acked"))
		return take_names((struct names_of){"rule", l->acked, &l->ask.acked_count,
					  POLICY_STANDINGS_MAX},
			key, value, e);
	if (span_is(key, "spent"))
		return take_names((struct names_of){"rule", l->spent, &l->ask.spent_count,
					  POLICY_STANDINGS_MAX},
			key, value, e);
	if (span_is(key, "login") && span_is(value, "none"))
		return l->ask.no_login = true;
	return err_set(e,
		"\"%.*s=%.*s\" is no part of a question; expected user=, groups=, client=, "
		"host=, address=, at=, acked=, spent= or login=none",
		SPAN_ARG(key), SPAN_ARG(value));
}

static bool take_want(struct line *l, struct span key, struct span value, struct err *e)
{
	if (key.n == 0)
		key = SPAN("decision");
	for (int i = 0; i < WANT_COUNT; i++) {
		if (span_is(key, want_keys[i]))
			return take_span(&l->wants.v[i], key, value, e);
	}
	return err_set(e,
		"\"%.*s\" cannot be expected; expected decision, rule, reason, need, limit, "
		"role, service, part or country",
		SPAN_ARG(key));
}

static bool parse_line(struct span text, struct line *l, struct err *e)
{
	bool behind = false, any = false;
	struct span key, value;

	memset(l, 0, sizeof(*l));
	l->ask.groups = l->groups;
	l->ask.acked = l->acked;
	l->ask.spent = l->spent;
	e->text[0] = '\0';
	while (next_word(&text, &key, &value, e)) {
		if (key.n == 0 && span_is(value, "=>")) {
			if (behind)
				return err_set(e, "\"=>\" stands twice");
			behind = true;
			continue;
		}
		any = any || behind;
		if (!(behind ? take_want : take_ask)(l, key, value, e))
			return false;
	}
	if (e->text[0])
		return false;
	return any || err_set(e, "nothing is expected; expected \"=> allow rule=…\" or the like");
}

/* --- answers --------------------------------------------------------------------------------- */

static struct span role_of(const struct snapshot *s, const struct verdict *v)
{
	return v->role < 0 ? SPAN("-") : snapshot_role(s, (size_t)v->role);
}

static struct span rule_of(const struct snapshot *s, const struct verdict *v)
{
	struct rule_view r;

	if (v->rule < 0)
		return SPAN("-");
	snapshot_rule(s, (size_t)v->rule, &r);
	return r.name;
}

static void answer_of(const struct snapshot *s, struct explained *x, struct answer *a)
{
	const struct target *t = &x->target;
	struct span *got = a->got.v;

	explain_answer(s, x, &a->v, NULL);
	policy_label(s, &x->host, t, RECORD_SERVICE, a->service, sizeof(a->service));
	got[WANT_decision] = span_str(answer_word(&a->v));
	got[WANT_rule] = rule_of(s, &a->v);
	got[WANT_reason] = a->v.decision == DECISION_NEED
				   ? SPAN("-")
				   : span_str(reason_info(a->v.reason)->word);
	got[WANT_need] = span_str(a->v.decision == DECISION_NEED ? need_word(a->v.need) : "-");
	got[WANT_limit] = a->v.limit == LIMIT_COUNT ? SPAN("-") : span_str(limit_word(a->v.limit));
	got[WANT_role] = role_of(s, &a->v);
	got[WANT_service] = t->services ? span_str(a->service) : SPAN("-");
	got[WANT_part] = t->services ? span_str(part_word(t->service[0].part)) : SPAN("-");
	got[WANT_country] = a->v.country[0] ? span_str(a->v.country) : SPAN("-");
}

static bool matches(const struct wants *want, const struct wants *got)
{
	for (int i = 0; i < WANT_COUNT; i++) {
		if (want->v[i].p && !span_eq(want->v[i], got->v[i]))
			return false;
	}
	return true;
}

static void print_wants(FILE *out, const char *title, const struct wants *w)
{
	fprintf(out, "%s", title);
	for (int i = 0; i < WANT_COUNT; i++) {
		if (w->v[i].p)
			fprintf(out, " %s=%.*s", want_keys[i], SPAN_ARG(w->v[i]));
	}
}

static bool fail_line(const struct run_of *r, const char *text)
{
	fprintf(r->out, "%s:%u: %s\n", r->name, r->line, text);
	return false;
}

/* `moment` is the local time if the line names none. */
static bool fail_case(const struct run_of *r, const struct line *l, const struct answer *a,
	const struct local_time *moment)
{
	static const char *const days[7] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

	fprintf(r->out, "%s:%u: ", r->name, r->line);
	print_wants(r->out, "expected", &l->wants);
	print_wants(r->out, ", got", &a->got);
	if (moment)
		fprintf(r->out, " (on %s at %02d:%02d; say at=… if the time matters)",
			days[moment->weekday], moment->minute / 60, moment->minute % 60);
	fputc('\n', r->out);
	return false;
}

static bool run_at(
	const struct run_of *r, const struct line *l, struct explained *x, bool show_moment)
{
	struct answer a = {0};
	struct local_time t;

	answer_of(r->s, x, &a);
	if (matches(&l->wants, &a.got))
		return true;
	snapshot_local(r->s, x->facts.now_s, &t);
	return fail_case(r, l, &a, show_moment ? &t : NULL);
}

/* Monday 2026-01-05 and the days behind it: a week in which no zone of today moves its clocks, so
 * that every minute of the week is there once. */
static bool run_all_week(const struct run_of *r, const struct line *l, struct explained *x)
{
	size_t n;
	const struct week_window *w = snapshot_at_WINDOW(r->s, &n);
	int64_t monday;

	if (!snapshot_parse_time(r->s, SPAN("2026-01-05"), &monday))
		return fail_line(r, "the policy's zone does not cover 2026");
	x->facts.now_s = monday;
	if (!run_at(r, l, x, n > 0))
		return false;
	for (size_t i = 0; i < 2 * n; i++) {
		int minute = i % 2 ? w[i / 2].to : w[i / 2].from;
		x->facts.now_s = monday + minute * INT64_C(60);
		if (!run_at(r, l, x, true))
			return false;
	}
	return true;
}

/* False: the line is no case. */
static bool read_line(const struct run_of *r, struct span text, struct line *l, struct explained *x)
{
	struct err e;

	if (text.n > EXPECT_LINE_MAX)
		return fail_line(r, "the line is too long");
	if (!parse_line(text, l, &e) || !explain_facts(r->s, &l->ask, x, &e))
		return fail_line(r, e.text);
	return true;
}

static void run_line(const struct run_of *r, struct span text, struct expect_counts *n)
{
	struct explained x;
	struct line l;

	if (!read_line(r, text, &l, &x))
		n->wrong++;
	else if (l.ask.at.n > 0 ? run_at(r, &l, &x, false) : run_all_week(r, &l, &x))
		n->passed++;
	else
		n->failed++;
}

static bool says_something(struct span line)
{
	size_t i = 0;

	while (i < line.n && is_blank(line.p[i]))
		i++;
	return i < line.n && line.p[i] != '#';
}

bool expect_run(const struct snapshot *s, struct span table, const char *name, FILE *out,
	struct expect_counts *n)
{
	struct run_of r = {.s = s, .name = name, .out = out};
	unsigned before = n->failed + n->wrong;

	while (table.p) {
		struct span text = span_cut(&table, '\n');
		r.line++;
		if (says_something(text))
			run_line(&r, text, n);
	}
	return n->failed + n->wrong == before;
}
