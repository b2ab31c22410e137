/*
 * The journal, from adding to the answer that a record is written, or from keeping it in the outbox
 * until it is: batches of different size, CPU of the loop's and of the journal's thread. The sync
 * of each second is not in it.
 */
#include "bench.h"
#include "bench_samples.h"

#include "journal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES 512

struct batched {
	const struct lines *lines;
	size_t batch, records;
	unsigned folders;
};

/* Encoded once: encoding has a section of its own. */
struct lines {
	struct buf bytes;
	struct span line[LINES];
	struct batched batched[3], kept;
};

static void encode_all(struct lines *l)
{
	struct sample *s = malloc(sizeof *s);
	struct record r;
	size_t at[LINES + 1] = {0};

	if (!s)
		bench_fail("out of memory");
	for (unsigned i = 0; i < LINES; i++) {
		if (i % 2)
			sample_end(s, i / 2, &r);
		else
			sample_access(s, i / 2, &r);
		buf_span(&l->bytes, sample_encode(s, &r));
		at[i + 1] = l->bytes.n;
	}
	for (unsigned i = 0; i < LINES; i++)
		l->line[i] = span_of(l->bytes.p + at[i], at[i + 1] - at[i]);
	free(s);
}

static void on_done(void *arg, bool ok)
{
	size_t *left = arg;

	if (!ok)
		bench_fail("a record was not written");
	--*left;
}

/* A turn of a loop: add, hand over, wait for the signal, poll. */
static void turn(struct journal *j, const struct span *line, size_t n)
{
	size_t left = n;
	struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};

	for (size_t i = 0; i < n; i++)
		if (!journal_add(j, line[i], on_done, &left))
			bench_fail("the journal takes no record");
	journal_hand_over(j);
	while (left) {
		if (poll(&p, 1, 10000) != 1)
			bench_fail("the journal does not answer");
		journal_poll(j);
	}
}

/* The same with an outbox: nobody waits, unless it is full. */
static void turn_kept(struct journal *j, const struct span *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		while (!journal_keep(j, line[i])) {
			journal_hand_over(j);
			usleep(100);
		}
	journal_hand_over(j);
}

typedef void turn_fn(struct journal *j, const struct span *line, size_t n);

static double run(struct batched *b, struct outbox *outbox, turn_fn *turns)
{
	struct journal_options o = {
		.sync = JOURNAL_SYNC_PROCESS, .node = "bench", .outbox = outbox};
	struct err e;
	char path[64];

	snprintf(path, sizeof path, "batch-%zu-%u", b->batch, b->folders++);
	if (mkdir(path, 0700) != 0 || (o.dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		bench_fail("%s: %m", path);
	struct journal *j = journal_open(&o, NULL, &e);

	if (!j)
		bench_fail("%s", e.text);
	double before = bench_clock(CLOCK_PROCESS_CPUTIME_ID);

	for (size_t i = 0; i < b->records; i += b->batch)
		turns(j, b->lines->line + i % LINES, b->batch);
	double cpu = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - before;

	journal_close(j, true);
	close(o.dir);
	bench_empty(path);
	return cpu / (double)b->records;
}

static double batches(void *arg)
{
	return run(arg, NULL, turn);
}

static double kept(void *arg)
{
	struct err e;
	int fd = outbox_make_unnamed(&e);
	struct outbox *o = fd >= 0 ? outbox_open(fd, &e) : NULL;
	double cpu;

	if (!o)
		bench_fail("%s", e.text);
	cpu = run(arg, o, turn_kept);
	outbox_close(o);
	close(fd);
	return cpu;
}

static void *begin(struct bench *b)
{
	static const struct {
		const char *name;
		size_t batch, records;
	} sizes[] = {{"a record, batches of 1", 1, 2048}, {"a record, batches of 16", 16, 8192},
		{"a record, batches of 256", 256, 16384}};
	struct lines *l = calloc(1, sizeof *l);

	if (!l)
		bench_fail("out of memory");
	encode_all(l);
	for (size_t i = 0; i < 3; i++) {
		l->batched[i] = (struct batched){
			.lines = l, .batch = sizes[i].batch, .records = sizes[i].records};
		bench_sample(b, sizes[i].name, BENCH_NS, batches, &l->batched[i]);
		bench_note(b, "both threads; sync = \"process\"");
	}
	l->kept = (struct batched){.lines = l, .batch = 256, .records = 16384, .folders = 1000};
	bench_sample(b, "a record, by the outbox, 256 a hand-over", BENCH_NS, kept, &l->kept);
	bench_note(b, "both threads");
	return l;
}

static void end(void *state)
{
	struct lines *l = state;

	buf_free(&l->bytes);
	free(l);
}

const struct bench_section bench_journal = {"journal", begin, end};
