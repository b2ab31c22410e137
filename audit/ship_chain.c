/* Folders and chains as they lie on the disk, and the cursor that reads a chain without holes. */
#include "ship_chain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLE_MAX    10000 /* placeholders that stand for one run of missing records */
#define FOLDERS_MAX 65536

/* --- the disk --------------------------------------------------------------------------------- */

static struct ship_folder *folder_find(struct ship_view *v, const char *name)
{
	for (struct ship_folder *f = v->folders; f; f = f->next)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static void folder_reset(struct ship_folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* A folder of the same name may be another one by now: a copy put back from a backup. */
static bool folder_open_again(struct ship_view *v, struct ship_folder *f)
{
	struct stat st;
	if (fstatat(v->root, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
		return false;
	if (f->fd >= 0 && f->dev == st.st_dev && f->ino == st.st_ino)
		return true;
	folder_reset(f);
	f->fd = openat(v->root, f->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return f->fd >= 0;
}

static struct ship_folder *folder_add(struct ship_view *v, const char *name)
{
	struct ship_folder *f = calloc(1, sizeof *f);
	if (!f || !(f->name = strdup(name))) {
		free(f);
		return NULL;
	}
	f->fd = -1;
	f->next = v->folders;
	v->folders = f;
	return f;
}

static bool find_folders(struct ship_view *v, struct err *e)
{
	int fd = openat(v->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		err_sys(e, "cannot read the journal's folder");
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (struct ship_folder *f = v->folders; f; f = f->next)
		f->seen = false;
	size_t n = 0;
	for (const struct dirent *entry; (entry = readdir(d)) != NULL && n < FOLDERS_MAX;) {
		if (entry->d_name[0] == '.' ||
			(entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		struct ship_folder *f = folder_find(v, entry->d_name);
		if (!f)
			f = folder_add(v, entry->d_name);
		if (f)
			f->seen = folder_open_again(v, f);
		n++;
	}
	closedir(d);
	return true;
}

static struct ship_chain *chain_of(
	struct ship_view *v, struct ship_folder *f, const struct segment_name *name)
{
	struct ship_chain **end = &v->chains;
	for (; *end; end = &(*end)->next)
		if ((*end)->folder == f && strcmp((*end)->name, name->chain) == 0)
			return *end;
	struct ship_chain *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->folder = f;
	memcpy(c->name, name->chain, sizeof c->name);
	*end = c;
	v->n_chains++;
	return c;
}

static bool segment_add(struct ship_chain *c, const struct segment_name *name)
{
	struct stat st;
	char file[96];
	segment_name_format(name, file);
	if (fstatat(c->folder->fd, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return true; /* gone since it was listed */
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 4;
		struct ship_segment *grown = realloc(c->seg, cap * sizeof *grown);
		if (!grown)
			return false;
		c->seg = grown;
		c->cap = cap;
	}
	c->seg[c->n++] = (struct ship_segment){.name = *name,
		.size = (uint64_t)st.st_size,
		.mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
		.ino = st.st_ino};
	return true;
}

static bool scan_folder(struct ship_view *v, struct ship_folder *f, struct err *e)
{
	struct segment_name *names;
	size_t n;
	if (!segment_list(f->fd, &names, &n, e))
		return false;
	bool ok = true;
	f->newest = n ? names[n - 1].number : 0;
	for (size_t i = 0; ok && i < n; i++) {
		struct ship_chain *c = chain_of(v, f, &names[i]);
		ok = c && segment_add(c, &names[i]);
	}
	free(names);
	return ok || err_set(e, "out of memory for the list of segments");
}

static const struct ship_segment *segment_at(const struct ship_chain *c, unsigned long number)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->seg[i].name.number == number)
			return &c->seg[i];
	return NULL;
}

/* The file under the cursor was replaced or cut: what is known of the chain no longer holds. */
static void check_cursor(struct ship_view *v, struct ship_chain *c)
{
	const struct ship_segment *s = segment_at(c, c->at);
	if (!c->placed || (s && s->ino == c->at_ino && s->size >= c->offset))
		return;
	ship_chain_close(v, c);
	c->placed = false;
}

void ship_chain_close(struct ship_view *v, struct ship_chain *c)
{
	if (c->reader)
		v->readers--;
	segment_close(c->reader);
	c->reader = NULL;
	c->holding = false;
}

static void drop_gone(struct ship_view *v, ship_gone_fn *gone, void *arg)
{
	for (struct ship_chain **p = &v->chains; *p;) {
		struct ship_chain *c = *p;
		if (c->n) {
			p = &c->next;
			continue;
		}
		if (!(c->placed && c->drained) && c->cap)
			gone(arg, c);
		*p = c->next;
		ship_chain_close(v, c);
		free(c->seg);
		free(c);
		v->n_chains--;
	}
	for (struct ship_folder **p = &v->folders; *p;) {
		struct ship_folder *f = *p;
		if (f->seen) {
			p = &f->next;
			continue;
		}
		*p = f->next;
		folder_reset(f);
		free(f->name);
		free(f);
	}
}

bool ship_view_scan(struct ship_view *v, ship_gone_fn *gone, void *arg, struct err *e)
{
	if (!find_folders(v, e))
		return false;
	for (struct ship_chain *c = v->chains; c; c = c->next)
		c->n = 0;
	bool ok = true;
	for (struct ship_folder *f = v->folders; f && ok; f = f->next)
		if (f->seen)
			ok = scan_folder(v, f, e);
	if (!ok)
		return false; /* half a view: nothing is concluded from it */
	v->bytes = 0;
	for (struct ship_chain *c = v->chains; c; c = c->next) {
		for (size_t i = 0; i < c->n; i++)
			v->bytes += c->seg[i].size;
		if (c->n)
			check_cursor(v, c);
	}
	drop_gone(v, gone, arg);
	return true;
}

static void quiet(void *arg, struct ship_chain *c)
{
	(void)arg;
	(void)c;
}

void ship_view_free(struct ship_view *v)
{
	for (struct ship_chain *c = v->chains; c; c = c->next)
		c->n = 0;
	for (struct ship_folder *f = v->folders; f; f = f->next)
		f->seen = false;
	drop_gone(v, quiet, NULL);
}

/* --- the cursor ------------------------------------------------------------------------------- */

bool ship_chain_dead(const struct ship_chain *c)
{
	return c->n > 0 && c->seg[c->n - 1].name.number < c->folder->newest;
}

/* That it was drained may be old news: its writer can have added to it before it ended. */
bool ship_chain_finished(const struct ship_chain *c)
{
	if (!ship_chain_dead(c) || !c->placed || !c->drained || c->holding)
		return false;
	const struct ship_segment *last = &c->seg[c->n - 1];
	return c->at == last->name.number && last->size == c->end_size;
}

static bool open_here(struct ship_view *v, struct ship_chain *c, struct err *e)
{
	if (c->reader)
		return true;
	const struct ship_segment *s = segment_at(c, c->at);
	if (!s)
		return err_set(e, "a segment of chain %s is gone", c->name);
	c->reader = segment_open(c->folder->fd, &s->name, e);
	if (!c->reader)
		return false;
	v->readers++;
	c->at_ino = s->ino;
	c->offset = segment_offset(c->reader);
	c->synced = 0;
	fsync(c->folder->fd); /* a file that was synced is no use without its name */
	return true;
}

/* Sync before ship. What was torn may be cut off and written anew by its writer, so nothing behind
 * the last whole line counts as synced. READ_END: nothing new. */
static enum ship_read sync_more(struct ship_chain *c, struct err *e)
{
	struct stat st;
	const int fd = segment_fd(c->reader);
	c->synced = segment_offset(c->reader);
	if (fstat(fd, &st) != 0) {
		err_sys(e, "a segment of chain %s", c->name);
		return READ_FAILED;
	}
	c->end_size = (uint64_t)st.st_size;
	if (c->end_size <= c->synced)
		return READ_END;
	if (fdatasync(fd) != 0) {
		err_sys(e, "syncing a segment of chain %s", c->name);
		return READ_FAILED;
	}
	c->synced = c->end_size;
	return READ_RECORD;
}

static bool next_segment(struct ship_view *v, struct ship_chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->seg[i].name.number <= c->at)
			continue;
		ship_chain_close(v, c);
		c->at = c->seg[i].name.number;
		c->at_ino = c->seg[i].ino;
		c->offset = 0;
		return true;
	}
	return false;
}

static enum ship_read read_synced(struct ship_chain *c, struct err *e)
{
	if (segment_offset(c->reader) >= c->synced)
		return READ_END;
	switch (segment_next(c->reader, c->synced, &c->held, e)) {
	case SEGMENT_LINE:
		return READ_RECORD;
	case SEGMENT_FAILED:
		return READ_FAILED;
	case SEGMENT_END:
	case SEGMENT_TORN:
	default:
		return READ_END;
	}
}

/* A line from wherever the chain goes on; READ_RECORD says that c->held has one. */
static enum ship_read read_line(struct ship_view *v, struct ship_chain *c, struct err *e)
{
	for (;;) {
		if (!open_here(v, c, e))
			return READ_FAILED;
		enum ship_read a = read_synced(c, e);
		if (a == READ_END && (a = sync_more(c, e)) == READ_RECORD)
			a = read_synced(c, e);
		if (a != READ_END || !next_segment(v, c))
			return a;
	}
}

static void count_bad(struct ship_chain *c)
{
	uint64_t offset = segment_offset(c->reader);
	if (c->at < c->told_at || (c->at == c->told_at && offset <= c->told_offset))
		return;
	c->told_at = c->at;
	c->told_offset = offset;
	if (c->bad_new++ == 0 && c->empty_new == 0)
		c->damage_seq = c->read.seq + 1;
}

static void count_empty(struct ship_chain *c, uint64_t seq)
{
	if (seq <= c->told_seq)
		return;
	c->told_seq = seq;
	if (c->empty_new++ == 0 && c->bad_new == 0)
		c->damage_seq = seq;
}

/* The next line that can be placed in the chain: a whole one that is not behind us, or a damaged
 * one whose number is the one expected and whose hash can be read. Others only leave a hole. */
static enum ship_read next_placeable(struct ship_view *v, struct ship_chain *c, struct err *e)
{
	for (;;) {
		enum ship_read a = read_line(v, c, e);
		if (a != READ_RECORD)
			return a;
		if (c->held.whole && c->held.seq > c->read.seq)
			return READ_RECORD;
		if (c->held.whole)
			continue; /* yielded before this segment was opened again */
		count_bad(c);
		if (c->held.seq == c->read.seq + 1)
			return READ_RECORD;
	}
}

static void yield(
	struct ship_chain *c, struct ship_record *out, const struct chain_tip *at, struct span body)
{
	out->at = c->read = *at;
	out->body = body;
	if (body.n == 0)
		count_empty(c, at->seq);
}

enum ship_read ship_chain_next(
	struct ship_view *v, struct ship_chain *c, struct ship_record *out, struct err *e)
{
	if (!c->holding) {
		enum ship_read a = next_placeable(v, c, e);
		c->drained = a == READ_END;
		if (a == READ_END)
			c->offset = c->reader ? segment_offset(c->reader) : c->offset;
		if (a != READ_RECORD)
			return a;
		if (c->held.seq - c->read.seq > HOLE_MAX) {
			err_set(e, "the journal of chain %s lacks %llu records after %llu", c->name,
				(unsigned long long)(c->held.seq - c->read.seq - 1),
				(unsigned long long)c->read.seq);
			return READ_HOLE;
		}
		c->holding = true;
	}
	struct chain_tip at = {.seq = c->read.seq + 1}; /* a placeholder's hash is all zeros */
	if (at.seq < c->held.seq) {
		yield(c, out, &at, span_str(""));
		return READ_RECORD;
	}
	c->holding = false;
	memcpy(at.hash, c->held.hash, sizeof at.hash);
	yield(c, out, &at, c->held.whole ? c->held.body : span_str(""));
	c->offset = segment_offset(c->reader);
	return READ_RECORD;
}

/* --- finding the place ------------------------------------------------------------------------ */

static bool same(const struct chain_tip *a, const struct chain_tip *b)
{
	return a->seq == b->seq && memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

/* To the beginning of segment i. */
static bool rewind_to(struct ship_view *v, struct ship_chain *c, size_t i, struct err *e)
{
	ship_chain_close(v, c);
	c->placed = c->drained = false;
	c->at = c->seg[i].name.number;
	if (!open_here(v, c, e))
		return false;
	segment_base(c->reader, &c->read);
	return true;
}

static enum ship_aside read_up_to_tip(struct ship_view *v, struct ship_chain *c, struct err *e)
{
	while (c->read.seq < c->tip.seq) {
		struct ship_record r;
		switch (ship_chain_next(v, c, &r, e)) {
		case READ_RECORD:
			break;
		case READ_END:
			return SET_AHEAD;
		case READ_HOLE:
			return SET_HOLE;
		case READ_FAILED:
			return SET_UNREAD;
		}
	}
	c->bad_new = c->empty_new = 0; /* told when it was shipped */
	return same(&c->read, &c->tip) ? SET_NOT : SET_DIFFERS;
}

static enum ship_aside find_tip(struct ship_view *v, struct ship_chain *c, struct err *e)
{
	size_t i = c->n;
	while (i > 0 && c->seg[i - 1].name.first_seq > c->tip.seq)
		i--;
	if (i == 0 && c->seg[0].name.first_seq > c->tip.seq + 1)
		return SET_BEHIND;
	if (!rewind_to(v, c, i ? i - 1 : 0, e))
		return SET_UNREAD;
	return read_up_to_tip(v, c, e);
}

enum ship_aside ship_chain_place(struct ship_view *v, struct ship_chain *c, struct err *e)
{
	enum ship_aside why = SET_NOT;
	const bool been = c->at && segment_at(c, c->at) && c->read.seq && (c->reader || c->drained);
	c->holding = c->holding && c->reader;
	if (!c->known)
		why = rewind_to(v, c, 0, e) ? SET_NOT : SET_UNREAD;
	else if (!been || !same(&c->read, &c->tip) || c->at_ino != segment_at(c, c->at)->ino)
		why = find_tip(v, c, e);
	c->placed = why == SET_NOT;
	return why;
}

bool ship_chain_at_oldest(const struct ship_chain *c)
{
	return !c->known && c->read.seq + 1 == c->seg[0].name.first_seq;
}

uint64_t ship_chain_backlog(const struct ship_chain *c)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < c->n; i++) {
		const struct ship_segment *s = &c->seg[i];
		if (!c->placed || c->aside != SET_NOT || s->name.number > c->at)
			sum += s->size;
		else if (s->name.number == c->at && s->size > c->offset && !ship_chain_finished(c))
			sum += s->size - c->offset;
	}
	return sum;
}
