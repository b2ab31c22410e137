/*
 * Cover is decided condition by condition: rule `early` covers `late` when each of its conditions
 * holds wherever the same condition of `late` does. That misses covers made of several rules
 * together, never the other way round.
 */
#include "cover.h"

static bool in_list(const struct snapshot *s, const struct snap_list *l, uint32_t key)
{
	const uint32_t *v = snapshot_at_ITEM(s, NULL) + l->items.first;

	for (size_t i = 0; i < l->items.n; i++) {
		if (v[i] == key)
			return true;
	}
	return false;
}

static bool is_empty(const struct snap_list *l)
{
	return l->items.n == 0 && l->ranges.n == 0;
}

bool cover_service(const struct snapshot *s, const struct snap_list *l, uint32_t service)
{
	const struct snap_service *v = &snapshot_at_SERVICE(s, NULL)[service];
	const uint16_t *of = snapshot_at_SERVICE_CATEGORY(s, NULL) + v->categories.first;

	if (in_list(s, l, item_key(ITEM_SERVICE, service)))
		return true;
	for (size_t i = 0; i < v->categories.n; i++) {
		if (in_list(s, l, item_key(ITEM_CATEGORY, of[i])))
			return true;
	}
	return false;
}

/* --- `to` and `except` ------------------------------------------------------------------------ */

/* Two lists, and whether a service that both name means as many hosts in `early` as in `late`: a
 * list that takes away stops short of shared hosts, and only some include embedded pieces (see
 * evaluate). */
struct pair {
	const struct snap_list *early, *late;
	bool same_reach;
};

/* A suffix above the name, or the name itself in a scope that is at least as wide. */
static bool target_covered(
	const struct snapshot *s, const struct snap_list *l, const struct snap_target *late)
{
	const struct snap_target *targets = snapshot_at_TARGET(s, NULL);
	const uint32_t *v = snapshot_at_ITEM(s, NULL) + l->items.first;
	struct span name = snapshot_span(s, late->name);

	for (size_t i = 0; i < l->items.n; i++) {
		if (item_kind(v[i]) != ITEM_TARGET)
			continue;
		const struct snap_target *t = &targets[item_id(v[i])];
		struct span above = snapshot_span(s, t->name);
		if (span_eq(name, above) && (late->scope & ~t->scope) == 0)
			return true;
		if ((t->scope & SCOPE_BELOW) && name.n > above.n && span_ends(name, above) &&
			name.p[name.n - above.n - 1] == '.')
			return true;
	}
	return false;
}

static bool item_covered(const struct snapshot *s, const struct pair *p, uint32_t key)
{
	switch (item_kind(key)) {
	case ITEM_SERVICE:
		return p->same_reach && cover_service(s, p->early, item_id(key));
	case ITEM_CATEGORY:
		return p->same_reach && in_list(s, p->early, key);
	case ITEM_TARGET:
		return target_covered(s, p->early, &snapshot_at_TARGET(s, NULL)[item_id(key)]);
	}
	return false;
}

static bool range_covered(
	const struct snapshot *s, const struct snap_list *l, const struct prefix *late)
{
	const struct prefix *v = snapshot_at_PREFIX(s, NULL) + l->ranges.first;

	for (size_t i = 0; i < l->ranges.n; i++) {
		if (v[i].len <= late->len && prefix_has(&v[i], &late->addr))
			return true;
	}
	return false;
}

static bool list_covered(const struct snapshot *s, struct pair p)
{
	const uint32_t *keys = snapshot_at_ITEM(s, NULL) + p.late->items.first;
	const struct prefix *ranges = snapshot_at_PREFIX(s, NULL) + p.late->ranges.first;

	for (size_t i = 0; i < p.late->items.n; i++) {
		if (!item_covered(s, &p, keys[i]))
			return false;
	}
	for (size_t i = 0; i < p.late->ranges.n; i++) {
		if (!range_covered(s, p.early, &ranges[i]))
			return false;
	}
	return true;
}

static bool embeds_at_least(const struct snap_rule *wide, const struct snap_rule *narrow)
{
	return (wide->flags & RULE_EMBEDS) || !(narrow->flags & RULE_EMBEDS);
}

static bool to_covered(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	bool shared = early->action != RULE_DENY || late->action == RULE_DENY;

	if (is_empty(&early->to))
		return true;
	return !is_empty(&late->to) &&
	       list_covered(s, (struct pair){&early->to, &late->to,
				       shared && embeds_at_least(early, late)});
}

/* What `early` leaves out, `late` must leave out, too; so the lists change places. */
static bool except_covered(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	bool shared = late->action == RULE_DENY || early->action != RULE_DENY;

	return list_covered(s, (struct pair){&late->except, &early->except,
				       shared && embeds_at_least(late, early)});
}

/* --- the other conditions --------------------------------------------------------------------- */

static bool window_covered(const struct snapshot *s, struct run windows, struct week_window late)
{
	const struct week_window *v = snapshot_at_WINDOW(s, NULL) + windows.first;

	for (int minute = late.from; minute < late.to; minute++) {
		if (!schedule_has(v, windows.n, minute))
			return false;
	}
	return true;
}

static bool schedule_covered(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	const struct snap_schedule *v = snapshot_at_SCHEDULE(s, NULL);

	if (early->schedule == SNAPSHOT_NONE || early->schedule == late->schedule)
		return true;
	if (late->schedule == SNAPSHOT_NONE)
		return false;
	struct run w = v[late->schedule].windows;
	for (size_t i = 0; i < w.n; i++) {
		if (!window_covered(s, v[early->schedule].windows,
			    snapshot_at_WINDOW(s, NULL)[w.first + i]))
			return false;
	}
	return true;
}

