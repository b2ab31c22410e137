/*
 * What is written down about a connection: its access, its end, its refusals, its bytes. Records
 * are put together here and nowhere else in the proxy.
 */
#include "conn.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_LEN 40

/* Text that a record under construction points to. */
struct store {
	char id[ID_LEN], label[HOST_MAX + 1], roles[POLICY_ROLES_MAX * (POLICY_NAME_MAX + 1)],
		observed[POLICY_SEEN_MAX * (POLICY_NAME_MAX + 1)];
};

static void stamp(struct conn *c, struct record *r)
{
	int64_t now = loop_wall_ms(c->w->loop);

	record_num(r, FIELD_T, (uint64_t)now);
	record_str(r, FIELD_DAY, span_str(worker_today(c->w, now / 1000)->text));
}

/* "<first digits of the chain>-<number>": unique as far as chains are. */
static void access_id(const struct conn *c, char out[ID_LEN])
{
	const char *chain = journal_chain(c->w->journal);
	struct buf b;

	buf_init_fixed(&b, out, ID_LEN);
	buf_add(&b, chain, strnlen(chain, 16));
	buf_addc(&b, '-');
	buf_x64(&b, c->access.number);
}

static struct span role_list(const struct snapshot *p, uint64_t roles, char *out, size_t cap)
{
	struct buf b;

	buf_init_fixed(&b, out, cap);
	for (size_t i = 0; roles; i++, roles >>= 1)
		if (roles & 1) {
			if (b.n)
				buf_addc(&b, ' ');
			buf_span(&b, snapshot_role(p, i));
		}
	return buf_spanof(&b);
}

static struct span observed_list(
	const struct snapshot *p, const struct verdict *v, char *out, size_t cap)
{
	struct rule_view rule;
	struct buf b;

	buf_init_fixed(&b, out, cap);
	for (size_t i = 0; i < v->seen; i++) {
		snapshot_rule(p, v->seen_rule[i], &rule);
		if (b.n)
			buf_addc(&b, ' ');
		buf_span(&b, rule.name);
	}
	return buf_spanof(&b);
}

/* Rule, role and what they carry: the same in access, usage and refusals. */
static void rule_fields(const struct snapshot *p, int32_t rule, int32_t role, struct record *r)
{
	struct rule_view view;

	if (role >= 0)
		record_str(r, FIELD_ROLE, snapshot_role(p, (size_t)role));
	if (rule < 0)
		return;
	snapshot_rule(p, (size_t)rule, &view);
	record_str(r, FIELD_RULE, view.name);
	record_str(r, FIELD_PURPOSE, view.purpose);
}

static void service_fields(const struct snapshot *p, int32_t service, struct record *r)
{
	if (service < 0)
		return;
	record_str(r, FIELD_SERVICE, snapshot_service(p, (size_t)service));
	record_str(r, FIELD_ZONE, snapshot_service_zone(p, (size_t)service));
}

static enum rule_record record_setting(const struct snapshot *p, int32_t rule)
{
	struct rule_view view;

	if (rule < 0)
		return RECORD_SERVICE;
	snapshot_rule(p, (size_t)rule, &view);
	return view.record;
}

/* The one service that a host belongs to; hosts shared by several belong to none. */
static int32_t one_service(const struct target *t)
{
	return t->services == 1 ? t->service[0].service : -1;
}

/* What an ACCESS record tells of. */
struct subject {
	const struct snapshot *policy; /* NULL: nothing was judged */
	const struct host *host;       /* NULL: nothing is known of the destination */
	const struct target *target;
	uint16_t port;
	bool connect;
	const struct verdict *verdict;
};

static struct subject subject_of(const struct request *rq)
{
	if (!rq || !rq->bundle)
		return (struct subject){0};
	return (struct subject){rq->bundle->policy, rq->facts.host ? &rq->head.host : NULL,
		&rq->target, rq->head.port, rq->head.form == FORM_AUTHORITY, &rq->verdict};
}

