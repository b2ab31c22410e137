/* PROXY protocol headers: the cases are in tests/tables/proxied.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxied.h"
#include "vectors.h"

static void parse(struct buf *out, const char *expected, struct span in, size_t all)
{
	struct proxied p;
	char text[ADDR_TEXT_MAX];

	(void)expected;
	memset(&p, 0xa5, sizeof p);
	switch (proxied_parse(in, &p)) {
	case PROXIED_MORE:
		buf_adds(out, "more");
		return;
	case PROXIED_BAD:
		buf_adds(out, "bad");
		return;
	case PROXIED_DONE:
		break;
	}
	if (p.told) {
		addr_format(&p.client, text);
		buf_printf(out, "client %s %u", text, p.port);
	} else {
		buf_adds(out, "nobody");
	}
	if (p.size < all)
		buf_printf(out, " rest:%zu", all - p.size);
}

static void headers_have_one_reading(void **state)
{
	unsigned failed, cases = vectors_run("proxied.txt", false, parse, &failed);

	(void)state;
	assert_true(cases >= 80);
	assert_int_equal(failed, 0);
}

static void pieces_make_no_difference(void **state)
{
	unsigned failed, cases = vectors_run("proxied.txt", true, parse, &failed);

	(void)state;
	assert_true(cases >= 80);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_have_one_reading),
		cmocka_unit_test(pieces_make_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
