/*
 * The way of a record, from the loop that adds it to the command for Redis, in pieces that one
 * thread does: only counted, since their time is in the figures of journal and ship.
 */
#include "bench.h"
#include "bench_samples.h"

#include "journal.h"
#include "journal_read.h"
#include "segment_write.h"
#include "ship_batch.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES	512
#define ADDED	16  /* by a turn of the loop, and written by one commit */
#define SHIPPED 256 /* by one command */

struct pieces {
	struct buf bytes;
	struct span line[LINES];
	int dir[3];
	struct journal *journal, *keeping;
	struct outbox *outbox;
	int outbox_fd;
	struct segment_writer *writer;
	struct record_decoder *decoder;
	struct ship_batch *batch;
	char chain[CHAIN_NAME_LEN + 1];
};

/* --- the journal ------------------------------------------------------------------------------ */

static void on_done(void *arg, bool ok)
{
	size_t *left = arg;

	if (!ok)
		bench_fail("a record was not written");
	--*left;
}

static void add_batch(struct pieces *p, const struct span *line)
{
	size_t left = ADDED;
	struct pollfd fd = {.fd = journal_fd(p->journal), .events = POLLIN};

	for (size_t i = 0; i < ADDED; i++)
		if (!journal_add(p->journal, line[i], on_done, &left))
			bench_fail("the journal takes no record");
	journal_hand_over(p->journal);
	while (left) {
		if (poll(&fd, 1, 10000) != 1)
			bench_fail("the journal does not answer");
		journal_poll(p->journal);
	}
}

static void add(void *arg, size_t n)
{
	struct pieces *p = arg;

	for (size_t i = 0; i < n; i += ADDED)
		add_batch(p, p->line + i % LINES);
}

/* Twice what is counted fits into the outbox. */
static void keep(void *arg, size_t n)
{
	struct pieces *p = arg;

	for (size_t i = 0; i < n; i++)
		if (!journal_keep(p->keeping, p->line[i % LINES]))
			bench_fail("the outbox takes no record");
}

static void write_lines(void *arg, size_t n)
{
	struct pieces *p = arg;
	struct err e;

	for (size_t i = 0; i < n; i += ADDED) {
		if (!segment_writer_begin(p->writer, &e))
			bench_fail("%s", e.text);
		for (size_t k = 0; k < ADDED; k++)
			segment_writer_add(p->writer, p->line[(i + k) % LINES]);
		if (segment_writer_commit(p->writer, &e) != ADDED)
			bench_fail("%s", e.text);
	}
}

/* --- the shipper ------------------------------------------------------------------------------ */

/* Of what write_lines wrote, from its beginning. */
static void read_lines(void *arg, size_t n)
{
	struct pieces *p = arg;
	struct segment_name *names;
	struct journal_line line;
	struct err e;
	size_t segments;

	if (!segment_list(p->dir[1], &names, &segments, &e))
		bench_fail("%s", e.text);
	struct segment_reader *r = segment_open(p->dir[1], &names[0], &e);

	if (!r)
		bench_fail("%s", e.text);
	for (size_t i = 0; i < n; i++)
		if (segment_next(r, 0, &line, &e) != SEGMENT_LINE || !line.whole)
			bench_fail("what was written is not read");
	segment_close(r);
	free(names);
}

static void make_commands(void *arg, size_t n)
{
	struct pieces *p = arg;
	struct chain_tip at = {0};
	struct record r;
	struct err e;
	size_t words;

	for (size_t i = 0; i < n; i++) {
		if (i % SHIPPED == 0)
			ship_batch_begin(p->batch, p->chain, &at, false);
		if (!record_decode(p->decoder, p->line[i % LINES], &r, &e))
			bench_fail("%s", e.text);
		at.seq++;
		ship_batch_add(p->batch, &at, p->line[i % LINES], &r, record_get(&r, FIELD_DAY),
			PART_RECORD | PART_FIGURES);
		if (i % SHIPPED == SHIPPED - 1 && !ship_batch_command(p->batch, SPAN("sha"),
							  SPAN("bench"), SPAN("id"), &words))
			bench_fail("out of memory");
	}
}

/* --- the section ------------------------------------------------------------------------------ */

static void encode_all(struct pieces *p)
{
	struct sample *s = malloc(sizeof *s);
	size_t at[LINES + 1] = {0};

	if (!s)
		bench_fail("out of memory");
	for (unsigned i = 0; i < LINES; i++) {
		buf_span(&p->bytes, sample_line(s, i));
		at[i + 1] = p->bytes.n;
	}
	for (unsigned i = 0; i < LINES; i++)
		p->line[i] = span_of(p->bytes.p + at[i], at[i + 1] - at[i]);
	free(s);
}

static int folder(const char *path)
{
	int dir = mkdir(path, 0700) == 0 ? open(path, O_RDONLY | O_DIRECTORY) : -1;

	if (dir < 0)
		bench_fail("%s: %m", path);
	return dir;
}

static void *begin(struct bench *b)
{
	struct pieces *p;
	struct err e;

	if (!bench_counting(b))
		return NULL;
	p = calloc(1, sizeof *p);
	if (!p)
		bench_fail("out of memory");
	encode_all(p);
	p->dir[0] = folder("pieces-journal");
	p->dir[1] = folder("pieces-segments");
	p->dir[2] = folder("pieces-kept");
	p->outbox_fd = outbox_make_unnamed(&e);
	p->outbox = p->outbox_fd >= 0 ? outbox_open(p->outbox_fd, &e) : NULL;
	if (!p->outbox)
		bench_fail("%s", e.text);
	struct journal_options o = {.dir = p->dir[0], .node = "bench"};

	p->journal = journal_open(&o, NULL, &e);
	if (!p->journal)
		bench_fail("%s", e.text);
	o = (struct journal_options){.dir = p->dir[2], .node = "bench", .outbox = p->outbox};
	p->keeping = journal_open(&o, NULL, &e);
	if (!p->keeping)
		bench_fail("%s", e.text);
	p->writer = segment_writer_new(p->dir[1], 0, (size_t)1 << 30);
	p->decoder = record_decoder_new();
	p->batch = ship_batch_new(SHIPPED);
	if (!p->writer || !p->decoder || !p->batch)
		bench_fail("out of memory");
	bench_work(b, "add to the journal, 16 a turn, on the loop", add, p);
	bench_work(b, "keep in the outbox, on the loop", keep, p);
	bench_work(b, "hash and write a line, 16 at once", write_lines, p);
	bench_work(b, "read a line and check its hash", read_lines, p);
	bench_work(b, "decode, sum up, command of 256", make_commands, p);
	return p;
}

static void end(void *state)
{
	struct pieces *p = state;

	journal_close(p->journal, true);
	journal_close(p->keeping, true);
	outbox_close(p->outbox);
	close(p->outbox_fd);
	segment_writer_free(p->writer);
	record_decoder_free(p->decoder);
	ship_batch_free(p->batch);
	for (int i = 0; i < 3; i++)
		close(p->dir[i]);
	buf_free(&p->bytes);
	free(p);
}

const struct bench_section bench_pieces = {"pieces", begin, end};
