/*
 * Every hour each sort of keys is looked at: those before the first day kept are listed by
 * stile:{node}:days, some of them are told of and deleted, and the rest is left to the next step.
 */
#include "ship_retain.h"

#include "buf.h"
#include "clock.h"
#include "file.h"
#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVERY_MS  (60 * 60 * 1000)
#define STEP	  16 /* keys deleted in one step */
#define FILE_NAME "kept"
#define FILE_NEW  "kept.new"
#define FILE_MAX  128

static const char *const words[RETAIN_SORTS] = {"raw", "rollups"};
static const char *const said[RETAIN_SORTS] = {"raw records", "figures"};
/* Kinds of keys of each sort, as they begin in the list of days. */
static const char *const kinds[RETAIN_SORTS][2] = {{"log", NULL}, {"day", "min"}};

/* --- the file --------------------------------------------------------------------------------- */

/* "raw 2026-08-25", a line each. */
static bool parse(struct ship_retain *k, struct span text)
{
	while (text.p && text.n) {
		struct span day = span_cut(&text, '\n'), word = span_cut(&day, ' ');
		size_t i = 0;
		while (i < RETAIN_SORTS && !span_is(word, words[i]))
			i++;
		if (i == RETAIN_SORTS || !day_name_ok(day))
			return false;
		span_copy(day, k->from[i], sizeof k->from[i]);
	}
	return true;
}