/* Where to, as the rule wants it recorded. */
static void destination_fields(const struct subject *x, struct record *r, struct store *s)
{
	const struct snapshot *p = x->policy;
	enum rule_record setting = record_setting(p, x->verdict->rule);

	policy_label(p, x->host, x->target, setting, s->label, sizeof s->label);
	record_str(r, FIELD_TO, span_str(s->label));
	record_num(r, FIELD_PORT, x->port);
	if (setting == RECORD_NONE)
		return;
	service_fields(p, one_service(x->target), r);
	if (x->target->services)
		record_str(r, FIELD_PART,
			span_str(part_word((enum service_part)x->target->service[0].part)));
	record_str(r, FIELD_COUNTRY, span_str(x->verdict->country));
}

/* All of an ACCESS record but time, id and count: what refusals of a minute have in common. */
static void access_fields(const struct conn *c, const struct subject *x, enum verdict_word verdict,
	enum reason reason, struct record *r, struct store *s)
{
	record_init(r, RECORD_ACCESS);
	record_str(r, FIELD_VERDICT, span_str(verdict_word(verdict)));
	record_str(r, FIELD_REASON, span_str(reason_info(reason)->word));
	record_str(r, FIELD_USER, span_str(c->access.person));
	if (!x->policy)
		return;
	record_str(r, FIELD_PROTO, x->connect ? SPAN("connect") : SPAN("http"));
	if (!x->host)
		return;
	destination_fields(x, r, s);
	rule_fields(x->policy, x->verdict->rule, x->verdict->role, r);
	record_str(
		r, FIELD_ROLES, role_list(x->policy, x->verdict->roles, s->roles, sizeof s->roles));
	record_str(r, FIELD_OBSERVED,
		observed_list(x->policy, x->verdict, s->observed, sizeof s->observed));
}

static bool encode(const struct record *r, struct buf *b, char line[RECORD_MAX])
{
	buf_init_fixed(b, line, RECORD_MAX);
	if (record_encode(r, b))
		return true;
	log_error("record", "a record of kind %s does not fit %u bytes and is lost",
		record_word(r->kind), RECORD_MAX);
	return false;
}

/* `done` tells what becomes of it, to who holds *ticket. */
static enum noted write_line(struct conn *c, const struct buf *line, journal_done_fn *done,
	struct journal_ticket **ticket)
{
	*ticket = journal_add(c->w->journal, buf_spanof(line), done, c);
	worker_note_record(c->w);
	return *ticket ? NOTED_NOTHING : NOTED_FAILED;
}

/* May it stand in the outbox only? While writing fails what nobody waits for may: it has happened.
 * Whether more is to happen is for `audit.on_failure` to say. */
static bool may_be_kept(const struct conn *c, journal_done_fn *done)
{
	return !done || !journal_failing(c->w->journal) ||
	       c->rq->bundle->settings->on_failure_allow;
}

/* What the outbox takes is recorded at once. */
static enum noted write_down(struct conn *c, const struct record *r, journal_done_fn *done,
	struct journal_ticket **ticket)
{
	char line[RECORD_MAX];
	struct buf b;

	if (!encode(r, &b, line))
		return NOTED_FAILED;
	if (!may_be_kept(c, done) || !journal_keep(c->w->journal, buf_spanof(&b)))
		return write_line(c, &b, done, ticket);
	worker_kept_record(c->w);
	return NOTED_OK;
}

/* A record that nobody waits for. */
static void write_aside(struct conn *c, const struct record *r)
{
	struct journal_ticket *nobody;

	write_down(c, r, NULL, &nobody);
}

/* --- figures ------------------------------------------------------------------------------------
 */

void ledger_lap(struct conn *c, enum lap lap)
{
	uint64_t now;

	if (!c->rq || !c->rq->mark_us)
		return;
	now = clock_mono_us();
	count_lap(c->w->counters, lap, now - c->rq->mark_us);
	c->rq->mark_us = now;
}

