/*
 * Lines of any kind: what is read as a record is written again as one shape, and that shape reads
 * back as the same record and the same bytes.
 */
#include "record.h"

#include "fuzz.h"

static void must_be_same(const struct record *a, const struct record *b)
{
	must(a->kind == b->kind && a->present == b->present);
	for (unsigned f = 0; f < FIELD_COUNT; f++) {
		must(record_getnum(a, (enum field)f) == record_getnum(b, (enum field)f));
		must(span_eq(record_get(a, (enum field)f), record_get(b, (enum field)f)));
	}
}

static void check_again(const struct record *r)
{
	static char mem[RECORD_MAX + 64], mem2[RECORD_MAX + 64];
	struct record_decoder *d = record_decoder_new();
	struct record again;
	struct buf b, b2;
	struct err e;

	buf_init_fixed(&b, mem, sizeof mem);
	buf_init_fixed(&b2, mem2, sizeof mem2);
	/* nulls and escapes may make it longer than the line it came from */
	if (record_encode(r, &b)) {
		must(!memchr(b.p, '\n', b.n));
		must(record_decode(d, buf_spanof(&b), &again, &e));
		must_be_same(r, &again);
		must(record_encode(&again, &b2));
		must(span_eq(buf_spanof(&b), buf_spanof(&b2)));
	}
	record_decoder_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_decoder *d = record_decoder_new();
	struct record r;
	struct err e;

	if (record_decode(d, span_of(data, size), &r, &e))
		check_again(&r);
	else
		must(e.text[0]);
	record_decoder_free(d);
	return 0;
}
