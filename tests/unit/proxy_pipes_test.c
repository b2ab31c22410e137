/* The pool of pipes. */
#include "pipes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void no_more_are_lent_than_there_may_be(void **state)
{
	struct pipes pool = {.most = 2};
	struct pipe *a, *b;

	(void)state;
	a = pipes_lend(&pool);
	b = pipes_lend(&pool);
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_null(pipes_lend(&pool));
	pipes_take_back(a, true);
	assert_ptr_equal(pipes_lend(&pool), a);
	pipes_take_back(a, true);
	pipes_take_back(b, true);
	assert_int_equal(pool.n, 2);
	pipes_free(&pool);
	assert_int_equal(pool.n, 0);
}

static void what_is_left_in_a_pipe_is_read_by_nobody(void **state)
{
	struct pipes pool = {.most = 1};
	struct pipe *p = pipes_lend(&pool);
	int in;
	char byte;

	(void)state;
	assert_non_null(p);
	in = p->in;
	assert_int_equal(write(in, "x", 1), 1);
	pipes_take_back(p, false);
	assert_false(is_open(in));
	p = pipes_lend(&pool);
	assert_non_null(p);
	assert_int_equal(read(p->out, &byte, 1), -1);
	pipes_take_back(p, true);
	pipes_free(&pool);
}

static void a_pool_of_none_lends_none(void **state)
{
	struct pipes pool = {0};

	(void)state;
	assert_null(pipes_lend(&pool));
	pipes_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_are_lent_than_there_may_be),
		cmocka_unit_test(what_is_left_in_a_pipe_is_read_by_nobody),
		cmocka_unit_test(a_pool_of_none_lends_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
