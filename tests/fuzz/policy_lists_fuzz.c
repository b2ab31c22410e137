/*
 * Lists come from strangers: any bytes as one, in each of the formats. It is refused or read, and a
 * line that is a host name as it stands is then a host of the category.
 */
#include "model.h"

#include "fuzz.h"

static const char policy[] =
	"lists = ( { category = \"strange\"; file = \"%s\"; format = \"%s\"; } );";

/* Lines of hosts files begin with an address. */
static void check_names(const struct model *m, struct span text)
{
	int32_t id = model_find(m, SECTION_CATEGORY, SPAN("strange"));

	must(id >= 0);
	while (text.n) {
		struct span line = span_cut(&text, '\n');
		struct host h;

		if (host_parse(line, &h) && span_eq(line, host_span(&h)))
			must(names_has(m, line, TAG_CATEGORY, (uint32_t)id));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const formats[] = {"plain", "ut1", "hosts"};
	static struct fuzz_file file;
	struct problems p = {0};
	struct model m;
	char text[512];

	if (size == 0)
		return 0;
	struct span list = span_of(data + 1, size - 1);
	size_t format = data[0] % 3;
	snprintf(text, sizeof text, policy, fuzz_file(&file, list), formats[format]);
	struct conf *c = conf_parse("fuzz.cfg", span_str(text), &p);
	must(c && model_init(&m, "fuzz.cfg"));
	const struct load l = {&m, c, &p};
	bool ok = load_lists(&l, conf_root(c));
	must(ok == (p.errors == 0));
	if (ok && format < 2)
		check_names(&m, list);
	must(!ok || names_finish(&m));
	model_free(&m);
	conf_free(c);
	problems_free(&p);
	return 0;
}
