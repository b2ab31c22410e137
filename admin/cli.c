/*
 * The command line. Options and operands may be mixed; "--" ends the options; a value follows as
 * "--name value", "--name=value" or "-n value". What was typed is kept as (option, value) pairs in
 * order, and commands ask for them by name.
 */
#include "cli.h"

#include "nearest.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_COLUMN 27
#define HELP_WIDTH  90
#define WHAT_MAX    128

struct given {
	const struct cli_option *option;
	const char *value;
};

struct cli {
	const struct cli_program *program;
	const struct cli_command *command;
	const char **operand;
	size_t operands;
	struct given *given;
	size_t ngiven;
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_WRONG };

static const struct cli_option help_option = {'h', "help", NULL, false, "say this and stop"};

static void print_help(const struct cli_program *p);
static void print_command_help(const struct cli_program *p, const struct cli_command *c);
static const struct cli_command *find_command(const struct cli_program *p, const char *name);
static enum parsed parse(struct cli *c, int argc, char **argv);

/* --- running ---------------------------------------------------------------------------------- */

static int unknown_command(const struct cli_program *p, const char *typed)
{
	struct nearest near = nearest_to(span_str(typed));
	for (size_t i = 0; p->commands[i]; i++)
		nearest_try(&near, span_str(p->commands[i]->name));
	fprintf(stderr, "%s: there is no command '%s'", p->name, typed);
	if (near.found.n)
		fprintf(stderr, "; did you mean '%.*s'?", SPAN_ARG(near.found));
	fprintf(stderr, "\ntry '%s --help'\n", p->name);
	return CLI_USAGE;
}

static int run_command(struct cli *c, int argc, char **argv)
{
	switch (parse(c, argc, argv)) {
	case PARSED_HELP:
		print_command_help(c->program, c->command);
		return CLI_OK;
	case PARSED_WRONG:
		return CLI_USAGE;
	case PARSED_RUN:
		break;
	}
	if (c->operands < c->command->min)
		return cli_usage(c, "%s is missing", c->command->operands);
	if (c->operands > c->command->max)
		return cli_usage(c, "'%s' is one word too many", c->operand[c->command->max]);
	return c->command->run(c);
}

/* Results go to people and to other programs: half a result must not look like a whole one. */
static int closing(const char *name, int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "%s: the output could not be written\n", name);
	return code == CLI_OK ? CLI_FOUND : code;
}

static int dispatch(struct cli *c, int argc, char **argv)
{
	const struct cli_program *p = c->program;
	if (argc < 2) {
		fprintf(stderr, "usage: %s COMMAND ...\ntry '%s --help'\n", p->name, p->name);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(p);
		return CLI_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", p->name, STILE_VERSION);
		return CLI_OK;
	}
	c->command = find_command(p, argv[1]);
	return c->command ? run_command(c, argc - 2, argv + 2) : unknown_command(p, argv[1]);
}

int cli_main(const struct cli_program *p, int argc, char **argv)
{
	struct cli c = {.program = p};
	size_t room = argc > 0 ? (size_t)argc : 1;
	c.operand = calloc(room, sizeof *c.operand);
	c.given = calloc(room, sizeof *c.given);
	int code = CLI_FOUND;
	if (c.operand && c.given)
		code = dispatch(&c, argc, argv);
	else
		fprintf(stderr, "%s: out of memory\n", p->name);
	free(c.operand);
	free(c.given);
	return closing(p->name, code);
}

static const struct cli_command *find_command(const struct cli_program *p, const char *name)
{
	for (size_t i = 0; p->commands[i]; i++)
		if (strcmp(p->commands[i]->name, name) == 0)
			return p->commands[i];
	return NULL;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static const struct cli_option *find_long(const struct cli_command *c, const char *name, size_t n)
{
	if (n == 4 && memcmp(name, "help", 4) == 0)
		return &help_option;
	for (const struct cli_option *o = c->options; o->name; o++)
		if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static const struct cli_option *find_short(const struct cli_command *c, char letter)
{
	if (letter == help_option.letter)
		return &help_option;
	for (const struct cli_option *o = c->options; o->name; o++)
		if (o->letter == letter && letter)
			return o;
	return NULL;
}

static enum parsed unknown_option(const struct cli *c, struct span typed)
{
	struct nearest near = nearest_to(typed);
	nearest_try(&near, span_str(help_option.name));
	for (const struct cli_option *o = c->command->options; o->name; o++)
		nearest_try(&near, span_str(o->name));
	if (near.found.n)
		cli_usage(c, "there is no option '--%.*s'; did you mean '--%.*s'?", SPAN_ARG(typed),
			SPAN_ARG(near.found));
	else
		cli_usage(c, "there is no option '--%.*s'", SPAN_ARG(typed));
	return PARSED_WRONG;
}

static enum parsed give(struct cli *c, const struct cli_option *o, const char *value)
{
	if (!o->many && cli_has(c, o->name)) {
		cli_usage(c, "--%s is given twice", o->name);
		return PARSED_WRONG;
	}
	c->given[c->ngiven++] = (struct given){o, value};
	return PARSED_RUN;
}

/* `inside`: the value that stands in the same word, or NULL; then the next word is it. */
static enum parsed take(
	struct cli *c, const struct cli_option *o, const char *inside, int *left, char ***next)
{
	if (o == &help_option)
		return PARSED_HELP;
	if (!o->value && inside) {
		cli_usage(c, "--%s takes no value", o->name);
		return PARSED_WRONG;
	}
	if (!o->value)
		return give(c, o, NULL);
	if (!inside && *left == 0) {
		cli_usage(c, "--%s needs a value: %s", o->name, o->value);
		return PARSED_WRONG;
	}
	if (!inside) {
		inside = *(*next)++;
		--*left;
	}
	return give(c, o, inside);
}

static enum parsed take_long(struct cli *c, const char *word, int *left, char ***next)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	const struct cli_option *o = find_long(c->command, word, n);
	if (!o)
		return unknown_option(c, span_of(word, n));
	return take(c, o, equals ? equals + 1 : NULL, left, next);
}

static enum parsed take_short(struct cli *c, const char *word, int *left, char ***next)
{
	const struct cli_option *o = find_short(c->command, word[0]);
	if (o)
		return take(c, o, word[1] ? word + 1 : NULL, left, next);
	cli_usage(c, "there is no option '-%c'", word[0]);
	return PARSED_WRONG;
}

static enum parsed parse(struct cli *c, int argc, char **argv)
{
	bool options = true;
	while (argc > 0) {
		const char *word = *argv++;
		argc--;
		enum parsed answer = PARSED_RUN;
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && strncmp(word, "--", 2) == 0)
			answer = take_long(c, word + 2, &argc, &argv);
		else if (options && word[0] == '-' && word[1])
			answer = take_short(c, word + 1, &argc, &argv);
		else
			c->operand[c->operands++] = word;
		if (answer != PARSED_RUN)
			return answer;
	}
	return PARSED_RUN;
}

