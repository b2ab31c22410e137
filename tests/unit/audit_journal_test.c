/*
 * The journal against what happens to it: killed writers, torn and zeroed tails, full disks, syncs
 * that fail or take long. fdatasync is this program's own, so that it can be counted, held up and
 * made to fail.
 */
#include "journal.h"
#include "clock.h"
#include "journal_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "journal_story.h"

/* --- a disk that obeys --------------------------------------------------------------------- */

static atomic_uint syncs;
static atomic_int sync_errno;
static atomic_bool sync_held;

int fdatasync(int fd)
{
	while (atomic_load(&sync_held))
		usleep(500);
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&sync_errno)) {
		errno = atomic_load(&sync_errno);
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

/* --- writing ------------------------------------------------------------------------------- */

static bool add(struct journal *j, uint64_t i, struct answers *a)
{
	char mem[128];

	return journal_add(j, body_of(mem, i), count, a) != NULL;
}

static void write_some(struct journal *j, uint64_t from, unsigned n)
{
	struct answers a = {0};

	for (unsigned i = 0; i < n; i++)
		assert_true(add(j, from + i, &a));
	journal_hand_over(j);
	answered(j, &a, n);
	assert_int_equal(a.yes, n);
}

/* --- plain life ---------------------------------------------------------------------------- */

static void ten_thousand_records_come_back_in_order(void **state)
{
	struct journal_before before;
	struct story s = {.n_got = 10000, .got = calloc(1, 10000)};
	struct journal_options o = {.dir = folder_make("many"), .node = "edge1"};
	struct journal *j = must_open(&o, &before);
	struct answers a = {0};
	struct chain_tip tip;
	char chain[CHAIN_NAME_LEN + 1];

	(void)state;
	assert_false(before.any);
	assert_false(journal_waiting(j));
	for (unsigned i = 0, batch = 1; i < 10000; batch = batch * 3 % 97 + 1) {
		for (unsigned k = 0; k < batch && i < 10000; k++, i++)
			assert_true(add(j, i, &a));
		assert_true(journal_waiting(j));
		journal_hand_over(j);
		assert_false(journal_waiting(j));
		journal_poll(j);
	}
	answered(j, &a, 10000);
	assert_int_equal(a.yes, 10000);
	assert_int_equal(journal_lost(j), 0);
	journal_tip(j, &tip);
	assert_int_equal(tip.seq, 10001); /* and the start mark */
	snprintf(chain, sizeof chain, "%s", journal_chain(j));
	journal_close(j, true);

	j = must_open(&o, &before);
	assert_true(before.any && before.clean);
	assert_string_equal(before.chain, chain);
	assert_int_equal(before.tip.seq, 10002);
	assert_int_equal(before.cut_bytes + before.bad_lines, 0);
	assert_string_not_equal(journal_chain(j), chain);
	journal_close(j, false);

	read_story("many", &s, 0);
	assert_int_equal(s.records, 10000);
	assert_int_equal(s.starts, 2);
	assert_int_equal(s.stops, 1);
	for (size_t i = 0; i < s.n_got; i++)
		assert_int_equal(s.got[i], 1);
	free(s.got);
	close(o.dir);
}

struct turn_test {
	struct journal *j;
	unsigned order[200], n;
	struct one {
		struct turn_test *t;
		unsigned i;
	} one[200];
};

static void note_order(void *arg, bool ok)
{
	struct one *o = arg;
	struct turn_test *t = o->t;

	assert_true(ok);
	t->order[t->n++] = o->i;
	if (o->i < 100) {
		t->one[o->i + 100] = (struct one){t, o->i + 100};
		assert_non_null(journal_add(
			t->j, SPAN("{\"k\":\"person\",\"t\":5}"), note_order, &t->one[o->i + 100]));
	}
}

static void answers_come_in_the_order_of_adding_and_may_add_more(void **state)
{
	struct journal_options o = {.dir = folder_make("order")};
	struct turn_test t = {.j = must_open(&o, NULL)};
	uint64_t end = clock_mono_ms() + 30000;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		t.one[i] = (struct one){&t, i};
		assert_non_null(journal_add(
			t.j, SPAN("{\"k\":\"person\",\"t\":4}"), note_order, &t.one[i]));
		if (i % 7 == 0)
			journal_hand_over(t.j);
	}
	while (t.n < 200 && clock_mono_ms() < end) {
		journal_hand_over(t.j);
		journal_poll(t.j);
	}
	assert_int_equal(t.n, 200);
	for (unsigned i = 0, low = 0, high = 100; i < 200; i++)
		assert_true(t.order[i] == (t.order[i] < 100 ? low++ : high++));
	journal_close(t.j, true);
	close(o.dir);
}

