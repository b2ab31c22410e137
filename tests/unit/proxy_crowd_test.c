/* Connections of a client over workers: exact for few clients, near for many, forgotten with the
 * dead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 3

struct room {
	void *memory;
	struct crowd *worker[WORKERS];
};

static struct addr addr(const char *text)
{
	struct addr a;

	assert_true(addr_parse(span_str(text), &a));
	return a;
}

static int open_room(void **state)
{
	struct room *r = calloc(1, sizeof *r);
	struct err e = {""};

	r->memory = calloc(1, crowd_size(WORKERS));
	for (unsigned i = 0; i < WORKERS; i++) {
		r->worker[i] = crowd_open(r->memory, crowd_size(WORKERS), WORKERS, i, &e);
		assert_non_null(r->worker[i]);
	}
	*state = r;
	return 0;
}

static int close_room(void **state)
{
	struct room *r = *state;

	for (unsigned i = 0; i < WORKERS; i++)
		crowd_close(r->worker[i]);
	free(r->memory);
	free(r);
	return 0;
}

static void the_limit_is_that_of_all_workers(void **state)
{
	struct room *r = *state;
	struct addr a = addr("192.0.2.1"), b = addr("192.0.2.2");

	for (unsigned i = 0; i < 9; i++)
		assert_true(crowd_enter(r->worker[i % WORKERS], &a, 9));
	for (unsigned i = 0; i < WORKERS; i++)
		assert_false(crowd_enter(r->worker[i], &a, 9));
	assert_true(crowd_enter(r->worker[0], &b, 9));
	crowd_leave(r->worker[1], &a);
	assert_true(crowd_enter(r->worker[2], &a, 9));
	assert_false(crowd_enter(r->worker[2], &a, 9));
}

static void a_client_of_ipv6_is_a_network(void **state)
{
	struct room *r = *state;
	struct addr a = addr("2001:db8::1"), same = addr("2001:db8::ffff:1"),
		    other = addr("2001:db8:0:1::1"), four = addr("32.1.13.184");

	assert_true(crowd_enter(r->worker[0], &a, 1));
	assert_false(crowd_enter(r->worker[0], &same, 1));
	assert_true(crowd_enter(r->worker[0], &other, 1));
	assert_true(crowd_enter(r->worker[0], &four, 1));
	crowd_leave(r->worker[0], &same);
	assert_true(crowd_enter(r->worker[0], &a, 1));
}

static void what_the_dead_counted_is_forgotten(void **state)
{
	struct room *r = *state;
	struct addr a = addr("192.0.2.1");
	struct err e = {""};

	assert_true(crowd_enter(r->worker[0], &a, 2) && crowd_enter(r->worker[1], &a, 2));
	assert_false(crowd_enter(r->worker[2], &a, 2));
	crowd_close(r->worker[0]);
	r->worker[0] = crowd_open(r->memory, crowd_size(WORKERS), WORKERS, 0, &e);
	assert_true(crowd_enter(r->worker[2], &a, 2));
	assert_false(crowd_enter(r->worker[2], &a, 2));
}

/* Of many clients hardly one is taken for more than it is: of 1000 some four share both their
 * places with others. */
static void many_clients_hardly_meet(void **state)
{
	struct room *r = *state;
	unsigned refused = 0, clients = 1000;

	for (unsigned i = 0; i < clients; i++) {
		struct addr a = addr("10.0.0.0");

		a.b[14] = (uint8_t)(i >> 8), a.b[15] = (uint8_t)i;
		for (unsigned k = 0; k < 4; k++)
			refused += !crowd_enter(r->worker[k % WORKERS], &a, 4);
	}
	assert_true(refused < clients / 10); /* of 4000 */
	for (unsigned i = 0; i < 4; i++) {   /* and the count is never too low */
		struct addr a = addr("10.0.3.7");

		assert_false(crowd_enter(r->worker[0], &a, 4));
	}
}

static void a_worker_without_room_is_an_error(void **state)
{
	struct room *r = *state;
	struct err e = {""};

	assert_null(crowd_open(r->memory, crowd_size(WORKERS), WORKERS, WORKERS, &e));
	assert_null(crowd_open(r->memory, crowd_size(WORKERS) - 1, WORKERS, 0, &e));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(the_limit_is_that_of_all_workers),
		WITH(a_client_of_ipv6_is_a_network),
		WITH(what_the_dead_counted_is_forgotten),
		WITH(many_clients_hardly_meet),
		WITH(a_worker_without_room_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
