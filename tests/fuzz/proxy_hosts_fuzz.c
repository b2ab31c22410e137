/*
 * Any bytes as a hosts file: reading ends, lines rise, and an entry is a name with an address that
 * read as themselves.
 */
#include "hosts.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct hosts_reader r = {.rest = text};
	struct hosts_entry in;
	unsigned line = 0;
	size_t words = 0;

	for (enum hosts_answer a; (a = hosts_next(&r, &in)) != HOSTS_END; words++) {
		must(words <= size && r.line >= line);
		line = r.line;
		if (a == HOSTS_ENTRY) {
			struct host again;
			must(!in.host.literal && host_parse(host_span(&in.host), &again));
			must(!again.literal && span_eq(host_span(&again), host_span(&in.host)));
		} else {
			must(in.word.n && in.word.p >= text.p);
			must(in.word.p + in.word.n <= text.p + text.n);
		}
	}
	return 0;
}
