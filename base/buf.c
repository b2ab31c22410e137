/*
 * A growing string whose first failure sticks: callers append without looking and ask once, at the
 * end. A fixed buffer refuses the piece that does not fit instead of cutting it.
 */
#include "buf.h"

#include "digest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST 64

void buf_init(struct buf *b)
{
	*b = (struct buf){0};
}

void buf_init_fixed(struct buf *b, void *mem, size_t cap)
{
	*b = (struct buf){.p = mem, .cap = cap, .fixed = true};
	if (cap)
		b->p[0] = 0;
}

void buf_free(struct buf *b)
{
	if (!b->fixed)
		free(b->p);
	*b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p && b->cap)
		b->p[0] = 0;
}

static bool grow(struct buf *b, size_t need)
{
	size_t cap = b->cap < BUF_FIRST ? BUF_FIRST : b->cap;
	char *p;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	p = realloc(b->p, cap);
	if (!p)
		return false;
	b->p = p;
	b->cap = cap;
	return true;
}

bool buf_grow(struct buf *b, size_t more)
{
	size_t need;

	if (b->failed)
		return false;
	/* one byte more for the NUL */
	if (__builtin_add_overflow(b->n, more, &need) || need >= PTRDIFF_MAX ||
		(++need > b->cap && (b->fixed || !grow(b, need)))) {
		b->failed = true;
		return false;
	}
	return true;
}

static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

static size_t digits_of(uint64_t v)
{
	size_t n = 1;

	for (; v >= 10000; v /= 10000)
		n += 4;
	return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/* Two digits a division. */
void buf_u64(struct buf *b, uint64_t v)
{
	size_t n = digits_of(v);
	char *to;

	if (!buf_reserve(b, n))
		return;
	b->n += n;
	to = b->p + b->n;
	*to = 0;
	for (; v >= 100; v /= 100) {
		to -= 2;
		memcpy(to, pairs + 2 * (v % 100), 2);
	}
	if (v >= 10)
		memcpy(to - 2, pairs + 2 * v, 2);
	else
		to[-1] = (char)('0' + v);
}

void buf_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_addc(b, '-');
	buf_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void buf_x64(struct buf *b, uint64_t v)
{
	char digits[16];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[v & 15];
	while (v >>= 4);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_hex(struct buf *b, const void *p, size_t n)
{
	if (n > SIZE_MAX / 2) {
		b->failed = true;
		return;
	}
	if (!buf_reserve(b, 2 * n))
		return;
	hex_encode(p, n, b->p + b->n);
	b->n += 2 * n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->failed = true;
	if (n < 0 || !buf_reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

typedef bool escape_fn(struct buf *b, unsigned char c);

/* Printable ASCII but for the characters that an escape may stand for: it is asked of every byte
 * that is recorded. */
static bool harmless(unsigned char c)
{
	static const uint64_t low = ~(1ULL << '"' | 1ULL << '&' | 1ULL << '\'' | 1ULL << '<' |
				      1ULL << '>' | 0xffffffffULL);
	static const uint64_t high = ~(1ULL << ('\\' - 64) | 1ULL << (0x7f - 64));

	return c < 0x80 && ((c < 64 ? low : high) >> (c & 63) & 1);
}

/* Copies runs of harmless text; `escape` writes what stands for an ASCII byte, or answers false
 * when the byte may stay. */
static void add_escaped(struct buf *b, struct span s, escape_fn *escape)
{
	size_t i = 0, from = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t n, plain;

		if (harmless(c)) {
			i++;
			continue;
		}
		n = span_utf8(span_of(s.p + i, s.n - i));
		if (n > 1) {
			i += n;
			continue;
		}
		buf_add(b, s.p + from, i - from);
		plain = b->n;
		if (n == 0)
			buf_adds(b, REPLACEMENT);
		else if (!escape(b, c))
			buf_addc(b, (char)c);
		if (b->n == plain)
			return; /* failed */
		from = ++i;
	}
	buf_add(b, s.p + from, i - from);
}

static bool escape_json(struct buf *b, unsigned char c)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *at = c ? strchr(from, c) : NULL;

	if (at) {
		buf_addc(b, '\\');
		buf_addc(b, to[at - from]);
	} else if (c < 0x20) {
		buf_printf(b, "\\u%04x", c);
	}
	return at || c < 0x20;
}

/* Hardly a string has anything to escape: it is copied whole. */
void buf_json(struct buf *b, struct span s)
{
	if (span_plain(s) == s.n && buf_reserve(b, s.n + 2)) {
		char *to = b->p + b->n;

		*to++ = '"';
		if (s.n)
			memcpy(to, s.p, s.n);
		to[s.n] = '"';
		to[s.n + 1] = 0;
		b->n += s.n + 2;
		return;
	}
	buf_addc(b, '"');
	add_escaped(b, s, escape_json);
	buf_addc(b, '"');
}

static bool escape_html(struct buf *b, unsigned char c)
{
	const char *entity = c == '&'	 ? "&amp;"
			     : c == '<'	 ? "&lt;"
			     : c == '>'	 ? "&gt;"
			     : c == '"'	 ? "&quot;"
			     : c == '\'' ? "&#39;"
					 : NULL;

	/* control characters other than white space are not allowed in HTML, not even as references
	 */
	if (!entity && (c == 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')))
		entity = REPLACEMENT;
	if (entity)
		buf_adds(b, entity);
	return entity;
}

void buf_html(struct buf *b, struct span s)
{
	add_escaped(b, s, escape_html);
}
