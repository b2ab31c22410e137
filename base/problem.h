/*
 * What is wrong with a file that people edit: every problem with its file, line and what was
 * expected. Errors forbid the file's use; findings (policy lint) do not.
 */
#ifndef STILE_PROBLEM_H
#define STILE_PROBLEM_H

#include <stdio.h>
#include <stdbool.h>
#include <stddef.h>

enum problem_kind {
	PROBLEM_ERROR,
	PROBLEM_FINDING
};

struct problem {
	enum problem_kind kind;
	unsigned line;    /* 0: the file as a whole */
	char *file;       /* owned */
	const char *code; /* short word of the finding, static; NULL for errors */
	char *text;       /* owned */
};

/* {0} is an empty list. At most PROBLEMS_MAX are kept; `errors` counts on. */
struct problems {
	struct problem *v;
	size_t n;
	size_t errors, findings;
};

#define PROBLEMS_MAX 200

void problem_error(struct problems *p, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void problem_finding(struct problems *p, const char *file, unsigned line, const char *code,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A line each: `file:line: text`, findings as `file:line: [code] text`; file order, then line. */
void problems_print(struct problems *p, FILE *to);
void problems_free(struct problems *p);

#endif
