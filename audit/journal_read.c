/*
 * Reading segments. A record is whole when its hash follows from a hash before it. Behind a damaged
 * line the hash before is not known for certain, so a few possible ones are kept (the one that the
 * line states, the one that its body gives, …): one bad byte then costs one record and not the rest
 * of the segment.
 */
#include "journal_read.h"
#include "journal_line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536
#define KNOWN_MAX  8
#define NUMBER_MAX 999999999999UL

_Static_assert(READ_BYTES > 2 * JOURNAL_LINE_MAX, "a line fits into the buffer");

/* --- names --------------------------------------------------------------------------------- */

void segment_name_format(const struct segment_name *n, char out[96])
{
	snprintf(out, 96, "%08lu-%s-%" PRIu64 ".jnl", n->number, n->chain, n->first_seq);
}

bool segment_name_parse(const char *file, struct segment_name *out)
{
	struct span rest = span_str(file), number = span_cut(&rest, '-');
	struct span chain = span_cut(&rest, '-'), seq = span_cut(&rest, '.');
	uint64_t v;
	char again[96];

	if (!span_u64(number, NUMBER_MAX, &v) || !journal_chain_ok(chain))
		return false;
	if (!span_u64(seq, UINT64_MAX, &out->first_seq) || out->first_seq == 0)
		return false;
	out->number = (unsigned long)v;
	span_copy(chain, out->chain, sizeof out->chain);
	segment_name_format(out, again);
	return strcmp(again, file) == 0;
}

static int by_number(const void *a, const void *b)
{
	const struct segment_name *x = a, *y = b;
	int c;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	c = strcmp(x->chain, y->chain);
	if (c)
		return c;
	return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

/* A descriptor of its own, because reading a folder moves the offset of the one used. */
static DIR *folder_open(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		err_sys(e, "journal folder %s", name);
		if (fd >= 0)
			close(fd);
	}
	return d;
}

static bool keep_name(
	struct segment_name **v, size_t *n, size_t *cap, const struct segment_name *one)
{
	if (*n == *cap) {
		size_t more = *cap ? 2 * *cap : 16;
		struct segment_name *grown = realloc(*v, more * sizeof **v);

		if (!grown)
			return false;
		*v = grown;
		*cap = more;
	}
	(*v)[(*n)++] = *one;
	return true;
}

bool segment_list(int dir, struct segment_name **out, size_t *n, struct err *e)
{
	DIR *d = folder_open(dir, ".", e);
	struct segment_name *v = NULL, one;
	const struct dirent *entry;
	size_t cap = 0;
	bool ok = true;

	*out = NULL;
	*n = 0;
	if (!d)
		return false;
	while (ok && (errno = 0, entry = readdir(d)))
		if (segment_name_parse(entry->d_name, &one) && !keep_name(&v, n, &cap, &one))
			ok = err_set(e, "out of memory for a list of %zu segments", *n);
	if (ok && errno)
		ok = err_sys(e, "reading a journal folder");
	closedir(d);
	if (!ok) {
		free(v);
		*n = 0;
		return false;
	}
	if (*n)
		qsort(v, *n, sizeof *v, by_number);
	*out = v;
	return true;
}

/* --- one segment --------------------------------------------------------------------------- */

struct segment_reader {
	int fd;
	struct segment_name name;
	struct chain_tip base;
	bool headed; /* the first line was read */
	struct chain_tip
		known[KNOWN_MAX]; /* what the next record may follow; the likeliest first */
	size_t n_known;
	uint64_t offset; /* behind the last line given */
	size_t from, to; /* bytes of buf not yet given; they lie at `offset` */
	char buf[READ_BYTES];
};

static void know_only(struct segment_reader *r, const struct chain_tip *tip)
{
	r->known[0] = *tip;
	r->n_known = 1;
}

/* A guess goes to the front; the oldest one falls off the end. */
static void know_too(struct segment_reader *r, const struct chain_tip *tip)
{
	if (r->n_known < KNOWN_MAX)
		r->n_known++;
	memmove(&r->known[1], &r->known[0], (r->n_known - 1) * sizeof r->known[0]);
	r->known[0] = *tip;
}

/* What can be said without the first line: the number, and the hash of a chain that begins here. */
static void base_from_name(struct segment_reader *r)
{
	chain_start(span_str(r->name.chain), &r->base);
	r->n_known = 0;
	if (r->name.first_seq == 1)
		know_only(r, &r->base);
	else
		r->base = (struct chain_tip){.seq = r->name.first_seq - 1};
}