static bool read_file(struct ship_retain *k, struct err *e)
{
	char mem[FILE_MAX];
	const int fd = openat(k->root, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT || err_sys(e, "journal: %s", FILE_NAME);
	const ssize_t n = read(fd, mem, sizeof mem);
	close(fd);
	if (n < 0)
		return err_sys(e, "journal: %s", FILE_NAME);
	return parse(k, span_of(mem, (size_t)n)) ||
	       err_set(e, "journal: %s: expected lines such as \"raw 2026-08-25\"", FILE_NAME);
}

static bool put_file(int root, struct span text)
{
	const int fd =
		openat(root, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return false;
	const bool ok = write_all(fd, text.p, text.n) && fsync(fd) == 0;
	close(fd);
	return ok && renameat(root, FILE_NEW, root, FILE_NAME) == 0 && fsync(root) == 0;
}

static bool write_file(const struct ship_retain *k, struct err *e)
{
	char text[FILE_MAX] = "";
	size_t n = 0;
	for (size_t i = 0; i < RETAIN_SORTS; i++)
		if (k->from[i][0])
			n += (size_t)snprintf(
				text + n, sizeof text - n, "%s %s\n", words[i], k->from[i]);
	return put_file(k->root, span_of(text, n)) || err_sys(e, "journal: %s", FILE_NAME);
}

bool ship_retain_start(struct ship_retain *k, int root, uint64_t wait_ms, struct err *e)
{
	k->root = root;
	k->due = clock_mono_ms() + wait_ms;
	return read_file(k, e);
}

bool ship_retain_takes(const struct ship_retain *k, enum retained what, struct span day)
{
	return !k->from[what][0] || day.n != 10 || memcmp(day.p, k->from[what], 10) >= 0;
}

/* --- deleting --------------------------------------------------------------------------------- */

/* The first day kept only ever rises, whatever is set: what was deleted stays deleted. But one
 * beyond today was made by a wrong clock, and would refuse everything. */
static bool move_on(struct ship_retain *k, const struct ship_retain_with *w, struct err *e)
{
	const int64_t now = clock_wall_ms();
	char today[11] = "", from[11] = "";
	bool moved = false;
	w->day(w->arg, now, today);
	for (size_t i = 0; i < RETAIN_SORTS; i++) {
		if (k->keep_ms[i] <= 0)
			continue;
		w->day(w->arg, now - k->keep_ms[i], from);
		if (strcmp(from, k->from[i]) <= 0 && strcmp(k->from[i], today) <= 0)
			continue;
		memcpy(k->from[i], from, sizeof from);
		moved = true;
	}
	return !moved || write_file(k, e);
}

struct found {
	size_t n;
	char name[STEP][24]; /* "log:2026-08-24" */
};

static bool find(const struct ship_retain *k, const struct ship_retain_with *w, size_t sort,
	const char *kind, struct found *out, struct err *e)
{
	char key[KEY_MAX], lo[8], hi[24], count[8];
	key_node(key, span_str(w->node), "days");
	snprintf(lo, sizeof lo, "[%s:", kind);
	snprintf(hi, sizeof hi, "(%s:%s", kind, k->from[sort]);
	snprintf(count, sizeof count, "%zu", STEP - out->n);
	const struct redis_reply *a = redis_words(
		w->redis, e, "ZRANGEBYLEX", key, lo, hi, "LIMIT", "0", count, (char *)NULL);
	if (!a)
		return false;
	if (a->type != REDIS_ARRAY)
		return err_set(e, "Redis: %.*s", (int)(a->str.n > 400 ? 400 : a->str.n), a->str.p);
	for (size_t i = 0; i < a->n && out->n < STEP; i++)
		if (span_copy(a->v[i].str, out->name[out->n], sizeof out->name[0]))
			out->n++;
	return true;
}

static bool send_deletion(const struct ship_retain_with *w, const char *name, struct err *e)
{
	char key[KEY_MAX], list[KEY_MAX];
	key_node(key, span_str(w->node), name);
	key_node(list, span_str(w->node), "days");
	const struct span unlink[] = {SPAN("UNLINK"), span_str(key)};
	const struct span forget[] = {SPAN("ZREM"), span_str(list), span_str(name)};
	return redis_send(w->redis, unlink, 2, e) && redis_send(w->redis, forget, 3, e);
}

static bool delete_found(const struct ship_retain_with *w, const struct found *f, struct err *e)
{
	for (size_t i = 0; i < f->n; i++)
		if (!send_deletion(w, f->name[i], e))
			return false;
	for (size_t i = 0; i < 2 * f->n; i++) {
		const struct redis_reply *a = redis_receive(w->redis, e);
		if (!a)
			return false;
		if (a->type != REDIS_INT)
			return err_set(
				e, "Redis: %.*s", (int)(a->str.n > 400 ? 400 : a->str.n), a->str.p);
	}
	return true;
}

static void tell(const struct ship_retain *k, const struct ship_retain_with *w, size_t sort,
	const struct found *f)
{
	char mem[400];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	buf_printf(&b, "%s of days before %s are deleted from Redis:", said[sort], k->from[sort]);
	for (size_t i = 0; i < f->n; i++)
		buf_printf(&b, " %s", f->name[i]);
	buf_addc(&b, 0);
	w->deleting(w->arg, f->n, b.failed ? said[sort] : mem);
}

/* *more: there may be further days. */
static bool delete_some(const struct ship_retain *k, const struct ship_retain_with *w, size_t sort,
	bool *more, struct err *e)
{
	struct found f = {.n = 0};
	for (size_t i = 0; i < 2 && kinds[sort][i]; i++)
		if (f.n < STEP && !find(k, w, sort, kinds[sort][i], &f, e))
			return false;
	if (f.n == 0)
		return true;
	*more |= f.n == STEP;
	tell(k, w, sort, &f);
	return delete_found(w, &f, e);
}

bool ship_retain_run(struct ship_retain *k, const struct ship_retain_with *w, struct err *e)
{
	bool more = false;
	if (clock_mono_ms() < k->due)
		return true;
	if (!move_on(k, w, e))
		return false;
	for (size_t i = 0; i < RETAIN_SORTS; i++)
		if (k->from[i][0] && !delete_some(k, w, i, &more, e))
			return false;
	if (!more)
		k->due = clock_mono_ms() + EVERY_MS;
	return true;
}
