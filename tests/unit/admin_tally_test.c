/* The tally: what is a minute, what is once, and what is folded. Cases are rollup entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tally.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY  "2026-11-02"
#define NOON 29893680 /* of it, in UTC minutes */

static struct tally *start(void)
{
	struct period p = {.from = "2026-11-01", .to = "2026-11-03", .days = 3};
	struct tally *t = tally_new(&p);
	assert_non_null(t);
	assert_int_equal(tally_node_open(t, SPAN("edge1")), 0);
	return t;
}

/* names: "role,service,zone,rule,purpose" inside quotes */
static void minute(struct tally *t, const char *user, const char *names, unsigned at, unsigned up,
	unsigned down)
{
	char field[256], text[64];
	snprintf(field, sizeof field, "[\"%s\",%s]", user, names);
	snprintf(text, sizeof text, "%u,%u,%u ", NOON + at, up, down);
	tally_add(t, 0, ROLLUP_MIN, SPAN(DAY), span_str(field), 0, span_str(text));
}

static void counter(
	struct tally *t, const char *metric, const char *user, const char *names, unsigned add)
{
	char field[256];
	snprintf(field, sizeof field, "[\"%s\",\"%s\",%s]", metric, user, names);
	tally_add(t, 0, ROLLUP_DAY, SPAN(DAY), span_str(field), add, SPAN(""));
}

static struct figures row(struct tally *t, enum dim by, const char *key)
{
	struct figures f = {.people = UINT64_MAX};
	struct tally_row *rows;
	size_t n;
	assert_true(tally_rows(t, by, 1, &rows, &n));
	for (size_t i = 0; i < n; i++)
		if (span_is(rows[i].key, key))
			f = rows[i].f;
	free(rows);
	return f;
}

static struct figures total(struct tally *t)
{
	struct figures f;
	tally_total(t, &f);
	return f;
}

#define FB  "\"staff\",\"facebook\",\"public\",\"social\",\"\""
#define FB2 "\"comms\",\"facebook\",\"public\",\"campaigns\",\"news\""
#define IG  "\"staff\",\"instagram\",\"public\",\"social\",\"\""
#define HUB "\"staff\",\"hub\",\"external\",\"rest\",\"\""

