/*
 * Configuration text of any kind: reading, walking and every typed reader stay inside their memory;
 * a refusal always has a problem with a place, and what conf_text lets through libconfig takes too.
 */
#include "conf.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 forgets a string it has scanned when the grammar refuses it; conf_text.c refuses
 * first, but arrays of mixed types are found by libconfig alone. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig_yy\n";
}

static void read_typed(const struct conf *c, const struct conf_node *g, const char *name)
{
	struct problems p = {0};
	const struct conf_node *n = NULL;
	const char *s = NULL;
	int64_t i = 0;
	uint64_t u = 0;
	bool b = false;

	if (conf_string(c, g, name, &s, &p) && s)
		must(strlen(s) <= 65536);
	conf_bool(c, g, name, &b, &p);
	if (conf_int(c, g, name, -5, 5, &i, &p))
		must(i >= -5 && i <= 5);
	i = 1000;
	if (conf_duration(c, g, name, 1000, 60000, &i, &p))
		must(i >= 1000 && i <= 60000);
	u = 16;
	if (conf_size(c, g, name, 16, 1 << 20, &u, &p))
		must(u >= 16 && u <= 1 << 20);
	conf_group(c, g, name, &n, &p);
	conf_list(c, g, name, &n, &p);
	if (conf_strings(c, g, name, &n, &p) && n)
		for (size_t k = 0; k < conf_len(n); k++)
			must(conf_string_at(n, k) != NULL);
	problems_free(&p);
}

static void walk(const struct conf *c, const struct conf_node *n, unsigned lines)
{
	static const char *const known[] = {"address", "rules", "limits", NULL};
	struct problems p = {0};

	must(conf_line(n) <= lines && strcmp(conf_file(c, n), "fuzz") == 0);
	must(n == conf_root(c) || conf_line(n) > 0);
	if (conf_kind(n) == CONF_GROUP)
		conf_only(c, n, known, &p);
	problems_free(&p);
	for (size_t i = 0; i < conf_len(n); i++) {
		const struct conf_node *child = conf_at(n, i);

		if (conf_kind(n) == CONF_GROUP) {
			must(conf_get(n, conf_name(child)) == child);
			read_typed(c, n, conf_name(child));
		}
		walk(c, child, lines);
	}
}

static unsigned count_lines(const uint8_t *data, size_t size)
{
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems p = {0};
	struct conf *c = conf_parse("fuzz", span_of(data, size), &p);

	must((c == NULL) == (p.errors > 0));
	for (size_t i = 0; i < p.n; i++)
		must(strcmp(p.v[i].text, "syntax error") != 0 &&
			p.v[i].line <= count_lines(data, size));
	if (c)
		walk(c, conf_root(c), count_lines(data, size));
	conf_free(c);
	problems_free(&p);
	return 0;
}
