/*
 * What the parts of a policy file have in common: names, texts, words, ports and prefixes, each
 * with an error that says what stands there and what was expected.
 */
#include "model.h"
#include "nearest.h"

#define KEYS_MAX 48

static const struct key {
	enum key_group group;
	const char *name;
} keys[] = {
#define KEY(group, name, text) {KEY_##group, #name},
#include "policy_keys.def"
#undef KEY
};

bool load_only(const struct load *l, const struct conf_node *group, enum key_group which)
{
	const char *names[KEYS_MAX + 1] = {0};
	size_t n = 0;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		assert(n < KEYS_MAX);
		if (keys[i].group == which)
			names[n++] = keys[i].name;
	}
	return conf_only(l->c, group, names, l->p);
}

static bool letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool load_name(const struct load *l, const struct conf_node *at, struct span name, const char *what)
{
	bool good = name.n > 0 && letter_or_digit(name.p[0]);

	for (size_t i = 1; i < name.n && good; i++)
		good = letter_or_digit(name.p[i]) || strchr("._-", name.p[i]);
	if (!good)
		return conf_error(l->c, at, l->p,
			"\"%.64s\" cannot name %s; expected letters, digits and . _ - after a "
			"letter or "
			"digit",
			name.n ? name.p : "", what);
	if (name.n > POLICY_NAME_MAX)
		return conf_error(l->c, at, l->p,
			"the name of %s has %zu bytes; expected %d at most", what, name.n,
			POLICY_NAME_MAX);
	return true;
}

bool load_line(const struct load *l, const struct conf_node *at, const char *what, struct text *out)
{
	struct span text = span_str(conf_string_value(at));

	if (text.n > POLICY_TEXT_MAX)
		return conf_error(l->c, at, l->p, "%s has %zu bytes; expected %d at most", what,
			text.n, POLICY_TEXT_MAX);
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return conf_error(l->c, at, l->p,
				"%s holds a control character; expected one line of text", what);
	*out = model_text(l->m, text);
	return true;
}

bool load_text(const struct load *l, const struct conf_node *g, const char *name, struct text *out)
{
	const char *s = NULL;

	if (!conf_string(l->c, g, name, &s, l->p))
		return false;
	return !s || load_line(l, conf_get(g, name), name, out);
}

static void join_words(const char *const *words, struct buf *out)
{
	for (size_t i = 0; words[i]; i++)
		buf_printf(out, "%s\"%s\"", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

bool load_word(const struct load *l, const struct conf_node *g, const char *name,
	const char *const *words, int *out)
{
	const char *s = NULL;
	char known[200];
	struct buf b;

	if (!conf_string(l->c, g, name, &s, l->p))
		return false;
	if (!s)
		return true;
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], s) == 0) {
			*out = i;
			return true;
		}
	}
	buf_init_fixed(&b, known, sizeof known);
	join_words(words, &b);
	return conf_error(
		l->c, conf_get(g, name), l->p, "%s = \"%.64s\"; expected %s", name, s, known);
}

/* --- ports --- */

static bool port_text(struct span s, struct port_range *out)
{
	struct span first = span_cut(&s, '-');
	uint64_t from, to;

	if (!span_u64(first, UINT16_MAX, &from))
		return false;
	to = from;
	if (s.p && !span_u64(s, UINT16_MAX, &to))
		return false;
	*out = (struct port_range){(uint16_t)from, (uint16_t)to};
	return from > 0 && from <= to;
}

static bool port_number(int64_t n, struct port_range *out)
{
	*out = (struct port_range){(uint16_t)n, (uint16_t)n};
	return n > 0 && n <= UINT16_MAX;
}

static bool one_port(const struct load *l, const struct conf_node *n)
{
	struct port_range range;

	if (conf_kind(n) == CONF_INT && !port_number(conf_int_value(n), &range))
		return conf_error(l->c, n, l->p, "%lld is no port; expected 1 to 65535",
			(long long)conf_int_value(n));
	if (conf_kind(n) == CONF_STRING && !port_text(span_str(conf_string_value(n)), &range))
		return conf_error(l->c, n, l->p,
			"\"%.64s\" is no port; expected \"443\" or \"8000-8999\", from 1 to 65535",
			conf_string_value(n));
	if (conf_kind(n) != CONF_INT && conf_kind(n) != CONF_STRING)
		return conf_error(l->c, n, l->p, "a port is \"443\", \"8000-8999\" or a number");
	model_push(l->m, SECTION_PORT, &range);
	return true;
}

bool load_ports(const struct load *l, const struct conf_node *g, struct run *out)
{
	const struct conf_node *v = conf_get(g, "ports");
	size_t first = model_count(l->m, SECTION_PORT);
	bool ok = true;

	if (!v)
		return true;
	if ((conf_kind(v) != CONF_ARRAY && conf_kind(v) != CONF_LIST) || conf_len(v) == 0)
		return conf_error(l->c, v, l->p,
			"ports must be an array with at least one port, as in [ \"443\", "
			"\"8000-8999\" ]");
	for (size_t i = 0; i < conf_len(v); i++)
		ok = one_port(l, conf_at(v, i)) && ok;
	*out = model_run_from(l->m, SECTION_PORT, first);
	return ok;
}

/* --- prefixes --- */

bool load_prefix(
	const struct load *l, const struct conf_node *n, struct span text, struct prefix *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!prefix_parse(text, out))
		return conf_error(l->c, n, l->p,
			"\"%.64s\" is no address range; expected \"10.0.0.0/8\", \"2001:db8::/32\" "
			"or a "
			"bare address, with no bits set behind the prefix",
			text.p);
	if (!out->addr.v4 && memcmp(out->addr.b, mapped, sizeof mapped) == 0)
		return conf_error(l->c, n, l->p,
			"\"%.64s\" is an IPv4 range in IPv6 spelling; write it as IPv4", text.p);
	return true;
}

bool load_prefixes(
	const struct load *l, const struct conf_node *g, const char *name, struct run *out)
{
	const struct conf_node *v;
	size_t first = model_count(l->m, SECTION_PREFIX);
	bool ok = true;

	if (!conf_strings(l->c, g, name, &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++) {
		struct prefix p;

		if (load_prefix(l, conf_at(v, i), span_str(conf_string_at(v, i)), &p))
			model_push(l->m, SECTION_PREFIX, &p);
		else
			ok = false;
	}
	*out = model_run_from(l->m, SECTION_PREFIX, first);
	return ok;
}

/* --- places and names that are not there --- */

struct source load_source(const struct load *l, const struct conf_node *n)
{
	const char *file = conf_file(l->c, n);
	struct source source = {.line = conf_line(n)};

	if (strcmp(file, conf_file(l->c, conf_root(l->c))) != 0)
		source.file = model_text(l->m, span_str(file));
	return source;
}

bool load_unknown(const struct load *l, const struct conf_node *at, enum section s,
	const char *what, struct span name)
{
	struct span near = model_nearest(l->m, s, name);

	if (near.n)
		return conf_error(l->c, at, l->p, "no %s is named \"%.*s\"; did you mean \"%.*s\"?",
			what, SPAN_ARG(name), SPAN_ARG(near));
	return conf_error(l->c, at, l->p, "no %s is named \"%.*s\"", what, SPAN_ARG(name));
}