static void a_minute_is_active_from_the_floor_on(void **state)
{
	static const struct {
		unsigned up, down;
		uint64_t active, idle;
	} cases[] = {
		{2048, 16384 - 2048, 1, 0},
		{2048, 16384 - 2048 - 1, 0, 1},
		{2047, 100000, 0, 1},
		{16384, 0, 1, 0},
		{0, 1, 0, 1},
		{0, 0, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tally *t = start();
		minute(t, "p1", FB, 0, cases[i].up, cases[i].down);
		assert_int_equal(total(t).active, cases[i].active);
		assert_int_equal(total(t).idle, cases[i].idle);
		tally_free(t);
	}
}

static void parts_of_a_minute_add_up_over_rules_and_entries(void **state)
{
	struct tally *t = start();
	(void)state;
	minute(t, "p1", FB, 0, 1000, 5000);
	minute(t, "p1", FB, 0, 48, 5000);
	minute(t, "p1", FB2, 0, 1000, 4336);
	assert_int_equal(total(t).active, 1);
	assert_int_equal(total(t).idle, 0);
	assert_int_equal(row(t, DIM_SERVICE, "facebook").active, 1);
	tally_free(t);
}

static void a_minute_goes_to_the_rule_with_most_bytes(void **state)
{
	struct tally *t = start();
	(void)state;
	minute(t, "p1", FB, 0, 3000, 20000);
	minute(t, "p1", FB2, 0, 3000, 20001);
	minute(t, "p1", FB, 1, 3000, 20000);
	minute(t, "p1", FB2, 1, 3000, 20000); /* equal: the first by name */
	assert_int_equal(row(t, DIM_RULE, "campaigns").active, 2);
	assert_int_equal(row(t, DIM_RULE, "social").active, 0);
	assert_int_equal(row(t, DIM_ROLE, "comms").active, 2);
	assert_int_equal(row(t, DIM_PURPOSE, "").active, 1); /* "" comes before "news" */
	assert_int_equal(row(t, DIM_PURPOSE, "news").active, 1);
	tally_free(t);
}

static void a_minute_with_two_services_is_one_minute_of_the_total(void **state)
{
	struct tally *t = start();
	(void)state;
	minute(t, "p1", FB, 0, 3000, 20000);
	minute(t, "p1", IG, 0, 3000, 20000);
	minute(t, "p1", HUB, 0, 10, 10); /* idle beside active: active */
	minute(t, "p2", HUB, 0, 10, 10);
	assert_int_equal(total(t).active, 1);
	assert_int_equal(total(t).idle, 1);
	assert_int_equal(row(t, DIM_SERVICE, "facebook").active, 1);
	assert_int_equal(row(t, DIM_SERVICE, "instagram").active, 1);
	assert_int_equal(row(t, DIM_SERVICE, "hub").idle, 2);
	assert_int_equal(row(t, DIM_ZONE, "public").active, 1);
	assert_int_equal(row(t, DIM_ROLE, "staff").active, 1);
	assert_int_equal(row(t, DIM_ROLE, "staff").idle, 1);
	assert_int_equal(row(t, DIM_DAY, DAY).active, 1);
	tally_free(t);
}

static void minutes_below_the_floor_with_two_services_stay_idle(void **state)
{
	struct tally *t = start();
	(void)state;
	minute(t, "p1", FB, 0, 1500, 10000);
	minute(t, "p1", IG, 0, 1500, 10000);
	assert_int_equal(total(t).active, 0);
	assert_int_equal(total(t).idle, 1);
	tally_free(t);
}

static void nobody_has_bytes_but_no_minutes_and_is_no_person(void **state)
{
	struct tally *t = start();
	(void)state;
	counter(t, "allow", "", FB, 3);
	counter(t, "up", "", FB, 70);
	minute(t, "", FB, 0, 3000, 20000);
	counter(t, "challenge", "", "\"\",\"\",\"\",\"\",\"\"", 9);
	struct figures f = total(t);
	assert_int_equal(f.people, 0);
	assert_int_equal(f.accesses, 3);
	assert_int_equal(f.up, 70);
	assert_int_equal(f.active + f.idle, 0);
	assert_int_equal(f.challenges, 9);
	assert_int_equal(f.refused, 0);
	tally_free(t);
}

static void moved(struct tally *t, const char *user, const char *text)
{
	char field[256];
	snprintf(field, sizeof field, "[\"moved\",\"%s\"," FB "]", user);
	tally_add(t, 0, ROLLUP_MOVED, SPAN(DAY), span_str(field), 0, span_str(text));
}

/* In one field or, as it was, in one each: the same. Tunnels alone are nothing anybody did. */
static void what_moved_adds_up_in_either_form(void **state)
{
	static const char *const bad[] = {"", "5", "1,2", "1,2,", "1,2,3,4", "1,2,3 4", "-1,2,3",
		"a,2,3", ",2,3", "9223372036854775808,0,0", "0,0,9223372036854775808"};
	const size_t n = sizeof bad / sizeof bad[0];
	struct tally *t = start();
	(void)state;
	tally_hash(t);
	moved(t, "p1", "10,200,3");
	counter(t, "up", "p1", FB, 5);
	counter(t, "down", "p1", FB, 6);
	moved(t, "p2", "0,9223372036854775807,0");
	moved(t, "p3", "0,0,9");
	moved(t, "p1", "10,200,3"); /* a scan gives it again */
	tally_hash(t);
	moved(t, "p1", "1,0,0");
	struct figures f = total(t);
	assert_int_equal(f.people, 2);
	assert_int_equal(f.up, 16);
	assert_true(f.down == INT64_MAX + UINT64_C(206));
	assert_int_equal(tally_bad_lines(t), 0);
	for (size_t i = 0; i < n; i++) {
		tally_hash(t);
		moved(t, "p1", bad[i]);
	}
	tally_add(t, 0, ROLLUP_DAY, SPAN(DAY), SPAN("[\"up\",\"p1\"," FB "]"), 0, SPAN("x"));
	tally_add(t, 0, ROLLUP_DAY, SPAN(DAY), SPAN("[\"none\",\"p1\"," FB "]"), 0, SPAN("1,2,3"));
	assert_int_equal(tally_bad_lines(t), n + 2);
	f = total(t);
	assert_int_equal(f.up, 16);
	tally_free(t);
}

static void counters_keep_apart_what_they_count(void **state)
{
	struct tally *t = start();
	(void)state;
	counter(t, "allow", "p1", FB, 5);
	counter(t, "allow", "p2", FB, 1);
	counter(t, "deny", "p1", FB2, 2);
	counter(t, "limit", "p1", FB, 4);
	counter(t, "down", "p1", FB, 1000);
	counter(t, "tunnels", "p1", FB, 77);
	counter(t, "checkpoint", "", "\"\",\"\",\"\",\"\",\"\"", 12);
	counter(t, "lost", "", "\"\",\"\",\"\",\"\",\"\"", 2);
	struct figures f = total(t);
	assert_int_equal(f.people, 2);
	assert_int_equal(f.accesses, 6);
	assert_int_equal(f.refused, 2);
	assert_int_equal(f.limited, 4);
	assert_int_equal(f.down, 1000);
	assert_int_equal(tally_node(t, 0)->checkpoints, 12);
	assert_int_equal(tally_node(t, 0)->lost, 2);
	assert_int_equal(row(t, DIM_RULE, "campaigns").people, 1);
	tally_free(t);
}

static void other_days_are_passed_over_and_nonsense_is_counted(void **state)
{
	static const char *const bad[] = {"", "[", "[]", "[\"up\",\"p\"]", "{}",
		"[\"up\",1,2,3,4,5,6]", "[\"UP\",\"p\",\"a\",\"b\",\"c\",\"d\",\"e\"]",
		"x\"up\",\"p\",\"a\",\"b\",\"c\",\"d\",\"e\"]"};
	static const char *const bad_minutes[] = {
		"1", "1,2", "a,b,c", "1,2,3,4", "29893680,-1,5", "99999999999,1,1", "0,1,1"};
	struct tally *t = start();
	(void)state;
	tally_add(t, 0, ROLLUP_DAY, SPAN("2026-11-04"), SPAN("[\"allow\",\"p\"," FB "]"), 1,
		SPAN(""));
	tally_add(t, 0, ROLLUP_DAY, SPAN("2026-10-31"), SPAN("nonsense"), 1, SPAN(""));
	tally_add(t, 0, ROLLUP_DAY, SPAN(DAY), SPAN("[\"other\",\"p\"," FB "]"), 1, SPAN(""));
	tally_add(t, 0, ROLLUP_DAY, SPAN(DAY), SPAN("[\"\",\"p\"," FB "]"), 1, SPAN(""));
	assert_int_equal(tally_bad_lines(t), 0);
	size_t n = sizeof bad / sizeof bad[0], m = sizeof bad_minutes / sizeof bad_minutes[0];
	for (size_t i = 0; i < n; i++)
		tally_add(t, 0, ROLLUP_DAY, SPAN(DAY), span_str(bad[i]), 1, SPAN(""));
	assert_int_equal(tally_bad_lines(t), n);
	for (size_t i = 0; i < m; i++)
		tally_add(t, 0, ROLLUP_MIN, SPAN(DAY), SPAN("[\"p\"," FB "]"), 0,
			span_str(bad_minutes[i]));
	assert_int_equal(tally_bad_lines(t), n + m);
	assert_int_equal(total(t).accesses, 0);
	assert_int_equal(total(t).idle, 0);
	assert_false(tally_failed(t));
	tally_free(t);
}

/* --- folding: services with so many people each, and what is left --------------------------------
 */

struct fold_case {
	const char *what;
	unsigned people[6]; /* of services s0, s1, …; 0 ends */
	uint64_t below;
	size_t shown, folded; /* rows */
	uint64_t in_fold;     /* distinct people */
};

/* Person k of service i is p<i>-<k>, so nobody is in two services. */
static void folding_leaves_no_row_of_few_and_no_way_back(void **state)
{
	static const struct fold_case cases[] = {
		{"none is small", {5, 9, 7}, 5, 3, 0, 0},
		{"two small ones", {3, 9, 4, 8}, 5, 2, 2, 7},
		{"one small one takes the smallest other", {3, 9, 7, 8}, 5, 2, 2, 10},
		{"small ones that are few together take another", {1, 2, 9, 8}, 5, 1, 3, 11},
		{"all are small", {1, 2, 1}, 5, 0, 3, 4},
		{"a single small row", {2}, 5, 0, 1, 2},
		{"below 1 folds nothing", {1, 2, 3}, 1, 3, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct fold_case *c = &cases[i];
		struct tally *t = start();
		struct tally_row *rows;
		size_t n, shown = 0, folded = 0;
		uint64_t in_fold = 0;
		for (unsigned s = 0; c->people[s]; s++)
			for (unsigned k = 0; k < c->people[s]; k++) {
				char user[16], names[64];
				snprintf(user, sizeof user, "p%u-%u", s, k);
				snprintf(names, sizeof names, "\"r\",\"s%u\",\"z\",\"u\",\"\"", s);
				counter(t, "allow", user, names, 1);
			}
		assert_true(tally_rows(t, DIM_SERVICE, c->below, &rows, &n));
		for (size_t k = 0; k < n; k++) {
			shown += !rows[k].fold;
			folded += rows[k].fold ? rows[k].rows : 0;
			in_fold += rows[k].fold ? rows[k].f.people : 0;
			if (!rows[k].fold)
				assert_true(rows[k].f.people >= c->below);
		}
		if (shown != c->shown || folded != c->folded || in_fold != c->in_fold)
			fail_msg("%s: %zu shown, %zu folded, %u people in the fold", c->what, shown,
				folded, (unsigned)in_fold);
		free(rows);
		tally_free(t);
	}
}

static void a_fold_counts_a_person_and_a_minute_once(void **state)
{
	struct tally *t = start();
	struct tally_row *rows;
	size_t n;
	(void)state;
	minute(t, "p1", FB, 0, 3000, 20000);
	minute(t, "p1", IG, 0, 10, 10);
	assert_true(tally_rows(t, DIM_SERVICE, 5, &rows, &n));
	assert_int_equal(n, 1);
	assert_true(rows[0].fold);
	assert_int_equal(rows[0].rows, 2);
	assert_int_equal(rows[0].f.people, 1);
	assert_int_equal(rows[0].f.active, 1);
	assert_int_equal(rows[0].f.idle, 0);
	free(rows);
	tally_free(t);
}

static void rows_without_people_stay_and_protect_nobody(void **state)
{
	struct tally *t = start();
	struct tally_row *rows;
	size_t n;
	(void)state;
	counter(t, "challenge", "", "\"\",\"\",\"\",\"\",\"\"", 9);
	counter(t, "allow", "p1", FB, 1);
	for (unsigned k = 0; k < 6; k++) {
		char user[16];
		snprintf(user, sizeof user, "q%u", k);
		counter(t, "allow", user, IG, 1);
	}
	assert_true(tally_rows(t, DIM_SERVICE, 5, &rows, &n));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].f.challenges, 9);
	assert_true(rows[1].fold);
	assert_int_equal(rows[1].f.people, 7);
	free(rows);
	tally_free(t);
}

