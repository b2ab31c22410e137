/* Standings asked for and counted; what the table says is put into the terms of the policy. */
#include "quota.h"

#include "clock.h"
#include "conn.h"

static struct span person_of(const struct conn *c)
{
	/* without a login all of a network's people share what the rule gives */
	return span_str(*c->access.person ? c->access.person : "-");
}

/* Is anything of the rule counted in the table? Requests have rates of their own (usage.h). */
static bool counted(const struct limits_view *l)
{
	return l->minutes || l->bytes || l->tunnels || l->bandwidth;
}

static bool becomes_tunnel(const struct request *rq)
{
	return rq->head.form == FORM_AUTHORITY || rq->head.upgrade;
}

/* --- asking -----------------------------------------------------------------------------------
 */

static void look_at_ack(struct worker *w, const char *person, struct span rule, int64_t now_s,
	struct standing_facts *st, int64_t *until_s)
{
	struct standing_entry *e =
		*person ? standing_find(w->standing, span_str(person), rule) : NULL;
	struct standing_ack ack = {0};

	if (e)
		standing_ack(e, &ack);
	st->asked_ack = true;
	st->acked = ack.until_s > now_s;
	if (st->acked && ack.until_s < *until_s)
		*until_s = ack.until_s;
}

static void look_at_kind(struct worker *w, struct standing_entry *e, enum standing_grant kind,
	uint64_t limit, int64_t now_ms, struct standing_facts *st)
{
	const struct local_day *day = worker_today(w, now_ms / 1000);
	int64_t since = standing_spent_since(w->standing, e, kind, limit, day, now_ms);
	int64_t for_s = now_ms > since ? (now_ms - since) / 1000 : 0;

	if (!since || (st->spent == SPENT_YES && for_s < st->spent_for_s))
		return;
	st->spent = SPENT_YES;
	st->kind = kind == STANDING_MINUTES ? LIMIT_MINUTES : LIMIT_BYTES;
	st->spent_for_s = (uint32_t)for_s;
	st->retry_s = (uint32_t)(day->to_s - now_ms / 1000);
}

/* Minutes and bytes; of both, what has been spent for longer. */
static void look_at_day(struct worker *w, struct standing_entry *e, const struct limits_view *l,
	int64_t now_ms, struct standing_facts *st)
{
	if (l->minutes)
		look_at_kind(w, e, STANDING_MINUTES, l->minutes, now_ms, st);
	if (l->bytes)
		look_at_kind(w, e, STANDING_BYTES, l->bytes, now_ms, st);
}

static void look_at_tunnels(struct worker *w, struct quota_hold *hold, const struct limits_view *l,
	struct standing_facts *st)
{
	hold->tunnel = standing_open_tunnel(w->standing, hold->entry, w->index, l->tunnels);
	if (hold->tunnel)
		return;
	st->spent = SPENT_YES;
	st->kind = LIMIT_TUNNELS;
}

static void look_at_rate(struct conn *c, const struct rule_view *rule, struct standing_facts *st)
{
	if (usage_rate_take(c->w->usage, person_of(c), rule->name, &rule->limits.requests,
		    clock_mono_us(), &st->retry_s))
		return;
	st->spent = SPENT_YES;
	st->kind = LIMIT_REQUESTS;
}

static void release(struct worker *w, struct quota_hold *hold)
{
	if (hold->entry && hold->tunnel)
		standing_close_tunnel(hold->entry, w->index);
	if (hold->entry)
		standing_release(hold->entry, w->index);
	*hold = (struct quota_hold){0};
}

/* Are the figures that minutes and bytes are judged by what the rule wants them to be? */
static bool told(struct worker *w, const struct limits_view *l)
{
	return (!l->minutes && !l->bytes) || l->without_redis != WITHOUT_REDIS_DENY ||
	       standing_known(w->standing, clock_mono_ms());
}

/* May minutes and bytes be left out? */
static bool let_be(struct worker *w, const struct limits_view *l)
{
	return l->without_redis == WITHOUT_REDIS_ALLOW &&
	       !standing_known(w->standing, clock_mono_ms());
}

/* In the order of limits.def; what can be taken is taken last, and only where nothing is spent. */
static void ask_limit(struct conn *c, const struct rule_view *rule, struct standing_facts *st,
	struct quota_hold *hold)
{
	const struct limits_view *l = &rule->limits;
	struct worker *w = c->w;
	int64_t now_ms = clock_wall_ms();
	bool room;

	if (counted(l) && !hold->entry)
		hold->entry = standing_hold(w->standing, w->index, person_of(c), rule->name,
			worker_today(w, now_ms / 1000));
	room = hold->entry || !counted(l) || l->without_redis == WITHOUT_REDIS_ALLOW;
	st->spent = room && told(w, l) ? SPENT_NO : SPENT_UNTOLD;
	if (st->spent == SPENT_NO && hold->entry && !let_be(w, l))
		look_at_day(w, hold->entry, l, now_ms, st);
	if (st->spent == SPENT_NO && hold->entry && l->tunnels && becomes_tunnel(c->rq))
		look_at_tunnels(w, hold, l, st);
	if (st->spent == SPENT_NO)
		look_at_rate(c, rule, st);
	if (st->spent != SPENT_NO)
		release(w, hold);
}