/* --- asking ----------------------------------------------------------------------------------- */

size_t cli_operands(const struct cli *c)
{
	return c->operands;
}

const char *cli_operand(const struct cli *c, size_t i)
{
	assert(i < c->operands);
	return c->operand[i];
}

static const struct given *nth(const struct cli *c, const char *option, size_t i)
{
	const struct cli_option *o = find_long(c->command, option, strlen(option));
	assert(o);
	for (size_t k = 0; k < c->ngiven; k++)
		if (c->given[k].option == o && i-- == 0)
			return &c->given[k];
	return NULL;
}

bool cli_has(const struct cli *c, const char *option)
{
	return nth(c, option, 0) != NULL;
}

const char *cli_value_at(const struct cli *c, const char *option, size_t i)
{
	const struct given *g = nth(c, option, i);
	return g ? g->value : NULL;
}

const char *cli_value(const struct cli *c, const char *option)
{
	return cli_value_at(c, option, 0);
}

int cli_usage(const struct cli *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "%s %s: ", c->program->name, c->command->name);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\ntry '%s %s --help'\n", c->program->name, c->command->name);
	va_end(ap);
	return CLI_USAGE;
}

int cli_fail(const struct cli *c, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "%s %s: ", c->program->name, c->command->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return code;
}

/* --- help ------------------------------------------------------------------------------------- */

/* Words from `at` on, wrapped, each further line indented. */
static void print_wrapped(const char *text, size_t at, size_t indent)
{
	while (*text) {
		size_t n = strcspn(text, " \n");
		if (at > indent && at + 1 + n > HELP_WIDTH) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		fwrite(text, 1, n, stdout);
		at += n;
		text += n;
		if (*text == '\n') {
			printf("\n%*s", text[1] && text[1] != '\n' ? (int)indent : 0, "");
			at = indent;
		}
		text += *text != 0;
	}
	putchar('\n');
}

static void print_entry(const char *what, const char *help)
{
	size_t n = strlen(what);
	printf("  %s", what);
	if (n + 3 > HELP_COLUMN) {
		putchar('\n');
		n = 0;
		printf("  ");
	}
	printf("%*s", (int)(HELP_COLUMN - 2 - n), "");
	print_wrapped(help, HELP_COLUMN, HELP_COLUMN);
}

static void print_option(const struct cli_option *o)
{
	char what[WHAT_MAX];
	char letter[8] = "    ";
	if (o->letter)
		snprintf(letter, sizeof letter, "-%c, ", o->letter);
	snprintf(what, sizeof what, "%s--%s%s%s%s", letter, o->name, o->value ? " " : "",
		o->value ? o->value : "", o->many ? " ..." : "");
	print_entry(what, o->help);
}

static void print_command_help(const struct cli_program *p, const struct cli_command *c)
{
	printf("usage: %s %s%s%s%s\n\n", p->name, c->name, c->options->name ? " [OPTION]..." : "",
		*c->operands ? " " : "", c->operands);
	print_wrapped(c->help, 0, 0);
	printf("\noptions:\n");
	for (const struct cli_option *o = c->options; o->name; o++)
		print_option(o);
	print_option(&help_option);
	if (c->about) {
		putchar('\n');
		print_wrapped(c->about, 0, 0);
	}
}

static void print_help(const struct cli_program *p)
{
	printf("usage: %s COMMAND [OPTION]... [OPERAND]...\n\n", p->name);
	print_wrapped(p->help, 0, 0);
	printf("\ncommands:\n");
	for (size_t i = 0; p->commands[i]; i++)
		print_entry(p->commands[i]->name, p->commands[i]->help);
	printf("\noptions:\n");
	print_option(&help_option);
	print_entry("    --version", "say the version and stop");
	printf("\n'%s COMMAND --help' tells more.\n", p->name);
	printf("Exit: 0 fine; 1 a finding, or it failed; 2 wrong usage; 78 a file is wrong.\n");
}

/* --- colours ------------------------------------------------------------------------ */

bool cli_colours(FILE *to)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return isatty(fileno(to)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *cli_style(bool colours, enum cli_style s)
{
	static const char *const codes[] = {[CLI_PLAIN] = "\033[0m",
		[CLI_STRONG] = "\033[1m",
		[CLI_GOOD] = "\033[32m",
		[CLI_WARN] = "\033[33m",
		[CLI_BAD] = "\033[1;31m"};
	return colours ? codes[s] : "";
}
