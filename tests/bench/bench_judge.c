/*
 * Open accesses that are judged again: a worker with as many of them as it judges before it looks
 * at the clock. None of them changes its rule.
 */
#include "bench.h"
#include "bench_bundle.h"

#include "conn.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN 8 /* one person's, each to another place */

struct judged {
	struct buf bytes, accounts;
	struct bundle bundle;
	struct worker w;
	struct request rq;
	struct conn conn[OPEN];
};

static void judge(void *arg, size_t n)
{
	struct judged *j = arg;

	for (size_t i = 0; i < n; i += OPEN) {
		rejudge_policy(j->w.rejudge);
		loop_run(j->w.loop); /* until all are judged: nothing else is in it */
	}
	for (size_t i = 0; i < OPEN; i++)
		if (j->conn[i].state != STATE_RELAY || j->conn[i].woken)
			bench_fail("an access that is still allowed does not go on");
}

/* As it was decided when it was opened. */
static struct verdict decide(struct judged *j, const struct conn *c)
{
	struct request *rq = c->rq;
	struct verdict v;

	rq->facts = (struct facts){
		.now_s = 1,
		.identity = IDENTITY_KNOWN,
		.roles = policy_roles(j->bundle.policy, SPAN("anna"), NULL, 0),
		.host = &rq->head.host,
		.target = &rq->target,
		.port = c->origin_port,
		.client = c->client,
		.address_state = ADDRESS_KNOWN,
		.address = c->origin,
	};
	policy_classify(j->bundle.policy, &rq->head.host, &rq->target);
	policy_evaluate(j->bundle.policy, &rq->facts, &v, NULL);
	if (v.decision != DECISION_ALLOW || v.rule != BENCH_RULES - 1)
		bench_fail("%s is not allowed by the last rule", rq->head.host.name);
	return v;
}

static void open_access(struct judged *j, unsigned i)
{
	struct conn *c = &j->conn[i];
	char host[40] = "www.youtube.com";

	if (i)
		snprintf(host, sizeof host, "s%u.council.example", i);
	*c = (struct conn){.w = &j->w, .rq = &j->rq, .state = STATE_RELAY, .origin_port = 443};
	if (!host_parse(span_str(host), &j->rq.head.host))
		bench_fail("%s is no host", host);
	addr_parse(SPAN("10.20.0.7"), &c->client);
	addr_parse(SPAN("93.184.216.34"), &c->origin);
	struct verdict v = decide(j, c);

	c->access = (struct access){.bundle = &j->bundle, .rule = v.rule, .role = v.role};
	if (!rejudge_watch(c))
		bench_fail("out of memory");
	c->rq = NULL; /* a tunnel needs it no more */
}

static void *begin(struct bench *b)
{
	struct judged *j = calloc(1, sizeof *j);

	if (!j || !(j->w.loop = loop_new()) || !(j->w.rejudge = rejudge_new(&j->w)))
		bench_fail("out of memory");
	j->bundle = (struct bundle){.refs = 1,
		.policy = bench_policy(&j->bytes),
		.accounts = bench_accounts(&j->accounts)};
	j->w.bundle = &j->bundle;
	snprintf(j->rq.user, sizeof j->rq.user, "anna");
	for (unsigned i = 0; i < OPEN; i++)
		open_access(j, i);
	bench_work(b, "judge an open access again", judge, j);
	bench_note(b, "%d at a time, by the last of %d rules", OPEN, BENCH_RULES);
	return j;
}

static void end(void *state)
{
	struct judged *j = state;

	for (unsigned i = 0; i < OPEN; i++)
		rejudge_forget(&j->conn[i]);
	rejudge_free(j->w.rejudge);
	loop_free(j->w.loop);
	buf_free(&j->bytes);
	buf_free(&j->accounts);
	free(j);
}

const struct bench_section bench_judge = {"judge", begin, end};
