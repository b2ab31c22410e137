/*
 * What holds for somebody now and until when, without a host: for those who ask before they open
 * anything, and for whoever must look again when it changes. Schedules are minutes of the local
 * week, so their edges are looked for step by step: the next edge at the present offset, or the
 * next change of the clocks, whichever is first.
 */
#include "snapshot.h"

#define WEEK_S (WEEK_MINUTES * 60)

static bool holds_at(const struct snapshot *s, const struct snap_schedule *c, int64_t at_s)
{
	struct local_time t;

	snapshot_local(s, at_s, &t);
	return schedule_has(snapshot_at_WINDOW(s, NULL) + c->windows.first, c->windows.n,
		t.weekday * 1440 + t.minute);
}

/* The next moment of the local week, at the present offset, at which a window begins or ends. */
static int64_t next_window(const struct snapshot *s, const struct snap_schedule *c, int64_t at_s)
{
	const struct week_window *v = snapshot_at_WINDOW(s, NULL) + c->windows.first;
	struct local_time t;
	int64_t best = WEEK_S;

	snapshot_local(s, at_s, &t);
	int64_t local = at_s + t.offset_s, second = local % 60 + (local % 60 < 0 ? 60 : 0);
	int64_t now = (t.weekday * INT64_C(1440) + t.minute) * 60 + second;
	for (size_t i = 0; i < 2 * (size_t)c->windows.n; i++) {
		int64_t edge = (i % 2 ? v[i / 2].to : v[i / 2].from) * INT64_C(60) - now;

		edge += edge <= 0 ? WEEK_S : 0;
		edge += edge <= 0 ? WEEK_S : 0; /* a window that ends with the week */
		if (edge < best)
			best = edge;
	}
	return at_s + best;
}

static int64_t next_clock_change(const struct snapshot *s, int64_t at_s)
{
	size_t n;
	const struct zone_step *v = snapshot_zone_steps(s, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i].from_s > at_s)
			return v[i].from_s;
	return INT64_MAX;
}

/* When the schedule begins or ends next; 0: never. Two weeks see every edge of a week, also where
 * the clocks skip one. */
static int64_t schedule_edge(const struct snapshot *s, const struct snap_schedule *c, int64_t now_s)
{
	bool now = holds_at(s, c, now_s);

	for (int64_t at = now_s; at < now_s + 2 * WEEK_S;) {
		int64_t window = next_window(s, c, at), change = next_clock_change(s, at);

		at = window < change ? window : change;
		if (holds_at(s, c, at) != now)
			return at;
	}
	return 0;
}

static int64_t rule_edge(const struct snapshot *s, const struct snap_rule *r, int64_t now_s)
{
	if (r->schedule == SNAPSHOT_NONE)
		return 0;
	return schedule_edge(s, &snapshot_at_SCHEDULE(s, NULL)[r->schedule], now_s);
}

void policy_rule_now(
	const struct snapshot *s, const struct facts *f, size_t rule, struct rule_now *out)
{
	assert(rule < snapshot_rules(s));
	const struct snap_rule *r = &snapshot_at_RULE(s, NULL)[rule];

	uint64_t through = r->roles & facts_roles(s, f);

	out->for_you = r->roles == 0 || through;
	out->role = through ? __builtin_ctzll(through) : -1;
	out->open = r->schedule == SNAPSHOT_NONE ||
		    holds_at(s, &snapshot_at_SCHEDULE(s, NULL)[r->schedule], f->now_s);
	out->until_s = rule_edge(s, r, f->now_s);
}

int64_t policy_next_edge(const struct snapshot *s, int64_t now_s)
{
	const struct snap_rule *v = snapshot_at_RULE(s, NULL);
	size_t n;
	const struct snap_schedule *c = snapshot_at_SCHEDULE(s, &n);
	int64_t first = 0;

	for (size_t i = 0; i < n; i++) {
		bool used = false;

		for (size_t k = 0; k < snapshot_rules(s) && !used; k++)
			used = v[k].schedule == i;
		int64_t edge = used ? schedule_edge(s, &c[i], now_s) : 0;
		if (edge && (!first || edge < first))
			first = edge;
	}
	return first;
}

/* --- what a rule is for, in words --- */

static void add_word(struct buf *out, size_t *n, const char *before, struct span word)
{
	buf_adds(out, (*n)++ ? ", " : "");
	buf_adds(out, before);
	buf_span(out, word);
}

static void add_item(const struct snapshot *s, uint32_t key, struct buf *out, size_t *n)
{
	uint32_t id = item_id(key);
	const struct snap_target *t;

	switch (item_kind(key)) {
	case ITEM_SERVICE:
		add_word(out, n, "", snapshot_service(s, id));
		break;
	case ITEM_CATEGORY:
		add_word(out, n, "#", snapshot_category(s, id));
		break;
	case ITEM_TARGET:
		t = &snapshot_at_TARGET(s, NULL)[id];
		add_word(out, n, t->scope == SCOPE_SUFFIX ? "." : "", snapshot_span(s, t->name));
		break;
	}
}

static void add_list(const struct snapshot *s, const struct snap_list *l, struct buf *out)
{
	const uint32_t *v = snapshot_at_ITEM(s, NULL) + l->items.first;
	const struct prefix *p = snapshot_at_PREFIX(s, NULL) + l->ranges.first;
	char text[PREFIX_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < l->items.n; i++)
		add_item(s, v[i], out, &n);
	for (size_t i = 0; i < l->ranges.n; i++) {
		prefix_format(&p[i], text);
		add_word(out, &n, "", span_str(text));
	}
}

void policy_rule_to(const struct snapshot *s, size_t rule, struct buf *out)
{
	assert(rule < snapshot_rules(s));
	const struct snap_rule *r = &snapshot_at_RULE(s, NULL)[rule];

	if (r->to.items.n + r->to.ranges.n)
		add_list(s, &r->to, out);
	else
		buf_adds(out, "everything");
	if (r->except.items.n + r->except.ranges.n) {
		buf_adds(out, " except ");
		add_list(s, &r->except, out);
	}
}