static void who_forgot_is_not_called_and_the_record_stands(void **state)
{
	struct journal_options o = {.dir = folder_make("forget")};
	struct journal *j = must_open(&o, NULL);
	struct story s = {0};
	struct answers a = {0};
	struct journal_ticket *t = journal_add(j, SPAN("{\"k\":\"person\",\"t\":1}"), count, &a);

	(void)state;
	assert_non_null(t);
	assert_non_null(journal_add(j, SPAN("{\"k\":\"person\",\"t\":2}"), NULL, NULL));
	journal_forget(t);
	write_some(j, 3, 1);
	assert_int_equal(a.yes + a.no, 0);
	journal_close(j, true);
	read_story("forget", &s, 0);
	assert_int_equal(s.records, 3);
	close(o.dir);
}

static const char *some_day(void *arg, int64_t wall_ms, char out[11])
{
	assert_true(wall_ms > 0);
	++*(unsigned *)arg;
	return memcpy(out, "2031-02-03", 11);
}

static bool has_day(
	void *arg, const char *writer, const char *chain, uint64_t seq, struct span body)
{
	(void)writer, (void)chain, (void)seq;
	assert_non_null(memmem(body.p, body.n, "\"day\":\"2031-02-03\"", 18));
	++*(unsigned *)arg;
	return true;
}

static void marks_carry_the_day_of_the_caller_and_the_node(void **state)
{
	unsigned asked = 0, marks = 0;
	struct journal_options o = {.dir = folder_make("day"),
		.day = some_day,
		.day_arg = &asked,
		.node = "edge \"7\""};
	char file[96];
	struct segment_name name;
	struct buf b = {0};
	struct err e;

	(void)state;
	journal_close(must_open(&o, NULL), true);
	assert_true(asked > 0);
	assert_true(journal_walk("day", has_day, NULL, &marks, NULL, &e));
	assert_int_equal(marks, 2);
	folder_last(o.dir, &name, file);
	file_get(o.dir, file, &b);
	assert_non_null(memmem(b.p, b.n, "node edge \\\"7\\\", stile " STILE_VERSION,
		strlen("node edge \\\"7\\\", stile " STILE_VERSION)));
	buf_free(&b);
	close(o.dir);
}

static void segments_rotate_and_the_chain_goes_through(void **state)
{
	struct journal_options o = {.dir = folder_make("rotate"), .segment_bytes = 4096};
	struct journal *j = must_open(&o, NULL);
	struct story s = {0};
	struct segment_name *v;
	struct journal_before before;
	struct err e;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		write_some(j, i * 10, 10);
	journal_close(j, true);
	assert_true(segment_list(o.dir, &v, &n, &e));
	assert_true(n > 5);
	for (size_t i = 0; i < n; i++) {
		struct segment_reader *r = segment_open(o.dir, &v[i], &e);
		struct chain_tip base;

		assert_int_equal(v[i].number, i + 1);
		assert_string_equal(v[i].chain, v[0].chain);
		segment_base(r, &base);
		assert_true(base.seq + 1 == v[i].first_seq);
		segment_close(r);
	}
	free(v);
	read_story("rotate", &s, 0);
	assert_int_equal(s.records, 600);
	j = must_open(&o, &before);
	assert_true(before.clean && before.tip.seq == 602);
	journal_close(j, true);
	assert_int_equal(folder_last(o.dir, &(struct segment_name){0}, (char[96]){0}), n + 1);
	close(o.dir);
}