/* Gives the next full line without its newline, or says why there is none. The answer is LINE, END
 * or FAILED, or TORN for an unfinished line. */
static enum segment_answer cut_line(
	struct segment_reader *r, uint64_t until, struct span *line, struct err *e);

/* Two lines run together where a newline was lost: the front of the last one names its hash. */
static bool find_front(struct span line, struct chain_tip *out)
{
	const size_t hex = 2 * SHA256_LEN;

	for (size_t i = line.n; i-- > hex + 2;) {
		struct span hash = span_of(line.p + i - hex, hex);
		size_t first = i - hex - 1, end = first;

		if (line.p[i] != ' ' || line.p[first] != ' ' ||
			!journal_hash_parse(hash, out->hash))
			continue;
		while (first && line.p[first - 1] >= '0' && line.p[first - 1] <= '9')
			first--;
		if (span_u64(span_of(line.p + first, end - first), UINT64_MAX, &out->seq))
			return true;
	}
	return false;
}

/* What the record behind a damaged line may follow. */
static void guess(struct segment_reader *r, struct span line, const struct chain_tip *stated)
{
	const char *json = memmem(line.p, line.n, "{\"k\":", 5);
	struct chain_tip tip;

	if (json && r->n_known) {
		tip = r->known[0];
		chain_next(&tip, span_of(json, (size_t)(line.p + line.n - json)));
		know_too(r, &tip);
	}
	if (find_front(line, &tip))
		know_too(r, &tip);
	if (stated)
		know_too(r, stated);
}

/* The first line says what the name says; where the chain begins here, the hash is known as well.
 */
static bool head_fits(const struct segment_reader *r, struct span line, struct chain_tip *before)
{
	char chain[CHAIN_NAME_LEN + 1];

	return journal_line_head_parse(line, chain, before) && strcmp(chain, r->name.chain) == 0 &&
	       before->seq == r->name.first_seq - 1 &&
	       (before->seq || memcmp(before->hash, r->base.hash, SHA256_LEN) == 0);
}

/* A damaged first line is given as a line that is not whole; its hash may still serve. */
static bool take_head(struct segment_reader *r, struct span line)
{
	const size_t hex = 2 * SHA256_LEN;
	struct chain_tip before;

	r->headed = true;
	if (head_fits(r, line, &before)) {
		r->base = before;
		know_only(r, &before);
		return true;
	}
	before.seq = r->name.first_seq - 1;
	if (line.n >= hex && journal_hash_parse(span_of(line.p + line.n - hex, hex), before.hash))
		know_too(r, &before);
	guess(r, line, NULL); /* the first record may have run into it */
	return false;
}

struct segment_reader *segment_open(int dir, const struct segment_name *name, struct err *e)
{
	struct segment_reader *r = calloc(1, sizeof *r);
	enum segment_answer a;
	char file[96];
	struct span line;

	segment_name_format(name, file);
	if (!r) {
		err_set(e, "%s: out of memory", file);
		return NULL;
	}
	r->name = *name;
	r->fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0) {
		err_sys(e, "%s", file);
		segment_close(r);
		return NULL;
	}
	base_from_name(r);
	a = cut_line(r, 0, &line, e);
	if (a == SEGMENT_FAILED) {
		segment_close(r);
		return NULL;
	}
	/* A damaged first line is left for segment_next to tell of. */
	if (a == SEGMENT_LINE && !take_head(r, line)) {
		r->headed = false;
		r->offset = 0;
		r->from = r->to = 0;
		base_from_name(r);
	}
	return r;
}

