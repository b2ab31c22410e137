/* Figures of workers, their sum, and the pages made of them. */
#include "counters.h"
#include "metrics.h"
#include "ship.h"
#include "space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A house with two workers whose figures are known. */
static struct counters *figures(void)
{
	struct counters *c = calloc(2, sizeof *c);

	assert_non_null(c);
	for (unsigned i = 0; i < 2; i++) {
		count_add(&c[i].verdict[VERDICT_ALLOW][REASON_RULE], 10 + i);
		count_add(&c[i].verdict[VERDICT_DENY][REASON_LOGIN_BUSY], 1);
		count_add(&c[i].end[END_DONE], 7);
		count_add(&c[i].up, 100);
		count_add(&c[i].down, 1000);
		count_set(&c[i].connections, 3);
		count_set(&c[i].tunnels, 2);
	}
	return c;
}

static struct status house(const struct counters *c)
{
	struct status s = {.node = "edge1",
		.now_ms = 1700000060000,
		.started_ms = 1700000000000,
		.ready = true,
		.workers = 2,
		.worker = {{.index = 0, .pid = 11, .ready = true, .restarts = 4, .counters = c},
			{.index = 1, .pid = 12, .ready = true, .counters = c + 1}},
		.digest = "abc",
		.in_force_ms = 1700000000000,
		.shipping = true,
		.ship = {.state = SHIP_AWAY, .failures = 5, .backlog_bytes = 77, .already = 3, .known = true},
		.ship_text = "a \"quoted\" trouble",
		.journal_bytes = 1000,
		.space_left_s = INFINITY,
		.recorded = 5,
		.passed = 6,
		.observe_reason = ""};

	return s;
}

static double metric(const struct buf *page, const char *series)
{
	char wanted[200];
	const char *at;

	snprintf(wanted, sizeof wanted, "\n%s ", series);
	at = strstr(page->p, wanted);
	if (!at)
		fail_msg("no %s on the page", series);
	return strtod(at + strlen(wanted), NULL);
}

static void laps_fall_into_the_bucket_whose_bound_holds_them(void **state)
{
	struct counters *c = calloc(1, sizeof *c);
	(void)state;

	assert_non_null(c);
	for (size_t i = 1; i < LAP_BUCKETS; i++)
		assert_true(lap_bound_us[i] > lap_bound_us[i - 1]);
	count_lap(c, LAP_RECORD, 0);
	count_lap(c, LAP_RECORD, lap_bound_us[0]);
	count_lap(c, LAP_RECORD, lap_bound_us[0] + 1);
	count_lap(c, LAP_RECORD, UINT32_MAX);
	assert_int_equal(count_get(&c->lap[LAP_RECORD].bucket[0]), 2);
	assert_int_equal(count_get(&c->lap[LAP_RECORD].bucket[1]), 1);
	assert_int_equal(count_get(&c->lap[LAP_RECORD].bucket[LAP_BUCKETS]), 1);
	assert_int_equal(count_get(&c->lap[LAP_CONNECT].bucket[0]), 0);
	free(c);
}

static void a_successor_keeps_the_figures_and_nothing_that_is_open(void **state)
{
	struct counters *c = figures();
	(void)state;

	count_set(&c->failing, 1);
	counters_begin(c);
	assert_int_equal(counters_verdicts(c, VERDICT_ALLOW), 10);
	assert_int_equal(count_get(&c->connections) + count_get(&c->tunnels), 0);
	assert_int_equal(count_get(&c->failing), 0);
	free(c);
}

static void the_page_is_the_sum_of_the_workers(void **state)
{
	struct counters *c = figures();
	struct status s = house(c);
	struct buf page = {0};
	(void)state;

	count_lap(&c[0], LAP_VERDICT, 40);
	count_lap(&c[1], LAP_VERDICT, 2000000);
	metrics_write(&s, &page);
	assert_false(page.failed);
	assert_true(metric(&page, "stile_accesses_total{verdict=\"allow\",reason=\"rule\"}") == 21);
	assert_true(metric(&page, "stile_login_busy_total") == 2);
	assert_true(metric(&page, "stile_ends_total{reason=\"done\"}") == 14);
	assert_true(metric(&page, "stile_ends_total{reason=\"unreachable\"}") == 0);
	assert_true(metric(&page, "stile_bytes_total{direction=\"up\"}") == 200);
	assert_true(metric(&page, "stile_bytes_total{direction=\"down\"}") == 2000);
	assert_true(metric(&page, "stile_connections_open") == 6);
	assert_true(metric(&page, "stile_tunnels_open") == 4);
	assert_true(metric(&page, "stile_restarts_total{role=\"worker\"}") == 4);
	assert_true(metric(&page, "stile_start_time_seconds") == 1700000000);
	assert_true(metric(&page, "stile_ship_state{state=\"away\"}") == 1);
	assert_true(metric(&page, "stile_ship_state{state=\"idle\"}") == 0);
	assert_true(metric(&page, "stile_journal_backlog_bytes") == 77);
	assert_true(isinf(metric(&page, "stile_journal_space_seconds")));
	assert_true(metric(&page, "stile_coverage_recorded_seconds") == 300);
	assert_true(metric(&page, "stile_up") == 1);
	assert_true(metric(&page, "stile_verdict_seconds_bucket{le=\"5e-05\"}") == 1);
	assert_true(metric(&page, "stile_verdict_seconds_bucket{le=\"1\"}") == 1);
	assert_true(metric(&page, "stile_verdict_seconds_bucket{le=\"5\"}") == 2);
	assert_true(metric(&page, "stile_verdict_seconds_bucket{le=\"+Inf\"}") == 2);
	assert_true(metric(&page, "stile_verdict_seconds_count") == 2);
	assert_true(fabs(metric(&page, "stile_verdict_seconds_sum") - 2.00004) < 1e-9);
	buf_free(&page);

	s.ship.already = 0; /* nothing was heard from Redis yet: all of it may be missing there */
	metrics_write(&s, &page);
	assert_true(metric(&page, "stile_journal_backlog_bytes") == 1000);
	buf_free(&page);

	s.draining = true;
	s.shipping = false;
	metrics_write(&s, &page);
	assert_true(metric(&page, "stile_up") == 0);
	assert_true(metric(&page, "stile_ship_state{state=\"off\"}") == 1);
	assert_true(metric(&page, "stile_journal_backlog_bytes") == 1000);
	buf_free(&page);
	free(c);
}