static void a_second_writer_is_refused(void **state)
{
	struct journal_options o = {.dir = folder_make("two")};
	struct journal *j = must_open(&o, NULL);
	struct err e = {""};
	pid_t child;
	int status;

	(void)state;
	assert_null(journal_open(&o, NULL, &e));
	assert_non_null(strstr(e.text, "another live process"));
	child = fork();
	if (child == 0) {
		struct journal_options other = {.dir = open("two", O_RDONLY | O_DIRECTORY)};

		_exit(journal_open(&other, NULL, NULL) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	write_some(j, 1, 1); /* the first one was not disturbed */
	journal_close(j, true);
	journal_close(must_open(&o, NULL), true);
	close(o.dir);
}

/* --- syncing ------------------------------------------------------------------------------- */

static void on_disk_means_synced_before_the_answer(void **state)
{
	struct journal_options o = {.dir = folder_make("disk"), .sync = JOURNAL_SYNC_DISK};
	struct journal *j = must_open(&o, NULL);
	struct answers a = {0};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		unsigned before = atomic_load(&syncs);

		write_some(j, i, 3);
		assert_int_equal(atomic_load(&syncs), before + 1); /* once for the batch */
	}
	atomic_store(&sync_held, true);
	assert_true(add(j, 9, &a));
	journal_hand_over(j);
	usleep(100000);
	journal_poll(j);
	assert_int_equal(a.yes + a.no, 0);
	atomic_store(&sync_held, false);
	answered(j, &a, 1);
	assert_int_equal(a.yes, 1);
	journal_close(j, true);
	close(o.dir);
}

static void in_process_means_synced_soon_and_once(void **state)
{
	struct journal_options o = {.dir = folder_make("process"), .sync_ms = 50};
	struct journal *j = must_open(&o, NULL);
	unsigned before = atomic_load(&syncs);
	uint64_t end = clock_mono_ms() + 20000;

	(void)state;
	write_some(j, 1, 10);
	while (atomic_load(&syncs) == before && clock_mono_ms() < end)
		usleep(5000);
	assert_int_equal(atomic_load(&syncs), before + 1);
	usleep(300000); /* nothing new: nothing to sync */
	assert_int_equal(atomic_load(&syncs), before + 1);
	journal_close(j, true);
	close(o.dir);
}

static void a_sync_that_fails_is_no_record(void **state)
{
	struct journal_options o = {
		.dir = folder_make("eio"), .sync = JOURNAL_SYNC_DISK, .sync_ms = 20};
	struct journal *j = must_open(&o, NULL);
	struct answers a = {0};
	struct story s = {0};

	(void)state;
	atomic_store(&sync_errno, EIO);
	for (unsigned i = 0; i < 4; i++)
		assert_true(add(j, i, &a));
	journal_hand_over(j);
	answered(j, &a, 4);
	assert_int_equal(a.no, 4);
	assert_true(journal_failing(j));
	atomic_store(&sync_errno, 0);
	wait_working(j, true); /* without a new batch */
	assert_int_equal(journal_lost(j), 4);
	write_some(j, 10, 2);
	journal_close(j, true);
	read_story("eio", &s, 0);
	assert_int_equal(s.records, 6); /* they are there, but nobody could promise it */
	assert_int_equal(s.lost, 0);
	assert_true(s.gaps >= 1);
	close(o.dir);
}

static void a_sync_that_fails_in_the_background_is_told(void **state)
{
	struct journal_options o = {.dir = folder_make("eio2"), .sync_ms = 20};
	struct journal *j = must_open(&o, NULL);
	struct story s = {0};

	(void)state;
	atomic_store(&sync_errno, EIO);
	write_some(j, 1, 3);
	wait_working(j, false);
	atomic_store(&sync_errno, 0);
	wait_working(j, true);
	journal_close(j, true);
	read_story("eio2", &s, 0);
	assert_int_equal(s.records, 3);
	assert_true(s.gaps >= 1);
	assert_non_null(strstr(s.last_gap, "3 more would not outlive a loss of power"));
	close(o.dir);
}

static void a_full_queue_refuses_and_tells(void **state)
{
	struct journal_options o = {
		.dir = folder_make("queue"), .sync = JOURNAL_SYNC_DISK, .queue_bytes = 20000};
	struct journal *j = must_open(&o, NULL);
	struct answers a = {0};
	struct story s = {0};
	unsigned taken = 0, refused = 0;

	(void)state;
	atomic_store(&sync_held, true);
	for (unsigned i = 0; i < 1000; i++) {
		if (add(j, i, &a))
			taken++;
		else
			refused++;
		journal_hand_over(j);
	}
	assert_true(taken > 100 && refused > 100);
	assert_int_equal(journal_lost(j), refused);
	atomic_store(&sync_held, false);
	answered(j, &a, taken);
	assert_int_equal(a.yes, taken);
	write_some(j, 2000, 5); /* room again */
	assert_false(journal_failing(j));
	journal_close(j, true);
	read_story("queue", &s, 0);
	assert_int_equal(s.records, taken + 5);
	assert_int_equal(s.lost, refused);
	assert_non_null(strstr(s.last_gap, "the queue to the disk was full"));
	close(o.dir);
}

/* --- full disks ---------------------------------------------------------------------------- */

static void limit_files(rlim_t bytes)
{
	struct rlimit l;

	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* Whatever the room, answers and journal agree, and what is missing is told. */
static void fill_up(const char *path, unsigned batch, rlim_t room)
{
	struct journal_options o = {.dir = folder_make(path), .sync_ms = 20};
	struct journal *j = must_open(&o, NULL);
	struct answers a = {0};
	struct story s = {.n_got = 2000, .got = calloc(1, 2000)};
	unsigned n = 0;

	limit_files(room);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned k = 0; k < batch; k++)
			assert_true(add(j, n++, &a));
		journal_hand_over(j);
		answered(j, &a, n);
	}
	assert_true(journal_failing(j));
	assert_true(a.no > 0);
	assert_int_equal(journal_lost(j), a.no);
	limit_files(RLIM_INFINITY);
	wait_working(j, true); /* by itself */
	write_some(j, n, batch);
	journal_close(j, true);
	read_story(path, &s, 0);
	assert_int_equal(s.records, a.yes + batch);
	assert_int_equal(s.lost, a.no);
	assert_non_null(strstr(s.last_gap, "File too large"));
	for (size_t i = 0; i < n + batch; i++)
		assert_true(s.got[i] <= 1);
	free(s.got);
	folder_empty(o.dir);
	close(o.dir);
}

