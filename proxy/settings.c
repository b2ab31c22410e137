/*
 * Reading proxy.cfg by the table in settings.def: a reader for each type, one loop over the rows.
 * Defaults go through the same readers as the file, so that a default cannot be out of range.
 */
#include "settings.h"

#include "buf.h"
#include "conf.h"
#include "file.h"
#include "host.h"
#include "policy.h"
#include "schema.h"
#include "units.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum when { RELOAD, START };

struct row;
struct source {
	const struct conf *conf;
	const struct conf_node *group; /* that holds the key; NULL: absent */
	const char *key;
	struct problems *problems;
	const char *file;
};
/* A missing key leaves *out as it is. */
typedef bool reader(const struct row *r, const struct source *s, void *out);

struct row {
	const char *path;
	reader *read;
	size_t offset, size;
	const char *standard, *range;
	enum when when;
};

static reader read_listen, read_count, read_path, read_input, read_text, read_duration, read_size,
	read_servers, read_names, read_name, read_node, read_failure, read_sync, read_loopback,
	read_format, read_user;
#define READ_LISTEN   read_listen
#define READ_COUNT    read_count
#define READ_PATH     read_path
#define READ_INPUT    read_input
#define READ_TEXT     read_text
#define READ_DURATION read_duration
#define READ_SIZE     read_size
#define READ_SERVERS  read_servers
#define READ_NAMES    read_names
#define READ_NAME     read_name
#define READ_NODE     read_node
#define READ_FAILURE  read_failure
#define READ_SYNC     read_sync
#define READ_LOOPBACK read_loopback
#define READ_FORMAT   read_format
#define READ_USER     read_user

static const struct row rows[] = {
#define SETTING(path, type, member, standard, range, when, text)                                   \
	{path, READ_##type, offsetof(struct settings, member),                                     \
		sizeof((struct settings *)0)->member, standard, range, when},
#include "settings.def"
#undef SETTING
};
#define ROWS (sizeof rows / sizeof *rows)

static const struct conf_node *member(const struct source *s)
{
	return s->group ? conf_get(s->group, s->key) : NULL;
}

static bool wrong(const struct row *r, const struct source *s)
{
	return conf_error(s->conf, member(s), s->problems, "%s is out of range: expected %s",
		r->path, r->range);
}

/* "1s-10m" as bounds, so that the text people read is what is checked. */
static void bounds(
	const struct row *r, bool (*parse)(const char *, uint64_t *), uint64_t *lo, uint64_t *hi)
{
	char text[64];
	char *dash;

	snprintf(text, sizeof text, "%s", r->range);
	dash = strchr(text, '-');
	*dash = 0;
	if (!parse(text, lo) || !parse(dash + 1, hi))
		abort();
}

static bool parse_ms(const char *s, uint64_t *out)
{
	int64_t ms;

	if (!units_duration(span_str(s), &ms))
		return false;
	*out = (uint64_t)ms;
	return true;
}

static bool parse_bytes(const char *s, uint64_t *out)
{
	return units_size(span_str(s), out);
}

static bool parse_number(const char *s, uint64_t *out)
{
	return span_u64(span_str(s), UINT64_MAX, out);
}

static bool read_count(const struct row *r, const struct source *s, void *out)
{
	uint64_t lo, hi;
	int64_t v = (int64_t) * (uint64_t *)out;

	bounds(r, parse_number, &lo, &hi);
	if (!conf_int(s->conf, s->group, s->key, (int64_t)lo, (int64_t)hi, &v, s->problems))
		return false;
	*(uint64_t *)out = (uint64_t)v;
	return true;
}

static bool read_duration(const struct row *r, const struct source *s, void *out)
{
	uint64_t lo, hi;

	bounds(r, parse_ms, &lo, &hi);
	return conf_duration(s->conf, s->group, s->key, (int64_t)lo, (int64_t)hi, out, s->problems);
}

static bool read_size(const struct row *r, const struct source *s, void *out)
{
	uint64_t lo, hi;

	bounds(r, parse_bytes, &lo, &hi);
	return conf_size(s->conf, s->group, s->key, lo, hi, out, s->problems);
}

static bool read_text(const struct row *r, const struct source *s, void *out)
{
	const char *v = NULL;

	if (!conf_string(s->conf, s->group, s->key, &v, s->problems))
		return false;
	if (!v)
		return true;
	for (const char *c = v; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 127)
			return wrong(r, s);
	return span_copy(span_str(v), out, r->size) || wrong(r, s);
}

