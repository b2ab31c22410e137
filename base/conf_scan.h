/*
 * The words of libconfig's language, cut as libconfig 1.5 cuts them, and with complaints about what
 * it takes without a word: integers that it would cut to 32 bits, strings and comments without an
 * end, zero bytes in strings.
 */
#ifndef STILE_CONF_SCAN_H
#define STILE_CONF_SCAN_H

#include "span.h"

enum tok {
	TOK_END,
	TOK_NAME,
	TOK_EQUALS,
	TOK_COMMA,
	TOK_SEMICOLON,
	TOK_OPEN,   /* { ( [ */
	TOK_CLOSE,  /* } ) ] */
	TOK_STRING, /* with its quotes */
	TOK_SCALAR, /* boolean or number */
	TOK_INCLUDE,
	TOK_BAD /* `why` says what is wrong with it */
};

struct token {
	enum tok kind;
	struct span text;
	unsigned line;
	const char *why;
};

struct scanner {
	const char *start, *p, *end;
	unsigned line;
};

struct scanner scan_start(struct span text);
/* TOK_END for ever at the end. After TOK_BAD there is no sensible way on. */
struct token scan_next(struct scanner *s);

#endif
