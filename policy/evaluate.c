/*
 * The decision. Each rule is judged in three values: it holds, it does not, or that depends on
 * something nobody has asked yet. The first rule that holds decides, if no earlier one is still
 * open; an open one becomes a need, and who somebody is is asked before any name is resolved.
 */
#include "snapshot.h"

enum tri { NO, OPEN, YES };

enum strength {
	MATCH_NONE,
	MATCH_WEAK,  /* through a category */
	MATCH_STRONG /* by host, suffix, service or range: may open inside addresses */
};

/* One evaluation: the facts, and what was worked out from them. */
struct scene {
	const struct snapshot *s;
	const struct facts *f;
	uint64_t held;				/* roles that hold */
	uint64_t bits;				/* item_bit() of all the host stands for */
	uint64_t service_bits[POLICY_TAGS_MAX]; /* the same of each of its services */
	struct addr address;
	bool address_known, address_open;
	char country[3];
	int week_minute;     /* -1: not worked out yet */
	bool port_only;	     /* an allow rule failed on nothing but its port */
	bool address_wanted; /* an earlier rule hangs on the address alone */
	bool let_through;    /* something refused, but facts.observe_all */
};

/* How one rule stands: what is known to fail, else what is open. */
struct outcome {
	enum condition fails;
	bool identity, address;
};

/* --- what the host stands for --- */

static const struct snap_service *service_of(const struct scene *x, const struct service_tag *tag)
{
	return &snapshot_at_SERVICE(x->s, NULL)[tag->service];
}

static uint64_t bits_of_service(const struct scene *x, const struct service_tag *tag)
{
	const uint16_t *of = snapshot_at_SERVICE_CATEGORY(x->s, NULL);
	struct run c = service_of(x, tag)->categories;
	uint64_t bits = item_bit(item_key(ITEM_SERVICE, tag->service));

	for (size_t k = 0; k < c.n; k++)
		bits |= item_bit(item_key(ITEM_CATEGORY, of[c.first + k]));
	return bits;
}

static void gather_bits(struct scene *x)
{
	const struct target *t = x->f->target;

	for (size_t i = 0; i < t->names; i++)
		x->bits |= item_bit(item_key(ITEM_TARGET, t->name[i]));
	for (size_t i = 0; i < t->categories; i++)
		x->bits |= item_bit(item_key(ITEM_CATEGORY, t->category[i]));
	for (size_t i = 0; i < t->services; i++) {
		x->service_bits[i] = bits_of_service(x, &t->service[i]);
		x->bits |= x->service_bits[i];
	}
}

static bool has(const struct snapshot *s, const struct snap_list *l, uint32_t key)
{
	const uint32_t *v = snapshot_at_ITEM(s, NULL) + l->items.first;
	size_t low = 0, high = l->items.n;

	if (!(l->bits & item_bit(key)))
		return false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v[mid] < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->items.n && v[low] == key;
}

/* Does the list name the host's service i, and how? */
static enum strength names_service(const struct scene *x, const struct snap_list *l, size_t i)
{
	const struct service_tag *tag = &x->f->target->service[i];
	const uint16_t *of = snapshot_at_SERVICE_CATEGORY(x->s, NULL);
	struct run c = service_of(x, tag)->categories;

	if (!(x->service_bits[i] & l->bits))
		return MATCH_NONE;
	if (has(x->s, l, item_key(ITEM_SERVICE, tag->service)))
		return MATCH_STRONG;
	for (size_t k = 0; k < c.n; k++)
		if (has(x->s, l, item_key(ITEM_CATEGORY, of[c.first + k])))
			return MATCH_WEAK;
	return MATCH_NONE;
}

/* Which parts of a named service a list covers. A list that takes away (`to` of a deny, `except` of
 * an allow) takes a shared host only where every service of the host is named. */
static bool covers(enum service_part part, bool takes, bool all_named, bool embeds)
{
	switch (part) {
	case PART_CORE:
	case PART_CDN:
		return true;
	case PART_SHARED:
		return !takes || all_named;
	case PART_EMBED:
		return embeds;
	case PART_COUNT:
		break;
	}
	return false;
}

