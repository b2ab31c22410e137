/*
 * Configuration text before libconfig. The scanner goes twice: over each file, to find what
 * libconfig swallows and to put included files in place; and over the whole, to say where the
 * grammar breaks and what was expected. The tree itself is libconfig's work.
 */
#include "conf_text.h"
#include "conf_scan.h"
#include "file.h"

#include <stdarg.h>
#include <stdlib.h>

/* --- putting files in place --- */

static bool push(struct conf_place **v, size_t *n, size_t *cap, struct conf_place one)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 256;
		struct conf_place *grown = realloc(*v, more * sizeof(**v));

		if (!grown)
			return false;
		*v = grown;
		*cap = more;
	}
	(*v)[(*n)++] = one;
	return true;
}

struct reading {
	struct conf_text *t;
	struct problems *p;
	size_t bytes; /* of all files so far */
	bool may_include;
};

static bool add_file(struct conf_text *t, const char *name)
{
	char **grown = realloc(t->files, (t->n_files + 1) * sizeof(*grown));

	if (!grown)
		return false;
	t->files = grown;
	t->files[t->n_files] = strdup(name);
	if (!t->files[t->n_files])
		return false;
	t->n_files++;
	return true;
}

/* Appends text[from..to) as whole lines; a part that ends inside a line gets its own. */
static bool flush(struct conf_text *t, const char *from, const char *to, struct conf_place place)
{
	while (from < to) {
		const char *nl = memchr(from, '\n', (size_t)(to - from));
		const char *stop = nl ? nl : to;

		buf_add(&t->flat, from, (size_t)(stop - from));
		buf_addc(&t->flat, '\n');
		if (!push(&t->lines, &t->n_lines, &t->cap_lines, place))
			return false;
		place.line++;
		from = nl ? nl + 1 : to;
	}
	return !t->flat.failed;
}

static bool expand(struct reading *r, unsigned file, struct span text, unsigned depth);

static bool include(struct reading *r, unsigned file, const struct token *t, unsigned depth)
{
	const char *from = r->t->files[file];
	char rel[512], *path = NULL;
	struct buf text = {0};
	struct err e;
	bool ok = false;

	if (!r->may_include) {
		problem_error(r->p, from, t->line, "@include is not allowed here");
	} else if (depth >= CONF_INCLUDE_MAX) {
		problem_error(r->p, from, t->line,
			"@include goes deeper than %d files: does a file include itself?",
			CONF_INCLUDE_MAX);
	} else if (t->text.n <= 2 ||
		   !span_copy(span_of(t->text.p + 1, t->text.n - 2), rel, sizeof(rel))) {
		problem_error(r->p, from, t->line, "@include wants a file name of 1 to %zu bytes",
			sizeof(rel) - 1);
	} else if (!(path = path_beside(from, rel)) || !add_file(r->t, path)) {
		problem_error(r->p, from, t->line, "out of memory");
	} else if (!file_read(path, CONF_BYTES_MAX, &text, &e)) {
		problem_error(r->p, from, t->line, "@include: %s", e.text);
	} else if (text.n > CONF_BYTES_MAX - r->bytes) {
		problem_error(r->p, from, t->line,
			"@include: all files together are larger than %u bytes", CONF_BYTES_MAX);
	} else {
		ok = expand(r, (unsigned)r->t->n_files - 1, buf_spanof(&text), depth + 1);
	}
	buf_free(&text);
	free(path);
	return ok;
}

static bool no_zero_bytes(struct reading *r, unsigned file, struct span text)
{
	const char *zero = text.n ? memchr(text.p, 0, text.n) : NULL;
	unsigned line = 1;

	for (const char *p = text.p; zero && p < zero; p++)
		line += *p == '\n';
	if (zero)
		problem_error(r->p, r->t->files[file], line, "zero byte: is this a text file?");
	return !zero;
}

static void bad_token(struct reading *r, const char *file, const struct token *t)
{
	int shown = t->text.n > 40 ? 40 : (int)t->text.n;

	problem_error(r->p, file, t->line, "%s, at `%.*s`", t->why, shown, t->text.p);
}

/* Puts the text of one file at the end of `flat`, with its included files in place. */
static bool expand(struct reading *r, unsigned file, struct span text, unsigned depth)
{
	struct scanner s = scan_start(text);
	struct conf_place place = {file, 1};
	const char *done = text.p;
	bool ok = no_zero_bytes(r, file, text);

	r->bytes += text.n;
	while (ok) {
		struct token t = scan_next(&s);
		const char *line = t.text.p;

		if (t.kind == TOK_END)
			break;
		if (t.kind == TOK_BAD) {
			bad_token(r, r->t->files[file], &t);
			return false;
		}
		if (t.kind != TOK_INCLUDE)
			continue;
		/* everything before the line of the directive, then what it names */
		while (line > done && line[-1] != '\n')
			line--;
		ok = flush(r->t, done, line, place) && include(r, file, &t, depth);
		done = s.p;
		place.line = s.line;
	}
	return ok && flush(r->t, done, text.p + text.n, place);
}

/* --- the grammar --- */