static void a_full_file_loses_nothing_unseen(void **state)
{
	(void)state;
	/* the limit falls on every kind of place: into bodies, hashes, between lines */
	for (rlim_t room = 900; room < 1100; room += 7)
		fill_up("limit", 4, room);
	fill_up("limit", 100, 5000);
}

static void told_while_failing(const char *path, struct journal *j, int dir)
{
	struct answers a = {0};
	struct story s = {0};
	unsigned n = 0, yes;

	while (a.no == 0 && n < 100000) {
		for (unsigned k = 0; k < 200; k++)
			assert_true(add(j, n++, &a));
		journal_hand_over(j);
		answered(j, &a, n);
	}
	assert_true(a.no > 0);
	assert_true(journal_failing(j));
	yes = a.yes;
	unlinkat(dir, "ballast", 0);
	wait_working(j, true);
	write_some(j, n, 10);
	journal_close(j, true);
	read_story(path, &s, 0);
	assert_int_equal(s.records, yes + 10);
	assert_int_equal(s.lost, a.no);
	assert_non_null(strstr(s.last_gap, strerror(ENOSPC)));
}

static void a_full_disk_loses_nothing_unseen(void **state)
{
	struct journal_options o = {.sync_ms = 20};
	char ballast[65536] = "";

	(void)state;
	mkdir("small", 0700);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "small", "tmpfs", 0, "size=256k") < 0) {
		print_message("skipped: mounting a small disk needs root: %s\n", strerror(errno));
		skip();
	}
	o.dir = folder_make("small/journal");
	file_put(o.dir, "ballast", ballast, sizeof ballast);
	told_while_failing("small/journal", must_open(&o, NULL), o.dir);
	close(o.dir);
	umount("small");
}

