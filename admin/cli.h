/*
 * A command line as tables: a program is a list of commands, a command a list of options and a
 * function. Parsing, help and hints come from the tables alone, so that they cannot disagree.
 */
#ifndef STILE_CLI_H
#define STILE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_FOUND = 1,	  /* a finding, a refusal, or something failed */
	CLI_USAGE = 2,	  /* wrong usage */
	CLI_BAD_FILE = 78 /* a file that people write is wrong (EX_CONFIG) */
};

struct cli_option {
	char letter;	   /* 0: none */
	const char *name;  /* without dashes; NULL ends a table */
	const char *value; /* what the help calls its value; NULL: it takes none */
	bool many;	   /* may be given more than once */
	const char *help;
};

struct cli;

#define CLI_ANY 1000000

struct cli_command {
	const char *name, *help;
	const char *operands; /* as the usage line shows them */
	size_t min, max;      /* how many operands */
	const struct cli_option *options;
	const char *about; /* paragraphs below the options, or NULL */
	int (*run)(struct cli *c);
};

struct cli_program {
	const char *name, *help;
	const struct cli_command *const *commands; /* ends with NULL */
};

/* Parses, runs the command, and returns the exit code; an output that could not be written makes
 * a success a failure. */
int cli_main(const struct cli_program *p, int argc, char **argv);

size_t cli_operands(const struct cli *c);
const char *cli_operand(const struct cli *c, size_t i);
/* Asking for an option that is not in the command's table is a programming error (assert). */
bool cli_has(const struct cli *c, const char *option);
const char *cli_value(const struct cli *c, const char *option);		     /* NULL: not given */
const char *cli_value_at(const struct cli *c, const char *option, size_t i); /* NULL: no more */

/* Says what is wrong with the usage and where help is; returns CLI_USAGE. */
int cli_usage(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "program command: text" on stderr; returns `code`. */
int cli_fail(const struct cli *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

enum cli_style { CLI_PLAIN, CLI_STRONG, CLI_GOOD, CLI_WARN, CLI_BAD };
/* Colours only on a terminal, and not where NO_COLOR is set (no-color.org) or TERM is dumb. */
bool cli_colours(FILE *to);
/* The escape sequence, or "" without colours; CLI_PLAIN ends one. */
const char *cli_style(bool colours, enum cli_style s);

#endif
