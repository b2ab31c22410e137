/*
 * Any bytes as a country database: it is refused, or its ranges begin at zero, rise, and name
 * countries or none.
 */
#include "geo.h"

#include "fuzz.h"

/* The library forgets some of what it read of a file that it then refuses (1.7.1). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

static void check_code(const char code[2])
{
	must((code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z') ||
		(!code[0] && !code[1]));
}

static void check(const struct buf *v4, const struct buf *v6)
{
	const struct geo4 *a = (const void *)v4->p;
	const struct geo6 *b = (const void *)v6->p;
	size_t n4 = v4->n / sizeof *a, n6 = v6->n / sizeof *b;

	must(n4 > 0 && n6 > 0 && a[0].from == 0 && b[0].from == 0);
	for (size_t i = 0; i < n4; i++) {
		check_code(a[i].code);
		must(i == 0 || a[i].from > a[i - 1].from);
	}
	for (size_t i = 0; i < n6; i++) {
		check_code(b[i].code);
		must(i == 0 || b[i].from > b[i - 1].from);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file;
	struct buf v4 = {0}, v6 = {0};
	struct err e;

	if (geo_compile(fuzz_file(&file, span_of(data, size)), &v4, &v6, &e))
		check(&v4, &v6);
	buf_free(&v4);
	buf_free(&v6);
	return 0;
}