static void a_loss_that_nothing_followed_is_told_at_the_close(void **state)
{
	struct journal_options o = {.dir = folder_make("close"), .sync_ms = 60000};
	struct journal *j = must_open(&o, NULL);
	struct answers a = {0};
	struct story s = {0};

	(void)state;
	limit_files(1);
	assert_true(add(j, 1, &a));
	journal_hand_over(j);
	answered(j, &a, 1);
	assert_int_equal(a.no, 1);
	limit_files(RLIM_INFINITY);
	journal_close(j, true);
	read_story("close", &s, 0);
	assert_int_equal(s.lost, 1);
	assert_int_equal(s.stops, 1);
	close(o.dir);
}

/* --- torn tails ---------------------------------------------------------------------------- */

/* The bytes of the one segment that a writer left, and its name. */
static void take_sample(const char *path, struct buf *b, char file[96])
{
	struct journal_options o = {.dir = folder_make(path)};
	struct journal *j = must_open(&o, NULL);
	struct segment_name name;

	write_some(j, 0, 6);
	journal_close(j, false);
	assert_int_equal(folder_last(o.dir, &name, file), 1);
	file_get(o.dir, file, b);
	close(o.dir);
}

static size_t lines_in(const char *p, size_t n)
{
	size_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines;
}

static size_t line_end(const char *p, size_t n)
{
	while (n && p[n - 1] != '\n')
		n--;
	return n;
}

/* A writer finds these bytes: it keeps `whole` of them and names the chain's end. */
static void check_repair(const char *path, int dir, const char *file, const struct buf *b,
	size_t whole, uint64_t bad)
{
	struct journal_options o = {.dir = dir};
	struct journal_before before;
	struct story s = {.n_got = 6, .got = (uint8_t[6]){0}};
	struct buf after = {0};
	size_t lines = lines_in(b->p, whole);

	folder_empty(dir);
	file_put(dir, file, b->p, b->n);
	journal_close(must_open(&o, &before), true);
	file_get(dir, file, &after);
	assert_true(span_eq(buf_spanof(&after), span_of(b->p, whole)));
	assert_int_equal(before.cut_bytes, b->n - whole);
	assert_int_equal(before.bad_lines, bad);
	assert_int_equal(before.any, lines > 0);
	assert_false(before.clean);
	if (lines) {
		assert_memory_equal(before.chain, file + 9, CHAIN_NAME_LEN);
		assert_true(before.tip.seq == lines - 1);
	}
	read_story(path, &s, bad);
	assert_int_equal(s.records, lines > 2 ? lines - 2 - bad : 0);
	buf_free(&after);
}

