/*
 * Any bytes as a pack, and good packs with some bytes laid over: what is accepted gives blobs that
 * lie within it. A good pack gives back what was put into it.
 */
#include "pack.h"

#include "fuzz.h"

static const char *const names[] = {"settings", "policy", "hosts", "redis-ca", ""};

static void look(struct span pack)
{
	struct span blob;
	struct err e;

	if (!pack_check(pack, &e))
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (pack_get(pack, names[i], &blob))
			must(blob.n == 0 ||
				(blob.p >= pack.p && blob.n <= pack.n &&
					blob.p - pack.p <= (ptrdiff_t)(pack.n - blob.n)));
}

/* The input as blobs, a line each. */
static struct span make(struct pack_writer *w, struct span s)
{
	struct span done, rest = s, blob;
	struct err e;

	pack_start(w);
	for (size_t i = 0; i < 4; i++)
		pack_add(w, names[i], span_cut(&rest, '\n'));
	must(pack_finish(w, &done) && pack_check(done, &e));
	rest = s;
	for (size_t i = 0; i < 4; i++)
		must(pack_get(done, names[i], &blob) && span_eq(blob, span_cut(&rest, '\n')));
	return done;
}

/* Two bytes of place, one that is put there. */
static void lay_over(char *block, size_t n, struct span what)
{
	for (size_t i = 0; i + 3 <= what.n; i += 3) {
		uint16_t at;

		memcpy(&at, what.p + i, 2);
		block[at % n] = what.p[i + 2];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size), done = in;
	struct pack_writer w;
	bool over = size && data[0] % 2;
	char *block;

	if (over)
		done = make(&w, span_of(in.p + 1, in.n - 1));
	block = aligned_alloc(16, (done.n + 16) / 16 * 16);
	must(block);
	memcpy(block, done.n ? done.p : "", done.n);
	if (over)
		lay_over(block, done.n, in);
	look(span_of(block, done.n));
	free(block);
	if (over)
		pack_drop(&w);
	return 0;
}