static bool read_path(const struct row *r, const struct source *s, void *out)
{
	const char *v = NULL;
	char *path;
	bool ok;

	if (!conf_string(s->conf, s->group, s->key, &v, s->problems))
		return false;
	if (!v)
		return true;
	if (!*v) { /* said to be none, whatever the default */
		*(char *)out = 0;
		return true;
	}
	path = path_beside(s->file, v);
	ok = path && span_copy(span_str(path), out, r->size);
	free(path);
	return ok || wrong(r, s);
}

/* A file that must be there: that it cannot be opened is an error of the setting that names it.
 * What is wrong inside comes later and names the file's own lines. */
static bool readable(
	const struct source *s, const struct conf_node *at, const char *what, const char *path)
{
	return access(path, R_OK) == 0 ||
	       conf_error(s->conf, at, s->problems, "%s: %s: %s", what, path, strerror(errno));
}

/* Whether it is there is looked at when all is read: a default that nobody wrote may be missing. */
static bool read_input(const struct row *r, const struct source *s, void *out)
{
	return read_path(r, s, out);
}

static bool read_node(const struct row *r, const struct source *s, void *out)
{
	return read_text(r, s, out) &&
	       (!*(char *)out || node_name_ok(span_str(out)) || wrong(r, s));
}

static bool read_user(const struct row *r, const struct source *s, void *out)
{
	return read_text(r, s, out) &&
	       (!*(char *)out || getpwnam(out) ||
		       conf_error(s->conf, member(s), s->problems,
			       "user: there is no account \"%s\"", (char *)out));
}

static bool read_word(
	const struct row *r, const struct source *s, const char *no, const char *yes, bool *out)
{
	const char *v = NULL;

	if (!conf_string(s->conf, s->group, s->key, &v, s->problems))
		return false;
	if (!v)
		return true;
	if (strcmp(v, no) != 0 && strcmp(v, yes) != 0)
		return wrong(r, s);
	*out = strcmp(v, yes) == 0;
	return true;
}

static bool read_failure(const struct row *r, const struct source *s, void *out)
{
	return read_word(r, s, "deny", "allow", out);
}

static bool read_sync(const struct row *r, const struct source *s, void *out)
{
	return read_word(r, s, "process", "disk", out);
}

static bool read_format(const struct row *r, const struct source *s, void *out)
{
	return read_word(r, s, "text", "json", out);
}

static bool read_loopback(const struct row *r, const struct source *s, void *out)
{
	struct settings_address *to = out;
	const char *v = NULL, *class = NULL;
	struct host host;

	if (!conf_string(s->conf, s->group, s->key, &v, s->problems))
		return false;
	if (!v)
		return true;
	memset(to, 0, sizeof *to);
	if (!*v)
		return true;
	if (!authority_parse(span_str(v), &host, &to->port) || !host.literal ||
		address_class(&host.addr, &class) != CLASS_SPECIAL ||
		strcmp(class, "loopback") != 0)
		return conf_error(s->conf, member(s), s->problems,
			"%s: expected a loopback address and port, as in \"127.0.0.1:9128\" or "
			"\"[::1]:9128\"",
			r->path);
	to->addr = host.addr;
	return true;
}

static bool path_of(const struct source *s, const struct conf_node *tls, const char *key, char *out)
{
	const char *v = NULL;
	char *path;
	bool ok;

	if (!conf_string(s->conf, tls, key, &v, s->problems))
		return false;
	if (!v || !*v)
		return conf_error(s->conf, tls, s->problems,
			"listen: tls needs certificate = \"FILE\" and key = \"FILE\"");
	path = path_beside(s->file, v);
	ok = path && span_copy(span_str(path), out, SETTINGS_PATH_MAX);
	free(path);
	if (!ok)
		return conf_error(s->conf, tls, s->problems, "listen: the path is too long");
	return readable(s, conf_get(tls, key), "listen: tls", out);
}

static bool read_balancers(
	const struct source *s, const struct conf_node *one, struct settings_balancers *to)
{
	const struct conf_node *list = NULL;

	if (!conf_strings(s->conf, one, "proxy_protocol", &list, s->problems))
		return false;
	if (list && conf_len(list) > SETTINGS_BALANCERS)
		return conf_error(s->conf, list, s->problems,
			"listen: proxy_protocol names at most %d networks", SETTINGS_BALANCERS);
	for (size_t i = 0; list && i < conf_len(list); i++)
		if (!prefix_parse(span_str(conf_string_at(list, i)), &to->v[to->n++]))
			return conf_error(s->conf, list, s->problems,
				"listen: proxy_protocol: \"%s\" is no network such as "
				"\"192.0.2.0/28\" or \"192.0.2.1\"",
				conf_string_at(list, i));
	return true;
}

