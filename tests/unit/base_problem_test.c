/* Problems: every one counted, few enough kept, a line each in the order of the files. */
#include "problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void prints(struct problems *p, const char *expected)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	problems_print(p, f);
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void lines_come_in_file_order_then_line(void **state)
{
	struct problems p = {0};

	(void)state;
	problem_error(&p, "z.cfg", 9, "late");
	problem_error(&p, "a.cfg", 2, "other file");
	problem_finding(&p, "z.cfg", 3, "shadowed", "rule \"%s\"", "x");
	problem_error(&p, "z.cfg", 0, "whole");
	problem_error(&p, "z.cfg", 3, "same line, later");
	problem_error(&p, NULL, 0, "no file");
	assert_int_equal(p.errors, 5);
	assert_int_equal(p.findings, 1);
	prints(&p, "z.cfg: whole\n"
		   "z.cfg:3: [shadowed] rule \"x\"\n"
		   "z.cfg:3: same line, later\n"
		   "z.cfg:9: late\n"
		   "a.cfg:2: other file\n"
		   "no file\n");
	problems_free(&p);
	assert_int_equal(p.n + p.errors + p.findings, 0);
	prints(&p, "");
	problems_free(&p);
}

static void file_bytes_cannot_forge_lines_or_drive_a_terminal(void **state)
{
	struct problems p = {0};

	(void)state;
	problem_error(&p, "a\nb", 1, "x%sy", "\n\x1b[2J\x7f");
	prints(&p, "a\\x0ab:1: x\\x0a\\x1b[2J\\x7fy\n");
	problems_free(&p);
}

static void flood_is_counted_but_not_kept(void **state)
{
	struct problems p = {0};

	(void)state;
	for (int i = 0; i < 5000; i++)
		problem_error(&p, "f", 1, "%d", i);
	problem_finding(&p, "f", 1, "c", "x");
	assert_int_equal(p.n, PROBLEMS_MAX);
	assert_int_equal(p.errors, 5000);
	assert_int_equal(p.findings, 1);
	assert_string_equal(p.v[PROBLEMS_MAX - 1].text, "199");
	problems_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_in_file_order_then_line),
		cmocka_unit_test(file_bytes_cannot_forge_lines_or_drive_a_terminal),
		cmocka_unit_test(flood_is_counted_but_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
