/* The decision with a hundred rules and the whole catalogue: what a host is, and the rule for it.
 */
#include "bench.h"
#include "bench_bundle.h"

#include <stdlib.h>

#define MONDAY_10 1772445600 /* 2026-03-02 10:00 in London */

struct decide {
	struct buf bytes;
	const struct snapshot *policy;
	struct one *ones;
};

/* One question. */
struct one {
	const struct snapshot *policy;
	struct host host;
	struct target target;
	struct facts facts;
	enum decision decision;
	int32_t rule;
	enum rule_record record;
};

/* --- the questions ---------------------------------------------------------------------------- */

static void ask(struct one *o, const struct snapshot *s, const char *host, const char *group)
{
	struct span groups = span_str(group);

	o->policy = s;
	if (!host_parse(span_str(host), &o->host))
		bench_fail("%s is no host", host);
	policy_classify(s, &o->host, &o->target);
	o->facts = (struct facts){
		.now_s = MONDAY_10,
		.identity = IDENTITY_KNOWN,
		.roles = policy_roles(s, SPAN("anna"), &groups, 1),
		.host = &o->host,
		.target = &o->target,
		.port = 443,
		.address_state = ADDRESS_KNOWN,
	};
	addr_parse(SPAN("10.20.0.7"), &o->facts.client);
	addr_parse(SPAN("93.184.216.34"), &o->facts.address);
}

static void check(const struct one *o, const struct verdict *v)
{
	if (v->decision != o->decision || v->rule != o->rule)
		bench_fail("%s: %s by rule %d, not %s by rule %d", o->host.name,
			decision_word(v->decision), v->rule, decision_word(o->decision), o->rule);
}

static void classify(void *arg, size_t n)
{
	struct one *o = arg;

	for (size_t i = 0; i < n; i++) {
		policy_classify(o->policy, &o->host, &o->target);
		bench_keep(&o->target);
	}
}

static void decide(void *arg, size_t n)
{
	struct one *o = arg;
	struct verdict v;

	for (size_t i = 0; i < n; i++) {
		policy_classify(o->policy, &o->host, &o->target);
		policy_evaluate(o->policy, &o->facts, &v, NULL);
		bench_keep(&v);
	}
	check(o, &v);
}

/* As the proxy asks: with nothing known, with the person, with the address. */
static void decide_in_steps(void *arg, size_t n)
{
	struct one *o = arg;
	struct facts f = o->facts;
	struct verdict v[3];

	for (size_t i = 0; i < n; i++) {
		policy_classify(o->policy, &o->host, &o->target);
		f.identity = IDENTITY_UNKNOWN;
		f.address_state = ADDRESS_UNKNOWN;
		policy_evaluate(o->policy, &f, &v[0], NULL);
		f.identity = IDENTITY_KNOWN;
		policy_evaluate(o->policy, &f, &v[1], NULL);
		f.address_state = ADDRESS_KNOWN;
		policy_evaluate(o->policy, &f, &v[2], NULL);
		bench_keep(v);
	}
	if (v[0].need != NEED_IDENTITY || v[1].need != NEED_ADDRESS)
		bench_fail("%s: the policy does not ask step by step", o->host.name);
	check(o, &v[2]);
}

static void label(void *arg, size_t n)
{
	const struct one *o = arg;
	char out[HOST_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		policy_label(o->policy, &o->host, &o->target, o->record, out, sizeof out);
		bench_keep(out);
	}
}

/* --- the cases -------------------------------------------------------------------------------- */

struct question {
	const char *name, *host, *group;
	bench_work_fn *work;
	enum decision decision;
	int32_t rule;
	enum rule_record record;
};

static const struct question questions[] = {
	{"classify, known service", "www.youtube.com", "comms", classify, 0, 0, 0},
	{"classify, unknown host", "intranet.unheard.example", "comms", classify, 0, 0, 0},
	{"classify + evaluate: first of 100 rules", "www.facebook.com", "comms", decide,
		DECISION_ALLOW, 0, 0},
	{"classify + evaluate: last of 100 rules", "www.youtube.com", "nobody", decide,
		DECISION_ALLOW, BENCH_RULES - 1, 0},
	{"  the same in three steps, as the proxy asks", "www.youtube.com", "nobody",
		decide_in_steps, DECISION_ALLOW, BENCH_RULES - 1, 0},
	{"classify + evaluate: default deny", "www.tiktok.com", "nobody", decide, DECISION_DENY, -1,
		0},
	{"classify + evaluate: default deny, unknown host", "intranet.unheard.example", "nobody",
		decide, DECISION_DENY, -1, 0},
	{"label: service", "www.youtube.com", "comms", label, 0, 0, RECORD_SERVICE},
	{"label: registrable domain (public suffix list)", "www.shop.unheard.co.uk", "comms", label,
		0, 0, RECORD_SERVICE},
	{"label: host", "www.shop.unheard.co.uk", "comms", label, 0, 0, RECORD_HOST},
};
#define QUESTIONS (sizeof questions / sizeof questions[0])

static void *begin(struct bench *b)
{
	struct decide *d = calloc(1, sizeof *d);

	if (!d || !(d->ones = calloc(QUESTIONS, sizeof *d->ones)))
		bench_fail("out of memory");
	d->policy = bench_policy(&d->bytes);
	for (size_t i = 0; i < QUESTIONS; i++) {
		const struct question *q = &questions[i];
		struct one *o = &d->ones[i];

		ask(o, d->policy, q->host, q->group);
		o->decision = q->decision;
		o->rule = q->rule;
		o->record = q->record;
		bench_work(b, q->name, q->work, o);
		bench_note(b, "%s", q->host);
	}
	return d;
}

static void end(void *state)
{
	struct decide *d = state;

	buf_free(&d->bytes);
	free(d->ones);
	free(d);
}

const struct bench_section bench_decide = {"decide", begin, end};
