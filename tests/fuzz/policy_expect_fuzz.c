/*
 * Any bytes as a table of expectations: every line that says something is a case that holds, one
 * that does not, or told to be wrong; and the table says the same when it is asked again.
 */
#include "expect.h"
#include "model.h"

#include "fuzz.h"

#define TEXT_MAX_BYTES 16384

static const char policy[] =
	"zone = \"Europe/London\"; inside = [ \"10.0.0.0/8\" ];"
	"roles: { a = { users = [\"kb\"]; groups = [\"g\"]; networks = [\"192.0.2.0/24\"]; };"
	" s = { everyone = true; }; };"
	"schedules: { o = \"Mon-Fri 08:00-18:00\"; };"
	"services: { hub = { hosts = [\"hub.example\"]; cdn = [\"cdn.example\"]; }; };"
	"rules = ( { name = \"a\"; roles = [\"a\"]; to = [\"hub\", \"10.1.0.0/16\"];"
	" schedule = \"o\"; action = \"allow\"; limits = { minutes = 60; requests = \"60/min\"; }; "
	"},"
	"{ name = \"n\"; roles = [\"s\"]; to = [\"#social\"]; action = \"allow\";"
	" limits = { minutes = 9; when_spent = \"next\"; }; },"
	"{ name = \"c\"; to = [\".x.example\"]; action = \"coach\"; purposes = [\"p\", \"q\"]; },"
	"{ name = \"r\"; action = \"allow\"; } );";

static const struct snapshot *make(void)
{
	static struct buf block;
	struct problems p = {0};
	struct model m;
	struct err e;
	struct conf *c = conf_parse("fuzz.cfg", span_str(policy), &p);

	must(c && model_init(&m, NULL) && model_load(&m, c, &p) && model_compile(&m, &block, &e));
	model_free(&m);
	conf_free(c);
	return snapshot_open(block.p, block.n, &e);
}

static unsigned lines_said(struct span table)
{
	unsigned n = 0;

	while (table.n) {
		struct span line = span_cut(&table, '\n');
		size_t i = 0;

		while (i < line.n && strchr(" \t\r", line.p[i]) && line.p[i])
			i++;
		n += i < line.n && line.p[i] != '#';
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct snapshot *s;
	static FILE *out;
	struct span table = span_of(data, size);
	struct expect_counts n = {0}, again = {0};

	if (!s)
		s = make();
	if (!out)
		out = fopen("/dev/null", "w");
	must(s && out);
	if (size > TEXT_MAX_BYTES)
		return 0;
	bool ok = expect_run(s, table, "fuzz", out, &n);
	must(ok == (n.failed == 0 && n.wrong == 0));
	must(n.passed + n.failed + n.wrong == lines_said(table));
	must(expect_run(s, table, "fuzz", out, &again) == ok);
	must(memcmp(&n, &again, sizeof n) == 0);
	return 0;
}
