/* Cutting configuration text into words. Nothing is allocated; tokens point into the text. */
#include "conf_scan.h"

struct scanner scan_start(struct span text)
{
	return (struct scanner){text.p, text.p, text.p + text.n, 1};
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static bool is_name(char c)
{
	return is_name_start(c) || is_digit(c) || c == '-' || c == '_';
}

static size_t run(const char *p, const char *end, bool (*is)(char))
{
	size_t n = 0;

	while (p + n < end && is(p[n]))
		n++;
	return n;
}

static bool at(const struct scanner *s, const char *word)
{
	return span_starts(span_of(s->p, (size_t)(s->end - s->p)), span_str(word));
}

static void skip_to(struct scanner *s, const char *to)
{
	for (; s->p < to; s->p++)
		s->line += *s->p == '\n';
}

static bool skip_comment(struct scanner *s, struct token *bad)
{
	size_t left = (size_t)(s->end - s->p);
	const char *to;

	if (!at(s, "/*")) {
		to = memchr(s->p, '\n', left);
		s->p = to ? to : s->end;
		return true;
	}
	to = memmem(s->p + 2, left - 2, "*/", 2);
	if (to) {
		skip_to(s, to + 2);
		return true;
	}
	*bad = (struct token){TOK_BAD, span_of(s->p, 2), s->line, "this comment has no end */"};
	return false;
}

/* Includes count only at the start of a line. */
static const char *include_quote(const struct scanner *s)
{
	const char *p = s->p;

	if (p > s->start && p[-1] != '\n')
		return NULL;
	while (p < s->end && (*p == ' ' || *p == '\t'))
		p++;
	if (!span_starts(span_of(p, (size_t)(s->end - p)), SPAN("@include")))
		return NULL;
	p += 8;
	if (p == s->end || (*p != ' ' && *p != '\t'))
		return NULL;
	while (p < s->end && (*p == ' ' || *p == '\t'))
		p++;
	return p < s->end && *p == '"' ? p : NULL;
}

static struct token take(struct scanner *s, enum tok kind, size_t n, const char *why)
{
	struct token t = {kind, span_of(s->p, n), s->line, why};

	skip_to(s, s->p + n);
	return t;
}

static struct token take_include(struct scanner *s, const char *quote)
{
	const char *to = quote + 1;

	s->p = quote;
	while (to < s->end && *to != '"' && *to != '\\' && *to != '\n')
		to++;
	if (to == s->end || *to != '"')
		return take(s, TOK_BAD, (size_t)(to - s->p),
			"@include wants a file name in quotes, on one line and without backslash");
	return take(s, TOK_INCLUDE, (size_t)(to - s->p) + 1, NULL);
}

static struct token take_string(struct scanner *s)
{
	const char *p = s->p + 1;

	while (p < s->end && *p != '"') {
		if (*p == '\\' && s->end - p >= 4 && (p[1] == 'x' || p[1] == 'X') && p[2] == '0' &&
			p[3] == '0')
			return take(s, TOK_BAD, (size_t)(p - s->p) + 4,
				"a string cannot hold a zero byte \\x00");
		p += *p == '\\' && s->end - p >= 2 && (p[1] == '\\' || p[1] == '"') ? 2 : 1;
	}
	if (p >= s->end)
		return take(s, TOK_BAD, 1, "this string has no closing quote");
	return take(s, TOK_STRING, (size_t)(p - s->p) + 1, NULL);
}

#define LIBCONFIG_CUTS                                                                             \
	"integers beyond 32 bits need an L behind them (5000000000L); sizes may be written as "    \
	"\"5G\""

static bool fits(struct span digits, bool negative, bool wide)
{
	uint64_t max = wide ? (uint64_t)INT64_MAX : INT32_MAX;
	uint64_t v;

	return span_u64(digits, max + negative, &v);
}

static bool hex_fits(struct span digits, bool wide)
{
	while (digits.n > 1 && digits.p[0] == '0')
		digits.p++, digits.n--;
	if (digits.n != (wide ? 16 : 8))
		return digits.n < (wide ? 16 : 8);
	return digits.p[0] < '8';
}

/* Length of an exponent at p, or 0. */
static size_t exponent(const char *p, const char *end)
{
	const char *from = p;

	if (p == end || (*p != 'e' && *p != 'E'))
		return 0;
	p++;
	if (p < end && (*p == '+' || *p == '-'))
		p++;
	if (p == end || !is_digit(*p))
		return 0;
	return (size_t)(p - from) + run(p, end, is_digit);
}

static size_t ells(const char *p, const char *end)
{
	size_t n = 0;

	while (n < 2 && p + n < end && p[n] == 'L')
		n++;
	return n;
}

/* Times, dates and addresses that somebody forgot to quote; but 5//comment is a number. */
static bool goes_on(const char *p, const char *end)
{
	if (p == end)
		return false;
	if (*p == '/')
		return p + 1 == end || (p[1] != '/' && p[1] != '*');
	return is_name(*p) || *p == '.' || *p == ':';
}

static struct token take_number(struct scanner *s)
{
	const char *p = s->p, *digits;
	bool negative = *p == '-', good = true, fraction;
	size_t n, wide;

