/*
 * The outbox, alone and under a journal: what was kept stands in the journal once, whoever was
 * killed at whatever moment, and whatever became of writing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "outbox_story.h"

#define CHAIN "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

/* --- files --------------------------------------------------------------------------------- */

static void put(struct outbox *o, uint64_t number)
{
	struct outbox_entry x;
	char mem[128];

	assert_true(outbox_put(o, number, body_of(mem, number), &x));
	assert_true(span_eq(x.body, body_of(mem, number)));
	assert_int_equal(x.number, number);
}

/* How many entries are left, the first of which is `number`. */
static unsigned left_from(const struct outbox *o, uint64_t number)
{
	struct outbox_entry x = {.end = 0};
	bool damaged = false;
	unsigned n = 0;
	char mem[128];

	for (; outbox_next(o, &x, &damaged); n++, number++) {
		assert_int_equal(x.number, number);
		assert_true(span_eq(x.body, body_of(mem, number)));
	}
	assert_false(damaged);
	return n;
}

static void what_was_put_outlives_the_mapping(void **state)
{
	int fd = must_make("plain.outbox");
	struct outbox *o = must_map(fd);

	(void)state;
	assert_int_equal(left_from(o, 1), 0);
	assert_false(outbox_holds("plain.outbox"));
	for (uint64_t i = 1; i <= 5; i++)
		put(o, i);
	assert_true(outbox_holds("plain.outbox"));
	outbox_close(o);
	close(fd);
	fd = must_make("plain.outbox"); /* the same start of the machine */
	o = must_map(fd);
	assert_int_equal(left_from(o, 1), 5);
	outbox_clear(o);
	assert_int_equal(left_from(o, 1), 0);
	outbox_close(o);
	close(fd);
}

/* The boot id stands behind the 16 bytes that name the format. */
static void of_an_earlier_start_of_the_machine_nothing_is_believed(void **state)
{
	int fd = must_make("boot.outbox");
	struct outbox *o = must_map(fd);

	(void)state;
	put(o, 1);
	outbox_close(o);
	assert_int_equal(pwrite(fd, "another start", 13, 16), 13);
	assert_false(outbox_holds("boot.outbox"));
	close(fd);
	fd = must_make("boot.outbox");
	o = must_map(fd);
	assert_int_equal(left_from(o, 1), 0);
	put(o, 1);
	outbox_close(o);
	close(fd);
}

static void of_another_format_nothing_is_believed(void **state)
{
	int fd = must_make("format.outbox");
	struct outbox *o = must_map(fd);
	struct err e = {""};

	(void)state;
	put(o, 1);
	outbox_close(o);
	assert_int_equal(pwrite(fd, "stile outbox 0", 14, 0), 14);
	assert_null(outbox_open(fd, &e));
	assert_non_null(strstr(e.text, "is none"));
	close(fd);
	fd = must_make("format.outbox");
	o = must_map(fd);
	assert_int_equal(left_from(o, 1), 0);
	outbox_close(o);
	close(fd);
}

static void what_is_no_plain_file_is_refused(void **state)
{
	struct err e = {""};
	int fd;

	(void)state;
	assert_int_equal(mkfifo("pipe.outbox", 0600), 0);
	assert_int_equal(outbox_make("pipe.outbox", &e), -1);
	assert_non_null(strstr(e.text, "not a plain file"));
	close(must_make("one.outbox"));
	assert_int_equal(symlink("one.outbox", "link.outbox"), 0);
	assert_int_equal(outbox_make("link.outbox", &e), -1);
	assert_int_equal(link("one.outbox", "two.outbox"), 0);
	assert_int_equal(outbox_make("two.outbox", &e), -1);
	assert_non_null(strstr(e.text, "not a plain file"));
	fd = must_make("one-user.outbox");
	assert_int_equal(outbox_make("one-user.outbox", &e), -1);
	assert_non_null(strstr(e.text, "another live proxy"));
	close(fd);
	close(must_make("one-user.outbox"));
	assert_int_equal(outbox_make("no/such/folder", &e), -1);
}

/* The folder of a service, and now and then root starts it by hand. */
static void what_root_makes_in_the_folder_of_another_is_that_account_s(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	close(folder_make("service"));
	assert_int_equal(chown("service", 65534, 65534), 0);
	for (unsigned i = 0; i < 2; i++) { /* made, and found there */
		fd = must_make("service/its.outbox");
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_uid, 65534);
		close(fd);
	}
	assert_int_equal(chown("service/its.outbox", 65533, 65533), 0);
	assert_int_equal(outbox_make("service/its.outbox", &(struct err){""}), -1);
	assert_int_equal(chown("service/its.outbox", 0, 0), 0);
	assert_int_equal(chown("service", 0, 0), 0);
}

