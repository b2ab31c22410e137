/*
 * Any text as proxy.cfg: it is refused with an error, or gives settings that read the same again
 * and are all in range.
 */
#include "settings.h"

#include "fuzz.h"

static void check(const struct settings *s)
{
	must(s->listen.n > 0 && s->listen.n <= SETTINGS_LISTEN);
	for (size_t i = 0; i < s->listen.n; i++) {
		must(!s->listen.v[i].certificate[0] == !s->listen.v[i].key[0]);
		must(s->listen.v[i].balancers.n <= SETTINGS_BALANCERS);
	}
	must(s->servers.n <= SETTINGS_SERVERS && s->search.n <= SETTINGS_NAMES);
	must(s->policy[0] && s->node[0] && s->journal[0]);
	must(s->resolve_ms > 0 && s->connect_ms > 0 && s->head_ms > 0 && s->record_ms > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file;
	static struct settings first, second;
	struct problems p = {0}, q = {0};
	const char *names[64], *path = fuzz_file(&file, span_of(data, size));
	bool ok = settings_load(path, &first, &p);

	must(ok == (p.errors == 0));
	must(settings_load(path, &second, &q) == ok && q.errors == p.errors);
	if (ok) {
		check(&first);
		must(settings_changed_at_start(&first, &second, names, 64) == 0);
	}
	problems_free(&p);
	problems_free(&q);
	return 0;
}