static void count_begun(struct conn *c, enum reason reason)
{
	struct counters *n = c->w->counters;

	count_add(&n->verdict[VERDICT_ALLOW][reason], 1);
	count_add(&n->tunnels_begun, c->access.tunnel);
	count_add(&n->tunnels, c->access.tunnel);
	ledger_lap(c, LAP_VERDICT);
}

static void count_ended(struct conn *c, enum end_reason why)
{
	struct counters *n = c->w->counters;

	count_add(&n->end[why], 1);
	if (c->access.tunnel)
		count_set(&n->tunnels, count_get(&n->tunnels) - 1);
}

/* --- an access that is given --------------------------------------------------------------------
 */

static void on_recorded(void *arg, bool ok)
{
	struct conn *c = arg;

	c->rq->ticket = NULL;
	c->rq->noted = ok ? NOTED_OK : NOTED_FAILED;
	conn_step(c);
}

/* What the rule and the catalogue say of it now. */
static void classify_access(struct access *a, const struct verdict *v, const struct target *t)
{
	a->rule = v->rule;
	a->role = v->role;
	a->hidden = record_setting(a->bundle->policy, a->rule) == RECORD_NONE;
	a->service = a->hidden ? -1 : one_service(t);
	a->part = t->services ? t->service[0].part : PART_CORE;
	a->let_through = v->reason == REASON_OBSERVE_ALL;
	a->usage.slot = UINT32_MAX;
}

static void begin_access(struct conn *c)
{
	struct request *rq = c->rq;
	struct access *a = &c->access;

	a->bundle = bundle_ref(rq->bundle);
	a->number = ++c->w->accesses;
	a->begun_ms = clock_mono_ms();
	a->status = 0;
	a->tls = NULL;
	a->unwritten = false;
	a->up = a->down = 0;
	a->tunnel = rq->head.form == FORM_AUTHORITY;
	a->usage = (struct usage_ref){0};
	classify_access(a, &rq->verdict, &rq->target);
	quota_begin(c);
}

/* The access record of the access that has just begun. */
static enum noted write_access(struct conn *c, const struct subject *x, journal_done_fn *done,
	struct journal_ticket **ticket)
{
	struct record r;
	struct store s;

	access_fields(c, x, VERDICT_ALLOW, x->verdict->reason, &r, &s);
	c->access.to = strdup(s.label);
	count_begun(c, x->verdict->reason);
	stamp(c, &r);
	access_id(c, s.id);
	record_str(&r, FIELD_ID, span_str(s.id));
	return write_down(c, &r, done, ticket);
}

enum step ledger_open(struct conn *c)
{
	struct subject x = subject_of(c->rq);

	begin_access(c);
	conn_move(c, STATE_RECORD);
	c->rq->noted = write_access(c, &x, on_recorded, &c->rq->ticket);
	return STEP_ON;
}

/* The access is not in the journal: what the administrator chose holds. */
static enum step unrecorded(struct conn *c)
{
	if (c->rq->bundle->settings->on_failure_allow)
		return open_origin(c);
	c->access.unwritten = c->rq->noted == NOTED_FAILED;
	return reply_failure(c, 503, END_NO_RECORD);
}

enum step ledger_recorded(struct conn *c)
{
	if (c->rq->noted != NOTED_NOTHING)
		ledger_lap(c, LAP_RECORD);
	switch (c->rq->noted) {
	case NOTED_NOTHING:
		return STEP_WAIT;
	case NOTED_OK:
		return open_origin(c);
	case NOTED_FAILED:
		break;
	}
	return unrecorded(c);
}

/* Its record may still come, so what becomes of it has an end in any case. */
enum step ledger_late(struct conn *c)
{
	journal_forget(c->rq->ticket);
	c->rq->ticket = NULL;
	ledger_lap(c, LAP_RECORD);
	return unrecorded(c);
}

/* --- its end -------------------------------------------------------------------------------------
 */