static void a_shortened_file_is_made_whole(void **state)
{
	int fd = must_make("short.outbox");
	struct outbox *o = must_map(fd);
	struct stat st;
	struct err e;

	(void)state;
	put(o, 1);
	outbox_close(o);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(pwrite(fd, "whatever a dead writer left in front", 36, 0), 36);
	assert_true(outbox_mend(fd, &e));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, OUTBOX_SIZE);
	assert_true((size_t)st.st_blocks * 512 >= OUTBOX_SIZE); /* and no page is missing */
	o = must_map(fd);
	assert_int_equal(left_from(o, 1), 1);
	outbox_close(o);
	close(fd);
}

static void without_a_name_it_lives_as_long_as_its_descriptor(void **state)
{
	struct err e;
	int fd = outbox_make_unnamed(&e);
	struct outbox *o = must_map(fd);

	(void)state;
	put(o, 7);
	outbox_close(o);
	o = must_map(fd);
	assert_int_equal(left_from(o, 7), 1);
	outbox_close(o);
	close(fd);
}

/* --- the ring ------------------------------------------------------------------------------ */

/* Bodies of all lengths, so that every kind of end of the ring is met. */
static void it_goes_round_and_takes_what_fits(void **state)
{
	static char body[RECORD_MAX];
	struct err e;
	int fd = outbox_make_unnamed(&e);
	struct outbox *o = must_map(fd);
	struct outbox_entry x, kept[4000];
	uint64_t number = 0, bytes = 0;
	size_t first = 0, last = 0;
	unsigned seed = 7, refused = 0;

	(void)state;
	memset(body, 'x', sizeof body);
	while (bytes < 20 * OUTBOX_SIZE) {
		size_t len = (seed = seed * 1103515245 + 12345) / 65536 % RECORD_MAX + 1;
		bool damaged = false;

		if (outbox_put(o, number + 1, span_of(body, len), &x)) {
			number++;
			bytes += len;
			assert_int_equal(x.body.n, len);
			kept[last++ % 4000] = x;
			assert_true(last - first < 4000);
			continue;
		}
		refused++;
		assert_true(outbox_crowded(o));
		/* all that was taken is there, in order */
		x = (struct outbox_entry){.end = 0};
		for (size_t i = first; i < last; i++) {
			assert_true(outbox_next(o, &x, &damaged));
			assert_int_equal(x.number, kept[i % 4000].number);
			assert_int_equal(x.body.n, kept[i % 4000].body.n);
			assert_ptr_equal(x.body.p, kept[i % 4000].body.p);
		}
		assert_false(outbox_next(o, &x, &damaged));
		assert_false(damaged);
		first += (last - first) * (refused % 3 + 1) / 3;
		outbox_drop(o, kept[(first - 1) % 4000].end);
		if (first == last)
			assert_false(outbox_crowded(o));
	}
	assert_true(refused > 20);
	outbox_close(o);
	close(fd);
}

static void what_stands_in_a_segment_is_told_by_the_note(void **state)
{
	struct err e;
	int fd = outbox_make_unnamed(&e);
	struct outbox *o = must_map(fd);
	struct outbox_entry x = {.number = 12};

	(void)state;
	assert_false(outbox_written(o, &x, CHAIN, 1000)); /* no note yet */
	outbox_intend(o, CHAIN, 10, 101);		  /* 12 would be 103 */
	assert_false(outbox_written(o, &x, CHAIN, 100));
	assert_false(outbox_written(o, &x, CHAIN, 102));
	assert_true(outbox_written(o, &x, CHAIN, 103));
	assert_true(outbox_written(o, &x, CHAIN, 200));
	assert_false(outbox_written(o, &x, OTHER, 200));
	outbox_intend(o, CHAIN, 14, 105); /* with a hole between: 12 was written before */
	assert_true(outbox_written(o, &x, CHAIN, 104));
	outbox_intend(o, OTHER, 12, 5);
	assert_false(outbox_written(o, &x, OTHER, 4));
	assert_true(outbox_written(o, &x, OTHER, 5));
	assert_false(outbox_written(o, &x, CHAIN, 200));
	outbox_close(o);
	close(fd);
}

/* --- under a journal ----------------------------------------------------------------------- */

