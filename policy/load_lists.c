/*
 * Lists: files of host names that make a category. Lists come from strangers by the hundred
 * thousand lines and always hold some that are no names; those are skipped and counted in a
 * finding. A file in which nothing is a name is an error: it is another format.
 */
#include "domain.h"
#include "model.h"

#include "file.h"

#include <stdlib.h>
#include <sys/stat.h>

#define LIST_MAX ((size_t)1 << 30) /* bytes of one file */

struct list {
	const struct load *l;
	uint32_t category;
	uint32_t names; /* taken */
	size_t skipped;
	unsigned line, first_skipped;
	bool full;
};

static void skip(struct list *in)
{
	if (in->skipped++ == 0)
		in->first_skipped = in->line;
}

/* A name or an address; addresses stand for themselves whatever the scope. */
static void take(struct list *in, struct span word, enum scope scope)
{
	struct name_tag tag = {.id = in->category, .kind = TAG_CATEGORY, .scope = (uint8_t)scope};
	char name[HOST_MAX + 1];
	struct host h;

	if (host_parse(word, &h))
		memcpy(name, h.name, (size_t)h.len + 1);
	else if (!domain_to_ascii(word, name)) {
		skip(in);
		return;
	}
	in->full = !names_add(in->l->m, span_str(name), tag);
	in->names++;
}

static struct span word_cut(struct span *rest)
{
	*rest = span_trim(*rest);
	for (size_t i = 0; i < rest->n; i++) {
		if (rest->p[i] == ' ' || rest->p[i] == '\t') {
			struct span word = span_of(rest->p, i);

			*rest = span_of(rest->p + i, rest->n - i);
			return word;
		}
	}
	struct span word = *rest;
	*rest = (struct span){0};
	return word;
}

/* "name" and ".name": itself and below; "*.name": below only. */
static void plain_line(struct list *in, struct span line)
{
	enum scope scope = SCOPE_SUFFIX;

	if (span_starts(line, SPAN("*."))) {
		scope = SCOPE_BELOW;
		line = span_of(line.p + 2, line.n - 2);
	} else if (line.p[0] == '.') {
		line = span_of(line.p + 1, line.n - 1);
	}
	take(in, line, scope);
}

/* Names that hosts files have for the machine itself. */
static bool is_local(struct span name)
{
	static const char *const local[] = {"localhost", "localhost.localdomain", "local",
		"broadcasthost", "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix",
		"ip6-allnodes", "ip6-allrouters", "ip6-allhosts", "0.0.0.0", NULL};

	for (size_t i = 0; local[i]; i++)
		if (span_caseeq(name, span_str(local[i])))
			return true;
	return false;
}

/* "0.0.0.0 name name": these names and nothing below them. */
static void hosts_line(struct list *in, struct span line)
{
	struct addr a;

	if (!addr_parse(word_cut(&line), &a)) {
		skip(in);
		return;
	}
	for (struct span word = word_cut(&line); word.n; word = word_cut(&line))
		if (!is_local(word))
			take(in, word, SCOPE_SELF);
}

/* squidGuard's and UT1's `domains`: a name covers what is below it. */
static void ut1_line(struct list *in, struct span line)
{
	take(in, line, SCOPE_SUFFIX);
}

static const struct format {
	const char *word;
	void (*line)(struct list *in, struct span line);
	const char *file; /* where it may be a folder: the file in it */
} formats[] = {
	{"plain", plain_line, NULL}, {"hosts", hosts_line, NULL}, {"ut1", ut1_line, "domains"}};

static const char *const format_words[] = {"plain", "hosts", "ut1", NULL};

static void read_lines(struct list *in, const struct format *format, struct span text)
{
	while (text.n && !in->full) {
		struct span line = span_cut(&text, '\n');

		in->line++;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		line = span_trim(span_cut(&line, '#'));
		if (line.n)
			format->line(in, line);
	}
}

static bool read_file(const char *path, const struct format *format, struct buf *out, struct err *e)
{
	struct stat st;
	char *inner;

	if (!format->file || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return file_read(path, LIST_MAX, out, e);
	if (asprintf(&inner, "%s/%s", path, format->file) < 0)
		return err_set(e, "out of memory");
	bool ok = file_read(inner, LIST_MAX, out, e);
	free(inner);
	return ok;
}

static bool report(const struct list *in, const struct conf_node *at, const char *path,
	const struct format *format)
{
	const struct load *l = in->l;

	if (in->full)
		return conf_error(l->c, at, l->p, "more than %u host names", NAMES_MAX);
	if (in->names == 0)
		return conf_error(
			l->c, at, l->p, "%s holds no name in format \"%s\"", path, format->word);
	if (in->skipped)
		problem_finding(l->p, path, in->first_skipped, "list-line",
			"%zu line%s no host name in format \"%s\" and %s skipped, this one first",
			in->skipped, in->skipped == 1 ? " is" : "s are", format->word,
			in->skipped == 1 ? "was" : "were");
	return true;
}

static bool load_file(const struct load *l, const struct conf_node *at, const char *file,
	const struct format *format, uint32_t category)
{
	struct list in = {.l = l, .category = category};
	struct err e = {"out of memory"};
	struct buf text = {0};
	char *path = path_beside(l->m->path, file);
	bool ok = path && read_file(path, format, &text, &e);

	if (!ok) {
		conf_error(l->c, at, l->p, "%s", e.text);
	} else {
		read_lines(&in, format, buf_spanof(&text));
		ok = report(&in, at, path, format);
	}
	struct snap_category *c = model_at(l->m, SECTION_CATEGORY, category);
	c->listed += in.names;
	buf_free(&text);
	free(path);
	return ok;
}

static bool load_list(const struct load *l, const struct conf_node *g)
{
	const char *category = NULL, *file = NULL;
	int format = -1;

	if (conf_kind(g) != CONF_GROUP)
		return conf_error(l->c, g, l->p,
			"a list must be a group, as in { category = \"gambling\"; file = "
			"\"gambling\"; "
			"format = \"ut1\"; }");
	bool ok = load_only(l, g, KEY_LIST);
	ok = conf_string(l->c, g, "category", &category, l->p) && ok;
	ok = conf_string(l->c, g, "file", &file, l->p) && ok;
	ok = load_word(l, g, "format", format_words, &format) && ok;
	if (category && !load_name(l, conf_get(g, "category"), span_str(category), "a category"))
		return false;
	int32_t id = category ? model_category(l->m, span_str(category)) : 0;
	if (!ok)
		return false;
	if (!category || !file || format < 0)
		return conf_error(l->c, g, l->p,
			"the list has no %s; expected category, file and format",
			!category ? "category"
			: !file	  ? "file"
				  : "format");
	if (id < 0)
		return conf_error(l->c, g, l->p, "more than %d categories", UINT16_MAX);
	if (!l->m->path)
		return true;
	return load_file(l, conf_get(g, "file"), file, &formats[format], (uint32_t)id);
}

bool load_lists(const struct load *l, const struct conf_node *root)
{
	const struct conf_node *v;
	bool ok = true;

	if (!conf_list(l->c, root, "lists", &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++)
		ok = load_list(l, conf_at(v, i)) && ok;
	return ok;
}
