/*
 * Asking the policy. policy_evaluate answers a verdict or what it needs to know; this room fetches
 * that (login, address, what is left of a limit) and asks again. It judges nothing itself.
 */
#include "conn.h"

#include "clock.h"
#include "guesses.h"

#include <string.h>

static enum step refuse(struct conn *c, const struct verdict *v)
{
	c->rq->verdict = *v;
	return reply_refuse(c, v->reason);
}

/* --- who ------------------------------------------------------------------------------------- */

static void known(struct conn *c, struct span user)
{
	struct request *rq = c->rq;
	struct span groups[IDENTITY_GROUPS_MAX];
	size_t n = accounts_groups(rq->bundle->accounts, user, groups);

	rq->facts.identity = IDENTITY_KNOWN;
	rq->facts.roles = policy_roles(rq->bundle->policy, user, groups, n);
	ledger_person(c, groups, n);
}

static enum step identified(struct conn *c)
{
	struct request *rq = c->rq;

	switch (rq->identity_result) {
	case IDENTITY_OK:
		known(c, span_str(rq->user));
		return conn_move(c, STATE_DECIDE);
	case IDENTITY_WRONG:
	case IDENTITY_MALFORMED:
		return reply_challenge(c, true);
	case IDENTITY_GUESSES:
		return reply_refuse(c, REASON_LOGIN_GUESSES);
	case IDENTITY_BUSY:
		break;
	}
	return reply_refuse(c, REASON_LOGIN_BUSY);
}

bool decide_may_hash(void *arg, struct span user)
{
	struct conn *c = arg;

	return guesses_left(c->w->usage, &c->client, user, &c->rq->verdict.retry_s);
}

static void on_identity(void *arg, enum identity_result r, struct span user)
{
	struct conn *c = arg;

	c->rq->check = NULL;
	c->rq->identity_result = r;
	c->rq->noted = NOTED_OK;
	if (r == IDENTITY_WRONG)
		guesses_count(c->w->usage, &c->client, user);
	if (r == IDENTITY_OK && !span_copy(user, c->rq->user, sizeof c->rq->user))
		c->rq->identity_result = IDENTITY_MALFORMED;
	conn_step(c);
}

enum step decide_login(struct conn *c)
{
	struct request *rq = c->rq;
	struct span login = rq->at_portal ? portal_credentials(c) : rq->head.proxy_authorization;

	if (login.n == 0)
		return reply_challenge(c, false);
	rq->noted = NOTED_NOTHING;
	if (identity_check(c->w->identity, login, &rq->identity_result, rq->user, on_identity, c,
		    &rq->check))
		return identified(c);
	return conn_move(c, STATE_IDENTIFY);
}

enum step decide_identified(struct conn *c)
{
	return c->rq->noted == NOTED_NOTHING ? STEP_WAIT : identified(c);
}

enum step decide_login_late(struct conn *c)
{
	identity_cancel(c->rq->check);
	c->rq->check = NULL;
	return reply_refuse(c, REASON_LOGIN_BUSY);
}

/* --- where ----------------------------------------------------------------------------------- */

static void on_resolved(void *arg, enum resolve_result r, const struct addr *addrs, size_t n)
{
	struct conn *c = arg;
	struct request *rq = c->rq;

	rq->resolve = NULL;
	rq->resolve_result = r;
	rq->n_addrs = r == RESOLVE_OK ? n : 0;
	if (rq->n_addrs)
		memcpy(rq->addrs, addrs, n * sizeof *addrs);
	rq->noted = NOTED_OK;
	conn_step(c);
}

/* What nobody has to be asked for is part of the first question. */
static void take_literal(struct request *rq)
{
	rq->addrs[0] = rq->head.host.addr;
	rq->n_addrs = 1;
	rq->resolved = true;
}

static enum step ask_address(struct conn *c)
{
	struct request *rq = c->rq;