static void every_day_of_the_period_has_its_row_in_order(void **state)
{
	struct tally *t = start();
	struct tally_row *rows;
	size_t n;
	(void)state;
	counter(t, "allow", "", FB, 1);
	assert_true(tally_rows(t, DIM_DAY, 5, &rows, &n));
	assert_int_equal(n, 3);
	assert_true(span_is(rows[0].key, "2026-11-01"));
	assert_true(span_is(rows[1].key, "2026-11-02"));
	assert_int_equal(rows[1].f.accesses, 1);
	assert_true(span_is(rows[2].key, "2026-11-03"));
	free(rows);
	tally_free(t);
}

/* More entries than the ledger's first memory: sums survive its merging and growing. */
static void sums_survive_merging(void **state)
{
	struct tally *t = start();
	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		char user[16];
		snprintf(user, sizeof user, "p%u", i % 1000);
		counter(t, i % 2 ? "allow" : "deny", user, i % 3 ? FB : IG, 1);
		minute(t, user, FB, i / 1000, 3000, 20000);
	}
	struct figures f = total(t);
	assert_int_equal(f.people, 1000);
	assert_int_equal(f.accesses, 150000);
	assert_int_equal(f.refused, 150000);
	assert_int_equal(f.active, 300000);
	assert_int_equal(row(t, DIM_SERVICE, "instagram").accesses, 50000);
	tally_free(t);
}