enum want {
	WANT_NAME, /* or the end of the group */
	WANT_EQUALS,
	WANT_VALUE,
	WANT_FIRST,  /* a value, or the end of an empty list */
	WANT_STRING, /* a string may go on in the next one */
	WANT_AFTER   /* a separator or the end */
};

struct frame {
	char open; /* '{', '(' or '['; the whole file is a '{' */
	unsigned line;
	size_t names; /* where this group's names start */
};

struct name {
	struct span text;
	unsigned line;
};

struct grammar {
	struct reading *r;
	enum want want;
	unsigned depth;
	struct frame frames[CONF_DEPTH_MAX + 1];
	struct name *names; /* of all groups that are open */
	size_t n_names, cap_names;
};

static bool wrong(struct grammar *g, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool wrong(struct grammar *g, unsigned line, const char *fmt, ...)
{
	struct conf_place place = conf_text_place(g->r->t, line);
	struct err e = {{0}};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	problem_error(g->r->p, g->r->t->files[place.file], place.line, "%s", e.text);
	return false;
}

static struct frame *top(struct grammar *g)
{
	return &g->frames[g->depth];
}

static bool out_of_memory(struct grammar *g)
{
	return wrong(g, 1, "out of memory");
}

static bool note_setting(struct grammar *g, const struct token *t)
{
	struct conf_text *text = g->r->t;

	return push(&text->settings, &text->n_settings, &text->cap_settings,
		       conf_text_place(text, t->line)) ||
	       out_of_memory(g);
}

static bool note_name(struct grammar *g, const struct token *t)
{
	if (g->n_names - top(g)->names >= CONF_MEMBERS_MAX)
		return wrong(g, t->line, "more than %d settings in one group", CONF_MEMBERS_MAX);
	if (g->n_names == g->cap_names) {
		size_t more = g->cap_names ? g->cap_names * 2 : 64;
		struct name *grown = realloc(g->names, more * sizeof(*grown));

		if (!grown)
			return out_of_memory(g);
		g->names = grown;
		g->cap_names = more;
	}
	g->names[g->n_names++] = (struct name){t->text, t->line};
	g->want = WANT_EQUALS;
	return note_setting(g, t);
}

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
	int cmp = memcmp(x->text.p, y->text.p, n);

	if (cmp == 0 && x->text.n != y->text.n)
		cmp = x->text.n < y->text.n ? -1 : 1;
	/* twins in the order of the text */
	return cmp ? cmp : x->text.p < y->text.p ? -1 : x->text.p > y->text.p;
}

/* Forgets the names of the group that ends, and says which were there twice. */
static bool names_differ(struct grammar *g)
{
	size_t n = g->n_names - top(g)->names;
	struct name *v;
	bool ok = true;

	if (n == 0)
		return true;
	v = g->names + top(g)->names;
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 1; i < n; i++) {
		struct conf_place first = conf_text_place(g->r->t, v[i - 1].line);

		if (span_eq(v[i].text, v[i - 1].text))
			ok = wrong(g, v[i].line,
				"\"%.*s\" is set twice in this group (before at %s:%u)",
				v[i].text.n > 64 ? 64 : (int)v[i].text.n, v[i].text.p,
				g->r->t->files[first.file], first.line);
	}
	g->n_names = top(g)->names;
	return ok;
}

static const char *expected(const struct grammar *g)
{
	char open = g->frames[g->depth].open;

	switch (g->want) {
	case WANT_NAME:
		return g->depth ? "a setting's name or `}`" : "a setting's name";
	case WANT_EQUALS:
		return "`=` or `:` behind the setting's name";
	case WANT_VALUE:
		return open == '[' ? "a string in quotes, number or boolean"
				   : "a value (strings need quotes)";
	case WANT_FIRST:
		return open == '[' ? "a string in quotes, number, boolean or `]`"
				   : "a value (strings need quotes) or `)`";
	case WANT_STRING:
	case WANT_AFTER:
		break;
	}
	return open == '{'
		       ? (g->depth ? "`;` or a setting's name or `}`" : "`;` or a setting's name")
	       : open == '[' ? "`,` or `]`"
			     : "`,` or `)`";
}

static bool unexpected(struct grammar *g, const struct token *t)
{
	struct conf_place since = conf_text_place(g->r->t, top(g)->line);
	int shown = t->text.n > 40 ? 40 : (int)t->text.n;

	if (t->kind != TOK_END)
		return wrong(
			g, t->line, "expected %s, found `%.*s`", expected(g), shown, t->text.p);
	if (g->depth == 0)
		return wrong(g, t->line, "expected %s, found the end of the file", expected(g));
	return wrong(g, t->line,
		"expected %s, found the end of the file (`%c` is open since line %u)", expected(g),
		top(g)->open, since.line);
}

static bool open_frame(struct grammar *g, const struct token *t)
{
	if (g->depth == CONF_DEPTH_MAX)
		return wrong(g, t->line, "more than %d groups and lists within each other",
			CONF_DEPTH_MAX);
	g->depth++;
	*top(g) = (struct frame){t->text.p[0], t->line, g->n_names};
	g->want = top(g)->open == '{' ? WANT_NAME : WANT_FIRST;
	return true;
}