	rq->noted = NOTED_NOTHING;
	conn_move(c, STATE_RESOLVE);
	resolve_start(c->w->resolver, &rq->head.host, on_resolved, c, &rq->resolve);
	return STEP_ON;
}

static enum reason no_address(enum resolve_result r)
{
	switch (r) {
	case RESOLVE_OK:
	case RESOLVE_NO_NAME:
		break;
	case RESOLVE_FAILED:
		return REASON_DNS_FAILED;
	case RESOLVE_BUSY:
		return REASON_DNS_BUSY;
	case RESOLVE_TIMEOUT:
		return REASON_DNS_TIMEOUT;
	}
	return REASON_NO_ADDRESS;
}

enum step decide_resolved(struct conn *c)
{
	struct request *rq = c->rq;

	if (rq->noted == NOTED_NOTHING)
		return STEP_WAIT;
	if (rq->n_addrs == 0)
		return reply_refuse(c, no_address(rq->resolve_result));
	rq->resolved = true;
	return conn_move(c, STATE_DECIDE);
}

/* --- the answer --------------------------------------------------------------------------------
 */

/* Judges one candidate; standings are asked for here, as they wait for nothing. */
static enum decision judge(struct conn *c, struct verdict *v)
{
	struct request *rq = c->rq;

	for (;;) {
		policy_evaluate(rq->bundle->policy, &rq->facts, v, NULL);
		if (v->decision != DECISION_NEED || (v->need != NEED_LIMIT && v->need != NEED_ACK))
			return v->decision;
		if (!quota_ask(c, v)) {
			v->decision = DECISION_DENY;
			v->reason = REASON_LIMIT;
			return v->decision;
		}
	}
}

static enum step need(struct conn *c, const struct verdict *v)
{
	if (v->need == NEED_IDENTITY)
		return decide_login(c);
	return ask_address(c);
}

/* Each address is judged; those that the first allowed one's rule allows may be dialled. None:
 * the first address's reason. */
static enum step judge_candidates(struct conn *c)
{
	struct request *rq = c->rq;
	struct verdict first = {0}, v;
	size_t kept = 0;

	for (size_t i = 0; i < rq->n_addrs; i++) {
		rq->facts.address_state = ADDRESS_KNOWN;
		rq->facts.address = rq->addrs[i];
		rq->facts.address_is_self =
			worker_is_self(c->w, &rq->addrs[i], rq->head.port, &c->local);
		if (judge(c, &v) == DECISION_NEED)
			return need(c, &v);
		if (i == 0)
			first = v;
		if (v.decision != DECISION_ALLOW)
			continue;
		if (kept == 0)
			rq->verdict = v;
		if (v.rule == rq->verdict.rule)
			rq->addrs[kept++] = rq->addrs[i];
	}
	if (kept == 0)
		return refuse(c, &first);
	rq->n_addrs = kept;
	/* what cannot be recorded for want of room is refused before anything is begun */
	if (c->w->full && !rq->bundle->settings->on_failure_allow)
		return reply_refuse(c, REASON_NO_RECORD);
	return ledger_open(c);
}

enum step decide_step(struct conn *c)
{
	struct request *rq = c->rq;
	struct verdict v;

	if (rq->at_portal)
		return portal_decide(c);
	if (!rq->mark_us)
		rq->mark_us = clock_mono_us();
	rq->facts.now_s = loop_wall_ms(c->w->loop) / 1000;
	rq->facts.observe_all = worker_observes(c->w);
	if (rq->head.host.literal)
		take_literal(rq);
	if (rq->resolved)
		return judge_candidates(c);
	switch (judge(c, &v)) {
	case DECISION_NEED:
		return need(c, &v);
	case DECISION_DENY:
		return refuse(c, &v);
	case DECISION_ALLOW:
		break;
	}
	/* an allow without an address would be a broken contract of policy_evaluate */
	return reply_refuse(c, REASON_SPECIAL);
}