/* Until the thread has written `seq` records, marks with them. */
static void written(struct journal *j, uint64_t seq)
{
	uint64_t end = clock_mono_ms() + 30000;
	struct chain_tip tip = {0};

	while (tip.seq < seq && clock_mono_ms() < end) {
		usleep(1000);
		journal_tip(j, &tip);
	}
	assert_int_equal(tip.seq, seq);
}

static void kept_records_come_in_order_with_the_others(void **state)
{
	struct journal_options o = {.dir = folder_make("both")};
	int fd = must_make("both.outbox");
	struct journal *j;
	struct answers a = {0};
	struct story s;
	char mem[128];

	(void)state;
	o.outbox = must_map(fd);
	j = must_open(&o, NULL);
	for (uint64_t i = 1; i <= 3000; i++) {
		if (i % 3)
			assert_true(keep(j, i));
		else
			assert_non_null(journal_add(j, body_of(mem, i), count, &a));
		if (i % 50 == 0)
			journal_hand_over(j);
		if (i % 500 == 0)
			written(j, i + 1);
	}
	answered(j, &a, 1000);
	assert_int_equal(a.yes, 1000);
	assert_int_equal(left_from(o.outbox, 1), 0);
	journal_close(j, true);
	once_each("both", 1, 3001, &s);
	assert_int_equal(s.records, 3000);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
}

static void a_promise_of_the_disk_is_not_kept_by_memory(void **state)
{
	struct journal_options o = {.dir = folder_make("disk"), .sync = JOURNAL_SYNC_DISK};
	int fd = must_make("disk.outbox");
	struct journal *j;

	(void)state;
	o.outbox = must_map(fd);
	j = must_open(&o, NULL);
	assert_false(keep(j, 1));
	journal_close(j, true);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
}

static void without_an_outbox_nothing_is_kept(void **state)
{
	struct journal_options o = {.dir = folder_make("none")};
	struct journal *j = must_open(&o, NULL);

	(void)state;
	assert_false(keep(j, 1));
	assert_false(journal_pressed(j));
	journal_close(j, true);
	close(o.dir);
}

/* The thread is given nothing, so the outbox fills; who must wait then waits as ever. */
static void a_full_outbox_says_so_and_loses_nothing(void **state)
{
	struct journal_options o = {.dir = folder_make("full")};
	int fd = must_make("full.outbox");
	struct journal *j;
	struct answers a = {0};
	struct story s;
	uint64_t n = 1;
	char mem[128];

	(void)state;
	o.outbox = must_map(fd);
	j = must_open(&o, NULL);
	while (keep(j, n))
		n++;
	assert_true(n > 10000);
	assert_true(journal_pressed(j));
	assert_non_null(journal_add(j, body_of(mem, n++), count, &a));
	journal_hand_over(j);
	answered(j, &a, 1);
	assert_int_equal(a.yes, 1);
	assert_false(journal_pressed(j));
	assert_true(keep(j, n++));
	journal_close(j, true);
	once_each("full", 1, n, &s);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
}

/* All that was in the outbox was written. */
static void leave_empty(struct journal_options *o, int fd, struct story *s)
{
	assert_int_equal(left_from(o->outbox, 1), 0);
	free(s->got);
	outbox_close(o->outbox);
	close(fd);
	folder_empty(o->dir);
	close(o->dir);
}

/* Kept ones, and between them some that wait for the answer: the batch fails in the middle. */
static void mixed_batch(struct journal *j, uint64_t from, struct answers *a)
{
	char mem[128];

	for (uint64_t i = from; i < from + 60; i++)
		if (i % 7)
			assert_true(keep(j, i));
		else
			assert_non_null(journal_add(j, body_of(mem, i), count, a));
}

/* Hours of a disk that fails: what is kept meanwhile fills the outbox, who waits is told no each
 * time, and then all that was kept is written, once, in its order. */
