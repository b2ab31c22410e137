/* The wheel against a list that is searched: nothing early, nothing late, nothing forgotten. */
#include "wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START 123456789u

struct waiting {
	struct wheel_entry entry;
	uint64_t due; /* 0: nothing is awaited */
};

static struct waiting *waiting_of(struct wheel_entry *e)
{
	return (struct waiting *)(void *)((char *)e - offsetof(struct waiting, entry));
}

/* As the loop does it: who is not due goes back. */
static size_t turn(struct wheel *w, uint64_t now, struct waiting **met)
{
	struct wheel_entry *e;
	size_t n = 0;

	while ((e = wheel_take(w, now)) != NULL) {
		struct waiting *x = waiting_of(e);

		if (x->due > now) {
			wheel_put(w, e, x->due, now);
			continue;
		}
		x->due = 0;
		if (met)
			met[n] = x;
		n++;
	}
	return n;
}

static void what_is_due_comes_within_a_slot(void **state)
{
	static const uint64_t after[] = {
		0, 1, 7, 8, 9, 1000, 8183, 8184, 8185, 8192, 60000, 3600000};
	struct wheel *w = calloc(1, sizeof *w);

	(void)state;
	assert_non_null(w);
	for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
		struct waiting x = {.due = START + after[i]};
		uint64_t now = START, next;

		wheel_put(w, &x.entry, x.due, now);
		while ((next = wheel_next_ms(w)) != 0) {
			assert_true(next > now);
			assert_int_equal(turn(w, next - 1, NULL), 0);
			now = next;
			if (turn(w, now, NULL))
				break;
		}
		assert_int_equal(x.due, 0);
		assert_true(now >= START + after[i] && now <= START + after[i] + WHEEL_SLOT_MS);
		assert_int_equal(w->n, 0);
	}
	free(w);
}

static void one_that_is_late_is_still_told(void **state)
{
	struct wheel *w = calloc(1, sizeof *w);
	struct waiting a = {.due = START + 10}, b = {.due = START + 9000}, c = {.due = 5};

	(void)state;
	wheel_put(w, &a.entry, a.due, START);
	wheel_put(w, &b.entry, b.due, START);
	wheel_put(w, &c.entry, c.due, START); /* long past */
	assert_true(wheel_next_ms(w) <= START + WHEEL_SLOT_MS);
	assert_int_equal(turn(w, START + 3600000, NULL), 3);
	assert_int_equal(wheel_next_ms(w), 0);
	/* and it goes on from there */
	a.due = START + 3600010;
	wheel_put(w, &a.entry, a.due, START + 3600000);
	assert_int_equal(turn(w, START + 3600009, NULL), 0);
	assert_int_equal(turn(w, START + 3600010 + WHEEL_SLOT_MS, NULL), 1);
	free(w);
}

static void one_that_is_dropped_does_not_come(void **state)
{
	struct wheel *w = calloc(1, sizeof *w);
	struct waiting a = {.due = START + 10}, b = {.due = START + 10};
	struct waiting *met[2];

	(void)state;
	wheel_put(w, &a.entry, a.due, START);
	wheel_put(w, &b.entry, b.due, START);
	wheel_drop(w, &a.entry);
	wheel_drop(w, &a.entry);
	assert_int_equal(turn(w, START + 100, met), 1);
	assert_ptr_equal(met[0], &b);
	wheel_drop(w, &b.entry);
	assert_int_equal(w->n, 0);
	free(w);
}

/* Thousands of idle tunnels must not wake the loop at each slot. */
static void those_far_away_are_looked_at_together(void **state)
{
	struct wheel *w = calloc(1, sizeof *w);
	struct waiting *v = calloc(2000, sizeof *v);
	uint64_t now = START, next;
	size_t turns = 0;

	(void)state;
	assert_true(w && v);
	for (size_t i = 0; i < 2000; i++, now += 5) {
		turn(w, now, NULL);
		v[i].due = now + 3600000;
		wheel_put(w, &v[i].entry, v[i].due, now);
	}
	while ((next = wheel_next_ms(w)) < START + 3000000) {
		assert_int_equal(turn(w, next, NULL), 0);
		turns++;
	}
	assert_true(turns <= 3000000 / (WHEEL_FAR * WHEEL_SLOT_MS) + 1);
	free(v);
	free(w);
}

enum { MANY = 300, STEPS = 40000 };

static void many_come_as_from_a_list(void **state)
{
	struct wheel *w = calloc(1, sizeof *w);
	struct waiting *v = calloc(MANY, sizeof *v);
	uint64_t now = START;

	(void)state;
	assert_true(w && v);
	srand(1);
	for (int step = 0; step < STEPS; step++) {
		struct waiting *x = &v[rand() % MANY];
		size_t live = 0;

		if (x->due && rand() % 2) {
			wheel_drop(w, &x->entry);
			x->due = 0;
		} else if (!x->due) {
			x->due = now + (uint64_t)(rand() % (rand() % 4 ? 500 : 100000));
			wheel_put(w, &x->entry, x->due, now);
		}
		now += (uint64_t)(rand() % (step % 1000 ? 20 : 30000));
		turn(w, now, NULL);
		for (size_t i = 0; i < MANY; i++) {
			assert_true(!v[i].due || v[i].due + WHEEL_SLOT_MS > now);
			assert_true(!v[i].due == !v[i].entry.look_ms);
			live += v[i].due != 0;
		}
		assert_int_equal(live, w->n);
	}
	free(v);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_due_comes_within_a_slot),
		cmocka_unit_test(one_that_is_late_is_still_told),
		cmocka_unit_test(one_that_is_dropped_does_not_come),
		cmocka_unit_test(those_far_away_are_looked_at_together),
		cmocka_unit_test(many_come_as_from_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
