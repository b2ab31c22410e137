/*
 * What the heads of requests and of responses have in common, private to head*.c: where a head
 * ends, which field lines it has, and what the fields that decide about framing say. The end is
 * searched with memchr alone, so that a head that comes in many pieces is dissected only once.
 */
#ifndef STILE_HEAD_LINES_H
#define STILE_HEAD_LINES_H

#include "head.h"

/* Classes of bytes. */
#define CH_TOKEN  1 /* tchar, RFC 9110 5.6.2 */
#define CH_VALUE  2 /* field-vchar, SP, HTAB: RFC 9110 5.5 */
#define CH_TARGET 4 /* visible ASCII but '#' */
extern const uint8_t head_class[256];

static inline bool head_all(struct span s, uint8_t class)
{
	uint8_t all = class;

	for (size_t i = 0; i < s.n; i++)
		all &= head_class[(uint8_t)s.p[i]];
	return all != 0;
}

static inline bool head_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

bool head_has_control(struct span s);

/* Cuts one line of at most `max` bytes from *rest, without its CR LF. */
enum head_answer head_cut_line(struct span *rest, size_t max, enum head_error too_long,
	struct span *line, enum head_error *e);

/* Cuts the field lines, each with its CR LF, and the empty line behind them from *rest. */
enum head_answer head_cut_fields(struct span *rest, struct span *lines, enum head_error *e);

/* The fields that a parser itself looks at. */
enum {
	KNOWN_CONNECTION,
	KNOWN_CONTENT_LENGTH,
	KNOWN_EXPECT,
	KNOWN_HOST,
	KNOWN_PROXY_AUTHORIZATION,
	KNOWN_TRANSFER_ENCODING,
	KNOWN_UPGRADE,
	KNOWN_COUNT
};
struct head_known {
	unsigned n[KNOWN_COUNT];
	struct span value[KNOWN_COUNT]; /* of the first one */
};

/* Dissects what head_cut_fields cut. `strip`: white space between name and colon is taken away
 * instead of being refused (RFC 9112 5.1 asks for both, by direction). */
enum head_error head_split_fields(struct span lines, bool strip, struct head_field *field,
	size_t *n, struct head_known *known);

/* The next member of a comma-separated list, empty ones skipped (RFC 9110 5.6.1.2). */
bool head_list_next(struct span *list, struct span *member);

/* NONE when Transfer-Encoding, which is there, says exactly: chunked. */
enum head_error head_check_coding(const struct head_known *known, uint8_t minor);

/* At most this many members of all Connection fields: forwarding asks for each field whether it is
 * one of them. */
#define HEAD_OPTIONS_MAX 100
/* NONE when the Connection fields are short enough and, for requests, name none of the fields that
 * a message cannot do without. */
enum head_error head_check_connection(const struct head_field *field, size_t n, bool request);

#endif
