/*
 * Any text as a policy: it is refused with an error, or it becomes a snapshot that opens and
 * that lint can look at. From
 * memory: no list, no database and no included file is touched.
 */
#include "model.h"

#include "fuzz.h"

#define TEXT_MAX_BYTES 65536

static void compile(struct model *m)
{
	struct problems found = {0};
	struct buf block = {0};
	struct err e;

	if (!model_compile(m, &block, &e))
		abort();
	const struct snapshot *s = snapshot_open(block.p, block.n, &e);
	if (!s)
		abort();
	policy_lint("fuzz.cfg", s, 1772445600, &found);
	if (found.errors)
		abort();
	problems_free(&found);
	buf_free(&block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct problems p = {0};
	struct model m;

	if (n > TEXT_MAX_BYTES)
		return 0;
	struct conf *c = conf_parse("fuzz.cfg", span_of(data, n), &p);
	if (c) {
		if (!model_init(&m, NULL))
			abort();
		bool ok = model_load(&m, c, &p);
		if (ok != (p.errors == 0))
			abort();
		if (ok)
			compile(&m);
		model_free(&m);
		conf_free(c);
	} else if (p.errors == 0) {
		abort();
	}
	problems_free(&p);
	return 0;
}
