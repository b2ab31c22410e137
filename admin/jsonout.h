/*
 * JSON for machines that read what the programs say: values are put together and printed once.
 * Only jsonout.c knows the library. Memory that runs out ends the program, so nothing is checked.
 */
#ifndef STILE_JSONOUT_H
#define STILE_JSONOUT_H

#include "buf.h"

struct js;

struct js *js_object(void);
struct js *js_list(void);
/* Bytes that are no UTF-8 become '?'. */
struct js *js_text(struct span s);
struct js *js_text_or_null(struct span s); /* null where empty */
struct js *js_number(uint64_t v);
struct js *js_bool(bool v);
struct js *js_null(void);

/* Both take over `v`. Keys are printed in the order of putting. */
void js_put(struct js *object, const char *key, struct js *v);
void js_add(struct js *list, struct js *v);

/* Appends the value, indented, with a newline, and frees it. */
void js_finish(struct js *v, struct buf *out);
/* The same to stdout. */
void js_print(struct js *v);
void js_drop(struct js *v);

#endif