static bool read_one_listen(
	const struct source *s, const struct conf_node *one, struct settings_listen *to)
{
	static const char *const known[] = {"address", "tls", "proxy_protocol", NULL};
	static const char *const tls_known[] = {"certificate", "key", NULL};
	const struct conf_node *tls = NULL;
	const char *text = NULL;
	struct host host;
	bool ok;

	if (conf_kind(one) != CONF_GROUP)
		return conf_error(s->conf, one, s->problems,
			"listen: expected a group { address = \"127.0.0.1:3128\"; }");
	ok = conf_only(s->conf, one, known, s->problems);
	if (!conf_string(s->conf, one, "address", &text, s->problems))
		return false;
	if (!text || !authority_parse(span_str(text), &host, &to->at.port) || !host.literal)
		return conf_error(s->conf, one, s->problems,
			"listen: expected address = \"127.0.0.1:3128\" or \"[::1]:3128\"");
	to->at.addr = host.addr;
	ok = ok && read_balancers(s, one, &to->balancers);
	if (!conf_group(s->conf, one, "tls", &tls, s->problems))
		return false;
	if (tls)
		ok = ok && conf_only(s->conf, tls, tls_known, s->problems) &&
		     path_of(s, tls, "certificate", to->certificate) &&
		     path_of(s, tls, "key", to->key);
	return ok;
}

static bool read_listen(const struct row *r, const struct source *s, void *out)
{
	struct settings *all = (struct settings *)((char *)out - offsetof(struct settings, listen));
	const struct conf_node *list = member(s);
	bool ok = true;

	(void)r;
	if (!list)
		return true;
	if (conf_kind(list) != CONF_LIST || conf_len(list) == 0 || conf_len(list) > SETTINGS_LISTEN)
		return conf_error(s->conf, list, s->problems,
			"listen: expected ( { address = \"127.0.0.1:3128\"; }, … ), 1-16 of them");
	memset(&all->listen, 0, sizeof all->listen);
	for (size_t i = 0; i < conf_len(list); i++)
		ok &= read_one_listen(s, conf_at(list, i), &all->listen.v[all->listen.n++]);
	return ok;
}

static bool read_servers(const struct row *r, const struct source *s, void *out)
{
	struct settings *all =
		(struct settings *)((char *)out - offsetof(struct settings, servers));
	const struct conf_node *list = NULL;

	if (!conf_strings(s->conf, s->group, s->key, &list, s->problems))
		return false;
	if (!list)
		return true;
	if (conf_len(list) > SETTINGS_SERVERS)
		return wrong(r, s);
	all->servers.n = 0;
	for (size_t i = 0; i < conf_len(list); i++) {
		struct settings_address *to = &all->servers.v[all->servers.n++];
		struct span port = span_str(conf_string_at(list, i)), addr = span_cut(&port, '@');
		uint64_t number = 53;

		if (!addr_parse(addr, &to->addr) ||
			(port.p && (!span_u64(port, 65535, &number) || !number)))
			return conf_error(s->conf, list, s->problems,
				"resolver.servers: \"%s\" is no address such as \"192.0.2.53\" or "
				"\"192.0.2.53@5353\"",
				conf_string_at(list, i));
		to->port = (uint16_t)number;
	}
	return true;
}

static bool read_names(const struct row *r, const struct source *s, void *out)
{
	struct settings_names *to = out;
	const struct conf_node *list = NULL;

	if (!conf_strings(s->conf, s->group, s->key, &list, s->problems))
		return false;
	if (!list)
		return true;
	if (conf_len(list) > SETTINGS_NAMES)
		return wrong(r, s);
	to->n = 0;
	for (size_t i = 0; i < conf_len(list); i++) {
		struct host host;

		if (!host_parse(span_str(conf_string_at(list, i)), &host) || host.literal)
			return conf_error(s->conf, list, s->problems,
				"%s: \"%s\" is no domain name", r->path, conf_string_at(list, i));
		memcpy(to->v[to->n++], host.name, (size_t)host.len + 1);
	}
	return true;
}

static bool read_name(const struct row *r, const struct source *s, void *out)
{
	const char *v = NULL;
	struct host host = {.len = 0};

	if (!conf_string(s->conf, s->group, s->key, &v, s->problems))
		return false;
	if (!v)
		return true;
	if (*v && (!host_parse(span_str(v), &host) || host.literal))
		return conf_error(
			s->conf, member(s), s->problems, "%s: \"%s\" is no host name", r->path, v);
	memcpy(out, host.name, (size_t)host.len + 1);
	return true;
}

/* "audit.keep" is key "keep" of group "audit"; "workers" stands at the top. */
static const char *key_of(const char *path, char group[32])
{
	const char *dot = strchr(path, '.');

	snprintf(group, 32, "%.*s", dot ? (int)(dot - path) : 0, path);
	return dot ? dot + 1 : path;
}

