/* Rates: tables of takes, and many processes at one cell. */
#include "gcra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CELLS 64
#define S     1000000ull
#define START (1700000000ull * S)

static struct rate_limit rate(uint32_t count, uint32_t period_s, uint32_t burst)
{
	return (struct rate_limit){period_s * S / count, burst, count, period_s};
}

static const struct {
	const char *name;
	uint32_t count, period_s, burst;
	uint64_t at_ms[8];  /* of each take */
	const char *expect; /* + within, - spent */
	uint32_t retry_s;   /* of the last take */
} takes[] = {
	{"one, then wait", 1, 1, 0, {0, 0, 999, 1000}, "+--+", 0},
	{"burst comes beyond the one", 20, 60, 3, {0, 0, 0, 0, 0}, "++++-", 3},
	{"what is paid comes back one by one", 20, 60, 1, {0, 0, 1, 3000, 3001, 6000}, "++-+-+", 0},
	{"credit is never more than the burst", 60, 60, 2, {0, 3600000, 3600000, 3600000, 3600000},
		"++++-", 1},
	{"retry rounds up", 6, 60, 0, {0, 100}, "+-", 10},
	{"retry is at least a second", 100, 1, 0, {0, 0}, "+-", 1},
	{"a refusal takes nothing", 1, 1, 0, {0, 500, 600, 700, 1000}, "+---+", 0},
	{"one a day", 1, 86400, 0, {0, 86399999, 86400000}, "+-+", 0},
};

static void takes_follow_the_rate(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
		struct gcra_cell cells[CELLS] = {{0}};
		struct rate_limit l = rate(takes[i].count, takes[i].period_s, takes[i].burst);
		uint32_t retry = 0;

		for (size_t k = 0; takes[i].expect[k]; k++) {
			uint64_t now = START + takes[i].at_ms[k] * 1000;
			uint32_t foretold;
			bool spent = gcra_spent(cells, CELLS, 7, &l, now, &foretold);
			bool ok = gcra_take(cells, CELLS, 7, &l, now, &retry);

			if (spent == ok || foretold != retry)
				fail_msg("%s: take %zu was foretold otherwise", takes[i].name,
					k + 1);

			if (ok != (takes[i].expect[k] == '+'))
				fail_msg("%s: take %zu", takes[i].name, k + 1);
		}
		if (retry != takes[i].retry_s)
			fail_msg("%s: retry %u", takes[i].name, retry);
	}
}

static void forty_in_a_minute_under_twenty_pass_twenty_and_a_few(void **state)
{
	struct gcra_cell cells[CELLS] = {{0}};
	struct rate_limit l = rate(20, 60, 5);
	uint32_t retry;
	int passed = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		passed += gcra_take(cells, CELLS, 7, &l, START + (uint64_t)i * 1500000, &retry);
	assert_in_range(passed, 24, 26);
}

static void no_limit_takes_nothing(void **state)
{
	struct gcra_cell cells[CELLS] = {{0}};
	struct rate_limit none = {0};
	uint32_t retry;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(gcra_take(cells, CELLS, 7, &none, START, &retry));
	assert_int_equal(cells[7].tag, 0);
}

static void people_do_not_spend_for_each_other(void **state)
{
	struct gcra_cell cells[CELLS] = {{0}};
	struct rate_limit l = rate(1, 60, 0);
	uint32_t retry;

	(void)state;
	/* 7 and 71 begin at the same cell */
	assert_true(gcra_take(cells, CELLS, 7, &l, START, &retry));
	assert_true(gcra_take(cells, CELLS, 71, &l, START, &retry));
	assert_false(gcra_take(cells, CELLS, 7, &l, START, &retry));
	assert_false(gcra_take(cells, CELLS, 71, &l, START, &retry));
}

static void a_clock_set_back_costs_one_full_wait(void **state)
{
	struct gcra_cell cells[CELLS] = {{0}};
	struct rate_limit l = rate(20, 60, 2);
	uint32_t retry;
	uint64_t back = START - 86400 * S;

	(void)state;
	assert_true(gcra_take(cells, CELLS, 7, &l, START, &retry));
	assert_false(gcra_take(cells, CELLS, 7, &l, back, &retry));
	assert_int_equal(retry, 3);
	assert_true(gcra_take(cells, CELLS, 7, &l, back + 3 * S, &retry));
}

static void a_full_table_reuses_what_owes_least(void **state)
{
	struct gcra_cell cells[CELLS] = {{0}};
	struct rate_limit l = rate(1, 60, 0);
	uint32_t retry;

	(void)state;
	for (uint64_t k = 0; k < GCRA_PROBES; k++)
		assert_true(gcra_take(cells, CELLS, CELLS * (k + 1), &l, START + k, &retry));
	assert_true(gcra_take(cells, CELLS, CELLS * 100, &l, START + 100, &retry));
	/* the newcomer's debt is his own; the first one's was forgotten, the others' were not */
	assert_false(gcra_take(cells, CELLS, CELLS * 100, &l, START + 100, &retry));
	for (uint64_t k = 1; k < GCRA_PROBES; k++)
		assert_false(gcra_take(cells, CELLS, CELLS * (k + 1), &l, START + 100, &retry));
}

struct shared {
	struct gcra_cell cells[CELLS];
	_Atomic uint32_t passed, ready;
};

static void take_many(struct shared *s, uint64_t tag, const struct rate_limit *l)
{
	uint32_t retry;

	atomic_fetch_add(&s->ready, 1);
	while (atomic_load(&s->ready) < 4)
		;
	for (int i = 0; i < 20000; i++)
		if (gcra_take(s->cells, CELLS, tag, l, START + (uint64_t)i * 100, &retry))
			atomic_fetch_add(&s->passed, 1);
	_exit(0);
}

/* 2 seconds of clock at 1000 a second: 1 + burst 50 + 2000, whoever asks. */
static void processes_never_take_more_than_there_is(void **state)
{
	struct rate_limit l = rate(1000, 1, 50);

	(void)state;
	for (uint64_t round = 1; round <= 20; round++) {
		struct shared *s = mmap(
			NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		int status;

		assert_ptr_not_equal(s, MAP_FAILED);
		for (int i = 0; i < 4; i++)
			if (fork() == 0)
				take_many(s, round, &l);
		for (int i = 0; i < 4; i++)
			assert_true(wait(&status) > 0 && status == 0);
		assert_in_range(atomic_load(&s->passed), 2040, 2051);
		munmap(s, sizeof *s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_follow_the_rate),
		cmocka_unit_test(forty_in_a_minute_under_twenty_pass_twenty_and_a_few),
		cmocka_unit_test(no_limit_takes_nothing),
		cmocka_unit_test(people_do_not_spend_for_each_other),
		cmocka_unit_test(a_clock_set_back_costs_one_full_wait),
		cmocka_unit_test(a_full_table_reuses_what_owes_least),
		cmocka_unit_test(processes_never_take_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