static bool port_covered(const struct snapshot *s, struct run early, struct port_range late)
{
	const struct port_range *v = snapshot_at_PORT(s, NULL) + early.first;

	for (size_t i = 0; i < early.n; i++) {
		if (v[i].from <= late.from && late.to <= v[i].to)
			return true;
	}
	return false;
}

/* Does any rule open ports beyond the policy's? */
static bool ports_widened(const struct snapshot *s)
{
	size_t n;
	const struct snap_rule *v = snapshot_at_RULE(s, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i].action != RULE_DENY && v[i].ports.n > 0)
			return true;
	}
	return false;
}

static bool ports_covered(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	struct run e = early->ports, l = late->ports;

	if (early->action == RULE_DENY && e.n == 0)
		return true;
	/* A deny closes all ports; on those that nothing opens that changes nothing. */
	if (l.n == 0 && late->action == RULE_DENY)
		return e.n == 0 && !ports_widened(s);
	e = e.n ? e : s->ports;
	l = l.n ? l : s->ports;
	for (size_t i = 0; i < l.n; i++) {
		if (!port_covered(s, e, snapshot_at_PORT(s, NULL)[l.first + i]))
			return false;
	}
	return true;
}

/* A role for everyone known holds wherever one by name or group does, but not for kiosks. */
static bool roles_covered(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	if (early->roles == 0)
		return true;
	uint64_t left = late->roles & ~early->roles;
	if (early->roles & s->everyone)
		left &= s->by_network;
	return late->roles != 0 && left == 0;
}

static bool countries_covered(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	const struct country *v = snapshot_at_COUNTRY(s, NULL);

	if (early->countries.n == 0)
		return true;
	for (size_t i = 0; i < late->countries.n; i++) {
		bool found = false;
		for (size_t k = 0; k < early->countries.n && !found; k++)
			found = !memcmp(v[late->countries.first + i].code,
				v[early->countries.first + k].code, 2);
		if (!found)
			return false;
	}
	return late->countries.n > 0;
}

bool cover_rule(
	const struct snapshot *s, const struct snap_rule *early, const struct snap_rule *late)
{
	return roles_covered(s, early, late) && to_covered(s, early, late) &&
	       except_covered(s, early, late) && schedule_covered(s, early, late) &&
	       ports_covered(s, early, late) && countries_covered(s, early, late);
}

/* --- rules that meet ---------------------------------------------------------------------------
 */

static bool windows_meet(const struct snapshot *s, struct run a, struct run b)
{
	const struct week_window *v = snapshot_at_WINDOW(s, NULL);

	for (size_t i = 0; i < a.n; i++)
		for (size_t k = 0; k < b.n; k++)
			if (v[a.first + i].from < v[b.first + k].to &&
				v[b.first + k].from < v[a.first + i].to)
				return true;
	return false;
}

static bool schedules_meet(
	const struct snapshot *s, const struct snap_rule *a, const struct snap_rule *b)
{
	const struct snap_schedule *v = snapshot_at_SCHEDULE(s, NULL);

	return a->schedule == SNAPSHOT_NONE || b->schedule == SNAPSHOT_NONE ||
	       windows_meet(s, v[a->schedule].windows, v[b->schedule].windows);
}

/* Does the list name services alone? */
static bool in_services(const struct snapshot *s, const struct snap_list *l)
{
	const uint32_t *v = snapshot_at_ITEM(s, NULL) + l->items.first;

	for (size_t i = 0; i < l->items.n; i++)
		if (item_kind(v[i]) != ITEM_SERVICE)
			return false;
	return l->ranges.n == 0 && l->items.n > 0;
}

/* Is there a host that is one of a service of `a` and one of a service of `b`? */
static bool hosts_meet(
	const struct snapshot *s, const struct snap_list *a, const struct snap_list *b)
{
	size_t n;
	const struct name_entry *v = snapshot_at_NAME(s, &n);

	for (size_t i = 0; i < n; i++) {
		const struct name_tag *tags = snapshot_at_TAG(s, NULL) + v[i].tags;
		bool in_a = false, in_b = false;

		for (size_t k = 0; k < v[i].tag_count; k++) {
			if (tags[k].kind != TAG_SERVICE)
				continue;
			in_a |= in_list(s, a, item_key(ITEM_SERVICE, tags[k].id));
			in_b |= in_list(s, b, item_key(ITEM_SERVICE, tags[k].id));
		}
		if (in_a && in_b)
			return true;
	}
	return false;
}

static bool lists_meet(
	const struct snapshot *s, const struct snap_list *a, const struct snap_list *b)
{
	return !in_services(s, a) || !in_services(s, b) || hosts_meet(s, a, b);
}

bool cover_may_meet(const struct snapshot *s, const struct snap_rule *a, const struct snap_rule *b)
{
	return schedules_meet(s, a, b) && lists_meet(s, &a->to, &b->to);
}

bool cover_excepted(const struct snapshot *s, const struct snap_rule *r)
{
	/* of an allow, `to` has the shared hosts and `except` has not */
	return !is_empty(&r->to) &&
	       list_covered(s, (struct pair){&r->except, &r->to, r->action == RULE_DENY});
}

bool cover_unconditional(const struct snap_rule *r)
{
	return r->roles == 0 && is_empty(&r->to) && is_empty(&r->except) && r->ports.n == 0 &&
	       r->countries.n == 0 && r->schedule == SNAPSHOT_NONE;
}
