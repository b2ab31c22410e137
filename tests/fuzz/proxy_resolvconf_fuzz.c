/* Any bytes as resolv.conf: at most so many servers and names, and each name reads as itself. */
#include "resolvconf.h"

#include "fuzz.h"
#include "host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings s;

	memset(&s, 0, sizeof s);
	resolvconf_read(span_of(data, size), &s);
	must(s.servers.n <= SETTINGS_SERVERS && s.search.n <= SETTINGS_NAMES);
	for (size_t i = 0; i < s.servers.n; i++)
		must(s.servers.v[i].port == 53);
	for (size_t i = 0; i < s.search.n; i++) {
		struct host again;

		must(host_parse(span_str(s.search.v[i]), &again) && !again.literal);
		must(span_is(host_span(&again), s.search.v[i]));
	}
	return 0;
}
