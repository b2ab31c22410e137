/*
 * Files in libconfig's language, walked with types: every wrong name or type becomes a problem with
 * file and line. Only conf.c knows libconfig. Integers that libconfig 1.5 would cut to 32 bits
 * silently, duplicate names, zero bytes, and strings or comments without an end are errors.
 */
#ifndef STILE_CONF_H
#define STILE_CONF_H

#include "problem.h"
#include "span.h"

struct conf;
struct conf_node; /* a setting; lives as long as its conf */

enum conf_kind {
	CONF_STRING,
	CONF_INT,
	CONF_FLOAT,
	CONF_BOOL,
	CONF_ARRAY, /* [ ]: scalars of one type */
	CONF_LIST,  /* ( ): anything */
	CONF_GROUP  /* { } */
};

/* NULL when there were errors, all added to *p. @include "file" is relative to the file it stands
 * in. Limits (conf_text.h): 4 MiB with all included files, 10 files deep, 64 KiB a string. */
struct conf *conf_load(const char *path, struct problems *p);
/* The same from memory; `name` stands where a file name would. @include is refused here. */
struct conf *conf_parse(const char *name, struct span text, struct problems *p);
void conf_free(struct conf *c);

const struct conf_node *conf_root(const struct conf *c);
enum conf_kind conf_kind(const struct conf_node *n);
const char *conf_name(const struct conf_node *n); /* NULL for elements of lists */
unsigned conf_line(const struct conf_node *n);
const char *conf_file(const struct conf *c, const struct conf_node *n);
size_t conf_len(const struct conf_node *n);
const struct conf_node *conf_at(const struct conf_node *n, size_t i);
const struct conf_node *conf_get(const struct conf_node *group, const char *name); /* or NULL */

/* Typed reading of group members. A missing member leaves *out as it is and returns true; a wrong
 * type or range adds a problem and returns false. Strings stay the conf's. */
bool conf_string(const struct conf *c, const struct conf_node *g, const char *name,
	const char **out, struct problems *p);
bool conf_bool(const struct conf *c, const struct conf_node *g, const char *name, bool *out,
	struct problems *p);
bool conf_int(const struct conf *c, const struct conf_node *g, const char *name, int64_t min,
	int64_t max, int64_t *out, struct problems *p);
/* A duration (units.h), or an integer of seconds; stored in milliseconds. */
bool conf_duration(const struct conf *c, const struct conf_node *g, const char *name,
	int64_t min_ms, int64_t max_ms, int64_t *out_ms, struct problems *p);
/* A size (units.h), or an integer of bytes. */
bool conf_size(const struct conf *c, const struct conf_node *g, const char *name, uint64_t min,
	uint64_t max, uint64_t *out, struct problems *p);
/* A member that must be a group, list or array of strings (each checked); *out NULL if missing. */
bool conf_group(const struct conf *c, const struct conf_node *g, const char *name,
	const struct conf_node **out, struct problems *p);
bool conf_list(const struct conf *c, const struct conf_node *g, const char *name,
	const struct conf_node **out, struct problems *p);
bool conf_strings(const struct conf *c, const struct conf_node *g, const char *name,
	const struct conf_node **out, struct problems *p);
const char *conf_string_at(const struct conf_node *strings, size_t i);
/* The value of a node of kind CONF_INT, CONF_STRING. */
int64_t conf_int_value(const struct conf_node *n);
const char *conf_string_value(const struct conf_node *n);

/* Every member of `g` not among `names` (NULL-terminated) is an error that names the nearest one.
 */
bool conf_only(const struct conf *c, const struct conf_node *g, const char *const *names,
	struct problems *p);
/* An error at a node. Always false. */
bool conf_error(const struct conf *c, const struct conf_node *n, struct problems *p,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