static void a_disk_that_fails_long_costs_only_what_has_no_room(void **state)
{
	struct journal_options o = {.dir = folder_make("long"), .sync_ms = 20};
	int fd = must_make("long.outbox");
	struct journal *j;
	struct answers a = {0};
	struct story s = {.n_got = 40000, .got = calloc(1, 40000)};
	uint64_t i = 1, kept = 0, asked = 0;
	char mem[128];

	(void)state;
	o.outbox = must_map(fd);
	j = must_open(&o, NULL);
	limit_files(400);
	for (bool room = true; room; i++) {
		room = keep(j, i);
		kept += room;
		if (i % 1000 == 999 || !room) {
			assert_non_null(journal_add(j, body_of(mem, ++i), count, &a));
			asked++;
			journal_hand_over(j);
			answered(j, &a, (unsigned)asked);
			wait_working(j, false);
		}
	}
	assert_true(kept > 10000);
	assert_int_equal(a.no, asked);
	limit_files(RLIM_INFINITY);
	wait_working(j, true);
	journal_close(j, true);
	read_story("long", &s, 0);
	assert_int_equal(s.records, kept);
	assert_int_equal(s.backward, 0);
	for (size_t k = 0; k < s.n_got; k++)
		assert_in_range(s.got[k], 0, 1);
	assert_int_equal(s.lost, asked);
	leave_empty(&o, fd, &s);
}

static void what_is_kept_outlasts_a_disk_that_fails(void **state)
{
	(void)state;
	for (rlim_t room = 400; room < 5800; room += 211) {
		struct journal_options o = {.dir = folder_make("fails"), .sync_ms = 20};
		int fd = must_make("fails.outbox");
		struct journal *j;
		struct answers a = {0}, late = {0};
		struct story s = {.n_got = 200, .got = calloc(1, 200)};
		char mem[128];

		o.outbox = must_map(fd);
		j = must_open(&o, NULL);
		limit_files(room);
		mixed_batch(j, 1, &a);
		journal_hand_over(j);
		answered(j, &a, 8);
		wait_working(j, false);
		assert_true(keep(j, 100)); /* waits for a disk that works, and holds up nobody */
		assert_false(journal_pressed(j));
		assert_non_null(journal_add(j, body_of(mem, 101), count, &late));
		journal_hand_over(j);
		answered(j, &late, 1);
		assert_int_equal(late.no, 1);
		limit_files(RLIM_INFINITY);
		wait_working(j, true);
		assert_true(keep(j, 102));
		journal_close(j, true);
		read_story("fails", &s, 0);
		for (unsigned i = 1; i <= 60; i++)
			if (i % 7)
				assert_int_equal(s.got[i], 1);
		assert_int_equal(s.records, 52 + a.yes + 2);
		assert_int_equal(s.lost, a.no + 1);
		assert_int_equal(s.got[100], 1);
		assert_int_equal(s.got[101], 0);
		assert_int_equal(s.got[102], 1);
		leave_empty(&o, fd, &s);
	}
}

static void what_could_not_be_written_at_the_end_is_written_at_the_start(void **state)
{
	struct journal_options o = {.dir = folder_make("later"), .node = "edge1"};
	struct journal_before before;
	int fd = must_make("later.outbox");
	struct journal *j;
	struct story s;
	struct buf b = {0};
	struct segment_name name;
	char file[96];

	(void)state;
	o.outbox = must_map(fd);
	j = must_open(&o, NULL);
	limit_files(1);
	for (uint64_t i = 1; i <= 20; i++)
		assert_true(keep(j, i));
	journal_close(j, true);
	limit_files(RLIM_INFINITY);
	j = must_open(&o, &before);
	assert_int_equal(before.kept, 20);
	assert_false(before.damaged);
	folder_last(o.dir, &name, file);
	file_get(o.dir, file, &b);
	assert_non_null(memmem(b.p, b.n, "20 records from its outbox follow",
		strlen("20 records from its outbox follow")));
	journal_close(j, true);
	once_each("later", 1, 21, &s);
	assert_int_equal(s.records, 20);
	buf_free(&b);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
}

static void what_nobody_can_have_put_there_is_told_and_left_out(void **state)
{
	struct journal_options o = {.dir = folder_make("damage")};
	struct journal_before before;
	int fd = must_make("damage.outbox");
	struct outbox_entry x;
	struct story s;
	char mem[128];

	(void)state;
	o.outbox = must_map(fd);
	assert_true(outbox_put(o.outbox, 1, body_of(mem, 1), &x));
	assert_true(outbox_put(o.outbox, 2, SPAN("{\"k\":\"nonsense\"}"), &x));
	assert_true(outbox_put(o.outbox, 3, body_of(mem, 3), &x));
	assert_true(outbox_put(o.outbox, 3, body_of(mem, 4), &x)); /* a number twice */
	assert_true(outbox_put(o.outbox, 5, body_of(mem, 5), &x));
	journal_close(must_open(&o, &before), true);
	assert_int_equal(before.kept, 2);
	assert_true(before.damaged);
	assert_int_equal(left_from(o.outbox, 1), 0);
	once_each("damage", 1, 2, &s);
	assert_int_equal(s.records, 2);
	journal_close(must_open(&o, &before), true);
	assert_int_equal(before.kept + before.damaged, 0);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
}

