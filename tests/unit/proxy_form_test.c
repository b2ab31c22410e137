/* Forms and queries: what is read, what is refused, and that nothing has two readings. */
#include "form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
	const char *in;
	const char *name, *value; /* what form_get says of a name */
	size_t n;		  /* fields; SIZE_MAX: refused */
} rows[] = {
	{"", "a", "", 0},
	{"a=1", "a", "1", 1},
	{"a=1&b=2", "b", "2", 2},
	{"a", "a", "", 1},
	{"a=", "a", "", 1},
	{"=x", "", "x", 1},
	{"a=b=c", "a", "b=c", 1},
	{"&&a=1&", "a", "1", 1},
	{"a=1+2%2b3", "a", "1 2+3", 1},
	{"a%62c=%C3%A9", "abc", "\xc3\xa9", 1},
	{"a=1&a=1", "a", "", 2},
	{"a=1&A=2", "a", "1", 2},
	{"a=1&%61=2", "a", "", 2},
	{"a=%", "a", "", SIZE_MAX},
	{"a=%4", "a", "", SIZE_MAX},
	{"a=%4g", "a", "", SIZE_MAX},
	{"a=%g4", "a", "", SIZE_MAX},
	{"%=1", "a", "", SIZE_MAX},
	{"a=%00", "a", "", SIZE_MAX},
	{"a=%0A", "a", "", SIZE_MAX},
	{"a=\n", "a", "", SIZE_MAX},
	{"a=%7f", "a", "", SIZE_MAX},
	{"a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p", "p", "", 16},
	{"a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", "p", "", SIZE_MAX},
};

static void forms_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct form f;
		bool ok = form_parse(span_str(rows[i].in), &f);

		if (ok != (rows[i].n != SIZE_MAX))
			fail_msg("\"%s\" is %s", rows[i].in, ok ? "taken" : "refused");
		if (!ok)
			continue;
		assert_int_equal(f.n, rows[i].n);
		if (!span_is(form_get(&f, rows[i].name), rows[i].value))
			fail_msg("\"%s\": %s is \"%.*s\"", rows[i].in, rows[i].name,
				SPAN_ARG(form_get(&f, rows[i].name)));
	}
}

static void length_has_a_limit(void **state)
{
	char text[FORM_MAX + 1];
	struct form f;

	(void)state;
	memset(text, 'x', sizeof text);
	assert_true(form_parse(span_of(text, FORM_MAX), &f));
	assert_int_equal(f.field[0].name.n, FORM_MAX);
	assert_false(form_parse(span_of(text, FORM_MAX + 1), &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_read), cmocka_unit_test(length_has_a_limit)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
