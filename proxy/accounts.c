/*
 * The account table: htpasswd and htgroup files, compiled into one block that workers read in
 * place.
 *
 *   head | users, sorted by name | lists of group numbers | groups | text
 *
 * Users that only a group file names are kept too, without a hash: they cannot log in with a
 * password, but groups hold whatever way somebody was identified.
 */
#include "accounts.h"
#include "file.h"
#include "passhash.h"

#include <stdio.h>
#include <stdlib.h>

#define ACCOUNTS_MAGIC	0x31434341u /* "ACC1" */
#define ACCOUNTS_FILE	((size_t)64 << 20)
#define ACCOUNTS_USERS	1000000
#define ACCOUNTS_GROUPS 65535
#define ACCOUNTS_GROUP	64 /* bytes of a group's name */

struct text {
	uint32_t at, n; /* in the text, a NUL behind it */
};

struct user {
	struct text name, hash;
	uint32_t first, n; /* in the lists */
};

struct head {
	uint32_t magic, size;
	uint32_t users, lists, groups, text; /* how many; bytes of text */
	uint32_t hashes;		     /* users with a hash */
	uint32_t zero;
};

struct accounts {
	struct head head;
	struct user user[];
};

/* --- reading the files --------------------------------------------------------------------------
 */

struct draft {
	struct span name, hash;
	unsigned line;
};

struct member {
	struct span user;
	uint32_t group;
};

struct reader {
	const char *path;
	unsigned line;
	struct problems *p;
	size_t n_user, n_group, n_member;
	size_t cap_user, cap_group, cap_member;
	struct draft *user;
	struct span *group;
	struct member *member;
	bool out_of_memory;
};

#define wrong(r, ...) problem_error((r)->p, (r)->path, (r)->line, __VA_ARGS__)

static bool room(struct reader *r, void *v, size_t n, size_t *cap, size_t each)
{
	void **p = v;
	size_t more = *cap ? *cap * 2 : 64;
	void *q;

	if (n < *cap)
		return true;
	q = realloc(*p, more * each);
	if (!q) {
		r->out_of_memory = true;
		return false;
	}
	*p = q;
	*cap = more;
	return true;
}

