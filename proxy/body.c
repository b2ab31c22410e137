/*
 * Message bodies by their framing (RFC 9112 6 and 7.1). The chunked coding is one state machine
 * that eats a byte or a run of data at a time, so how the bytes were cut up cannot matter. What
 * leaves it unrefused is read alike by every strict and every lax reader: no white space around
 * sizes, CR LF and nothing else behind lines and data, no trailer field that could pass for one of
 * the head.
 */
#include "body.h"

#include "head_lines.h"

#define SIZE_DIGITS_MAX 15 /* 2^60 - 1: no sum of these wraps */

enum {
	AT_SIZE,      /* digits of chunk-size */
	AT_EXT_START, /* of an extension, behind ';' */
	AT_EXT_NAME,
	AT_EXT_VALUE_START,
	AT_EXT_VALUE,
	AT_EXT_QUOTED,
	AT_EXT_QUOTED_END,
	AT_SIZE_LF,
	AT_DATA,
	AT_DATA_CR,
	AT_DATA_LF,
	AT_TRAILER, /* the first byte of a trailer line, or of the end */
	AT_NAME,
	AT_VALUE,
	AT_VALUE_LF,
	AT_END_LF,
	AT_DONE,
	AT_BAD
};

/* What no trailer may say: framing, routing, credentials, how content is read (RFC 9110 6.5.1).
 * A set of these as bits follows the name of a trailer line byte by byte. */
static const char *const forbidden[] = {"content-length", "transfer-encoding", "host", "connection",
	"proxy-connection", "keep-alive", "upgrade", "te", "trailer", "expect", "max-forwards",
	"range", "cache-control", "authorization", "proxy-authorization", "proxy-authenticate",
	"www-authenticate", "cookie", "set-cookie", "content-encoding", "content-type",
	"content-range", "location", "via", "date", "vary", "age", "expires"};
#define FORBIDDEN_N (sizeof(forbidden) / sizeof(*forbidden))
_Static_assert(FORBIDDEN_N < 32, "the names fit into the bits of a uint32_t");

void body_start(struct body *b, enum head_body framing, uint64_t length)
{
	*b = (struct body){.framing = framing, .left = length};
	if (framing == BODY_CHUNKED)
		b->left = 0;
	if (framing == BODY_NONE || (framing == BODY_LENGTH && length == 0))
		b->state = AT_DONE;
}

bool body_done(const struct body *b)
{
	return b->state == AT_DONE;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a size, or an extension of it. */
static uint8_t line_goes_on(uint8_t c)
{
	if (c == ';')
		return AT_EXT_START;
	return c == '\r' ? AT_SIZE_LF : AT_BAD;
}

static uint8_t size_byte(struct body *b, uint8_t c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		b->digits = true;
		b->left = b->left << 4 | (uint64_t)digit;
		return ++b->limit <= SIZE_DIGITS_MAX ? AT_SIZE : AT_BAD;
	}
	b->limit = 0;
	if (!b->digits)
		return AT_BAD;
	return line_goes_on(c);
}

/* Extensions mean nothing here, but what is passed on is held to the grammar, without the white
 * space that nobody may send (BWS) and without quoted pairs, about whose end readers differ. */
static uint8_t extension_byte(struct body *b, uint8_t c)
{
	bool token = head_class[c] & CH_TOKEN;

	if (c != '\r' && ++b->limit > BODY_EXTENSION_MAX)
		return AT_BAD;
	switch (b->state) {
	case AT_EXT_START:
		return token ? AT_EXT_NAME : AT_BAD;
	case AT_EXT_NAME:
		if (token)
			return AT_EXT_NAME;
		return c == '=' ? AT_EXT_VALUE_START : line_goes_on(c);
	case AT_EXT_VALUE_START:
		if (c == '"')
			return AT_EXT_QUOTED;
		return token ? AT_EXT_VALUE : AT_BAD;
	case AT_EXT_VALUE:
		return token ? AT_EXT_VALUE : line_goes_on(c);
	case AT_EXT_QUOTED:
		if (c == '"')
			return AT_EXT_QUOTED_END;
		return (head_class[c] & CH_VALUE) && c != '\\' ? AT_EXT_QUOTED : AT_BAD;
	default:
		return line_goes_on(c);
	}
}

static uint8_t size_end(struct body *b)
{
	b->limit = 0;
	b->digits = false;
	return b->left ? AT_DATA : AT_TRAILER;
}

