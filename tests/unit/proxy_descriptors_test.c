/* How descriptors are shared out: what strangers get and what is kept never add up to more than
 * there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "descriptors.h"

#include <limits.h>
#include <sys/resource.h>

static void before_a_plan_nothing_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(descriptors_ceiling(), INT_MAX);
	assert_true(descriptors_connections() == SIZE_MAX);
	assert_int_equal(descriptors_lookups(), 512);
}

static void shares_fit_in(void **state)
{
	struct rlimit before, r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t n = 200; n <= before.rlim_max && n <= 1000000; n = n * 3 / 2) {
		r = (struct rlimit){n, before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
		descriptors_plan();
		assert_true((rlim_t)descriptors_ceiling() + descriptors_lookups() + 32 <= n);
		assert_true(2 * descriptors_connections() <= (size_t)descriptors_ceiling());
		assert_true(descriptors_connections() >= 8 && descriptors_lookups() >= 1);
		assert_true(descriptors_lookups() <= 512);
	}
	setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_a_plan_nothing_is_bounded),
		cmocka_unit_test(shares_fit_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
