/*
 * Repair. Only what stands behind the last newline is cut: a line was committed with its newline,
 * so nothing that anybody was promised lies there. Unreadable lines before it are counted and stay;
 * they may be evidence.
 */
#include "journal_repair.h"
#include "journal_read.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stop(struct record_decoder *d, struct span body)
{
	struct record r;

	return span_starts(body, SPAN("{\"k\":\"mark\"")) && record_decode(d, body, &r, NULL) &&
	       span_is(record_get(&r, FIELD_WHAT), "stop");
}

static bool cut(int dir, const struct segment_name *name, uint64_t at, struct journal_before *b,
	struct err *e)
{
	char file[96];
	struct stat st;
	bool ok;
	int fd;

	segment_name_format(name, file);
	fd = openat(dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "repairing %s", file);
	ok = fstat(fd, &st) == 0 && ftruncate(fd, (off_t)at) == 0 && fdatasync(fd) == 0;
	if (!ok)
		err_sys(e, "repairing %s", file);
	else
		b->cut_bytes += (uint64_t)st.st_size - at;
	close(fd);
	return ok;
}

/* Reads a segment to its end. *b gets the tip there, also when no record stands in it. */
static enum segment_answer read_through(
	struct segment_reader *r, struct record_decoder *d, struct journal_before *b, struct err *e)
{
	enum segment_answer a;
	struct journal_line line;

	b->bad_lines = 0;
	b->clean = false;
	segment_base(r, &b->tip);
	while ((a = segment_next(r, 0, &line, e)) == SEGMENT_LINE) {
		b->clean = line.whole && is_stop(d, line.body);
		if (!line.whole) {
			b->bad_lines++;
			continue;
		}
		b->tip.seq = line.seq;
		memcpy(b->tip.hash, line.hash, SHA256_LEN);
	}
	b->any = segment_offset(r) > 0;
	return a;
}

static bool repair_one(int dir, const struct segment_name *name, struct record_decoder *d,
	struct journal_before *b, struct err *e)
{
	struct segment_reader *r = segment_open(dir, name, e);
	enum segment_answer a;
	bool ok;

	if (!r)
		return false;
	a = read_through(r, d, b, e);
	memcpy(b->chain, name->chain, sizeof b->chain);
	ok = a != SEGMENT_FAILED;
	if (a == SEGMENT_TORN) {
		b->clean = false;
		ok = cut(dir, name, segment_offset(r), b, e);
	}
	segment_close(r);
	return ok;
}

bool journal_repair(int dir, struct journal_before *before, unsigned long *last, struct err *e)
{
	struct segment_name *v;
	struct record_decoder *d;
	size_t n;
	bool ok = true;

	*before = (struct journal_before){0};
	if (!segment_list(dir, &v, &n, e))
		return false;
	*last = n ? v[n - 1].number : 0;
	d = record_decoder_new();
	if (!d)
		ok = err_set(e, "out of memory");
	/* A segment whose first line was never finished holds nothing: then the one before it
	 * counts. */
	while (ok && !before->any && n--)
		ok = repair_one(dir, &v[n], d, before, e);
	if (!before->any)
		*before = (struct journal_before){.cut_bytes = before->cut_bytes};
	record_decoder_free(d);
	free(v);
	return ok;
}
