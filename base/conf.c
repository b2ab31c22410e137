/*
 * Typed configuration over libconfig, which only this file knows. The text is read and checked by
 * conf_text.c first; libconfig then builds the tree, and each setting's hook is pointed at the
 * place it came from, because libconfig's own lines are those behind the look-ahead.
 */
#include "conf.h"
#include "conf_text.h"
#include "nearest.h"
#include "units.h"

#include <inttypes.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdlib.h>

struct conf {
	config_t cfg;
	struct conf_text text;
};

static const config_setting_t *native(const struct conf_node *n)
{
	return (const config_setting_t *)(const void *)n;
}

static const struct conf_node *node(const config_setting_t *s)
{
	return (const struct conf_node *)(const void *)s;
}

/* --- loading --- */

/* Depth first, which is the order of the text. */
static void place(struct conf *c, config_setting_t *s, size_t *next)
{
	if (s->parent && *next < c->text.n_settings)
		config_setting_set_hook(s, &c->text.settings[(*next)++]);
	if (!config_setting_is_aggregate(s))
		return;
	for (int i = 0; i < config_setting_length(s); i++)
		place(c, config_setting_get_elem(s, (unsigned)i), next);
}

static void libconfig_problem(struct conf *c, struct problems *p)
{
	int line = config_error_line(&c->cfg);
	struct conf_place at = conf_text_place(&c->text, line > 0 ? (unsigned)line : 1);
	const char *text = config_error_text(&c->cfg);

	problem_error(p, c->text.files[at.file], at.line, "%s",
		text && strstr(text, "element type")
			? "all elements of an array [ ] must be of one type"
		: text ? text
		       : "cannot be read");
}

static struct conf *build(struct conf *c, bool text_ok, struct problems *p)
{
	size_t next = 0;

	if (text_ok && config_read_string(&c->cfg, c->text.flat.p) == CONFIG_TRUE) {
		place(c, config_root_setting(&c->cfg), &next);
		return c;
	}
	if (text_ok)
		libconfig_problem(c, p);
	conf_free(c);
	return NULL;
}

static struct conf *make(const char *name, struct problems *p)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (c)
		config_init(&c->cfg);
	else
		problem_error(p, name, 0, "out of memory");
	return c;
}

struct conf *conf_load(const char *path, struct problems *p)
{
	struct conf *c = make(path, p);

	return c ? build(c, conf_text_load(&c->text, path, p), p) : NULL;
}

struct conf *conf_parse(const char *name, struct span text, struct problems *p)
{
	struct conf *c = make(name, p);

	return c ? build(c, conf_text_parse(&c->text, name, text, p), p) : NULL;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	config_destroy(&c->cfg);
	conf_text_free(&c->text);
	free(c);
}

/* --- walking --- */

const struct conf_node *conf_root(const struct conf *c)
{
	return node(config_root_setting(&c->cfg));
}

enum conf_kind conf_kind(const struct conf_node *n)
{
	switch (config_setting_type(native(n))) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return CONF_INT;
	case CONFIG_TYPE_FLOAT:
		return CONF_FLOAT;
	case CONFIG_TYPE_BOOL:
		return CONF_BOOL;
	case CONFIG_TYPE_ARRAY:
		return CONF_ARRAY;
	case CONFIG_TYPE_LIST:
		return CONF_LIST;
	case CONFIG_TYPE_GROUP:
		return CONF_GROUP;
	default:
		return CONF_STRING;
	}
}

static const char *kind_name(enum conf_kind k)
{
	static const char *const names[] = {
		[CONF_STRING] = "a string",
		[CONF_INT] = "an integer",
		[CONF_FLOAT] = "a number with a fraction",
		[CONF_BOOL] = "a boolean",
		[CONF_ARRAY] = "an array [ ]",
		[CONF_LIST] = "a list ( )",
		[CONF_GROUP] = "a group { }",
	};

	return names[k];
}

const char *conf_name(const struct conf_node *n)
{
	return config_setting_name(native(n));
}

unsigned conf_line(const struct conf_node *n)
{
	const struct conf_place *at = config_setting_get_hook(native(n));

	return at ? at->line : 0;
}

const char *conf_file(const struct conf *c, const struct conf_node *n)
{
	const struct conf_place *at = config_setting_get_hook(native(n));

	return c->text.files[at ? at->file : 0];
}

