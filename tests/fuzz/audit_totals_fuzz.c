/*
 * Totals as Redis may hand them over: a line is the field, the next one its value. What is read is
 * written again as the same text, and what is merged only ever grows.
 */
#include "totals.h"

#include "fuzz.h"

static void check_text(struct span field, struct span value, const struct total *t)
{
	char mem[TOTAL_FIELD_MAX], mem2[TOTAL_VALUE_MAX];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	total_field(t, &b);
	must(!b.failed && span_eq(buf_spanof(&b), field));
	buf_init_fixed(&b, mem2, sizeof mem2);
	total_value(t, &b);
	must(!b.failed && span_eq(buf_spanof(&b), value));
}

static void check_sum(struct totals *all, const struct total *said)
{
	struct total sum;
	while (totals_changed(all, said->start, &sum)) {
		if (memcmp(sum.person, said->person, sizeof sum.person) != 0 ||
			memcmp(sum.rule, said->rule, sizeof sum.rule) != 0)
			continue;
		must(sum.bytes >= said->bytes && sum.more_minutes >= said->more_minutes &&
			sum.more_bytes >= said->more_bytes &&
			sum.acked_until_ms >= said->acked_until_ms);
		for (unsigned i = 0; i < TOTAL_WORDS; i++)
			must((sum.minutes[i] & said->minutes[i]) == said->minutes[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct totals *all = totals_new(16);
	must(all != NULL);
	for (unsigned node = 0; rest.p; node++) {
		const struct span field = span_cut(&rest, '\n'), value = span_cut(&rest, '\n');
		struct total t;
		if (!total_parse(field, value, &t))
			continue;
		check_text(field, value, &t);
		if (totals_take(all, node % TOTAL_NODES, &t))
			check_sum(all, &t);
		if (node % 8 == 7)
			totals_forget(all, t.start);
	}
	totals_free(all);
	return 0;
}