static enum strength by_service(
	const struct scene *x, const struct snap_list *l, bool takes, bool embeds)
{
	const struct target *t = x->f->target;
	enum strength named[POLICY_TAGS_MAX], best = MATCH_NONE;
	bool all_named = true;

	for (size_t i = 0; i < t->services; i++) {
		named[i] = names_service(x, l, i);
		all_named &= named[i] != MATCH_NONE;
	}
	for (size_t i = 0; i < t->services; i++) {
		enum service_part part = (enum service_part)t->service[i].part;

		if (named[i] > best && covers(part, takes, all_named, embeds))
			best = named[i];
	}
	return best;
}

static enum strength by_name(
	const struct scene *x, const struct snap_list *l, bool takes, bool embeds)
{
	const struct target *t = x->f->target;

	if (!(x->bits & l->bits))
		return MATCH_NONE;
	for (size_t i = 0; i < t->names; i++)
		if (has(x->s, l, item_key(ITEM_TARGET, t->name[i])))
			return MATCH_STRONG;
	enum strength best = by_service(x, l, takes, embeds);
	for (size_t i = 0; i < t->categories && best == MATCH_NONE; i++)
		if (has(x->s, l, item_key(ITEM_CATEGORY, t->category[i])))
			best = MATCH_WEAK;
	return best;
}

static bool in_ranges(const struct snapshot *s, struct run ranges, const struct addr *a)
{
	const struct prefix *v = snapshot_at_PREFIX(s, NULL) + ranges.first;

	for (size_t i = 0; i < ranges.n; i++)
		if (prefix_has(&v[i], a))
			return true;
	return false;
}

static enum tri by_range(const struct scene *x, const struct snap_list *l)
{
	if (l->ranges.n == 0)
		return NO;
	if (x->address_open)
		return OPEN;
	return x->address_known && in_ranges(x->s, l->ranges, &x->address) ? YES : NO;
}

static bool is_empty(const struct snap_list *l)
{
	return l->items.n == 0 && l->ranges.n == 0;
}

static enum tri list_holds(
	const struct scene *x, const struct snap_list *l, bool takes, const struct snap_rule *r)
{
	if (is_empty(l))
		return NO;
	if (by_name(x, l, takes, r->flags & RULE_EMBEDS) != MATCH_NONE)
		return YES;
	return by_range(x, l);
}

/* --- the conditions of a rule --- */

static bool schedule_holds(struct scene *x, const struct snap_rule *r)
{
	if (r->schedule == SNAPSHOT_NONE)
		return true;
	if (x->week_minute < 0) {
		struct local_time t;

		snapshot_local(x->s, x->f->now_s, &t);
		x->week_minute = t.weekday * 1440 + t.minute;
	}
	struct run w = snapshot_at_SCHEDULE(x->s, NULL)[r->schedule].windows;
	return schedule_has(snapshot_at_WINDOW(x->s, NULL) + w.first, w.n, x->week_minute);
}

/* A rule without ports: an allow opens the policy's, a deny closes all. */
static bool port_holds(const struct scene *x, const struct snap_rule *r)
{
	struct run ports = r->ports;

	if (ports.n == 0 && r->action == RULE_DENY)
		return true;
	if (ports.n == 0)
		ports = x->s->ports;
	const struct port_range *v = snapshot_at_PORT(x->s, NULL) + ports.first;
	for (size_t i = 0; i < ports.n; i++)
		if (x->f->port >= v[i].from && x->f->port <= v[i].to)
			return true;
	return false;
}

static enum tri to_holds(const struct scene *x, const struct snap_rule *r)
{
	return is_empty(&r->to) ? YES : list_holds(x, &r->to, r->action == RULE_DENY, r);
}

static enum tri except_holds(const struct scene *x, const struct snap_rule *r)
{
	return list_holds(x, &r->except, r->action != RULE_DENY, r);
}

static enum tri roles_hold(const struct scene *x, const struct snap_rule *r)
{
	if (r->roles == 0 || (r->roles & x->held))
		return YES;
	return x->f->identity == IDENTITY_UNKNOWN && (r->roles & x->s->by_person) ? OPEN : NO;
}

static enum tri country_holds(const struct scene *x, const struct snap_rule *r)
{
	const struct country *v = snapshot_at_COUNTRY(x->s, NULL) + r->countries.first;

	if (r->countries.n == 0)
		return YES;
	if (x->address_open)
		return OPEN;
	for (size_t i = 0; i < r->countries.n; i++)
		if (memcmp(v[i].code, x->country, 2) == 0)
			return YES;
	return NO;
}

