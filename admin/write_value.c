/* Names come from records and policies, which may come from anywhere: control characters, on which
 * a terminal would act, are replaced. */
#include "write_value.h"

#include <stdio.h>

/* RFC 3629 section 4: overlong forms, surrogates and what lies beyond U+10FFFF show in the second
 * byte. */
static bool second_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second < 0xa0;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second < 0x90;
	default:
		return true;
	}
}

size_t character_bytes(const char *s, size_t left)
{
	unsigned char c = (unsigned char)s[0];
	size_t n = c > 0xf4 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
	for (size_t i = 1; i < n; i++)
		if (i >= left || ((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	return n == 1 || second_fits(c, (unsigned char)s[1]) ? n : 1;
}

bool character_is_control(const char *s, size_t n)
{
	unsigned char c = (unsigned char)s[0];
	return (n == 1 && (c < 0x20 || c >= 0x7f)) ||
	       (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0);
}

/* Adds at most `max` characters; returns how many. */
size_t add_clean(struct buf *b, const char *text, size_t max)
{
	size_t left = strlen(text), width = 0;
	while (left > 0) {
		size_t n = character_bytes(text, left);
		if (width + 1 == max && n < left) {
			buf_adds(b, "…");
			return max;
		}
		if (character_is_control(text, n))
			buf_addc(b, '?');
		else
			buf_add(b, text, n);
		text += n;
		left -= n;
		width++;
	}
	return width;
}

size_t add_number(struct buf *b, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
	size_t before = b->n;
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf_addc(b, ',');
		buf_addc(b, digits[i]);
	}
	return b->n - before;
}

/* Powers of 1000, as networks and offices count. */
static size_t add_size(struct buf *b, uint64_t v)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	size_t before = b->n, u = 0;
	double d = (double)v;
	for (; d >= 999.5 && u < 6; u++)
		d /= 1000;
	if (u == 0)
		buf_printf(b, "%llu B", (unsigned long long)v);
	else
		buf_printf(b,
			d < 9.995   ? "%.2f %s"
			: d < 99.95 ? "%.1f %s"
				    : "%.0f %s",
			d, units[u]);
	return b->n - before;
}

/* Appends the value, returns its width. */
size_t add_value(struct buf *b, const struct value *v, enum value_type type, size_t max)
{
	if (!v->set)
		return add_clean(b, "-", 1);
	switch (type) {
	case VALUE_TEXT:
		return add_clean(b, v->text, max);
	case VALUE_BOOL:
		return add_clean(b, v->num ? "yes" : "no", 3);
	case VALUE_BYTES:
		return add_size(b, v->num);
	case VALUE_NUMBER:
	case VALUE_MINUTES:
		break;
	}
	return add_number(b, v->num);
}
