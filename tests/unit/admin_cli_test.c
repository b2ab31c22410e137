/* Command lines: what is accepted, what is refused and how, and help that lists every option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int show(struct cli *c)
{
	printf("json=%d user=%s", cli_has(c, "json"),
		cli_value(c, "user") ? cli_value(c, "user") : "-");
	for (size_t i = 0; cli_value_at(c, "group", i); i++)
		printf(" group=%s", cli_value_at(c, "group", i));
	for (size_t i = 0; i < cli_operands(c); i++)
		printf(" [%s]", cli_operand(c, i));
	putchar('\n');
	return CLI_FOUND;
}

static const struct cli_option options[] = {
	{'u', "user", "NAME", false, "a user"},
	{'g', "group", "NAME", true, "a group"},
	{0, "json", NULL, false, "machines"},
	{0},
};
static const struct cli_command show_command = {
	"show", "shows", "FILE...", 1, 3, options, "About it.", show};
static const struct cli_command *const commands[] = {&show_command, NULL};
static const struct cli_program program = {"prog", "A program.", commands};

struct result {
	int code;
	char out[4096], err[2048];
};

static void slurp(const char *path, char *to, size_t cap)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	to[fread(to, 1, cap - 1, f)] = 0;
	fclose(f);
}

/* `line` is cut at spaces; '_' stands for an empty word. */
static struct result run(const char *line)
{
	char copy[256], *argv[16] = {0}, prog[] = "prog", empty[] = "";
	int argc = 1;
	static struct result r;
	argv[0] = prog;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = strcmp(w, "_") ? w : empty;
	fflush(NULL);
	int out = dup(1), err = dup(2);
	assert_non_null(freopen("out", "w", stdout));
	assert_non_null(freopen("err", "w", stderr));
	r.code = cli_main(&program, argc, argv);
	fflush(NULL);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	slurp("out", r.out, sizeof r.out);
	slurp("err", r.err, sizeof r.err);
	return r;
}

static void what_is_typed_reaches_the_command(void **state)
{
	static const struct {
		const char *line, *out;
	} cases[] = {
		{"show a", "json=0 user=- [a]\n"},
		{"show --user=kb a b", "json=0 user=kb [a] [b]\n"},
		{"show a --user kb --json b", "json=1 user=kb [a] [b]\n"},
		{"show -ukb a -g x -gy --group z", "json=0 user=kb group=x group=y group=z [a]\n"},
		{"show -- --user -", "json=0 user=- [--user] [-]\n"},
		{"show --user= a", "json=0 user= [a]\n"},
		{"show --user _ _", "json=0 user= []\n"},
		{"show --user --json a", "json=0 user=--json [a]\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct result r = run(cases[i].line);
		assert_int_equal(r.code, CLI_FOUND);
		assert_string_equal(r.out, cases[i].out);
		assert_string_equal(r.err, "");
	}
}

static void wrong_usage_is_refused_with_a_hint(void **state)
{
	static const struct {
		const char *line, *err;
	} cases[] = {
		{"", "usage: prog COMMAND"},
		{"shwo a", "did you mean 'show'?"},
		{"zebra", "there is no command 'zebra'\n"},
		{"show", "prog show: FILE... is missing"},
		{"show a b c d", "'d' is one word too many"},
		{"show --usr x a", "did you mean '--user'?"},
		{"show --zebra a", "there is no option '--zebra'\n"},
		{"show -x a", "there is no option '-x'"},
		{"show a --user", "--user needs a value: NAME"},
		{"show a --json=1", "--json takes no value"},
		{"show a --json --json", "--json is given twice"},
		{"show a -u x --user y", "--user is given twice"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct result r = run(cases[i].line);
		if (r.code != CLI_USAGE || !strstr(r.err, cases[i].err) ||
			!strstr(r.err, "--help'"))
			fail_msg("'%s': exit %d: %s", cases[i].line, r.code, r.err);
		assert_string_equal(r.out, "");
	}
}

static void help_comes_from_the_tables(void **state)
{
	struct result r = run("--help");
	(void)state;
	assert_int_equal(r.code, CLI_OK);
	assert_non_null(strstr(r.out, "  show "));
	assert_non_null(strstr(r.out, "--version"));
	static const char *const lines[] = {
		"show --help", "show -h", "show a b c d -h", "show --user x --help"};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		r = run(lines[i]);
		assert_int_equal(r.code, CLI_OK);
		assert_non_null(strstr(r.out, "usage: prog show [OPTION]... FILE...\n"));
		for (const struct cli_option *o = options; o->name; o++)
			assert_non_null(strstr(r.out, o->name));
		assert_non_null(strstr(r.out, "-g, --group NAME ..."));
		assert_non_null(strstr(r.out, "About it."));
	}
}

static void version_is_said(void **state)
{
	struct result r = run("--version");
	(void)state;
	assert_int_equal(r.code, CLI_OK);
	assert_string_equal(r.out, "prog " STILE_VERSION "\n");
}

static void no_colours_away_from_a_terminal(void **state)
{
	FILE *f = fopen("colours", "w");
	(void)state;
	assert_non_null(f);
	assert_false(cli_colours(f));
	fclose(f);
	assert_string_equal(cli_style(false, CLI_BAD), "");
	assert_true(cli_style(true, CLI_BAD)[0] == '\033');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_reaches_the_command),
		cmocka_unit_test(wrong_usage_is_refused_with_a_hint),
		cmocka_unit_test(help_comes_from_the_tables),
		cmocka_unit_test(version_is_said),
		cmocka_unit_test(no_colours_away_from_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
