/*
 * The list of what is wrong with a file. It never fails: what cannot be kept is still counted, so
 * that a file with an error is refused whatever else happens.
 */
#include "problem.h"
#include "buf.h"

#include <stdarg.h>
#include <stdlib.h>

/* Texts quote what stands in files; a control byte in them must not reach a terminal or break the
 * line. */
static char *clean(const char *s)
{
	struct buf b = {0};

	buf_adds(&b, "");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			buf_printf(&b, "\\x%02x", c);
		else
			buf_addc(&b, (char)c);
	}
	if (b.failed)
		buf_free(&b);
	return b.p;
}

__attribute__((format(printf, 1, 0))) static char *format(const char *fmt, va_list ap)
{
	char *raw = NULL, *text = NULL;

	if (vasprintf(&raw, fmt, ap) < 0)
		return NULL;
	text = clean(raw);
	free(raw);
	return text;
}

static void add(struct problems *p, struct problem one)
{
	struct problem *v = NULL;

	if (p->n < PROBLEMS_MAX && one.file && one.text)
		v = realloc(p->v, (p->n + 1) * sizeof(*v));
	if (!v) {
		free(one.file);
		free(one.text);
		return;
	}
	p->v = v;
	p->v[p->n++] = one;
}

__attribute__((format(printf, 6, 0))) static void vadd(struct problems *p, enum problem_kind kind,
	const char *file, unsigned line, const char *code, const char *fmt, va_list ap)
{
	struct problem one = {.kind = kind, .line = line, .code = code};

	if (kind == PROBLEM_ERROR)
		p->errors++;
	else
		p->findings++;
	if (p->n >= PROBLEMS_MAX)
		return;
	one.file = clean(file ? file : "");
	one.text = format(fmt, ap);
	add(p, one);
}

void problem_error(struct problems *p, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(p, PROBLEM_ERROR, file, line, NULL, fmt, ap);
	va_end(ap);
}

void problem_finding(
	struct problems *p, const char *file, unsigned line, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(p, PROBLEM_FINDING, file, line, code, fmt, ap);
	va_end(ap);
}

/* Files stay in the order in which they first came up. */
static size_t file_rank(const struct problems *p, size_t i)
{
	size_t rank = 0;

	while (strcmp(p->v[rank].file, p->v[i].file) != 0)
		rank++;
	return rank;
}

struct place {
	size_t rank, at;
	unsigned line;
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void print_one(const struct problem *one, FILE *to)
{
	if (one->file[0])
		fputs(one->file, to);
	if (one->file[0] && one->line)
		fprintf(to, ":%u", one->line);
	if (one->file[0])
		fputs(": ", to);
	if (one->code)
		fprintf(to, "[%s] ", one->code);
	fprintf(to, "%s\n", one->text);
}

void problems_print(struct problems *p, FILE *to)
{
	struct place order[PROBLEMS_MAX] = {{0}};
	size_t all = p->errors + p->findings;

	for (size_t i = 0; i < p->n; i++)
		order[i] = (struct place){file_rank(p, i), i, p->v[i].line};
	qsort(order, p->n, sizeof(order[0]), by_place);
	for (size_t i = 0; i < p->n; i++)
		print_one(&p->v[order[i].at], to);
	if (all > p->n)
		fprintf(to, "and %zu more\n", all - p->n);
}

void problems_free(struct problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].file);
		free(p->v[i].text);
	}
	free(p->v);
	*p = (struct problems){0};
}
