/*
 * A growing string. Append freely: the first failure (memory, or the end of a fixed buffer) sticks
 * and is checked once, at the end.
 */
#ifndef STILE_BUF_H
#define STILE_BUF_H

#include "span.h"

struct buf {
	char *p; /* always NUL-terminated once something was added; may be NULL before */
	size_t n, cap;
	bool fixed; /* p belongs to the caller and does not grow */
	bool failed;
};

/* {0} is an empty growing buffer as well. */
void buf_init(struct buf *b);
/* Works in the caller's memory and never allocates. */
void buf_init_fixed(struct buf *b, void *mem, size_t cap);
void buf_free(struct buf *b);
/* Empties it and forgets a failure; keeps the memory. */
void buf_reset(struct buf *b);

/* Of buf_reserve: where there is no room yet. */
bool buf_grow(struct buf *b, size_t more);
/* In the header, as are those below: heads and records are put together of many short pieces, most
 * of whose lengths the compiler knows. */
static inline bool buf_reserve(struct buf *b, size_t more)
{
	return (!b->failed && b->cap - b->n > more) || buf_grow(b, more);
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

/* As buf_add; p has `whole` bytes, a number that the compiler knows, of which n count: where there
 * is room they are copied with one move, and what comes next is written over the others. */
static inline void buf_add_of(struct buf *b, const void *p, size_t n, size_t whole)
{
	if (b->failed || b->cap - b->n <= whole) {
		buf_add(b, p, n);
		return;
	}
	memcpy(b->p + b->n, p, whole);
	b->n += n;
	b->p[b->n] = 0;
}

static inline void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

static inline void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void buf_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.n);
}

void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
/* As "%llx" does. */
void buf_x64(struct buf *b, uint64_t v);
void buf_hex(struct buf *b, const void *p, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes (RFC 8259 section 7). Bytes that are not UTF-8 become U+FFFD, so
 * that the output is always valid JSON. */
void buf_json(struct buf *b, struct span s);
/* Text safe inside HTML elements and quoted attributes. */
void buf_html(struct buf *b, struct span s);

static inline struct span buf_spanof(const struct buf *b)
{
	return span_of(b->p ? b->p : "", b->n);
}

#endif
