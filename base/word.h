/*
 * Bytes as words, the first one lowest, for what looks at many of them at once.
 */
#ifndef STILE_WORD_H
#define STILE_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t word_at(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(x) : x;
}

static inline uint64_t word_half(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(x) : x;
}

/* 1 to 7 bytes, and nothing above them: two halves that overlap, or three single ones. */
static inline uint64_t word_of(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;

	if (n >= 4)
		return word_half(p) | word_half(p + n - 4) << 8 * (n - 4);
	return u[0] | (uint64_t)u[n / 2] << 8 * (n / 2) | (uint64_t)u[n - 1] << 8 * (n - 1);
}

#endif