static struct outcome fails(enum condition c)
{
	return (struct outcome){.fails = c};
}

/* Who accepts must be somebody: a role by network is not enough. */
static bool asks_person(const struct scene *x, const struct snap_rule *r)
{
	return r->remember_s && x->f->identity == IDENTITY_UNKNOWN;
}

/* What tells most rules from the one that is meant comes first: a rule for other hosts says so,
 * whatever the time. The port comes last, so that a rule that gets there failed on nothing else;
 * what is open counts as holding then: a port that no rule opens is not worth a login. */
static struct outcome judge(struct scene *x, const struct snap_rule *r)
{
	enum tri to = to_holds(x, r);
	if (to == NO)
		return fails(COND_TO);
	enum tri except = except_holds(x, r);
	if (except == YES)
		return fails(COND_EXCEPT);
	enum tri roles = roles_hold(x, r);
	if (roles == NO)
		return fails(COND_ROLES);
	if (!schedule_holds(x, r))
		return fails(COND_SCHEDULE);
	enum tri country = country_holds(x, r);
	if (country == NO)
		return fails(COND_COUNTRY);
	if (!port_holds(x, r)) {
		x->port_only |= r->action != RULE_DENY && !(r->flags & RULE_OBSERVE);
		return fails(COND_PORT);
	}
	return (struct outcome){.fails = COND_HOLDS,
		.identity = roles == OPEN || asks_person(x, r),
		.address = to == OPEN || except == OPEN || country == OPEN};
}

/* --- from the deciding rule to the verdict --- */

static void deny(struct verdict *v, enum reason reason)
{
	v->decision = DECISION_DENY;
	v->reason = reason;
}

static void need(struct verdict *v, enum need what)
{
	v->decision = DECISION_NEED;
	v->need = what;
}

static int32_t first_of(uint64_t roles)
{
	return roles ? __builtin_ctzll(roles) : -1;
}

/* Was the rule's `to` met by something that names the host or its address outright? */
static bool opens_by_name(const struct scene *x, const struct snap_rule *r)
{
	if (is_empty(&r->to))
		return false;
	return by_name(x, &r->to, false, r->flags & RULE_EMBEDS) == MATCH_STRONG ||
	       by_range(x, &r->to) == YES;
}

/* Inside and special addresses need two things that agree: `inside`, and a rule that means them.
 * `r` NULL: no rule allows. */
static bool guard(const struct scene *x, const struct snap_rule *r, struct verdict *v)
{
	enum address_class class = CLASS_PUBLIC;

	if (x->f->address_is_self) {
		deny(v, REASON_SELF);
		return false;
	}
	if (x->address_known)
		class = address_class(&x->address, NULL);
	if (class == CLASS_PUBLIC)
		return true;
	if (r && in_ranges(x->s, x->s->inside, &x->address) && opens_by_name(x, r))
		return true;
	deny(v, class == CLASS_INSIDE ? REASON_INSIDE : REASON_SPECIAL);
	return false;
}

struct standing_facts *facts_standing(struct facts *f, size_t rule)
{
	for (size_t i = 0; i < f->standings; i++)
		if (f->standing[i].rule == rule)
			return &f->standing[i];
	if (f->standings == POLICY_STANDINGS_MAX)
		return NULL;
	f->standing[f->standings] = (struct standing_facts){.rule = (uint16_t)rule};
	return &f->standing[f->standings++];
}

/* What the caller said of how the person stands under the rule, or NULL. */
static const struct standing_facts *standing(const struct facts *f, size_t rule)
{
	for (size_t i = 0; i < f->standings; i++)
		if (f->standing[i].rule == rule)
			return &f->standing[i];
	return NULL;
}

/* Has the person accepted? Where not, or not known, *v says so. */
static bool acknowledged(const struct scene *x, size_t i, struct verdict *v)
{
	const struct facts *f = x->f;
	const struct standing_facts *st = standing(f, i);

	if (f->observe_all) {
		v->reason = REASON_OBSERVE_ALL;
		return true;
	}
	if (f->identity == IDENTITY_NOBODY) {
		deny(v, REASON_COACH_LOGIN);
		return false;
	}
	if (st && st->asked_ack) {
		if (!st->acked)
			deny(v, REASON_COACH);
		return st->acked;
	}
	if (!f->all_acked)
		need(v, NEED_ACK);
	return f->all_acked;
}

