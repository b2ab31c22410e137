/* Records into lines of JSON, as a worker writes them, and back, as shipper and report read them.
 */
#include "bench.h"
#include "bench_samples.h"

#include "rollup.h"

#include <stdlib.h>

struct encoded {
	struct sample sample;
	struct record record;
	struct span line;
};

struct kinds {
	struct encoded access, end, usage;
	struct record_decoder *decoder;
};

static void encode(void *arg, size_t n)
{
	struct encoded *e = arg;

	for (size_t i = 0; i < n; i++) {
		struct span line = sample_encode(&e->sample, &e->record);

		bench_keep(line.p);
	}
}

static void decode(void *arg, size_t n)
{
	struct kinds *k = arg;
	struct record r;
	struct err e;

	for (size_t i = 0; i < n; i++) {
		if (!record_decode(k->decoder, k->access.line, &r, &e))
			bench_fail("%s", e.text);
		bench_keep(&r);
	}
}

static void roll_up(void *arg, size_t n)
{
	struct kinds *k = arg;
	struct rollup out[ROLLUP_PER_RECORD];

	for (size_t i = 0; i < n; i++) {
		if (rollup_of(&k->access.record, out) != 1)
			bench_fail("an access does not count once");
		bench_keep(out);
	}
}

static void add(struct bench *b, const char *name, struct encoded *e,
	void (*make)(struct sample *, unsigned, struct record *))
{
	make(&e->sample, 1, &e->record);
	bench_work(b, name, encode, e);
	e->line = sample_encode(&e->sample, &e->record);
	bench_note(b, "%zu bytes", e->line.n);
}

static void *begin(struct bench *b)
{
	struct kinds *k = calloc(1, sizeof *k);

	if (!k || !(k->decoder = record_decoder_new()))
		bench_fail("out of memory");
	add(b, "encode access", &k->access, sample_access);
	add(b, "encode end", &k->end, sample_end);
	add(b, "encode usage", &k->usage, sample_usage);
	bench_work(b, "decode access", decode, k);
	bench_work(b, "figures of an access", roll_up, k);
	return k;
}

static void end(void *state)
{
	struct kinds *k = state;

	record_decoder_free(k->decoder);
	free(k);
}

const struct bench_section bench_record = {"record", begin, end};