/* What was never begun has no end, or each access that is refused would count as two losses. */
static void write_end(struct conn *c, enum end_reason why)
{
	const struct access *a = &c->access;
	struct record r;
	struct store s;

	count_ended(c, why);
	if (a->unwritten)
		return;
	record_init(&r, RECORD_END);
	stamp(c, &r);
	access_id(c, s.id);
	record_str(&r, FIELD_ID, span_str(s.id));
	record_str(&r, FIELD_USER, span_str(a->person));
	record_str(&r, FIELD_REASON, span_str(end_word(why)));
	if (a->status)
		record_num(&r, FIELD_STATUS, a->status);
	record_num(&r, FIELD_UP, a->up);
	record_num(&r, FIELD_DOWN, a->down);
	record_num(&r, FIELD_MS, clock_mono_ms() - a->begun_ms);
	record_str(&r, FIELD_TLS, span_str(a->tls));
	if (!a->hidden)
		record_str(&r, FIELD_SNI, span_str(a->sni));
	write_aside(c, &r);
}

void ledger_close(struct conn *c, enum end_reason why)
{
	struct access *a = &c->access;

	if (!a->bundle)
		return;
	write_end(c, why);
	rejudge_forget(c);
	quota_end(c);
	free(a->sni);
	free(a->to);
	a->sni = a->to = NULL;
	bundle_unref(a->bundle);
	a->bundle = NULL;
}

/* --- judged again
 * ---------------------------------------------------------------------------------
 */

static struct span rule_name(const struct snapshot *p, int32_t rule)
{
	struct rule_view view = {0};

	if (rule >= 0)
		snapshot_rule(p, (size_t)rule, &view);
	return view.name;
}

static void use_bundle(struct conn *c, const struct verdict *v, const struct target *t)
{
	struct access *a = &c->access;
	struct bundle *before = a->bundle;

	a->bundle = bundle_ref(c->w->bundle);
	bundle_unref(before);
	classify_access(a, v, t);
	quota_renew(c, t);
}

/* The name seen in the ClientHello stays with the access under which it was seen. */
static void hand_on(struct conn *c, const struct verdict *v, const struct facts *f)
{
	struct access *a = &c->access;
	struct subject x = {c->w->bundle->policy, f->host, f->target, f->port, a->tunnel, v};
	struct journal_ticket *nobody; /* waits for it */

	write_end(c, END_HANDED);
	free(a->sni);
	free(a->to);
	a->sni = a->to = NULL;
	use_bundle(c, v, f->target);
	a->number = ++c->w->accesses;
	a->begun_ms = clock_mono_ms();
	a->up = a->down = 0;
	a->usage.minute = 0;
	write_access(c, &x, NULL, &nobody);
}

void ledger_renew(struct conn *c, const struct verdict *v, const struct facts *f)
{
	const struct access *a = &c->access;
	const struct snapshot *p = c->w->bundle->policy;

	if (!span_eq(rule_name(a->bundle->policy, a->rule), rule_name(p, v->rule)))
		hand_on(c, v, f);
	else if (a->bundle != c->w->bundle || a->role != v->role)
		use_bundle(c, v, f->target);
}

/* --- refusals
 * ------------------------------------------------------------------------------------- */

void ledger_refusal(struct conn *c, enum verdict_word verdict, enum reason reason)
{
	struct subject x = subject_of(c->rq);
	struct record r;
	struct store s;

	count_add(&c->w->counters->verdict[verdict][reason], 1);
	ledger_lap(c, LAP_VERDICT);
	access_fields(c, &x, verdict, reason, &r, &s);
	if (!usage_refusal(c->w->usage, &r, loop_wall_ms(c->w->loop)))
		return;
	stamp(c, &r);
	record_num(&r, FIELD_N, 1);
	write_aside(c, &r);
}

/* --- bytes
 * ----------------------------------------------------------------------------------------- */

static void usage_fields(const struct access *a, struct record *r)
{
	const struct snapshot *p = a->bundle->policy;

	record_init(r, RECORD_USAGE);
	record_str(r, FIELD_USER, span_str(a->person));
	service_fields(p, a->service, r);
	rule_fields(p, a->rule, a->role, r);
}