static bool name_ok(struct span s, size_t max)
{
	if (s.n == 0 || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool hash_ok(struct reader *r, struct span hash)
{
	switch (passhash_judge(hash)) {
	case PASSHASH_GOOD:
		return true;
	case PASSHASH_WEAK:
		wrong(r, "this kind of hash is too weak to keep; expected yescrypt or bcrypt "
			 "($y$, $2y$: stile-policy passwd, htpasswd -B)");
		return false;
	case PASSHASH_UNKNOWN:
		break;
	}
	wrong(r, "not a hash that crypt(3) can check; expected yescrypt or bcrypt ($y$, $2y$: "
		 "stile-policy passwd, htpasswd -B)");
	return false;
}

static void read_user(struct reader *r, struct span line)
{
	bool colon = memchr(line.p, ':', line.n) != NULL;
	struct span name = span_cut(&line, ':');

	if (!colon) {
		wrong(r, "expected user:hash");
		return;
	}
	if (!name_ok(name, IDENTITY_USER_MAX)) {
		wrong(r, "a user's name has 1-%d bytes and no control characters",
			IDENTITY_USER_MAX);
		return;
	}
	if (!hash_ok(r, line))
		return;
	if (r->n_user == ACCOUNTS_USERS) {
		wrong(r, "more than %d users", ACCOUNTS_USERS);
		return;
	}
	if (room(r, &r->user, r->n_user, &r->cap_user, sizeof(*r->user)))
		r->user[r->n_user++] = (struct draft){name, line, r->line};
}

static struct span next_word(struct span *rest)
{
	struct span word;

	*rest = span_trim(*rest);
	for (size_t i = 0; i < rest->n; i++)
		if (rest->p[i] == ' ' || rest->p[i] == '\t') {
			word = span_of(rest->p, i);
			*rest = span_of(rest->p + i, rest->n - i);
			return word;
		}
	word = *rest;
	*rest = span_of(rest->p, 0);
	return word;
}

static bool group_number(struct reader *r, struct span name, uint32_t *out)
{
	for (size_t i = 0; i < r->n_group; i++)
		if (span_eq(r->group[i], name)) {
			*out = (uint32_t)i;
			return true;
		}
	if (r->n_group == ACCOUNTS_GROUPS) {
		wrong(r, "more than %d groups", ACCOUNTS_GROUPS);
		return false;
	}
	if (!room(r, &r->group, r->n_group, &r->cap_group, sizeof(*r->group)))
		return false;
	*out = (uint32_t)r->n_group;
	r->group[r->n_group++] = name;
	return true;
}

/* A group may stand on several lines, as htgroup files with many users do. */
static void read_group(struct reader *r, struct span line)
{
	bool colon = memchr(line.p, ':', line.n) != NULL;
	struct span name = span_trim(span_cut(&line, ':'));
	uint32_t group;

	if (!colon || !name_ok(name, ACCOUNTS_GROUP) || memchr(name.p, ' ', name.n)) {
		wrong(r, "expected group: user user …, the group's name of 1-%d bytes",
			ACCOUNTS_GROUP);
		return;
	}
	if (!group_number(r, name, &group))
		return;
	for (struct span user = next_word(&line); user.n; user = next_word(&line)) {
		if (!name_ok(user, IDENTITY_USER_MAX)) {
			wrong(r, "a user's name has at most %d bytes and no control characters",
				IDENTITY_USER_MAX);
			return;
		}
		if (!room(r, &r->member, r->n_member, &r->cap_member, sizeof(*r->member)))
			return;
		r->member[r->n_member++] = (struct member){user, group};
	}
}

static bool read_lines(struct reader *r, const char *path, struct buf *text,
	void (*one)(struct reader *r, struct span line))
{
	struct span rest;
	struct err e;

	r->path = path;
	r->line = 0;
	if (!file_read(path, ACCOUNTS_FILE, text, &e)) {
		wrong(r, "%s", e.text);
		return false;
	}
	rest = buf_spanof(text);
	while (rest.n) {
		struct span line = span_cut(&rest, '\n');

		r->line++;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (span_trim(line).n && line.p[0] != '#')
			one(r, line);
	}
	return true;
}

/* --- putting the block together -----------------------------------------------------------------
 */

static int span_order(struct span a, struct span b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int draft_order(const void *a, const void *b)
{
	const struct draft *x = a, *y = b;
	int c = span_order(x->name, y->name);

	return c ? c : (x->line > y->line) - (x->line < y->line);
}

static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int c = span_order(x->user, y->user);

	return c ? c : (x->group > y->group) - (x->group < y->group);
}

static void sort_users(struct reader *r, const char *path)
{
	r->path = path;
	if (r->n_user)
		qsort(r->user, r->n_user, sizeof(*r->user), draft_order);
	for (size_t i = 1; i < r->n_user; i++)
		if (span_eq(r->user[i].name, r->user[i - 1].name)) {
			r->line = r->user[i].line;
			wrong(r, "user '%.*s' stands in line %u already", SPAN_ARG(r->user[i].name),
				r->user[i - 1].line);
		}
}

static void sort_members(struct reader *r, const char *path)
{
	size_t n = 0, of_user = 0;

	r->path = path;
	r->line = 0;
	if (r->n_member)
		qsort(r->member, r->n_member, sizeof(*r->member), member_order);
	for (size_t i = 0; i < r->n_member; i++) {
		bool same = n && span_eq(r->member[i].user, r->member[n - 1].user);

		if (same && r->member[i].group == r->member[n - 1].group)
			continue;
		of_user = same ? of_user + 1 : 1;
		if (of_user == IDENTITY_GROUPS_MAX + 1)
			wrong(r, "user '%.*s' is in more than %d groups",
				SPAN_ARG(r->member[i].user), IDENTITY_GROUPS_MAX);
		r->member[n++] = r->member[i];
	}
	r->n_member = n;
}

struct maker {
	struct head head;
	struct buf users, lists, groups, text;
};

static struct text add_text(struct maker *m, struct span s)
{
	struct text t = {(uint32_t)m->text.n, (uint32_t)s.n};

	buf_span(&m->text, s);
	buf_addc(&m->text, 0);
	return t;
}

static void add_user(struct maker *m, const struct reader *r, const struct draft *d, size_t *at)
{
	struct user u = {.name = add_text(m, d->name), .first = m->head.lists};

	if (d->hash.n) {
		u.hash = add_text(m, d->hash);
		m->head.hashes++;
	}
	for (; *at < r->n_member && span_eq(r->member[*at].user, d->name); ++*at) {
		buf_add(&m->lists, &r->member[*at].group, sizeof(uint32_t));
		m->head.lists++;
		u.n++;
	}
	buf_add(&m->users, &u, sizeof(u));
	m->head.users++;
}

/* Users of both files in one order: a merge of two sorted lists. */
static void add_users(struct maker *m, const struct reader *r)
{
	size_t i = 0, at = 0;

	while (i < r->n_user || at < r->n_member) {
		struct draft only = {0};
		bool grouped = at < r->n_member;

		if (grouped)
			only.name = r->member[at].user;
		if (i < r->n_user && (!grouped || span_order(r->user[i].name, only.name) <= 0))
			add_user(m, r, &r->user[i++], &at);
		else
			add_user(m, r, &only, &at);
	}
}

static bool make_block(const struct reader *r, struct buf *out)
{
	struct maker m = {.head = {.magic = ACCOUNTS_MAGIC}};
	size_t size;

	add_users(&m, r);
	for (size_t i = 0; i < r->n_group; i++) {
		struct text t = add_text(&m, r->group[i]);

		buf_add(&m.groups, &t, sizeof(t));
		m.head.groups++;
	}
	size = sizeof(m.head) + m.users.n + m.lists.n + m.groups.n + m.text.n;
	m.head.size = (uint32_t)size;
	m.head.text = (uint32_t)m.text.n;
	buf_add(out, &m.head, sizeof(m.head));
	buf_span(out, buf_spanof(&m.users));
	buf_span(out, buf_spanof(&m.lists));
	buf_span(out, buf_spanof(&m.groups));
	buf_span(out, buf_spanof(&m.text));
	if (m.text.p)
		explicit_bzero(m.text.p, m.text.n);
	bool ok = !out->failed && !m.users.failed && !m.lists.failed && !m.groups.failed &&
		  !m.text.failed && size <= UINT32_MAX;

	buf_free(&m.users);
	buf_free(&m.lists);
	buf_free(&m.groups);
	buf_free(&m.text);
	return ok;
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->n);
	buf_free(b);
}

bool accounts_compile(
	const char *users_path, const char *groups_path, struct buf *out, struct problems *p)
{
	struct reader r = {.p = p};
	struct buf users = {0}, groups = {0};
	size_t errors = p->errors;
	bool ok;

	read_lines(&r, users_path, &users, read_user);
	sort_users(&r, users_path);
	if (groups_path) {
		read_lines(&r, groups_path, &groups, read_group);
		sort_members(&r, groups_path);
	}
	ok = p->errors == errors && !r.out_of_memory;
	if (ok && !make_block(&r, out))
		r.out_of_memory = true;
	if (r.out_of_memory)
		problem_error(p, users_path, 0, "not enough memory for the accounts");
	free(r.user);
	free(r.group);
	free(r.member);
	wipe(&users);
	wipe(&groups);
	return ok && !r.out_of_memory;
}

/* --- reading the block
 * ---------------------------------------------------------------------------- */

static const uint32_t *lists_of(const struct accounts *a)
{
	return (const void *)(a->user + a->head.users);
}

static const struct text *groups_of(const struct accounts *a)
{
	return (const void *)(lists_of(a) + a->head.lists);
}

static struct span text_of(const struct accounts *a, struct text t)
{
	return span_of((const char *)(groups_of(a) + a->head.groups) + t.at, t.n);
}

static bool text_ok(const struct accounts *a, struct text t, size_t max)
{
	return t.n <= max && t.at < a->head.text && t.n < a->head.text - t.at &&
	       text_of(a, t).p[t.n] == 0;
}

static bool size_ok(const struct head *h, size_t n)
{
	uint64_t size = sizeof(*h) + (uint64_t)h->users * sizeof(struct user) +
			(uint64_t)h->lists * sizeof(uint32_t) +
			(uint64_t)h->groups * sizeof(struct text) + h->text;

	return h->size == size && n == size;
}

static bool user_ok(const struct accounts *a, size_t i)
{
	const struct user *u = &a->user[i];

	return text_ok(a, u->name, IDENTITY_USER_MAX) &&
	       (!u->hash.n || text_ok(a, u->hash, PASSHASH_MAX - 1)) &&
	       u->n <= IDENTITY_GROUPS_MAX && u->first <= a->head.lists &&
	       u->n <= a->head.lists - u->first &&
	       (i == 0 || span_order(text_of(a, a->user[i - 1].name), text_of(a, u->name)) < 0);
}

const struct accounts *accounts_open(struct span block, struct err *e)
{
	const struct accounts *a = (const void *)block.p;
	bool ok = block.n >= sizeof(a->head) && (uintptr_t)block.p % alignof(struct user) == 0 &&
		  a->head.magic == ACCOUNTS_MAGIC && size_ok(&a->head, block.n);

	for (size_t i = 0; ok && i < a->head.users; i++)
		ok = user_ok(a, i);
	for (size_t i = 0; ok && i < a->head.groups; i++)
		ok = text_ok(a, groups_of(a)[i], ACCOUNTS_GROUP);
	for (size_t i = 0; ok && i < a->head.lists; i++)
		ok = lists_of(a)[i] < a->head.groups;
	if (ok)
		return a;
	err_set(e, "the account table is damaged");
	return NULL;
}

static const struct user *find(const struct accounts *a, struct span name)
{
	size_t from = 0, to = a ? a->head.users : 0;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		int c = span_order(name, text_of(a, a->user[mid].name));

		if (c == 0)
			return &a->user[mid];
		if (c < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

size_t accounts_groups(const struct accounts *a, struct span user, struct span *out)
{
	const struct user *u = find(a, user);

	if (!u)
		return 0;
	for (size_t i = 0; i < u->n; i++)
		out[i] = text_of(a, groups_of(a)[lists_of(a)[u->first + i]]);
	return u->n;
}

struct span accounts_hash(const struct accounts *a, struct span user)
{
	const struct user *u = find(a, user);

	return u && u->hash.n ? text_of(a, u->hash) : span_of("", 0);
}

struct span accounts_some_hash(const struct accounts *a, uint64_t pick)
{
	if (!a || !a->head.hashes)
		return span_of("", 0);
	for (size_t i = pick % a->head.users;; i = (i + 1) % a->head.users)
		if (a->user[i].hash.n)
			return text_of(a, a->user[i].hash);
}