static void every_torn_tail_leaves_the_longest_whole_prefix(void **state)
{
	struct buf b = {0};
	char file[96];
	int dir;

	(void)state;
	take_sample("torn", &b, file);
	dir = folder_make("torn");
	for (size_t n = 0; n <= b.n; n++) {
		struct buf part = {.p = b.p, .n = n, .cap = b.cap, .fixed = true};

		check_repair("torn", dir, file, &part, line_end(b.p, n), 0);
	}
	buf_free(&b);
	close(dir);
}

static void a_tail_of_zeros_is_cut(void **state)
{
	static const size_t zeros[] = {1, 4096, 70000};
	struct buf b = {0};
	char file[96];
	int dir;

	(void)state;
	take_sample("zeros", &b, file);
	dir = folder_make("zeros");
	for (size_t k = 0; k < 3; k++)
		for (size_t torn = 0; torn < 2; torn++) {
			struct buf part = {0};

			buf_add(&part, b.p, b.n - torn * 20);
			for (size_t i = 0; i < zeros[k]; i++)
				buf_addc(&part, 0);
			check_repair("zeros", dir, file, &part, line_end(b.p, b.n - torn * 20), 0);
			buf_free(&part);
		}
	buf_free(&b);
	close(dir);
}

static void a_changed_byte_in_the_middle_is_counted_and_stays(void **state)
{
	struct buf b = {0};
	char file[96], *body;
	int dir;

	(void)state;
	take_sample("middle", &b, file);
	dir = folder_make("middle");
	body = memmem(b.p, b.n, "\"t\":3", 5);
	assert_non_null(body);
	body[4] = '9';
	check_repair("middle", dir, file, &b, b.n, 1);
	buf_free(&b);
	close(dir);
}

/* A writer that died while it made a segment: the chain before is that of the segment before. */
static void a_torn_first_line_breaks_nothing(void **state)
{
	static const char head[] = "stile-journal 1 00112233445566778899aabbccddeeff 1 12b57";
	struct journal_options o = {.dir = folder_make("head")};
	struct journal_before before;
	struct story s = {0};
	struct journal *j;
	char chain[CHAIN_NAME_LEN + 1];
	struct segment_name name;
	char file[96];

	(void)state;
	j = must_open(&o, NULL);
	snprintf(chain, sizeof chain, "%s", journal_chain(j));
	write_some(j, 0, 3);
	journal_close(j, false);
	file_put(o.dir, "00000002-00112233445566778899aabbccddeeff-1.jnl", head, sizeof head - 1);
	file_put(o.dir, "00000003-00112233445566778899aabbccddeefe-1.jnl", head, 0);
	j = must_open(&o, &before);
	assert_true(before.any);
	assert_string_equal(before.chain, chain);
	assert_true(before.tip.seq == 4);
	journal_close(j, true);
	assert_int_equal(folder_last(o.dir, &name, file), 4);
	assert_int_equal(name.number, 4);
	read_story("head", &s, 0);
	assert_int_equal(s.records, 3);
	close(o.dir);
}

/* --- killed writers ------------------------------------------------------------------------ */

#define KILLS 30

struct told {
	int pipe;
	uint64_t i;
};

static struct told ring[4096];

static void tell_pipe(void *arg, bool ok)
{
	const struct told *t = arg;

	if (ok && write(t->pipe, &t->i, sizeof t->i) != sizeof t->i)
		_exit(3);
}

/* Adds until it dies. */
static void writer(int pipe, uint64_t from, unsigned seed, enum journal_sync sync)
{
	struct journal_options o = {
		.dir = folder_make("killed"), .sync = sync, .sync_ms = 5, .segment_bytes = 16384};
	struct journal *j = journal_open(&o, NULL, NULL);
	char mem[128];

	if (!j)
		_exit(2);
	for (uint64_t i = from;;) {
		unsigned batch = (seed = seed * 1103515245 + 12345) / 65536 % 50 + 1;

		for (unsigned k = 0; k < batch; k++, i++) {
			struct told *t = &ring[i % 4096];

			*t = (struct told){.pipe = pipe, .i = i};
			if (!journal_add(j, body_of(mem, i), tell_pipe, t))
				_exit(4);
		}
		journal_hand_over(j);
		/* never so many on the way that the ring comes round */
		for (struct chain_tip tip = {0}; i - from > tip.seq + 2000;) {
			struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};

			poll(&p, 1, 10);
			journal_poll(j);
			journal_tip(j, &tip);
		}
		journal_poll(j);
	}
}

