/*
 * Queries and forms as browsers send them: application/x-www-form-urlencoded (WHATWG URL 5.1).
 * Pure: bytes in, spans out.
 */
#ifndef STILE_FORM_H
#define STILE_FORM_H

#include "buf.h"

#define FORM_MAX    4096 /* bytes, encoded */
#define FORM_FIELDS 16

struct form {
	size_t n;
	struct {
		struct span name, value; /* decoded; into the store */
	} field[FORM_FIELDS];
	char store[FORM_MAX];
};

/* False: too long, too many fields, a percent sign without two hex digits, or a control character
 * once decoded. An empty `in` is an empty form. *out must stay where it is. */
bool form_parse(struct span in, struct form *out);
/* The value of that name; the empty span where it is missing or stands twice, so that nobody can
 * read another one than was meant. */
struct span form_get(const struct form *f, const char *name);
/* A value as it stands in a query; also safe in a quoted attribute. */
void form_encode(struct buf *out, struct span value);

#endif