static void minute_of(struct tally *t, const char *day, const char *names, const char *text)
{
	char field[256];
	snprintf(field, sizeof field, "[\"p1\",%s]", names);
	tally_add(t, 0, ROLLUP_MIN, span_str(day), span_str(field), 0, span_str(text));
}

/* 2026-11-02 begins at minute 29892960 in UTC; its local day 14 hours before that at most. */
static void days_that_are_done_free_minutes_that_no_other_day_has(void **state)
{
	struct tally *t = start();
	(void)state;
	minute_of(t, "2026-11-01", FB, "29892959,3000,20000 29893000,1500,10000 ");
	tally_day_done(t, SPAN("2026-11-01"));
	/* by the clock of another node's zone the same minutes are the next day's */
	minute_of(t, DAY, FB, "29893000,1500,10000 29892959,5,5 ");
	minute_of(t, DAY, IG, "29892959,5,5 ");
	tally_day_done(t, SPAN(DAY));
	assert_int_equal(tally_bad_lines(t), 0);
	minute_of(t, "2026-11-03", FB, "29892959,1,1 29892960,9000,9000 ");
	assert_int_equal(tally_bad_lines(t), 1);
	assert_int_equal(total(t).active, 3);
	assert_int_equal(total(t).idle, 0);
	assert_int_equal(row(t, DIM_SERVICE, "facebook").active, 3);
	assert_int_equal(row(t, DIM_SERVICE, "instagram").idle, 1);
	tally_free(t);
}

