/* The same figures from a journal and from Redis, where the real shipper brought it. */
#include "ship.h"
#include "source.h"

#include "redis_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NODE "generated-demo"

static struct redis_server server;

static void make_journal(void)
{
	char command[1024];
	const char *root = getenv("STILE_ROOT");
	assert_non_null(root);
	snprintf(command, sizeof command,
		"/usr/bin/python3 '%s/tests/scenario/gen_demo.py' journal --people 25 --days 4 "
		"--to 2026-10-14",
		root);
	assert_int_equal(system(command), 0);
}

static void ship_all(void)
{
	struct ship_options o = {.root = "journal",
		.node = NODE,
		.keep_ms = INT64_MAX / 2,
		.space = UINT64_MAX,
		.redis = redis_server_options(&server)};
	struct err e = {""};
	assert_true(ship_node_id("journal", o.node_id, &e));
	struct shipper *s = ship_new(&o, &e);
	assert_non_null(s);
	enum ship_state state;
	unsigned steps = 0;
	while ((state = ship_step(s)) == SHIP_BUSY && steps < 100000)
		steps++;
	if (state != SHIP_IDLE)
		fail_msg("shipping stands at %d: %s", state, ship_status(s)->text);
	assert_true(ship_status(s)->shipped > 0);
	ship_free(s);
}

static struct tally *tally_of(bool redis, const struct period *p)
{
	struct err e = {""};
	struct redis_options o = redis_server_options(&server);
	struct tally *t = tally_new(p);
	bool ok = redis ? source_redis_read(&o, t, NULL, false, &e)
			: source_journal_read("journal", t, NULL, false, &e);
	if (!ok)
		fail_msg("%s", e.text);
	return t;
}

static void assert_same_rows(struct tally *a, struct tally *b, enum dim by)
{
	struct tally_row *x, *y;
	size_t n, m;
	assert_true(tally_rows(a, by, 5, &x, &n));
	assert_true(tally_rows(b, by, 5, &y, &m));
	assert_int_equal(n, m);
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(span_eq(x[i].key, y[i].key));
		assert_int_equal(x[i].rows, y[i].rows);
		assert_memory_equal(&x[i].f, &y[i].f, sizeof x[i].f);
	}
	free(x);
	free(y);
}

static void redis_and_journal_give_the_same_figures(void **state)
{
	struct period p = {.from = "2026-10-12", .to = "2026-10-14", .days = 3};
	(void)state;
	make_journal();
	ship_all();
	struct tally *journal = tally_of(false, &p), *redis = tally_of(true, &p);
	struct figures x, y;
	tally_total(journal, &x);
	tally_total(redis, &y);
	assert_true(x.people > 0 && x.active > 0 && x.idle > 0 && x.accesses > 0);
	assert_memory_equal(&x, &y, sizeof x);
	for (int d = 0; d < DIM_COUNT; d++)
		assert_same_rows(journal, redis, (enum dim)d);
	assert_int_equal(tally_nodes(journal), 1);
	assert_int_equal(tally_nodes(redis), 1);
	assert_string_equal(tally_node(journal, 0)->name, NODE);
	assert_string_equal(tally_node(redis, 0)->name, NODE);
	assert_int_equal(tally_node(redis, 0)->checkpoints, 3 * 1440 - 15);
	assert_int_equal(tally_node(journal, 0)->checkpoints, 3 * 1440 - 15);
	assert_int_equal(tally_node(redis, 0)->lost, tally_node(journal, 0)->lost);
	assert_int_equal(tally_bad_lines(redis) + tally_bad_lines(journal), 0);
	tally_free(journal);
	tally_free(redis);
}

static int setup(void **state)
{
	(void)state;
	return redis_server_start(&server, NULL, NULL) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	redis_server_kill(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redis_and_journal_give_the_same_figures),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
