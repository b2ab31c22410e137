/*
 * The decision with a hundred rules and the whole catalogue: what a host is, and the rule for it.
 * Most of the rules in between name the host asked for as well and fail on the role, so that none
 * is passed over by the cheap test of its list alone.
 */
#include "bench.h"

#include "policy.h"

#include <stdio.h>
#include <stdlib.h>

#define RULES	  100
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

/* --- the policy ------------------------------------------------------------------------------- */

static void middle_rule(FILE *f, int i)
{
	switch (i % 5) {
	case 0:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; to = [\"#social\", \"#video\"]; "
			"action = \"allow\"; },\n",
			i, i % 10);
		break;
	case 1:
		fprintf(f,
			"{ name = \"r%d\"; to = [\".s%d.example\", \"www.h%d.example\"]; "
			"action = \"allow\"; purpose = \"supplier %d\"; },\n",
			i, i, i, i);
		break;
	case 2:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; to = [\"youtube\", "
			"\"linkedin\"]; "
			"schedule = \"lunch\"; action = \"allow\"; },\n",
			i, i % 10);
		break;
	case 3:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; to = [\"#messaging\"]; "
			"action = \"deny\"; message = \"Not here.\"; },\n",
			i, i % 10);
		break;
	default:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; action = \"allow\"; "
			"schedule = \"lunch\"; },\n",
			i, i % 10);
		break;
	}
}

static void write_policy(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		bench_fail("%s: %m", path);
	fputs("zone = \"Europe/London\"; ports = [\"80\", \"443\"];\nroles: {\n"
	      "communications = { groups = [\"comms\"]; }; staff = { everyone = true; };\n",
		f);
	for (int i = 0; i < 10; i++)
		fprintf(f, "unit-%d = { groups = [\"unit-%d\"]; };\n", i, i);
	fputs("};\nschedules: { lunch = \"Mon-Fri 12:00-14:00\"; };\nrules = (\n"
	      "{ name = \"first\"; roles = [\"communications\"]; to = [\"#social\"]; "
	      "action = \"allow\"; purpose = \"public campaigns\"; },\n",
		f);
	for (int i = 2; i < RULES; i++)
		middle_rule(f, i);
	fputs("{ name = \"last\"; roles = [\"staff\"]; to = [\".council.example\", \"youtube\"]; "
	      "action = \"allow\"; } );\n",
		f);
	if (fclose(f) != 0)
		bench_fail("%s: %m", path);
}

static void compile(struct decide *d)
{
	struct problems p = {0};
	struct err e;

	write_policy("policy.cfg");
	if (!policy_compile("policy.cfg", &d->bytes, &p)) {
		problems_print(&p, stderr);
		bench_fail("the policy of this section does not compile");
	}
	problems_free(&p);
	d->policy = snapshot_open(d->bytes.p, d->bytes.n, &e);
	if (!d->policy)
		bench_fail("%s", e.text);
	if (snapshot_rules(d->policy) != RULES)
		bench_fail("%zu rules instead of %d", snapshot_rules(d->policy), RULES);
}

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
		DECISION_ALLOW, RULES - 1, 0},
	{"  the same in three steps, as the proxy asks", "www.youtube.com", "nobody",
		decide_in_steps, DECISION_ALLOW, RULES - 1, 0},
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
	compile(d);
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