void segment_close(struct segment_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

void segment_base(const struct segment_reader *r, struct chain_tip *out)
{
	*out = r->base;
}

uint64_t segment_offset(const struct segment_reader *r)
{
	return r->offset;
}

int segment_fd(const struct segment_reader *r)
{
	return r->fd;
}

bool segment_seek(struct segment_reader *r, uint64_t offset, const struct chain_tip *tip)
{
	char c;

	if (offset == 0 || offset > INT64_MAX || pread(r->fd, &c, 1, (off_t)offset - 1) != 1 ||
		c != '\n')
		return false;
	r->headed = true;
	r->offset = offset;
	r->from = r->to = 0;
	know_only(r, tip);
	return true;
}

/* --- lines --------------------------------------------------------------------------------- */

/* Reads on behind what the buffer holds. -1: failed; 0: nothing there (or nothing before `until`).
 */
static ssize_t refill(struct segment_reader *r, uint64_t until)
{
	uint64_t at = r->offset + (r->to - r->from);
	size_t room;
	ssize_t n;

	if (r->from) {
		memmove(r->buf, r->buf + r->from, r->to - r->from);
		r->to -= r->from;
		r->from = 0;
	}
	room = sizeof r->buf - r->to;
	if (until && at >= until)
		return 0;
	if (until && until - at < room)
		room = (size_t)(until - at);
	do
		n = pread(r->fd, r->buf + r->to, room, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		r->to += (size_t)n;
	return n;
}

/* A line too long to be a record: passes over it. *line is its beginning. */
static enum segment_answer cut_long(
	struct segment_reader *r, uint64_t until, struct span *line, struct err *e)
{
	uint64_t at = r->offset + sizeof r->buf;
	char some[4096];

	for (;;) {
		size_t want =
			until && until - at < sizeof some ? (size_t)(until - at) : sizeof some;
		ssize_t n = want ? pread(r->fd, some, want, (off_t)at) : 0;
		const char *nl;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "reading a segment");
			return SEGMENT_FAILED;
		}
		if (n == 0) {
			r->from = r->to = 0;
			return want ? SEGMENT_TORN : SEGMENT_END;
		}
		nl = memchr(some, '\n', (size_t)n);
		at += nl ? (size_t)(nl - some) + 1 : (size_t)n;
		if (nl)
			break;
	}
	*line = span_of(r->buf, JOURNAL_LINE_MAX + 1);
	r->offset = at;
	r->from = r->to = 0;
	return SEGMENT_LINE;
}

static enum segment_answer cut_line(
	struct segment_reader *r, uint64_t until, struct span *line, struct err *e)
{
	for (;;) {
		size_t have = r->to - r->from;
		const char *p = r->buf + r->from, *nl = have ? memchr(p, '\n', have) : NULL;
		size_t n = nl ? (size_t)(nl - p) + 1 : 0;
		ssize_t more;

		if (nl && until && r->offset + n > until)
			return SEGMENT_END;
		if (nl) {
			*line = span_of(p, n - 1);
			r->from += n;
			r->offset += n;
			return SEGMENT_LINE;
		}
		if (have == sizeof r->buf)
			return cut_long(r, until, line, e);
		more = refill(r, until);
		if (more > 0)
			continue;
		if (more < 0) {
			err_sys(e, "reading a segment");
			return SEGMENT_FAILED;
		}
		/* What is unfinished may still change under us: nothing of it is kept. */
		r->from = r->to = 0;
		return have == 0 || (until && r->offset + have >= until) ? SEGMENT_END
									 : SEGMENT_TORN;
	}
}

/* True: *at is the tip behind the line. */
static bool follows(struct segment_reader *r, uint64_t seq, struct span hash, struct span body,
	struct chain_tip *at)
{
	at->seq = seq;
	for (size_t i = 0; i < r->n_known; i++) {
		if (seq != r->known[i].seq + 1)
			continue;
		chain_hash(r->known[i].hash, body, at->hash);
		if (journal_hash_is(hash, at->hash))
			return true;
	}
	return false;
}

static void take_line(struct segment_reader *r, struct span line, struct journal_line *out)
{
	struct chain_tip at;
	struct span hash, body;
	uint64_t seq;
	bool whole;

	*out = (struct journal_line){.body = line};
	if (line.n > JOURNAL_LINE_MAX || !journal_line_parse(line, &seq, &hash, &body)) {
		guess(r, line, NULL);
		return;
	}
	whole = follows(r, seq, hash, body, &at);
	if (!whole && !journal_hash_parse(hash, at.hash)) {
		guess(r, line, NULL);
		return;
	}
	*out = (struct journal_line){.seq = seq, .body = body, .whole = whole};
	memcpy(out->hash, at.hash, SHA256_LEN);
	if (whole)
		know_only(r, &at);
	else
		guess(r, line, &at);
}

enum segment_answer segment_next(
	struct segment_reader *r, uint64_t until, struct journal_line *out, struct err *e)
{
	struct span line;
	enum segment_answer a = cut_line(r, until, &line, e);

	if (a != SEGMENT_LINE)
		return a;
	if (r->headed) {
		take_line(r, line, out);
		return SEGMENT_LINE;
	}
	if (take_head(r, line))
		return segment_next(r, until, out, e);
	*out = (struct journal_line){.body = line};
	return SEGMENT_LINE;
}