bool quota_ask(struct conn *c, const struct verdict *v)
{
	struct facts *f = &c->rq->facts;
	struct standing_facts *st = facts_standing(f, (size_t)v->rule);
	struct rule_view rule;

	if (!st)
		return false;
	if (!c->rq->until_s)
		c->rq->until_s = INT64_MAX;
	snapshot_rule(c->rq->bundle->policy, (size_t)v->rule, &rule);
	if (v->need == NEED_ACK)
		look_at_ack(c->w, c->access.person, rule.name, f->now_s, st, &c->rq->until_s);
	else
		ask_limit(c, &rule, st, &c->rq->hold[st - f->standing]);
	return true;
}

void quota_drop(struct worker *w, struct request *rq)
{
	for (size_t i = 0; i < rq->facts.standings; i++)
		release(w, &rq->hold[i]);
}

/* Nothing is taken; and where no figures are known, those that were known last hold. */
static void look_at_limits(struct worker *w, const char *person, const struct rule_view *rule,
	int64_t now_ms, struct standing_facts *st, int64_t *until_s)
{
	const struct limits_view *l = &rule->limits;
	struct standing_entry *e =
		standing_find(w->standing, span_str(*person ? person : "-"), rule->name);
	int64_t over;

	st->spent = SPENT_NO;
	if (!e || let_be(w, l))
		return;
	look_at_day(w, e, l, now_ms, st);
	if (st->spent != SPENT_YES || st->spent_for_s >= l->grace_s)
		return;
	over = now_ms / 1000 + l->grace_s - st->spent_for_s;
	if (over < *until_s)
		*until_s = over;
}

bool quota_look(struct worker *w, const struct snapshot *p, const char *person,
	const struct verdict *v, struct facts *f, int64_t *until_s)
{
	struct standing_facts *st = facts_standing(f, (size_t)v->rule);
	struct rule_view rule;

	if (!st)
		return false;
	snapshot_rule(p, (size_t)v->rule, &rule);
	if (v->need == NEED_ACK)
		look_at_ack(w, person, rule.name, f->now_s, st, until_s);
	else
		look_at_limits(w, person, &rule, clock_wall_ms(), st, until_s);
	return true;
}

/* --- counting ---------------------------------------------------------------------------------
 */

/* Minutes are made by the core of one service. */
static uint64_t service_of(const struct conn *c, const struct snapshot *p, const struct target *t)
{
	if (!c->w->minutes_limited || t->services != 1 || t->service[0].part != PART_CORE)
		return 0;
	return standing_service(person_of(c), snapshot_service(p, t->service[0].service));
}

static void begin(struct conn *c, const struct snapshot *p, const struct rule_view *rule,
	const struct target *t, bool tunnel)
{
	struct quota_share *l = &c->access.quota;
	struct worker *w = c->w;

	if (counted(&rule->limits) && !l->entry)
		l->entry = standing_hold(w->standing, w->index, person_of(c), rule->name,
			worker_today(w, clock_wall_ms() / 1000));
	l->use = (struct standing_use){.service = service_of(c, p, t)};
	if (!l->entry)
		return;
	l->bytes = rule->limits.bytes;
	l->bandwidth = rule->limits.bandwidth;
	if (tunnel && !c->access.counted)
		c->access.counted = standing_open_tunnel(w->standing, l->entry, w->index, 0);
}

void quota_begin(struct conn *c)
{
	struct request *rq = c->rq;
	struct quota_share *l = &c->access.quota;
	struct rule_view rule = {0};

	*l = (struct quota_share){0};
	c->access.counted = false;
	for (size_t i = 0; i < rq->facts.standings; i++)
		if (rq->facts.standing[i].rule == rq->verdict.rule) {
			l->entry = rq->hold[i].entry;
			c->access.counted = rq->hold[i].tunnel;
			rq->hold[i] = (struct quota_hold){0};
		}
	quota_drop(c->w, rq);
	if (rq->verdict.rule >= 0)
		snapshot_rule(rq->bundle->policy, (size_t)rq->verdict.rule, &rule);
	begin(c, rq->bundle->policy, &rule, &rq->target, becomes_tunnel(rq));
}

void quota_count(struct conn *c, uint64_t up, uint64_t down, int64_t now_ms)
{
	struct quota_share *l = &c->access.quota;
	struct standing *t = c->w->standing;
	const struct local_day *day;

	if (!l->entry && !l->use.service)
		return;
	day = worker_today(c->w, now_ms / 1000);
	standing_add(t, l->entry, &l->use, up, down, day, now_ms / 1000);
	if (l->bytes)
		standing_spent_since(t, l->entry, STANDING_BYTES, l->bytes, day, now_ms);
}

void quota_renew(struct conn *c, const struct target *t)
{
	struct access *a = &c->access;
	const struct snapshot *p = a->bundle->policy;
	struct rule_view rule = {0};
	bool tunnel = a->counted || c->state != STATE_FORWARD;

	quota_end(c);
	if (a->rule >= 0)
		snapshot_rule(p, (size_t)a->rule, &rule);
	begin(c, p, &rule, t, tunnel);
}

void quota_end(struct conn *c)
{
	struct quota_share *l = &c->access.quota;
	struct quota_hold hold = {l->entry, c->access.counted};

	pace_end(c);
	release(c->w, &hold);
	*l = (struct quota_share){0};
	c->access.counted = false;
}

bool quota_in_minutes(const struct snapshot *p)
{
	struct rule_view rule;

	for (size_t i = 0; i < snapshot_rules(p); i++) {
		snapshot_rule(p, i, &rule);
		if (rule.limits.minutes)
			return true;
	}
	return false;
}
