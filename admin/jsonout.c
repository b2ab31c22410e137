/*
 * JSON through jansson. Memory that runs out ends the program at once: these are commands whose
 * result is printed at the end, and half a result is none.
 */
#include "jsonout.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* struct js is jansson's json_t under a name of ours. */
static json_t *theirs(struct js *v)
{
	return (json_t *)v;
}

static struct js *must(json_t *v)
{
	if (v)
		return (struct js *)v;
	fputs("out of memory\n", stderr);
	exit(1);
}

struct js *js_object(void)
{
	return must(json_object());
}

struct js *js_list(void)
{
	return must(json_array());
}

static json_t *ascii_only(struct span s)
{
	char *copy = malloc(s.n + 1);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < s.n; i++)
		copy[i] = (unsigned char)s.p[i] < 0x80 ? s.p[i] : '?';
	json_t *v = json_stringn(copy, s.n);
	free(copy);
	return v;
}

struct js *js_text(struct span s)
{
	json_t *v = json_stringn(s.p, s.n);
	return must(v ? v : ascii_only(s));
}

struct js *js_text_or_null(struct span s)
{
	return s.n ? js_text(s) : js_null();
}

struct js *js_number(uint64_t v)
{
	return must(json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v));
}

struct js *js_bool(bool v)
{
	return must(json_boolean(v));
}

struct js *js_null(void)
{
	return must(json_null());
}

void js_put(struct js *object, const char *key, struct js *v)
{
	if (json_object_set_new(theirs(object), key, theirs(v)) != 0)
		must(NULL);
}

void js_add(struct js *list, struct js *v)
{
	if (json_array_append_new(theirs(list), theirs(v)) != 0)
		must(NULL);
}

static int add_piece(const char *p, size_t n, void *arg)
{
	buf_add(arg, p, n);
	return 0;
}

void js_finish(struct js *v, struct buf *out)
{
	if (json_dump_callback(theirs(v), add_piece, out, JSON_INDENT(1)) != 0)
		out->failed = true;
	buf_addc(out, '\n');
	json_decref(theirs(v));
}

void js_print(struct js *v)
{
	struct buf out = {0};
	js_finish(v, &out);
	if (out.failed)
		must(NULL);
	fwrite(out.p, 1, out.n, stdout);
	buf_free(&out);
}

void js_drop(struct js *v)
{
	json_decref(theirs(v));
}
