/* Values as people read them: what the writers for people have in common. */
#ifndef STILE_WRITE_VALUE_H
#define STILE_WRITE_VALUE_H

#include "table.h"

/* Bytes of the character that text begins with, `left` bytes at most; what is no UTF-8 is one byte.
 */
size_t character_bytes(const char *text, size_t left);
/* Not for a page or a terminal: C0, DEL, C1, a byte that is no UTF-8. */
bool character_is_control(const char *text, size_t n);

/* Text without control characters, at most `max` characters long; returns how many. */
size_t add_clean(struct buf *b, const char *text, size_t max);
/* 1234567 as 1,234,567; returns its width. */
size_t add_number(struct buf *b, uint64_t v);
/* The value, "-" for null; returns its width. */
size_t add_value(struct buf *b, const struct value *v, enum value_type type, size_t max);

/* Whether rows of that column are to the left (text) or to the right (figures). */
static inline bool type_is_text(enum value_type type)
{
	return type == VALUE_TEXT;
}

#endif