static void follow_name(struct body *b, uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		c |= 0x20;
	for (uint32_t left = b->names; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		/* The NUL at a name's end is no byte of a token, so nothing runs past it. */
		if ((uint8_t)forbidden[i][b->at] != c)
			b->names &= ~(1u << i);
	}
	if (b->at < UINT8_MAX)
		b->at++;
}

static bool name_forbidden(const struct body *b)
{
	for (uint32_t left = b->names; left; left &= left - 1)
		if (forbidden[__builtin_ctz(left)][b->at] == '\0')
			return true;
	return false;
}

static uint8_t name_byte(struct body *b, uint8_t c)
{
	if (c == ':')
		return b->at && !name_forbidden(b) ? AT_VALUE : AT_BAD;
	if (!(head_class[c] & CH_TOKEN))
		return AT_BAD;
	follow_name(b, c);
	return AT_NAME;
}

static uint8_t value_byte(uint8_t c)
{
	if (c == '\r')
		return AT_VALUE_LF;
	return head_class[c] & CH_VALUE ? AT_VALUE : AT_BAD;
}

static uint8_t trailer_byte(struct body *b, uint8_t c)
{
	if (c == '\r')
		return AT_END_LF;
	b->names = (1u << FORBIDDEN_N) - 1;
	b->at = 0;
	return name_byte(b, c);
}

static bool in_trailer(uint8_t state)
{
	return state >= AT_TRAILER && state <= AT_END_LF;
}

static uint8_t step(struct body *b, uint8_t c)
{
	if (in_trailer(b->state) && ++b->limit > BODY_TRAILER_MAX)
		return AT_BAD;
	switch (b->state) {
	case AT_SIZE:
		return size_byte(b, c);
	case AT_EXT_START:
	case AT_EXT_NAME:
	case AT_EXT_VALUE_START:
	case AT_EXT_VALUE:
	case AT_EXT_QUOTED:
	case AT_EXT_QUOTED_END:
		return extension_byte(b, c);
	case AT_SIZE_LF:
		return c == '\n' ? size_end(b) : AT_BAD;
	case AT_DATA_CR:
		return c == '\r' ? AT_DATA_LF : AT_BAD;
	case AT_DATA_LF:
		return c == '\n' ? AT_SIZE : AT_BAD;
	case AT_TRAILER:
		return trailer_byte(b, c);
	case AT_NAME:
		return name_byte(b, c);
	case AT_VALUE:
		return value_byte(c);
	case AT_VALUE_LF:
		return c == '\n' ? AT_TRAILER : AT_BAD;
	case AT_END_LF:
		return c == '\n' ? AT_DONE : AT_BAD;
	default:
		return AT_BAD;
	}
}

/* Of the length, or of the present chunk. */
static size_t take_data(struct body *b, size_t n)
{
	if (n > b->left)
		n = (size_t)b->left;
	b->left -= n;
	return n;
}

/* `keep` (may be NULL) is the same memory as `in`: content is moved to its front, *kept bytes of
 * it. */
static enum body_answer take_chunked(
	struct body *b, struct span in, size_t *used, char *keep, size_t *kept)
{
	while (*used < in.n && b->state != AT_DONE) {
		if (b->state == AT_DATA) {
			size_t n = take_data(b, in.n - *used);

			if (keep)
				memmove(keep + *kept, in.p + *used, n);
			*kept += n;
			*used += n;
			if (b->left == 0)
				b->state = AT_DATA_CR;
			continue;
		}
		b->state = step(b, (uint8_t)in.p[*used]);
		if (b->state == AT_BAD)
			return BODY_BAD;
		++*used;
	}
	return b->state == AT_DONE ? BODY_DONE : BODY_MORE;
}

static enum body_answer take(struct body *b, struct span in, size_t *used, char *keep, size_t *kept)
{
	*used = *kept = 0;
	if (b->state == AT_DONE)
		return BODY_DONE;
	if (b->state == AT_BAD)
		return BODY_BAD;
	if (b->framing == BODY_CHUNKED)
		return take_chunked(b, in, used, keep, kept);
	if (b->framing == BODY_UNTIL_CLOSE) {
		*used = *kept = in.n;
		return BODY_MORE;
	}
	*used = *kept = take_data(b, in.n);
	if (b->left == 0)
		b->state = AT_DONE;
	return b->left ? BODY_MORE : BODY_DONE;
}

enum body_answer body_take(struct body *b, struct span in, size_t *used)
{
	size_t kept;

	return take(b, in, used, NULL, &kept);
}

enum body_answer body_take_content(struct body *b, char *p, size_t n, size_t *used, size_t *content)
{
	return take(b, span_of(p, n), used, p, content);
}
