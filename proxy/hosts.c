/* hosts(5) by words; '#' begins a comment. */
#include "hosts.h"

static struct span next_word(struct span *rest)
{
	struct span w;

	if (!rest->n)
		return *rest;
	while (rest->n && (*rest->p == ' ' || *rest->p == '\t'))
		*rest = span_of(rest->p + 1, rest->n - 1);
	w = span_of(rest->p, 0);
	while (w.n < rest->n && rest->p[w.n] != ' ' && rest->p[w.n] != '\t')
		w.n++;
	*rest = span_of(rest->p + w.n, rest->n - w.n);
	return w;
}

static enum hosts_answer strange(struct hosts_entry *out, struct span word, const char *wanted)
{
	out->word = word;
	out->wanted = wanted;
	return HOSTS_STRANGE;
}

static struct span next_line(struct hosts_reader *r)
{
	struct span all = span_cut(&r->rest, '\n'), said = span_cut(&all, '#');

	r->line++;
	if (said.n && said.p[said.n - 1] == '\r')
		said.n--;
	return said;
}

enum hosts_answer hosts_next(struct hosts_reader *r, struct hosts_entry *out)
{
	for (;;) {
		struct span word = next_word(&r->names);

		if (word.n) {
			out->addr = r->addr;
			return host_parse(word, &out->host) && !out->host.literal
				       ? HOSTS_ENTRY
				       : strange(out, word, "host name");
		}
		if (!r->rest.n)
			return HOSTS_END;
		r->names = next_line(r);
		word = next_word(&r->names);
		if (word.n && !addr_parse(word, &r->addr)) {
			r->names.n = 0;
			return strange(out, word, "address");
		}
	}
}
