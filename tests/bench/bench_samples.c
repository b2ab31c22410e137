#include "bench_samples.h"

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

#define PEOPLE	 200
#define A_ROUND	 21
#define BEGIN_MS UINT64_C(1772445600000) /* 2026-03-02 10:00 UTC */

static void common(struct sample *s, unsigned i, struct record *r)
{
	uint64_t hash = (i % PEOPLE + 1) * UINT64_C(0x9e3779b97f4a7c15);

	snprintf(s->user, sizeof s->user, "%016" PRIx64 "%016" PRIx64, hash, ~hash);
	record_num(r, FIELD_T, BEGIN_MS + i);
	record_str(r, FIELD_DAY, SPAN("2026-03-02"));
	record_str(r, FIELD_USER, span_str(s->user));
}

static void names_access(struct sample *s, unsigned i, struct record *r)
{
	snprintf(s->id, sizeof s->id, "5f3a9c0e71b24d68-%x", i + 0x10000);
	record_str(r, FIELD_ID, span_str(s->id));
}

static void names_rule(struct record *r)
{
	record_str(r, FIELD_ROLE, SPAN("communications"));
	record_str(r, FIELD_SERVICE, SPAN("facebook"));
	record_str(r, FIELD_ZONE, SPAN("public"));
	record_str(r, FIELD_RULE, SPAN("campaigns"));
	record_str(r, FIELD_PURPOSE, SPAN("public campaigns and civic debate"));
}

void sample_access(struct sample *s, unsigned i, struct record *r)
{
	record_init(r, RECORD_ACCESS);
	common(s, i, r);
	names_access(s, i, r);
	names_rule(r);
	record_str(r, FIELD_ROLES, SPAN("communications staff"));
	record_str(r, FIELD_PROTO, SPAN("connect"));
	record_str(r, FIELD_TO, SPAN("facebook"));
	record_num(r, FIELD_PORT, 443);
	record_str(r, FIELD_PART, SPAN("core"));
	record_str(r, FIELD_VERDICT, SPAN("allow"));
	record_str(r, FIELD_REASON, SPAN("rule"));
	record_str(r, FIELD_COUNTRY, SPAN("IE"));
}

void sample_end(struct sample *s, unsigned i, struct record *r)
{
	record_init(r, RECORD_END);
	common(s, i, r);
	names_access(s, i, r);
	record_str(r, FIELD_REASON, SPAN("client-closed"));
	record_num(r, FIELD_STATUS, 200);
	record_num(r, FIELD_UP, 5120 + i);
	record_num(r, FIELD_DOWN, 262144 + i);
	record_num(r, FIELD_MS, 61250);
	record_str(r, FIELD_TLS, SPAN("tls"));
}

void sample_usage(struct sample *s, unsigned i, struct record *r)
{
	record_init(r, RECORD_USAGE);
	common(s, i, r);
	names_rule(r);
	record_num(r, FIELD_MINUTE, BEGIN_MS / 60000);
	record_num(r, FIELD_UP, 51200 + i);
	record_num(r, FIELD_DOWN, 2621440 + i);
	record_num(r, FIELD_CORE_UP, 40960 + i);
	record_num(r, FIELD_CORE_DOWN, 2097152 + i);
	record_num(r, FIELD_TUNNELS, 9);
	snprintf(s->id, sizeof s->id, "5f3a9c0e71b24d68-%x", i);
	record_str(r, FIELD_SLOT, span_str(s->id));
}

struct span sample_encode(struct sample *s, const struct record *r)
{
	struct buf b;

	buf_init_fixed(&b, s->line, sizeof s->line);
	if (!record_encode(r, &b))
		bench_fail("a sample of kind %s does not encode", record_word(r->kind));
	return buf_spanof(&b);
}

struct span sample_line(struct sample *s, unsigned i)
{
	unsigned at = i % A_ROUND, tunnel = i / A_ROUND * 10 + at / 2;
	struct record r;

	if (at == A_ROUND - 1)
		sample_usage(s, tunnel, &r);
	else if (at % 2)
		sample_end(s, tunnel, &r);
	else
		sample_access(s, tunnel, &r);
	return sample_encode(s, &r);
}
