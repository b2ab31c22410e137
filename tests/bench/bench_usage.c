/* The open minute and the rates: what each move of bytes, each refusal and each request costs. */
#include "bench.h"
#include "bench_samples.h"

#include "usage.h"

#include <stdio.h>
#include <stdlib.h>

#define PEOPLE 1024
#define NOW_MS INT64_C(1772445630000)

struct counted {
	void *shared;
	struct usage *usage;
	char user[PEOPLE][33];
	struct record fixed[PEOPLE], refusal;
	struct usage_ref ref;
	struct sample sample;
	struct rate_limit limit;
};

static void fix(struct counted *c, unsigned i)
{
	struct record *r = &c->fixed[i];

	snprintf(c->user[i], sizeof c->user[i], "%032x", i + 1);
	record_init(r, RECORD_USAGE);
	record_str(r, FIELD_USER, span_str(c->user[i]));
	record_str(r, FIELD_ROLE, SPAN("communications"));
	record_str(r, FIELD_SERVICE, SPAN("facebook"));
	record_str(r, FIELD_ZONE, SPAN("public"));
	record_str(r, FIELD_RULE, SPAN("campaigns"));
	record_str(r, FIELD_PURPOSE, SPAN("public campaigns and civic debate"));
}

static void fix_refusal(struct counted *c)
{
	struct record *r = &c->refusal;

	record_init(r, RECORD_ACCESS);
	record_str(r, FIELD_USER, span_str(c->user[0]));
	record_str(r, FIELD_VERDICT, SPAN("deny"));
	record_str(r, FIELD_REASON, SPAN("rule"));
	record_str(r, FIELD_PROTO, SPAN("connect"));
	record_str(r, FIELD_TO, SPAN("facebook"));
	record_num(r, FIELD_PORT, 443);
	record_str(r, FIELD_RULE, SPAN("no-social"));
}

static void first(void *arg, size_t n)
{
	struct counted *c = arg;

	for (size_t i = 0; i < n; i++) {
		struct usage_ref ref = {.slot = UINT32_MAX};

		usage_add(c->usage, &ref, &c->fixed[i % PEOPLE], true, 512, 4096, NOW_MS);
	}
}

static void again(void *arg, size_t n)
{
	struct counted *c = arg;

	usage_add(c->usage, &c->ref, &c->fixed[0], true, 512, 4096, NOW_MS);
	for (size_t i = 0; i < n; i++)
		if (!usage_add_again(c->usage, &c->ref, true, 512, 4096, NOW_MS))
			bench_fail("a slot just taken is not found again");
}

static void refusal(void *arg, size_t n)
{
	struct counted *c = arg;

	usage_refusal(c->usage, &c->refusal, NOW_MS);
	for (size_t i = 0; i < n; i++)
		if (usage_refusal(c->usage, &c->refusal, NOW_MS))
			bench_fail("a second refusal in a minute is taken for the first");
}

static void rate(void *arg, size_t n)
{
	struct counted *c = arg;
	uint32_t retry;

	for (size_t i = 0; i < n; i++)
		if (!usage_rate_take(c->usage, span_str(c->user[i % PEOPLE]), SPAN("campaigns"),
			    &c->limit, (uint64_t)NOW_MS * 1000, &retry))
			bench_fail("a rate of no end is spent");
}

static void *begin(struct bench *b)
{
	struct counted *c = calloc(1, sizeof *c);
	struct err e;

	if (!c || !(c->shared = calloc(1, usage_size(1))))
		bench_fail("out of memory");
	c->usage = usage_open(c->shared, usage_size(1), 0, &e);
	if (!c->usage)
		bench_fail("%s", e.text);
	for (unsigned i = 0; i < PEOPLE; i++)
		fix(c, i);
	fix_refusal(c);
	c->ref.slot = UINT32_MAX;
	c->limit = (struct rate_limit){.interval_us = 1, .burst = UINT32_MAX};
	bench_work(b, "add, first bytes of a tunnel", first, c);
	bench_note(b, "of %u people in turn", PEOPLE);
	bench_work(b, "add, further bytes", again, c);
	bench_work(b, "a refusal that is only counted", refusal, c);
	bench_work(b, "take one of a rate", rate, c);
	bench_note(b, "of %u people in turn", PEOPLE);
	return c;
}

static void end(void *state)
{
	struct counted *c = state;

	usage_close(c->usage);
	free(c->shared);
	free(c);
}

const struct bench_section bench_usage = {"usage", begin, end};