/* Kinds that are ever spent; of an access that is open nothing more is taken. */
static bool has_limit(const struct snap_limits *l, bool open)
{
	if (l->minutes || l->bytes)
		return true;
	return !open && (l->tunnels || l->requests.interval_us);
}

static bool in_grace(
	const struct scene *x, const struct snap_rule *r, const struct standing_facts *st)
{
	return x->f->open && (st->kind == LIMIT_MINUTES || st->kind == LIMIT_BYTES) &&
	       st->spent_for_s < r->limits.grace_s;
}

/* One of the limits is spent. False: the next rule decides. */
static bool spent(
	const struct scene *x, size_t i, const struct standing_facts *st, struct verdict *v)
{
	static const enum reason reasons[LIMIT_COUNT] = {[LIMIT_MINUTES] = REASON_LIMIT_MINUTES,
		[LIMIT_BYTES] = REASON_LIMIT_BYTES,
		[LIMIT_TUNNELS] = REASON_LIMIT_TUNNELS,
		[LIMIT_REQUESTS] = REASON_LIMIT,
		[LIMIT_BANDWIDTH] = REASON_LIMIT};
	const struct snap_rule *r = &snapshot_at_RULE(x->s, NULL)[i];

	if (r->limits.when_spent == WHEN_SPENT_NEXT)
		return false;
	v->limit = st->kind;
	v->retry_s = st->retry_s;
	if (x->f->observe_all)
		v->reason = REASON_OBSERVE_ALL;
	else if (r->limits.when_spent == WHEN_SPENT_COACH)
		acknowledged(x, i, v);
	else
		deny(v, reasons[st->kind]);
	return true;
}

/* False: a limit is spent, and the next rule decides. */
static bool take_limits(const struct scene *x, size_t i, struct verdict *v)
{
	const struct snap_rule *r = &snapshot_at_RULE(x->s, NULL)[i];
	const struct standing_facts *st = standing(x->f, i);

	if (!has_limit(&r->limits, x->f->open))
		return true;
	switch (st ? st->spent : SPENT_UNKNOWN) {
	case SPENT_NO:
		return true;
	case SPENT_UNTOLD:
		if (x->f->observe_all)
			v->reason = REASON_OBSERVE_ALL;
		else
			deny(v, REASON_LIMIT_UNKNOWN);
		return true;
	case SPENT_YES:
		return in_grace(x, r, st) || spent(x, i, st, v);
	case SPENT_UNKNOWN:
		break;
	}
	if (!x->f->limits_unspent)
		need(v, NEED_LIMIT);
	return true;
}

/* False: a limit is spent, and the next rule decides. */
static bool decide(const struct scene *x, size_t i, struct verdict *v)
{
	const struct snap_rule *r = &snapshot_at_RULE(x->s, NULL)[i];
	uint64_t through = r->roles ? r->roles & x->held : x->held;

	v->rule = (int32_t)i;
	v->role = first_of(through);
	v->reason = REASON_RULE;
	if (r->action == RULE_DENY) {
		deny(v, REASON_RULE);
		return true;
	}
	/* The literal of a CONNECT is known, but whether it is our own listener only the caller
	 * says. */
	if (x->f->address_state == ADDRESS_UNKNOWN) {
		v->rule = v->role = -1;
		need(v, NEED_ADDRESS);
		return true;
	}
	if (!guard(x, r, v))
		return true;
	if (x->let_through)
		v->reason = REASON_OBSERVE_ALL;
	v->decision = DECISION_ALLOW;
	if (r->action == RULE_COACH && !acknowledged(x, i, v))
		return true;
	if (take_limits(x, i, v))
		return true;
	v->rule = v->role = -1;
	return false;
}

/* No rule allows, but facts.observe_all: what nothing can open stays shut, and nobody who could say
 * who he is comes through unasked. */
static void let_through(const struct scene *x, struct verdict *v)
{
	if (x->f->identity == IDENTITY_UNKNOWN && !x->held && snapshot_wants_identity(x->s)) {
		need(v, NEED_IDENTITY);
	} else if (x->f->address_state == ADDRESS_UNKNOWN) {
		v->role = -1;
		need(v, NEED_ADDRESS);
	} else if (guard(x, NULL, v)) {
		v->decision = DECISION_ALLOW;
		v->reason = REASON_OBSERVE_ALL;
	}
}

