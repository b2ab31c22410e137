/*
 * Tables of byte strings and what is expected of them: "expected | bytes" a line, "~" for CR LF,
 * the escapes \r \n \t \\ \xHH, "#" for comments. Each case comes in a block of its exact size, so
 * that a sanitizer sees a read past its end.
 */
#ifndef STILE_VECTORS_H
#define STILE_VECTORS_H

#include "buf.h"

#include <stdio.h>
#include <stdlib.h>

#define VECTOR_LINE_MAX 4096

struct vector {
	const char *file;
	unsigned line;
	char *expected;
	char *bytes; /* malloc'ed, exactly n of them */
	size_t n;
};

/* What became of the first n bytes of `all`. */
typedef void vector_fn(struct buf *out, const char *expected, struct span in, size_t all);

static inline int vector_hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static inline void vector_unescape(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '~') {
			buf_adds(out, "\r\n");
		} else if (*s != '\\') {
			buf_addc(out, *s);
		} else if (*++s == 'x') {
			buf_addc(out, (char)(vector_hex(s[1]) << 4 | vector_hex(s[2])));
			s += 2;
		} else {
			buf_addc(out, *s == 'r' ? '\r' : *s == 'n' ? '\n' : *s == 't' ? '\t' : *s);
		}
	}
}

/* False for comments and empty lines. */
static inline bool vector_read(char *line, struct vector *v)
{
	struct buf b = {0}, expected = {0};
	char *bar = strstr(line, " |");

	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '#' || line[0] == '\0')
		return false;
	if (!bar) {
		fprintf(stderr, "%s:%u: no \" |\"\n", v->file, v->line);
		abort();
	}
	*bar = '\0';
	vector_unescape(&expected, line);
	vector_unescape(&b, bar[2] ? bar + 3 : "");
	v->expected = expected.p;
	v->n = b.n;
	v->bytes = malloc(b.n ? b.n : 1);
	if (b.n)
		memcpy(v->bytes, b.p, b.n);
	buf_free(&b);
	return true;
}

/* The first answer that is not "more" when the bytes come one by one, or "more". */
static inline void vector_piecewise(struct buf *out, const struct vector *v, vector_fn *fn)
{
	for (size_t n = 0; n <= v->n; n++) {
		char *part = malloc(n ? n : 1);

		if (n)
			memcpy(part, v->bytes, n);
		buf_reset(out);
		fn(out, v->expected, span_of(part, n), v->n);
		free(part);
		if (strcmp(out->p, "more") != 0)
			return;
	}
}

static inline bool vector_holds(const struct vector *v, const struct buf *got, const char *how)
{
	if (strcmp(got->p, v->expected) == 0)
		return true;
	fprintf(stderr, "%s:%u: %s: expected \"%s\", got \"%s\"\n", v->file, v->line, how,
		v->expected, got->p);
	return false;
}

/* Runs every case of tests/tables/<name>, as a whole or byte by byte. Returns how many there are;
 * *failed how many did not hold. fn writes what it saw in the words of the table. */
static inline unsigned vectors_run(
	const char *name, bool piecewise, vector_fn *fn, unsigned *failed)
{
	char path[1024], line[VECTOR_LINE_MAX];
	struct vector v = {.file = name};
	struct buf got = {0};
	unsigned cases = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/tables/%s", getenv("STILE_ROOT"), name);
	f = fopen(path, "r");
	*failed = 0;
	if (!f) {
		perror(path);
		abort();
	}
	while (fgets(line, sizeof(line), f)) {
		v.line++;
		if (!vector_read(line, &v))
			continue;
		cases++;
		buf_reset(&got);
		if (piecewise)
			vector_piecewise(&got, &v, fn);
		else
			fn(&got, v.expected, span_of(v.bytes, v.n), v.n);
		*failed += !vector_holds(&v, &got, piecewise ? "byte by byte" : "whole");
		free(v.bytes);
		free(v.expected);
	}
	fclose(f);
	buf_free(&got);
	return cases;
}

#endif