static bool read_all(
	const char *file, const struct conf *conf, struct settings *out, struct problems *p)
{
	bool ok = true;

	for (size_t i = 0; i < ROWS; i++) {
		char group[32];
		struct source s = {.conf = conf, .problems = p, .file = file};

		s.key = key_of(rows[i].path, group);
		s.group = *group ? conf_get(conf_root(conf), group) : conf_root(conf);
		if (s.group && conf_kind(s.group) != CONF_GROUP)
			continue; /* told by only_known */
		if (s.group)
			ok &= rows[i].read(&rows[i], &s, (char *)out + rows[i].offset);
	}
	return ok;
}

/* Names of one group (or of the top, which holds the groups' names as well), NULL-terminated. */
static void names_of(const char *group, const char **names, char store[][32])
{
	size_t n = 0;

	for (size_t i = 0; i < ROWS; i++) {
		char at[32];
		const char *key = key_of(rows[i].path, at);

		if (strcmp(at, group) == 0) {
			names[n++] = key;
		} else if (!*group) {
			snprintf(store[i], 32, "%s", at);
			names[n++] = store[i];
		}
	}
	names[n] = NULL;
}

static bool only_known(const struct conf *conf, struct problems *p)
{
	const char *names[ROWS + 1];
	char store[ROWS][32];
	const struct conf_node *root = conf_root(conf);
	bool ok;

	names_of("", names, store);
	ok = conf_only(conf, root, names, p);
	for (size_t i = 0; i < ROWS; i++) {
		char group[32];
		const struct conf_node *g = NULL;

		key_of(rows[i].path, group);
		if (!*group || (i && strncmp(rows[i - 1].path, group, strlen(group)) == 0))
			continue;
		ok &= conf_group(conf, root, group, &g, p);
		if (!g)
			continue;
		names_of(group, names, store);
		ok &= conf_only(conf, g, names, p);
	}
	return ok;
}

/* The defaults, read as a file of their own. */
static void set_defaults(const char *file, struct settings *out)
{
	struct problems none = {0};
	struct buf text;
	struct conf *conf;
	char open[32] = "";

	buf_init(&text);
	for (size_t i = 0; i < ROWS; i++) {
		char group[32];
		const char *key = key_of(rows[i].path, group);
		bool bare = rows[i].read == read_listen || rows[i].read == read_count ||
			    rows[i].read == read_servers || rows[i].read == read_names;

		if (strcmp(group, open) != 0) {
			buf_adds(&text, *open ? "};\n" : "");
			if (*group)
				buf_printf(&text, "%s: {\n", group);
			snprintf(open, sizeof open, "%s", group);
		}
		buf_printf(&text, bare ? "%s = %s;\n" : "%s = \"%s\";\n", key, rows[i].standard);
	}
	buf_adds(&text, *open ? "};\n" : "");
	conf = conf_parse("defaults", buf_spanof(&text), &none);
	if (!conf || !read_all(file, conf, out, &none)) {
		problems_print(&none, stderr);
		abort();
	}
	conf_free(conf);
	buf_free(&text);
	if (!*out->node && (gethostname(out->node, 64) != 0 || !node_name_ok(span_str(out->node))))
		snprintf(out->node, sizeof out->node, "stile");
}

static bool inputs_readable(
	const char *file, const struct conf *conf, const struct settings *out, struct problems *p)
{
	bool ok = true;

	for (size_t i = 0; i < ROWS; i++) {
		char group[32];
		const char *key = key_of(rows[i].path, group), *path;
		const struct conf_node *g =
			*group ? conf_get(conf_root(conf), group) : conf_root(conf);
		const struct source s = {conf, g, key, p, file};

		path = (const char *)out + rows[i].offset;
		if (rows[i].read == read_input && member(&s) && *path)
			ok &= readable(&s, member(&s), rows[i].path, path);
	}
	return ok;
}

bool settings_load(const char *path, struct settings *out, struct problems *p)
{
	struct conf *conf = conf_load(path, p);
	bool ok;

	if (!conf)
		return false;
	memset(out, 0, sizeof *out);
	set_defaults(path, out);
	ok = span_copy(span_str(path), out->file, sizeof out->file);
	if (!ok)
		problem_error(p, path, 0, "the path is too long");
	ok &= only_known(conf, p);
	ok &= read_all(path, conf, out, p);
	ok = ok && inputs_readable(path, conf, out, p);
	conf_free(conf);
	return ok && p->errors == 0;
}

size_t settings_changed_at_start(
	const struct settings *old, const struct settings *now, const char **names, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < ROWS && found + 1 < n; i++)
		if (rows[i].when == START &&
			memcmp((const char *)old + rows[i].offset,
				(const char *)now + rows[i].offset, rows[i].size) != 0)
			names[found++] = rows[i].path;
	names[found] = NULL;
	return found;
}