static void a_field_of_a_hash_counts_once(void **state)
{
	struct tally *t = start();
	(void)state;
	for (int hash = 0; hash < 2; hash++) {
		tally_hash(t);
		for (int i = 0; i < 2; i++) {
			counter(t, "allow", "p1", FB, 5);
			counter(t, "deny", "p1", FB, 7);
		}
		tally_hash(t);
		for (int i = 0; i < 2; i++)
			minute(t, "p1", FB, 0, 1024, 4096);
	}
	struct figures f = total(t);
	assert_int_equal(f.accesses, 10);
	assert_int_equal(f.refused, 14);
	assert_int_equal(f.active, 0);
	assert_int_equal(f.idle, 1);
	tally_free(t);
}

static void periods_follow_the_zone(void **state)
{
	static const struct {
		const char *from, *to, *zone;
		int64_t now;
		const char *first, *last;
		uint64_t days, minutes;
	} cases[] = {
		/* 2026-11-23 14:00 UTC; nothing said: seven days, today included */
		{NULL, NULL, NULL, 1795442400, "2026-11-17", "2026-11-23", 7, 6 * 1440 + 840},
		/* 23:30 UTC is the next day in Berlin */
		{NULL, NULL, "Europe/Berlin", 1795476600, "2026-11-18", "2026-11-24", 7,
			6 * 1440 + 30},
		/* the clocks go forward, and back */
		{"2026-03-29", "2026-03-29", "Europe/London", 1795442400, "2026-03-29",
			"2026-03-29", 1, 1380},
		{"2026-10-25", "2026-10-25", "Europe/London", 1795442400, "2026-10-25",
			"2026-10-25", 1, 1500},
		{"2026-11-20", NULL, NULL, 1795442400, "2026-11-20", "2026-11-23", 4,
			3 * 1440 + 840},
		{"yesterday", "today", "Europe/Berlin", 1795476600, "2026-11-23", "2026-11-24", 2,
			1470},
		{NULL, "2026-11-20", NULL, 1795442400, "2026-11-20", "2026-11-20", 1, 1440},
		{"2027-01-01", "2027-01-02", NULL, 1795442400, "2027-01-01", "2027-01-02", 2, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct period p;
		struct err e = {""};
		if (!period_make(&p, cases[i].from, cases[i].to, cases[i].zone, cases[i].now, &e))
			fail_msg("case %zu: %s", i, e.text);
		assert_string_equal(p.from, cases[i].first);
		assert_string_equal(p.to, cases[i].last);
		assert_int_equal(p.days, cases[i].days);
		assert_int_equal(p.minutes, cases[i].minutes);
	}
}

static void days_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {"2026-02-29", "2026-13-01", "2026-1-1", "26-01-01",
		"Today", "", "2026-01-01 ", " 2026-01-01", "2026-01-011"};
	struct period p;
	struct err e;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (period_make(&p, bad[i], NULL, NULL, 1795442400, &e))
			fail_msg("'%s' passed for a day", bad[i]);
		assert_non_null(strstr(e.text, "YYYY-MM-DD"));
	}
	assert_false(period_make(&p, "2026-01-02", "2026-01-01", NULL, 1795442400, &e));
	assert_false(period_make(&p, "2000-01-01", "2026-01-01", NULL, 1795442400, &e));
	assert_false(period_make(&p, NULL, NULL, "Europe/Nowhere", 1795442400, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minute_is_active_from_the_floor_on),
		cmocka_unit_test(parts_of_a_minute_add_up_over_rules_and_entries),
		cmocka_unit_test(a_minute_goes_to_the_rule_with_most_bytes),
		cmocka_unit_test(a_minute_with_two_services_is_one_minute_of_the_total),
		cmocka_unit_test(minutes_below_the_floor_with_two_services_stay_idle),
		cmocka_unit_test(nobody_has_bytes_but_no_minutes_and_is_no_person),
		cmocka_unit_test(what_moved_adds_up_in_either_form),
		cmocka_unit_test(counters_keep_apart_what_they_count),
		cmocka_unit_test(other_days_are_passed_over_and_nonsense_is_counted),
		cmocka_unit_test(folding_leaves_no_row_of_few_and_no_way_back),
		cmocka_unit_test(a_fold_counts_a_person_and_a_minute_once),
		cmocka_unit_test(rows_without_people_stay_and_protect_nobody),
		cmocka_unit_test(every_day_of_the_period_has_its_row_in_order),
		cmocka_unit_test(sums_survive_merging),
		cmocka_unit_test(days_that_are_done_free_minutes_that_no_other_day_has),
		cmocka_unit_test(a_field_of_a_hash_counts_once),
		cmocka_unit_test(periods_follow_the_zone),
		cmocka_unit_test(days_that_are_none_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
