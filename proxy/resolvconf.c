/* resolv.conf(5), line by line: a word, blanks, its values; "#" and ";" begin comments. */
#include "resolvconf.h"

#include "host.h"

#define BLANKS " \t\r"

/* The next word of the line, which is cut off it; empty at the end. */
static struct span word(struct span *line)
{
	struct span w;
	size_t at = 0, n = 0;

	while (at < line->n && strchr(BLANKS, line->p[at]) && line->p[at])
		at++;
	while (at + n < line->n && line->p[at + n] && !strchr(BLANKS, line->p[at + n]))
		n++;
	w = span_of(line->p + at, n);
	*line = span_of(line->p + at + n, line->n - at - n);
	return w;
}

static void server(struct span line, struct settings *s)
{
	struct settings_address *a = &s->servers.v[s->servers.n];

	if (s->servers.n == SETTINGS_SERVERS || !addr_parse(word(&line), &a->addr))
		return;
	a->port = 53;
	s->servers.n++;
}

static void search(struct span line, struct settings *s)
{
	struct span name;

	s->search.n = 0;
	while (s->search.n < SETTINGS_NAMES && (name = word(&line)).n) {
		struct host host;

		if (host_parse(name, &host) && !host.literal)
			memcpy(s->search.v[s->search.n++], host.name, (size_t)host.len + 1);
	}
}

void resolvconf_read(struct span text, struct settings *s)
{
	bool own = s->search.n > 0;

	while (text.n) {
		struct span line = span_cut(&text, '\n');
		struct span what = word(&line);

		if (span_is(what, "nameserver"))
			server(line, s);
		else if (!own && (span_is(what, "search") || span_is(what, "domain")))
			search(line, s);
	}
}