size_t conf_len(const struct conf_node *n)
{
	return config_setting_is_aggregate(native(n)) ? (size_t)config_setting_length(native(n))
						      : 0;
}

const struct conf_node *conf_at(const struct conf_node *n, size_t i)
{
	return i < conf_len(n) ? node(config_setting_get_elem(native(n), (unsigned)i)) : NULL;
}

/* Not libconfig's own look-up: that one takes "a.b" for "a". */
const struct conf_node *conf_get(const struct conf_node *group, const char *name)
{
	if (!group || conf_kind(group) != CONF_GROUP)
		return NULL;
	for (size_t i = 0; i < conf_len(group); i++) {
		const struct conf_node *n = conf_at(group, i);

		if (strcmp(conf_name(n), name) == 0)
			return n;
	}
	return NULL;
}

/* --- typed reading --- */

bool conf_error(
	const struct conf *c, const struct conf_node *n, struct problems *p, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	problem_error(p, conf_file(c, n), conf_line(n), "%s", text ? text : fmt);
	free(text);
	return false;
}

static bool wrong_kind(
	const struct conf *c, const struct conf_node *n, const char *expected, struct problems *p)
{
	const char *name = conf_name(n) ? conf_name(n) : "this element";

	return conf_error(
		c, n, p, "%s must be %s, not %s", name, expected, kind_name(conf_kind(n)));
}

static bool good_string(const struct conf *c, const struct conf_node *n, struct problems *p)
{
	if (conf_kind(n) != CONF_STRING)
		return wrong_kind(c, n, "a string in quotes", p);
	if (strlen(config_setting_get_string(native(n))) > CONF_STRING_MAX)
		return conf_error(c, n, p, "%s is longer than %d bytes",
			conf_name(n) ? conf_name(n) : "this string", CONF_STRING_MAX);
	return true;
}

bool conf_string(const struct conf *c, const struct conf_node *g, const char *name,
	const char **out, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);

	if (!n)
		return true;
	if (!good_string(c, n, p))
		return false;
	*out = config_setting_get_string(native(n));
	return true;
}

bool conf_bool(const struct conf *c, const struct conf_node *g, const char *name, bool *out,
	struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);

	if (!n)
		return true;
	if (conf_kind(n) != CONF_BOOL)
		return wrong_kind(c, n, "true or false, without quotes", p);
	*out = config_setting_get_bool(native(n));
	return true;
}

static int64_t integer(const struct conf_node *n)
{
	return config_setting_type(native(n)) == CONFIG_TYPE_INT64
		       ? config_setting_get_int64(native(n))
		       : config_setting_get_int(native(n));
}

bool conf_int(const struct conf *c, const struct conf_node *g, const char *name, int64_t min,
	int64_t max, int64_t *out, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);

	if (!n)
		return true;
	if (conf_kind(n) != CONF_INT)
		return wrong_kind(c, n, "an integer without quotes", p);
	if (integer(n) < min || integer(n) > max)
		return conf_error(c, n, p,
			"%s = %" PRId64 " is out of range: expected %" PRId64 " to %" PRId64, name,
			integer(n), min, max);
	*out = integer(n);
	return true;
}

/* For messages. */
static const char *duration_text(char out[32], int64_t ms)
{
	struct buf b;

	buf_init_fixed(&b, out, 32);
	units_put_duration(&b, ms);
	return out;
}

static const char *size_text(char out[32], uint64_t bytes)
{
	struct buf b;

	buf_init_fixed(&b, out, 32);
	units_put_size(&b, bytes);
	return out;
}

bool conf_duration(const struct conf *c, const struct conf_node *g, const char *name,
	int64_t min_ms, int64_t max_ms, int64_t *out_ms, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);
	char low[32], high[32];
	int64_t ms;

	if (!n)
		return true;
	if (conf_kind(n) == CONF_STRING) {
		const char *s = config_setting_get_string(native(n));

		if (!units_duration(span_str(s), &ms))
			return conf_error(c, n, p,
				"%s = \"%.40s\" is no duration: expected a number with ms, s, m, h "
				"or "
				"d, such as \"30s\"",
				name, s);
	} else if (conf_kind(n) != CONF_INT) {
		return wrong_kind(c, n, "a duration such as \"30s\", or an integer of seconds", p);
	} else if (__builtin_mul_overflow(integer(n), 1000, &ms)) {
		ms = INT64_MAX;
	}
	if (ms < min_ms || ms > max_ms)
		return conf_error(c, n, p, "%s is out of range: expected %s to %s", name,
			duration_text(low, min_ms), duration_text(high, max_ms));
	*out_ms = ms;
	return true;
}

