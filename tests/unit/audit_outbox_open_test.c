/*
 * Successors that end, or fail, while they journal what a writer left in its outbox: the next one
 * goes on where they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "outbox_story.h"

#define LEFT 30 /* records kept */

/* Between the kept ones were others, which are lost: their numbers are missing in the outbox. */
static void leave(const struct journal_options *o, uint64_t n)
{
	struct journal *j = must_open(o, NULL);
	char mem[128];

	limit_files(1);
	for (uint64_t i = 1; i <= n; i++) {
		assert_true(keep(j, i));
		if (i % 4 == 0)
			assert_non_null(journal_add(j, body_of(mem, 1000), NULL, NULL));
	}
	journal_close(j, false);
	limit_files(RLIM_INFINITY);
}

/* Opens it with files of at most `room` bytes: what goes beyond fails, or is its end. */
static int successor(const struct journal_options *o, rlim_t room, bool killed)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct err e;

		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGXFSZ, killed ? SIG_DFL : SIG_IGN);
		limit_files(room);
		_exit(journal_open(o, NULL, &e) ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* At all kinds of places in what it writes. */
static unsigned each_place(const char *name, bool killed)
{
	unsigned ended = 0;

	for (rlim_t room = 60; room < 6000; room += 211) {
		struct journal_options o = {.dir = folder_make(name)};
		struct err e;
		int fd = outbox_make_unnamed(&e);
		struct story s;

		o.outbox = must_map(fd);
		leave(&o, LEFT);
		for (unsigned i = 0; i < 3; i++)
			ended += successor(&o, room + 300 * i, killed) != 0;
		journal_close(must_open(&o, NULL), true);
		once_each(name, 1, LEFT + 1, &s);
		assert_int_equal(s.records, LEFT);
		outbox_close(o.outbox);
		close(fd);
		folder_empty(o.dir);
		close(o.dir);
	}
	return ended;
}

static void a_successor_that_is_killed_leaves_each_record_once(void **state)
{
	(void)state;
	assert_true(each_place("open-killed", true) > 20);
}

static void a_successor_that_cannot_write_leaves_each_record_once(void **state)
{
	(void)state;
	assert_true(each_place("open-fails", false) > 20);
}

/* The numbers of who comes next do not depend on it. */
static void the_highest_number_of_all_harms_no_successor(void **state)
{
	struct journal_options o = {.dir = folder_make("highest")};
	struct journal_before before;
	struct outbox_entry x;
	struct err e;
	int fd = outbox_make_unnamed(&e), status;
	struct story s;
	char mem[128];
	pid_t child;

	(void)state;
	o.outbox = must_map(fd);
	assert_true(outbox_put(o.outbox, INT64_MAX, body_of(mem, 1), &x));
	child = fork();
	if (child == 0) {
		struct journal *j = journal_open(&o, NULL, &e);

		_exit(j && keep(j, 2) && keep(j, 3) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	journal_close(must_open(&o, &before), true);
	assert_int_equal(before.kept, 2);
	assert_false(before.damaged);
	once_each("highest", 1, 4, &s);
	outbox_close(o.outbox);
	close(fd);
	close(o.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_successor_that_is_killed_leaves_each_record_once),
		cmocka_unit_test(a_successor_that_cannot_write_leaves_each_record_once),
		cmocka_unit_test(the_highest_number_of_all_harms_no_successor),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