	if (at(s, "0x") || at(s, "0X")) {
		n = run(p + 2, s->end, is_hex);
		wide = n ? ells(p + 2 + n, s->end) : 0;
		good = hex_fits(span_of(p + 2, n), wide);
		p += 2 + n + wide;
		if (n == 0)
			return take(s, TOK_BAD, 2, "0x wants hexadecimal digits behind it");
	} else {
		p += *p == '-' || *p == '+';
		digits = p;
		n = run(p, s->end, is_digit);
		p += n;
		fraction = p < s->end && *p == '.';
		if (fraction)
			p += 1 + run(p + 1, s->end, is_digit);
		fraction = exponent(p, s->end) || fraction;
		p += exponent(p, s->end);
		wide = fraction || n == 0 ? 0 : ells(p, s->end);
		p += wide;
		good = fraction || (n && fits(span_of(digits, n), negative, wide));
		if (n == 0)
			return take(s, TOK_BAD, (size_t)(p - s->p), "a number starts with a digit");
	}
	n = (size_t)(p - s->p);
	if (goes_on(p, s->end))
		return take(s, TOK_BAD, n + 1,
			"a value that starts like a number but goes on needs quotes");
	return take(s, good ? TOK_SCALAR : TOK_BAD, n, good ? NULL : LIBCONFIG_CUTS);
}

static struct token take_word(struct scanner *s)
{
	size_t n = run(s->p, s->end, is_name);
	struct span word = span_of(s->p, n);
	bool boolean = span_caseeq(word, SPAN("true")) || span_caseeq(word, SPAN("false"));

	return take(s, boolean ? TOK_SCALAR : TOK_NAME, n, NULL);
}

struct token scan_next(struct scanner *s)
{
	struct token bad;
	const char *quote;

	while (s->p < s->end) {
		quote = include_quote(s);
		if (quote)
			return take_include(s, quote);
		if (*s->p == '#' || at(s, "//") || at(s, "/*")) {
			if (!skip_comment(s, &bad))
				return bad;
		} else if (strchr(" \t\r\n\f", *s->p)) {
			skip_to(s, s->p + 1);
		} else {
			break;
		}
	}
	if (s->p >= s->end)
		return (struct token){TOK_END, span_of(s->end, 0), s->line, NULL};
	if (is_name_start(*s->p))
		return take_word(s);
	if (is_digit(*s->p) || *s->p == '-' || *s->p == '+' || *s->p == '.')
		return take_number(s);
	switch (*s->p) {
	case '"':
		return take_string(s);
	case '=':
	case ':':
		return take(s, TOK_EQUALS, 1, NULL);
	case ',':
		return take(s, TOK_COMMA, 1, NULL);
	case ';':
		return take(s, TOK_SEMICOLON, 1, NULL);
	case '{':
	case '(':
	case '[':
		return take(s, TOK_OPEN, 1, NULL);
	case '}':
	case ')':
	case ']':
		return take(s, TOK_CLOSE, 1, NULL);
	default:
		return take(
			s, TOK_BAD, 1, "this byte has no meaning here (strings need quotes \"\")");
	}
}
