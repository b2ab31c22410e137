/*
 * Following a message body by its framing, so that its end is known and nothing behind it is taken
 * for part of it (RFC 9112 6 and 7.1). The bytes themselves are not changed: a chunked body is
 * forwarded as its chunks came, once checked by the grammar; trailer fields that could pass for one
 * of the head's (framing, routing, credentials) are refused with it.
 */
#ifndef STILE_BODY_H
#define STILE_BODY_H

#include "head.h"

#define BODY_EXTENSION_MAX 4096	 /* chunk extensions of one chunk */
#define BODY_TRAILER_MAX   16384 /* trailer section */

struct body {
	enum head_body framing;
	uint8_t state;	/* body.c's */
	uint64_t left;	/* of the length or of the present chunk */
	uint32_t limit; /* bytes seen of the present extension or trailer section */
	uint32_t names; /* forbidden trailer names that the present one may still be */
	uint8_t at;	/* bytes of the present trailer name, as far as it may be one of them */
	bool digits;
};

enum body_answer {
	BODY_MORE, /* all of `in` belongs to the body and more is to come */
	BODY_DONE, /* the body ended; *used bytes of `in` belong to it */
	BODY_BAD   /* not a body by the grammar; *used bytes of `in` stood before the fault */
};

void body_start(struct body *b, enum head_body framing, uint64_t length);
/* Takes the next bytes. *used: how many of `in` belong to the body. BODY_UNTIL_CLOSE is MORE for
 * ever. A body that is done answers DONE with 0. */
enum body_answer body_take(struct body *b, struct span in, size_t *used);
/* The same, and cuts the framing out: afterwards p[0..*content) is what the message says. For
 * receivers that do not know chunks (RFC 9112 7.1). */
enum body_answer body_take_content(
	struct body *b, char *p, size_t n, size_t *used, size_t *content);
bool body_done(const struct body *b);

#endif
