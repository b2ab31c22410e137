/*
 * PROXY protocol headers of any kind: an answer, once given, stays when more bytes come, before it
 * all is "more", a header is no longer than it may be, and what version 1 told reads the same when
 * written again.
 */
#include "proxied.h"

#include "fuzz.h"

static bool same(const struct proxied *a, const struct proxied *b)
{
	return a->size == b->size && a->told == b->told &&
	       (!a->told || (addr_eq(&a->client, &b->client) && a->port == b->port));
}

static void write_again(const struct proxied *p)
{
	char address[ADDR_TEXT_MAX], line[160];
	struct proxied q;
	int n;

	addr_format(&p->client, address);
	n = snprintf(line, sizeof line, "PROXY TCP%c %s %s %u 443\r\n", p->client.v4 ? '4' : '6',
		address, address, p->port);
	must(proxied_parse(span_of(line, (size_t)n), &q) == PROXIED_DONE);
	must(q.told && addr_eq(&p->client, &q.client) && p->port == q.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct proxied whole, part;
	enum proxied_answer a = proxied_parse(in, &whole), b = PROXIED_MORE;

	if (a == PROXIED_DONE) {
		must(whole.size >= 15 && whole.size <= in.n && whole.size <= PROXIED_MAX);
		must(proxied_parse(span_of(in.p, whole.size), &part) == PROXIED_DONE);
		must(same(&whole, &part));
		must(proxied_parse(span_of(in.p, whole.size - 1), &part) == PROXIED_MORE);
		if (whole.told)
			write_again(&whole);
	}
	must(a != PROXIED_MORE || in.n < PROXIED_MAX);
	for (size_t n = 0; n <= in.n && n < 256 && b == PROXIED_MORE; n++)
		b = proxied_parse(span_of(in.p, n), &part);
	must(b == PROXIED_MORE || b == a);
	return 0;
}
