/* Every record of every writer: folders below a root, segments in each, lines in each. */
#include "journal_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITERS_MAX 65536
#define TELL_BYTES  (1 << 20) /* between two calls of the progress function */

struct folder {
	char *name;
	int fd;
	struct segment_name *v;
	size_t n;
};

struct walk {
	struct folder *folders;
	size_t n, cap;
	journal_record_fn *fn;
	journal_progress_fn *progress;
	void *arg;
	uint64_t bad, done, told, all;
	bool stopped;
};

static uint64_t bytes_of(const struct folder *f)
{
	uint64_t sum = 0;
	struct stat st;
	char file[96];

	for (size_t i = 0; i < f->n; i++) {
		segment_name_format(&f->v[i], file);
		if (fstatat(f->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
			sum += (uint64_t)st.st_size;
	}
	return sum;
}

/* Takes the descriptor. A folder without segments is no writer's and is passed over. */
static bool add_folder(struct walk *w, const char *name, int fd, struct err *e)
{
	struct folder f = {.fd = fd};

	if (!segment_list(fd, &f.v, &f.n, e))
		goto bad;
	if (f.n == 0) {
		close(fd);
		return true;
	}
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		struct folder *grown = realloc(w->folders, cap * sizeof *grown);

		if (!grown || cap > WRITERS_MAX) {
			w->folders = grown ? grown : w->folders;
			err_set(e, "too many journal folders");
			goto bad;
		}
		w->folders = grown;
		w->cap = cap;
	}
	f.name = strdup(name);
	if (!f.name) {
		err_set(e, "out of memory");
		goto bad;
	}
	w->all += bytes_of(&f);
	w->folders[w->n++] = f;
	return true;
bad:
	free(f.v);
	close(fd);
	return false;
}

static int by_name(const void *a, const void *b)
{
	const struct folder *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool add_below(struct walk *w, DIR *d, struct err *e)
{
	const struct dirent *entry;

	while ((errno = 0, entry = readdir(d))) {
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(
			dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT))
			continue;
		if (fd < 0)
			return err_sys(e, "journal folder %s", entry->d_name);
		if (!add_folder(w, entry->d_name, fd, e))
			return false;
	}
	return errno == 0 || err_sys(e, "reading the journal's folder");
}

/* The root itself may be the folder of one writer; that one has no name. */
static bool find_folders(struct walk *w, const char *root, struct err *e)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d;
	bool ok;

	if (fd < 0)
		return err_sys(e, "journal %s", root);
	if (!add_folder(w, "", fd, e))
		return false;
	d = opendir(root);
	if (!d)
		return err_sys(e, "journal %s", root);
	ok = add_below(w, d, e);
	closedir(d);
	if (w->n)
		qsort(w->folders, w->n, sizeof *w->folders, by_name);
	return ok;
}

static void tell(struct walk *w, uint64_t done, bool now)
{
	if (!w->progress || (!now && done - w->told < TELL_BYTES))
		return;
	w->told = done;
	/* A live writer goes on adding: what is done may pass what was counted. */
	w->progress(w->arg, done < w->all ? done : w->all, w->all);
}

/* Shipped and deleted since the folder was listed. */
static bool vanished(const struct folder *f, const struct segment_name *name)
{
	struct stat st;
	char file[96];

	segment_name_format(name, file);
	return fstatat(f->fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static bool walk_segment(
	struct walk *w, const struct folder *f, const struct segment_name *name, struct err *e)
{
	struct segment_reader *r = segment_open(f->fd, name, e);
	enum segment_answer a = SEGMENT_END;
	struct journal_line line;

	if (!r)
		return vanished(f, name);
	while (!w->stopped && (a = segment_next(r, 0, &line, e)) == SEGMENT_LINE) {
		if (!line.whole)
			w->bad++;
		else
			w->stopped = !w->fn(w->arg, f->name, name->chain, line.seq, line.body);
		tell(w, w->done + segment_offset(r), false);
	}
	w->done += segment_offset(r);
	tell(w, w->done, true);
	segment_close(r);
	return a != SEGMENT_FAILED;
}

bool journal_walk(const char *root, journal_record_fn *fn, journal_progress_fn *progress, void *arg,
	uint64_t *bad, struct err *e)
{
	struct walk w = {.fn = fn, .progress = progress, .arg = arg};
	bool ok = find_folders(&w, root, e);

	for (size_t i = 0; ok && i < w.n; i++)
		for (size_t k = 0; ok && !w.stopped && k < w.folders[i].n; k++)
			ok = walk_segment(&w, &w.folders[i], &w.folders[i].v[k], e);
	for (size_t i = 0; i < w.n; i++) {
		free(w.folders[i].name);
		free(w.folders[i].v);
		close(w.folders[i].fd);
	}
	free(w.folders);
	if (bad)
		*bad = w.bad;
	return ok;
}