/* --- killed writers ------------------------------------------------------------------------ */

#define KILLS 60

struct seen {
	_Atomic uint64_t last; /* number kept last */
};

/* Keeps until it dies; how often it hands over changes. */
static void writer(struct seen *seen, uint64_t from, unsigned seed)
{
	struct journal_options o = {
		.dir = folder_make("killed"), .sync_ms = 5, .segment_bytes = 16384};
	struct journal *j;
	char mem[128];

	o.outbox = outbox_open(must_make("killed.outbox"), NULL);
	j = journal_open(&o, NULL, NULL);
	if (!j)
		_exit(2);
	for (uint64_t i = from;;) {
		unsigned batch = (seed = seed * 1103515245 + 12345) / 65536 % 300 + 1;

		for (unsigned k = 0; k < batch && journal_keep(j, body_of(mem, i)); k++, i++)
			seen->last = i;
		journal_hand_over(j);
		if (batch % 3 == 0)
			usleep(200);
	}
}

static void a_killed_writer_lost_nothing_that_was_kept(void **state)
{
	struct seen *seen =
		mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct journal_options o = {.dir = folder_make("killed")};
	struct journal_before before;
	uint64_t from = 1, inherited = 0, unknown[KILLS];
	unsigned seed = 20261127;
	struct story s;
	int fd, status;

	(void)state;
	assert_true(seen != MAP_FAILED);
	for (unsigned i = 0; i < KILLS; i++) {
		pid_t child = fork();

		if (child == 0)
			writer(seen, from, i + 1);
		seed = seed * 1103515245 + 12345;
		usleep(2000 + seed / 65536 % 20000);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		fd = must_make("killed.outbox");
		o.outbox = must_map(fd);
		if (i % 2) { /* every other successor is this one, which looks */
			journal_close(must_open(&o, &before), i % 4 == 1);
			inherited += before.kept;
			assert_false(before.damaged);
		}
		outbox_close(o.outbox);
		close(fd);
		/* one more may have been kept than was noted */
		unknown[i] = seen->last + 1;
		from = seen->last + 2;
	}
	fd = must_make("killed.outbox");
	o.outbox = must_map(fd);
	journal_close(must_open(&o, NULL), true);
	s = (struct story){.n_got = from + 2, .got = calloc(1, from + 2)};
	read_story("killed", &s, 0);
	for (uint64_t i = 1, k = 0; i < from; i++) {
		while (k < KILLS && unknown[k] < i)
			k++;
		if (s.got[i] != 1 && (s.got[i] || k == KILLS || unknown[k] != i))
			fail_msg("record %" PRIu64 " of %" PRIu64 " stands there %u times", i, from,
				s.got[i]);
	}
	print_message("%" PRIu64 " records kept, %" PRIu64 " of them by the successor\n", from,
		inherited);
	assert_true(inherited > 0);
	free(s.got);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
	munmap(seen, sizeof *seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_outlives_the_mapping),
		cmocka_unit_test(of_an_earlier_start_of_the_machine_nothing_is_believed),
		cmocka_unit_test(of_another_format_nothing_is_believed),
		cmocka_unit_test(what_is_no_plain_file_is_refused),
		cmocka_unit_test(what_root_makes_in_the_folder_of_another_is_that_account_s),
		cmocka_unit_test(a_shortened_file_is_made_whole),
		cmocka_unit_test(without_a_name_it_lives_as_long_as_its_descriptor),
		cmocka_unit_test(it_goes_round_and_takes_what_fits),
		cmocka_unit_test(what_stands_in_a_segment_is_told_by_the_note),
		cmocka_unit_test(kept_records_come_in_order_with_the_others),
		cmocka_unit_test(a_promise_of_the_disk_is_not_kept_by_memory),
		cmocka_unit_test(without_an_outbox_nothing_is_kept),
		cmocka_unit_test(a_full_outbox_says_so_and_loses_nothing),
		cmocka_unit_test(what_is_kept_outlasts_a_disk_that_fails),
		cmocka_unit_test(a_disk_that_fails_long_costs_only_what_has_no_room),
		cmocka_unit_test(what_could_not_be_written_at_the_end_is_written_at_the_start),
		cmocka_unit_test(what_nobody_can_have_put_there_is_told_and_left_out),
		cmocka_unit_test(a_killed_writer_lost_nothing_that_was_kept),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