bool conf_size(const struct conf *c, const struct conf_node *g, const char *name, uint64_t min,
	uint64_t max, uint64_t *out, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);
	char low[32], high[32];
	uint64_t v = 0;
	bool negative = false;

	if (!n)
		return true;
	if (conf_kind(n) == CONF_STRING) {
		const char *s = config_setting_get_string(native(n));

		if (!units_size(span_str(s), &v))
			return conf_error(c, n, p,
				"%s = \"%.40s\" is no size: expected a number with K, M, G or T, "
				"such as \"64K\", or with kB, MB, GB or TB",
				name, s);
	} else if (conf_kind(n) != CONF_INT) {
		return wrong_kind(c, n, "a size such as \"64K\", or an integer of bytes", p);
	} else {
		negative = integer(n) < 0;
		v = (uint64_t)integer(n);
	}
	if (negative || v < min || v > max)
		return conf_error(c, n, p, "%s is out of range: expected %s to %s", name,
			size_text(low, min), size_text(high, max));
	*out = v;
	return true;
}

bool conf_group(const struct conf *c, const struct conf_node *g, const char *name,
	const struct conf_node **out, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);

	*out = NULL;
	if (!n)
		return true;
	if (conf_kind(n) != CONF_GROUP)
		return wrong_kind(c, n, "a group { }", p);
	*out = n;
	return true;
}

bool conf_list(const struct conf *c, const struct conf_node *g, const char *name,
	const struct conf_node **out, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);

	*out = NULL;
	if (!n)
		return true;
	/* nothing in brackets of either kind is the same nothing */
	if (conf_kind(n) != CONF_LIST && (conf_kind(n) != CONF_ARRAY || conf_len(n)))
		return wrong_kind(c, n, "a list ( )", p);
	*out = n;
	return true;
}

bool conf_strings(const struct conf *c, const struct conf_node *g, const char *name,
	const struct conf_node **out, struct problems *p)
{
	const struct conf_node *n = conf_get(g, name);
	bool ok = true;

	*out = NULL;
	if (!n)
		return true;
	if (conf_kind(n) != CONF_ARRAY && conf_kind(n) != CONF_LIST)
		return wrong_kind(c, n, "an array of strings [ \"...\", \"...\" ]", p);
	for (size_t i = 0; i < conf_len(n); i++)
		ok = good_string(c, conf_at(n, i), p) && ok;
	if (ok)
		*out = n;
	return ok;
}

const char *conf_string_at(const struct conf_node *strings, size_t i)
{
	return config_setting_get_string_elem(native(strings), (int)i);
}

int64_t conf_int_value(const struct conf_node *n)
{
	return integer(n);
}

const char *conf_string_value(const struct conf_node *n)
{
	return config_setting_get_string(native(n));
}

/* --- unknown names --- */

static bool among(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* The known name that was probably meant, or else all of them. */
static bool unknown(const struct conf *c, const struct conf_node *n, const char *const *names,
	struct problems *p)
{
	struct nearest near = nearest_to(span_str(conf_name(n)));
	struct buf all = {0};

	for (const char *const *name = names; *name; name++) {
		nearest_try(&near, span_str(*name));
		buf_printf(&all, "%s%s", all.n ? ", " : "", *name);
	}
	if (near.found.n)
		conf_error(c, n, p, "unknown setting \"%.64s\"; the nearest known is \"%.*s\"",
			conf_name(n), SPAN_ARG(near.found));
	else
		conf_error(c, n, p, "unknown setting \"%.64s\"; known here: %s", conf_name(n),
			all.n ? all.p : "none");
	buf_free(&all);
	return false;
}

bool conf_only(const struct conf *c, const struct conf_node *g, const char *const *names,
	struct problems *p)
{
	bool ok = true;

	for (size_t i = 0; i < conf_len(g); i++) {
		const struct conf_node *n = conf_at(g, i);

		if (conf_name(n) && !among(conf_name(n), names))
			ok = unknown(c, n, names, p);
	}
	return ok;
}
