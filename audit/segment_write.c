/*
 * Writing a chain into segments. The first line of a segment is committed together with its first
 * records, so making a segment is only making its file.
 */
#include "segment_write.h"
#include "journal_line.h"
#include "journal_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT_KEEP (1 << 20) /* a larger buffer is given back after use */

struct segment_writer {
	int dir, fd;
	unsigned long number;
	size_t limit;
	char chain[CHAIN_NAME_LEN + 1];
	struct chain_tip tip;  /* of what is in the file */
	struct chain_tip next; /* of what is in the buffer */
	struct buf out;
	size_t added, head_lines;
	uint64_t size; /* of the whole records in the file */
	bool torn;     /* there may be bytes behind `size` */
	bool dirty;
	bool folder_dirty; /* the file's name may not be on the disk yet */
	bool doubted;	   /* a sync failed: what comes next belongs into another file */
};

struct segment_writer *segment_writer_new(
	int dir, unsigned long number_before, size_t segment_bytes)
{
	struct segment_writer *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->dir = dir;
	w->fd = -1;
	w->number = number_before;
	w->limit = segment_bytes;
	chain_name_new(w->chain);
	chain_start(span_str(w->chain), &w->tip);
	return w;
}

void segment_writer_free(struct segment_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	buf_free(&w->out);
	free(w);
}

const char *segment_writer_chain(const struct segment_writer *w)
{
	return w->chain;
}

void segment_writer_tip(const struct segment_writer *w, struct chain_tip *out)
{
	*out = w->tip;
}

bool segment_writer_dirty(const struct segment_writer *w)
{
	return w->dirty || w->folder_dirty;
}

/* --- files --------------------------------------------------------------------------------- */

static int create_next(struct segment_writer *w, unsigned long *number, struct err *e)
{
	struct segment_name name = {.number = w->number, .first_seq = w->tip.seq + 1};
	char file[96];
	int fd;

	memcpy(name.chain, w->chain, sizeof name.chain);
	do {
		name.number++;
		segment_name_format(&name, file);
		fd = openat(w->dir, file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		err_sys(e, "making segment %s", file);
	*number = name.number;
	return fd;
}

/* The segment before is on the disk before the next one begins, so only the last can be torn. When
 * it cannot be made so, the chain goes on where it is. */
static bool open_next(struct segment_writer *w, struct err *e)
{
	unsigned long number;
	int fd;

	if (w->fd >= 0 && !w->doubted && !segment_writer_sync(w, e) && !w->doubted)
		return false;
	fd = create_next(w, &number, e);
	if (fd < 0)
		return false;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
	w->number = number;
	w->size = 0;
	w->dirty = w->doubted = false;
	w->folder_dirty = true;
	return true;
}

bool segment_writer_sync(struct segment_writer *w, struct err *e)
{
	if (w->dirty && fdatasync(w->fd) < 0) {
		/* The kernel may have dropped the pages; asking again would only seem to work. */
		w->doubted = true;
		w->dirty = false;
		return err_sys(e, "fdatasync of segment %lu", w->number);
	}
	w->dirty = false;
	if (w->folder_dirty && fsync(w->dir) < 0)
		return err_sys(e, "fsync of the journal's folder");
	w->folder_dirty = false;
	return true;
}

static bool mend(struct segment_writer *w, struct err *e)
{
	if (!w->torn)
		return true;
	if (ftruncate(w->fd, (off_t)w->size) < 0)
		return err_sys(e, "cutting a torn record off segment %lu", w->number);
	w->torn = false;
	return true;
}

/* --- commits ------------------------------------------------------------------------------- */

bool segment_writer_begin(struct segment_writer *w, struct err *e)
{
	buf_reset(&w->out);
	w->added = w->head_lines = 0;
	w->next = w->tip;
	if (!mend(w, e))
		return false;
	if (w->fd < 0 || w->doubted || w->size >= w->limit)
		if (!open_next(w, e) && w->fd < 0)
			return false;
	if (w->size == 0) {
		journal_line_head(&w->out, w->chain, &w->tip);
		w->head_lines = 1;
	}
	return true;
}

void segment_writer_add(struct segment_writer *w, struct span body)
{
	chain_next(&w->next, body);
	journal_line_add(&w->out, &w->next, body);
	w->added++;
}

/* Bytes that reached the file; fewer than all: errno says why. */
static size_t write_out(struct segment_writer *w)
{
	size_t done = 0;

	while (done < w->out.n) {
		ssize_t n = write(w->fd, w->out.p + done, w->out.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ENOSPC : errno;
			break;
		}
		done += (size_t)n;
	}
	return done;
}

/* Of `done` bytes that reached the file: keeps the whole lines, and takes the tip from the last. */
static size_t keep_whole(struct segment_writer *w, size_t done)
{
	const char *p = w->out.p;
	size_t lines = 0, last = 0, end = 0;
	struct span hash, body;

	for (const char *nl; (nl = memchr(p + end, '\n', done - end)); lines++) {
		last = end;
		end = (size_t)(nl - p) + 1;
	}
	if (lines > w->head_lines &&
		journal_line_parse(span_of(p + last, end - 1 - last), &w->tip.seq, &hash, &body))
		journal_hash_parse(hash, w->tip.hash);
	w->size += end;
	w->torn = done > end;
	return lines > w->head_lines ? lines - w->head_lines : 0;
}

size_t segment_writer_commit(struct segment_writer *w, struct err *e)
{
	size_t done, whole;

	if (w->out.failed) {
		err_set(e, "out of memory for %zu records", w->added);
		return 0;
	}
	done = write_out(w);
	w->dirty = w->dirty || done > 0;
	if (done == w->out.n) {
		w->tip = w->next;
		w->size += done;
		whole = w->added;
	} else {
		err_sys(e, "writing segment %lu", w->number);
		whole = keep_whole(w, done);
		/* What cannot be cut off now is tried again before the next write. */
		mend(w, NULL);
	}
	if (w->out.cap > OUT_KEEP)
		buf_free(&w->out);
	return whole;
}