static bool close_frame(struct grammar *g, const struct token *t)
{
	char close = top(g)->open == '{' ? '}' : top(g)->open == '(' ? ')' : ']';
	bool ok;

	if (g->depth == 0 || t->text.p[0] != close)
		return unexpected(g, t);
	ok = names_differ(g);
	g->depth--;
	g->want = WANT_AFTER;
	return ok;
}

static bool value(struct grammar *g, const struct token *t)
{
	if (t->kind != TOK_STRING && t->kind != TOK_SCALAR &&
		(t->kind != TOK_OPEN || top(g)->open == '['))
		return unexpected(g, t);
	if (top(g)->open != '{' && !note_setting(g, t))
		return false;
	g->want = t->kind == TOK_STRING ? WANT_STRING : WANT_AFTER;
	return t->kind != TOK_OPEN || open_frame(g, t);
}

/* libconfig lets the separator between settings be left out, and wants it between elements. */
static bool after(struct grammar *g, const struct token *t)
{
	bool group = top(g)->open == '{';

	if (t->kind == TOK_COMMA || (group && t->kind == TOK_SEMICOLON)) {
		g->want = group ? WANT_NAME : WANT_VALUE;
		return true;
	}
	if (group && t->kind == TOK_NAME)
		return note_name(g, t);
	return t->kind == TOK_CLOSE ? close_frame(g, t) : unexpected(g, t);
}

static bool step(struct grammar *g, const struct token *t)
{
	switch (g->want) {
	case WANT_NAME:
		if (t->kind == TOK_NAME)
			return note_name(g, t);
		return t->kind == TOK_CLOSE ? close_frame(g, t) : unexpected(g, t);
	case WANT_EQUALS:
		g->want = t->kind == TOK_EQUALS ? WANT_VALUE : g->want;
		return t->kind == TOK_EQUALS || unexpected(g, t);
	case WANT_FIRST:
		return t->kind == TOK_CLOSE ? close_frame(g, t) : value(g, t);
	case WANT_VALUE:
		return value(g, t);
	case WANT_STRING:
		return t->kind == TOK_STRING || after(g, t);
	case WANT_AFTER:
		break;
	}
	return after(g, t);
}

static bool may_end(const struct grammar *g)
{
	return g->depth == 0 &&
	       (g->want == WANT_NAME || g->want == WANT_STRING || g->want == WANT_AFTER);
}

static bool check_grammar(struct reading *r)
{
	struct grammar g = {.r = r, .frames = {{.open = '{'}}};
	struct scanner s = scan_start(buf_spanof(&r->t->flat));
	bool ok = true;

	while (ok) {
		struct token t = scan_next(&s);

		if (t.kind == TOK_END) {
			ok = may_end(&g) ? names_differ(&g) : unexpected(&g, &t);
			break;
		}
		/* the files were scanned one by one; only their seams are new */
		ok = t.kind == TOK_BAD ? wrong(&g, t.line, "%s", t.why) : step(&g, &t);
	}
	free(g.names);
	return ok;
}

/* --- the two doors --- */

static bool read_all(struct reading *r, struct span text)
{
	size_t before = r->p->errors;

	buf_adds(&r->t->flat, "");
	if (text.n > CONF_BYTES_MAX) {
		problem_error(r->p, r->t->files[0], 0, "larger than %u bytes", CONF_BYTES_MAX);
		return false;
	}
	if (expand(r, 0, text, 0))
		return check_grammar(r);
	if (r->p->errors == before)
		problem_error(r->p, r->t->files[0], 0, "out of memory");
	return false;
}

bool conf_text_load(struct conf_text *t, const char *path, struct problems *p)
{
	struct reading r = {.t = t, .p = p, .may_include = true};
	struct buf text = {0};
	struct err e;
	bool ok = false;

	*t = (struct conf_text){0};
	if (!add_file(t, path))
		problem_error(p, path, 0, "out of memory");
	else if (!file_read(path, CONF_BYTES_MAX, &text, &e))
		problem_error(p, path, 0, "%s", e.text);
	else
		ok = read_all(&r, buf_spanof(&text));
	buf_free(&text);
	return ok;
}

bool conf_text_parse(struct conf_text *t, const char *name, struct span text, struct problems *p)
{
	struct reading r = {.t = t, .p = p};

	*t = (struct conf_text){0};
	if (add_file(t, name))
		return read_all(&r, text.n ? text : SPAN(""));
	problem_error(p, name, 0, "out of memory");
	return false;
}

void conf_text_free(struct conf_text *t)
{
	for (size_t i = 0; i < t->n_files; i++)
		free(t->files[i]);
	free(t->files);
	free(t->lines);
	free(t->settings);
	buf_free(&t->flat);
	*t = (struct conf_text){0};
}

struct conf_place conf_text_place(const struct conf_text *t, unsigned flat_line)
{
	if (t->n_lines == 0)
		return (struct conf_place){0, 0};
	if (flat_line == 0 || flat_line > t->n_lines)
		return t->lines[flat_line ? t->n_lines - 1 : 0];
	return t->lines[flat_line - 1];
}
