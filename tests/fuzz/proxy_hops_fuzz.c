/*
 * Via and Max-Forwards of any head: a circle is seen only where the pseudonym stands often enough,
 * and hops are counted for the two methods that have them.
 */
#include "hops.h"

#include "fuzz.h"

static size_t times(struct span in, const char *word)
{
	size_t n = 0, len = strlen(word);

	for (const char *p = in.p; (p = memmem(p, in.n - (size_t)(p - in.p), word, len)); p += len)
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct head_request r;
	struct span in = span_of(data, size);
	uint64_t left = UINT64_MAX;
	enum hops h;

	if (size == 0 || head_parse_request(in, &r) != HEAD_DONE)
		return 0;
	if (hops_loop(&r))
		must(times(in, HOPS_VIA) >= HOPS_LOOP);
	h = hops_left(&r, &left);
	must(h != HOPS_COUNTED || left <= UINT32_MAX);
	must(h == HOPS_FREE || span_is(r.method, "TRACE") || span_is(r.method, "OPTIONS"));
	must(h == HOPS_FREE || head_find(r.field, r.n, "Max-Forwards"));
	return 0;
}