/* Lets a writer run for `us`, kills it, and notes the numbers it had been promised. */
static uint64_t run_and_kill(uint64_t from, unsigned round, useconds_t us, uint8_t *promised)
{
	uint64_t some[512], next = from;
	int p[2], status;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
	child = fork();
	if (child == 0)
		writer(p[1], from, round * 7 + 1,
			round % 3 ? JOURNAL_SYNC_PROCESS : JOURNAL_SYNC_DISK);
	close(p[1]);
	usleep(us);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while ((n = read(p[0], some, sizeof some)) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof *some; i++) {
			promised[some[i]] = 1;
			next = some[i] + 1;
		}
	close(p[0]);
	return next + 5000; /* beyond what was on its way */
}

static void a_killed_writer_lost_nothing_that_was_promised(void **state)
{
	const size_t max = 20000000;
	uint8_t *promised = calloc(1, max);
	struct story s = {.n_got = max, .got = calloc(1, max)};
	struct journal_options o = {.dir = folder_make("killed")};
	uint64_t next = 1, kept = 0;
	unsigned seed = 20261123;

	(void)state;
	for (unsigned i = 0; i < KILLS; i++) {
		seed = seed * 1103515245 + 12345;
		next = run_and_kill(next, i, 1000 + seed / 65536 % 40000, promised);
		assert_true(next < max - 1000000);
	}
	journal_close(must_open(&o, NULL), true);
	read_story("killed", &s, 0);
	for (uint64_t i = 0; i < next; i++) {
		kept += promised[i];
		assert_true(s.got[i] <= 1);
		if (promised[i] && s.got[i] != 1)
			fail_msg("record %" PRIu64 " was promised and is not there", i);
	}
	print_message("%" PRIu64 " records promised, %u in the journal, %u chains\n", kept,
		s.records, s.starts);
	assert_true(kept > 100 && s.records >= kept); /* how many depends on the machine */
	assert_int_equal(s.stops, 1);
	free(promised);
	free(s.got);
	close(o.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_records_come_back_in_order),
		cmocka_unit_test(answers_come_in_the_order_of_adding_and_may_add_more),
		cmocka_unit_test(who_forgot_is_not_called_and_the_record_stands),
		cmocka_unit_test(marks_carry_the_day_of_the_caller_and_the_node),
		cmocka_unit_test(segments_rotate_and_the_chain_goes_through),
		cmocka_unit_test(a_second_writer_is_refused),
		cmocka_unit_test(on_disk_means_synced_before_the_answer),
		cmocka_unit_test(in_process_means_synced_soon_and_once),
		cmocka_unit_test(a_sync_that_fails_is_no_record),
		cmocka_unit_test(a_sync_that_fails_in_the_background_is_told),
		cmocka_unit_test(a_full_queue_refuses_and_tells),
		cmocka_unit_test(a_full_file_loses_nothing_unseen),
		cmocka_unit_test(a_full_disk_loses_nothing_unseen),
		cmocka_unit_test(a_loss_that_nothing_followed_is_told_at_the_close),
		cmocka_unit_test(every_torn_tail_leaves_the_longest_whole_prefix),
		cmocka_unit_test(a_tail_of_zeros_is_cut),
		cmocka_unit_test(a_changed_byte_in_the_middle_is_counted_and_stays),
		cmocka_unit_test(a_torn_first_line_breaks_nothing),
		cmocka_unit_test(a_killed_writer_lost_nothing_that_was_promised),
	};

	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
