/*
 * A run of bytes that belongs to somebody else. Bytes travel as spans; NUL-terminated strings stand
 * only at system boundaries.
 */
#ifndef STILE_SPAN_H
#define STILE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

/* printf("%.*s", SPAN_ARG(s)) */
#define SPAN_ARG(s) (int)(s).n, (s).p
#define SPAN(literal)                                                                              \
	(struct span)                                                                              \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){p, n};
}

/* NULL gives the empty span. */
static inline struct span span_str(const char *s)
{
	return (struct span){s ? s : "", s ? strlen(s) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

/* ASCII case is folded, nothing else. */
bool span_caseeq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);

/* Takes away SP and HTAB at both ends. */
struct span span_trim(struct span s);

/* Cuts the part before the first `sep` from *rest and returns it; *rest keeps what follows it.
 * Without a `sep` the whole of *rest is returned and *rest becomes empty with p == NULL. */
struct span span_cut(struct span *rest, char sep);

/* Decimal digits only, at least one, no sign, no space, value at most `max`. */
bool span_u64(struct span s, uint64_t max, uint64_t *out);

/* Copies into a NUL-terminated array of `cap` bytes; false when it does not fit or holds a NUL. */
bool span_copy(struct span s, char *out, size_t cap);

/* Bytes of the well-formed UTF-8 sequence at the start of s (not empty), 0 if there is none (RFC
 * 3629 section 4: no overlong forms, no surrogates, nothing over U+10FFFF). */
size_t span_utf8(struct span s);

/* Bytes at the start of s that stand for themselves in a JSON string: printable ASCII but for the
 * quote and the backslash. */
size_t span_plain(struct span s);

/* A hash, eight bytes at a time, for tables that compare what falls together. Who chooses the text
 * can make it fall together: where that matters, siphash. */
uint64_t span_fold(struct span s, uint64_t seed);

#endif