/* --- the story --- */

uint64_t facts_roles(const struct snapshot *s, const struct facts *f)
{
	size_t n;
	const struct snap_role *v = snapshot_at_ROLE(s, &n);
	uint64_t held = f->identity == IDENTITY_KNOWN ? (f->roles & s->by_person) | s->everyone : 0;

	struct addr client = policy_plain_address(&f->client);
	for (size_t i = 0; s->by_network && i < n; i++)
		if (in_ranges(s, v[i].networks, &client))
			held |= UINT64_C(1) << i;
	return held;
}

static void look(struct scene *x, const struct snapshot *s, const struct facts *f)
{
	*x = (struct scene){.s = s, .f = f, .week_minute = -1};
	x->held = facts_roles(s, f);
	gather_bits(x);
	if (f->address_state == ADDRESS_KNOWN) {
		x->address = policy_plain_address(&f->address);
		x->address_known = true;
	} else if (f->host->literal) {
		x->address = policy_plain_address(&f->host->addr);
		x->address_known = true;
	} else {
		x->address_open = f->address_state == ADDRESS_UNKNOWN;
	}
	if (x->address_known)
		policy_country(s, &x->address, x->country);
}

static void note(struct trace *t, size_t i, enum condition c)
{
	if (t && i < t->cap)
		t->v[i] = c;
}

static void note_start(struct trace *t, size_t rules)
{
	if (!t)
		return;
	t->n = rules < t->cap ? rules : t->cap;
	for (size_t i = 0; i < t->n; i++)
		t->v[i] = COND_NOT_REACHED;
}

/* What a rule that is open shows in a trace. */
static enum condition open_condition(const struct snap_rule *r, struct outcome st)
{
	if (st.identity)
		return COND_ROLES;
	return r->countries.n ? COND_COUNTRY : COND_TO;
}

static void seen(struct verdict *v, size_t i)
{
	if (v->seen < POLICY_SEEN_MAX)
		v->seen_rule[v->seen++] = (uint16_t)i;
}

/* True when that settled it: a verdict, or a need. */
static bool try_rule(struct scene *x, size_t i, struct verdict *v, struct trace *t)
{
	const struct snap_rule *r = &snapshot_at_RULE(x->s, NULL)[i];

	/* Where nobody asks which condition fails first, the cheapest is looked at first. */
	if (!t && roles_hold(x, r) == NO)
		return false;

	struct outcome st = judge(x, r);
	bool open = st.identity || st.address;

	note(t, i, open ? open_condition(r, st) : st.fails);
	if (st.fails != COND_HOLDS)
		return false;
	if (r->flags & RULE_OBSERVE) {
		/* It must not change what anybody sees, so it asks for nothing. */
		if (!open) {
			note(t, i, COND_OBSERVED);
			seen(v, i);
		}
		return false;
	}
	if (st.identity) {
		need(v, NEED_IDENTITY);
		return true;
	}
	/* Nobody unknown makes us resolve a name: a later rule may have to ask who it is first. A
	 * client whose network gives it the rule's role is not unknown. */
	x->address_wanted |= st.address;
	if (st.address && !r->roles)
		return false;
	if (x->address_wanted) {
		need(v, NEED_ADDRESS);
	} else if (x->f->observe_all && r->action == RULE_DENY) {
		note(t, i, COND_OBSERVED);
		seen(v, i);
		x->let_through = true;
		return false;
	} else if (!decide(x, i, v)) {
		note(t, i, COND_LIMIT_NEXT);
		return false;
	}
	return true;
}

void policy_evaluate(
	const struct snapshot *s, const struct facts *f, struct verdict *v, struct trace *t)
{
	size_t n = snapshot_rules(s);
	struct scene x;

	look(&x, s, f);
	note_start(t, n);
	*v = (struct verdict){.rule = -1, .role = -1, .roles = x.held, .limit = LIMIT_COUNT};
	memcpy(v->country, x.country, sizeof v->country);
	for (size_t i = 0; i < n; i++)
		if (try_rule(&x, i, v, t))
			return;
	if (x.address_wanted) {
		need(v, NEED_ADDRESS);
		return;
	}
	v->role = first_of(x.held);
	if (f->observe_all)
		let_through(&x, v);
	else
		deny(v, x.port_only ? REASON_PORT : REASON_NO_RULE);
}