void ledger_bytes(struct conn *c, uint64_t up, uint64_t down)
{
	struct access *a = &c->access;
	int64_t now = loop_wall_ms(c->w->loop);
	bool core = a->service >= 0 && a->part == PART_CORE;
	struct record r;

	if (!a->bundle)
		return;
	a->up += up;
	a->down += down;
	count_add(&c->w->counters->up, up);
	count_add(&c->w->counters->down, down);
	quota_count(c, up, down, now);
	if (usage_add_again(c->w->usage, &a->usage, core, up, down, now))
		return;
	usage_fields(a, &r);
	usage_add(c->w->usage, &a->usage, &r, core, up, down, now);
}

/* --- people
 * ------------------------------------------------------------------------------------------ */

/* Only groups that some role asks for: what the policy does not use is nobody's business. */
static struct span named_groups(
	const struct snapshot *p, const struct span *groups, size_t n, char *out, size_t cap)
{
	uint64_t anyone = policy_roles(p, span_of("", 0), NULL, 0);
	struct buf b;

	buf_init_fixed(&b, out, cap);
	for (size_t i = 0; i < n; i++) {
		if (policy_roles(p, span_of("", 0), &groups[i], 1) == anyone)
			continue;
		if (b.n)
			buf_addc(&b, ' ');
		buf_span(&b, groups[i]);
	}
	return b.failed ? span_of("", 0) : buf_spanof(&b);
}

/* Is today's record of him still to be written? */
static bool is_news(struct conn *c, struct pseudonym *who)
{
	/* one a day: the first take of a rate that has only one */
	static const struct rate_limit daily = {.interval_us = 86400ull * 1000000, .burst = 0};
	const struct local_day *today = worker_today(c->w, loop_wall_ms(c->w->loop) / 1000);
	char first[32];
	uint32_t retry;

	if (who->told == today->number)
		return false;
	who->told = today->number;
	snprintf(first, sizeof first, "person %s", today->text);
	return usage_rate_take(
		c->w->usage, span_str(who->text), span_str(first), &daily, clock_mono_us(), &retry);
}

void ledger_person(struct conn *c, const struct span *groups, size_t n)
{
	const struct bundle *b = c->rq->bundle;
	struct pseudonym *who = pseudonyms_find(c->w->pseudonyms, c->w->digest,
		span_of(b->pseudonym_key, 32), span_str(c->rq->user));
	struct record r;
	struct store s;
	char named[1024];

	if (strcmp(who->text, c->access.person) == 0)
		return;
	memcpy(c->access.person, who->text, sizeof who->text);
	if (!is_news(c, who))
		return;
	record_init(&r, RECORD_PERSON);
	stamp(c, &r);
	record_str(&r, FIELD_USER, span_str(c->access.person));
	record_str(&r, FIELD_STRENGTH, SPAN("password"));
	record_str(
		&r, FIELD_ROLES, role_list(b->policy, c->rq->facts.roles, s.roles, sizeof s.roles));
	record_str(&r, FIELD_GROUPS, named_groups(b->policy, groups, n, named, sizeof named));
	write_aside(c, &r);
}

void ledger_ack(struct conn *c)
{
	struct request *rq = c->rq;
	const struct ack *a = &rq->ack;
	const struct snapshot *p = rq->bundle->policy;
	struct rule_view rule;
	char line[RECORD_MAX];
	struct buf b;
	struct record r;

	record_init(&r, RECORD_ACK);
	stamp(c, &r);
	record_num(&r, FIELD_T, (uint64_t)a->at_ms);
	record_str(&r, FIELD_USER, span_str(c->access.person));
	snapshot_rule(p, a->rule, &rule);
	if (a->role >= 0)
		record_str(&r, FIELD_ROLE, snapshot_role(p, (size_t)a->role));
	record_str(&r, FIELD_RULE, rule.name);
	record_str(&r, FIELD_PURPOSE, a->purpose);
	record_num(&r, FIELD_UNTIL, (uint64_t)a->until_ms);
	/* who accepted something and is told so may wait for the file */
	rq->noted =
		encode(&r, &b, line) ? write_line(c, &b, on_recorded, &rq->ticket) : NOTED_FAILED;
}