static void the_status_is_json_whatever_its_texts(void **state)
{
	struct counters *c = figures();
	struct status s = house(c);
	struct buf b = {0};
	json_t *doc;
	(void)state;

	s.observe_left_ms = 1;
	s.observe_reason = "line\nand \"quote\"";
	buf_addc(&b, '{');
	status_json(&s, &b);
	buf_addc(&b, '}');
	doc = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	assert_int_equal(json_integer_value(json_object_get(doc, "uptime_s")), 60);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(doc, "observe"), "reason")),
		"line\nand \"quote\"");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(doc, "observe"), "left_s")), 1);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(doc, "shipper"), "trouble")),
		"a \"quoted\" trouble");
	assert_true(json_is_null(json_object_get(json_object_get(doc, "journal"), "space_left_s")));
	assert_int_equal(json_array_size(json_object_get(doc, "workers")), 2);
	json_decref(doc);
	buf_free(&b);
	free(c);
}

static void space_lasts_as_long_as_the_present_growth_lets_it(void **state)
{
	struct space s = {0};
	double left;
	(void)state;

	s.disk_free = 1 << 30;
	space_measured(&s, 1000, 1000);
	assert_true(isinf(space_left_s(&s, 1 << 20, 0)));
	for (uint64_t i = 1; i <= 1000; i++) /* 100 bytes a second, for longer than is remembered */
		space_measured(&s, 1000 + i * 1000, 1000 + i * 10000);
	left = space_left_s(&s, 2000000, 1000000);
	assert_true(left > 9990 && left < 10010); /* what is in Redis can be had back */
	assert_true(space_left_s(&s, 2000000, 0) > 19900);
	assert_true(space_left_s(&s, 500000, 600000) == 0);
	s.disk_free = 100;
	left = space_left_s(&s, 2000000, 0);
	assert_true(left > 0.99 && left < 1.01); /* the disk ends before the bound does */
	/* deleting is no negative growth */
	space_measured(&s, 10, s.looked_ms + 10000);
	assert_true(s.rate > 90);
}

static void the_folder_is_measured_segment_by_segment(void **state)
{
	struct space s = {0};
	int fd, root;
	(void)state;

	assert_int_equal(system("mkdir -p j/0 j/1 && "
				"head -c 100 /dev/zero "
				">j/0/00000001-0123456789abcdef0123456789abcdef-1.jnl && "
				"head -c 50 /dev/zero "
				">j/1/00000001-0123456789abcdef0123456789abcdef-1.jnl && "
				"head -c 999 /dev/zero >j/1/other && ln -s /etc j/x"),
		0);
	root = open("j", O_RDONLY | O_DIRECTORY);
	space_look(&s, root, 5000);
	assert_int_equal(s.bytes, 150);
	assert_true(s.disk_free > 0);
	fd = open("j/0/00000001-0123456789abcdef0123456789abcdef-1.jnl", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "12345", 5), 5);
	close(fd);
	space_look(&s, root, 5001); /* too soon */
	assert_int_equal(s.bytes, 150);
	space_look(&s, root, 5000 + SPACE_LOOK_MS);
	assert_int_equal(s.bytes, 155);
	close(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(laps_fall_into_the_bucket_whose_bound_holds_them),
		cmocka_unit_test(a_successor_keeps_the_figures_and_nothing_that_is_open),
		cmocka_unit_test(the_page_is_the_sum_of_the_workers),
		cmocka_unit_test(the_status_is_json_whatever_its_texts),
		cmocka_unit_test(space_lasts_as_long_as_the_present_growth_lets_it),
		cmocka_unit_test(the_folder_is_measured_segment_by_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
