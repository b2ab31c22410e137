/* Spans: comparing, cutting and reading runs of bytes. */
#include "span.h"

#include "word.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool span_caseeq(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_eq(span_of(s.p, prefix.n), prefix);
}

bool span_ends(struct span s, struct span suffix)
{
	return s.n >= suffix.n && span_eq(span_of(s.p + s.n - suffix.n, suffix.n), suffix);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.n && blank(s.p[0]))
		s.p++, s.n--;
	while (s.n && blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct span span_cut(struct span *rest, char sep)
{
	const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
	struct span head = *rest;

	if (!at) {
		*rest = (struct span){NULL, 0};
		return head;
	}
	head.n = (size_t)(at - head.p);
	rest->n -= head.n + 1;
	rest->p = at + 1;
	return head;
}

#define SURE_DIGITS 19 /* any so many fit */

/* Each digit behind the first that might pass 2^64 is judged before it is taken. */
bool span_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - '0';

		if (d > 9 || (i >= SURE_DIGITS && v > (UINT64_MAX - d) / 10))
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

bool span_copy(struct span s, char *out, size_t cap)
{
	if (s.n >= cap || (s.n && memchr(s.p, 0, s.n)))
		return false;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = 0;
	return true;
}

static bool tail(struct span s, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t span_utf8(struct span s)
{
	unsigned char a = (unsigned char)s.p[0];
	unsigned char b = s.n > 1 ? (unsigned char)s.p[1] : 0;

	if (a < 0x80)
		return 1;
	if (a >= 0xc2 && a <= 0xdf)
		return s.n >= 2 && tail(s, 1, 2) ? 2 : 0;
	if (a >= 0xe0 && a <= 0xef) {
		if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f))
			return 0;
		return s.n >= 3 && tail(s, 1, 3) ? 3 : 0;
	}
	if (a >= 0xf0 && a <= 0xf4) {
		if ((a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f))
			return 0;
		return s.n >= 4 && tail(s, 1, 4) ? 4 : 0;
	}
	return 0;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bit of each of eight bytes that is below 0x20, a quote, a backslash or above 0x7e. Bytes
 * behind the first of them may be marked wrongly, those before it never. */
static uint64_t strange(uint64_t x)
{
	uint64_t control = x - EACH(0x20), quote = x ^ EACH('"'), slash = x ^ EACH('\\');

	return (x | (x + EACH(1)) | control | (quote - EACH(1)) | (slash - EACH(1))) & EACH(0x80);
}

size_t span_plain(struct span s)
{
	size_t n = 0;
	uint64_t x;

	for (; s.n - n >= 8; n += 8) {
		x = strange(word_at(s.p + n));
		if (x)
			return n + (size_t)__builtin_ctzll(x) / 8;
	}
	if (n == s.n)
		return n;
	x = strange(word_of(s.p + n, s.n - n) | EACH(' ') << 8 * (s.n - n));
	return x ? n + (size_t)__builtin_ctzll(x) / 8 : s.n;
}

/* The last product mixes on: without it the last shift would take back that of the last word. */
uint64_t span_fold(struct span s, uint64_t seed)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = seed ^ s.n;

	for (; s.n >= 8; s = span_of(s.p + 8, s.n - 8)) {
		h = (h ^ word_at(s.p)) * odd;
		h ^= h >> 32;
	}
	if (s.n)
		h = (h ^ word_of(s.p, s.n)) * odd;
	h ^= h >> 32;
	h *= odd;
	return h ^ h >> 32;
}
