/*
 * Totals of many nodes: the text has one shape only, and whatever order, repetition or loss the
 * words of the nodes come in, the sums are those of the largest that each node ever said.
 */
#include "totals.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ANNA  "0123456789abcdef01234567"
#define START 29333280 /* 2025-10-09 00:00 UTC */
#define AT    "1760000000000"
#define UNTIL "1760028800000"

static uint64_t seed = 7;
static unsigned chance(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static void text_of(const struct total *t, char field[TOTAL_FIELD_MAX], char value[TOTAL_VALUE_MAX])
{
	struct buf b;
	buf_init_fixed(&b, field, TOTAL_FIELD_MAX);
	total_field(t, &b);
	assert_false(b.failed);
	buf_init_fixed(&b, value, TOTAL_VALUE_MAX);
	total_value(t, &b);
	assert_false(b.failed);
}

static void the_text_is_as_documented(void **state)
{
	(void)state;
	struct total t = {.person = ANNA,
		.rule = "staff-social",
		.start = START,
		.purpose = 2,
		.bytes = 1234567,
		.more_minutes = 30,
		.more_bytes = 500,
		.acked_at_ms = 1760000000000,
		.acked_until_ms = 1760028800000,
		.minutes = {[8] = 0xff, [9] = 1ULL << 63}};
	char field[TOTAL_FIELD_MAX], value[TOTAL_VALUE_MAX];
	text_of(&t, field, value);
	assert_string_equal(field, ANNA "|staff-social");
	assert_string_equal(
		value, "1 29333280 1234567 30 500 " AT " " UNTIL " 2 8:ff 9:8000000000000000");
	assert_int_equal(total_minutes(&t), 9);
}

static void what_is_read_is_what_was_written(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct total t = {.person = ANNA, .rule = "r.1_-x", .start = START + chance(3)},
			     back;
		char field[TOTAL_FIELD_MAX], value[TOTAL_VALUE_MAX];
		t.bytes = chance(2) ? TOTAL_BYTES : chance(1000);
		t.more_minutes = chance(3);
		if (chance(2)) {
			t.acked_at_ms = 1760000000000 + chance(1000000);
			t.acked_until_ms = t.acked_at_ms + 1 + chance(1000000);
			t.purpose = chance(16);
		}
		for (unsigned i = chance(TOTAL_WORDS + 1); i < TOTAL_WORDS; i++)
			t.minutes[i] = round == 0 ? UINT64_MAX : (uint64_t)chance(5) << chance(60);
		text_of(&t, field, value);
		assert_true(total_parse(span_str(field), span_str(value), &back));
		assert_memory_equal(&t, &back, sizeof t);
	}
}

static void the_longest_text_fits(void **state)
{
	(void)state;
	struct total t = {.start = UINT32_MAX,
		.purpose = UINT32_MAX,
		.bytes = UINT64_MAX,
		.more_minutes = UINT64_MAX,
		.more_bytes = UINT64_MAX,
		.acked_at_ms = INT64_MIN,
		.acked_until_ms = INT64_MIN};
	char field[TOTAL_FIELD_MAX], value[TOTAL_VALUE_MAX];
	memset(t.person, 'a', TOTAL_PERSON);
	memset(t.rule, 'r', TOTAL_RULE);
	memset(t.minutes, 0xff, sizeof t.minutes);
	text_of(&t, field, value);
}

static void other_texts_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *field, *value;
		bool ok;
	} cases[] = {
		{ANNA "|r", "1 29333280 0 0 0 0 0 0", true},
		{ANNA "|", "1 29333280 0 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 0:1 23:f", true},
		{ANNA, "1 29333280 0 0 0 0 0 0", false},
		{"0123456789abcdef0123456|r", "1 29333280 0 0 0 0 0 0", false},
		{"0123456789ABCDEF01234567|r", "1 29333280 0 0 0 0 0 0", false},
		{ANNA "|a b", "1 29333280 0 0 0 0 0 0", false},
		{ANNA "|a|b", "1 29333280 0 0 0 0 0 0", false},
		{ANNA "|12345678901234567890123456789012345678901234567890123456789012345",
			"1 29333280 0 0 0 0 0 0", false},
		{ANNA "|r", "", false},
		{ANNA "|r", "2 29333280 0 0 0 0 0 0", false},
		{ANNA "|r", "0 29333280 0 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 ", false},
		{ANNA "|r", "1  29333280 0 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 00 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 -1 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 9007199254740993 0 0 0 0 0", false}, /* 2^53 + 1 */
		{ANNA "|r", "1 4294967296 0 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 0 0 0 " AT " " UNTIL " 0", true},
		{ANNA "|r", "1 29333280 0 0 0 " UNTIL " " AT " 0", false},
		{ANNA "|r", "1 29333280 0 0 0 " AT " 1760604800001 0", false}, /* > 7 days */
		{ANNA "|r", "1 29333280 0 0 0 9000000000000 9000000001000 0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 1", false},
		{ANNA "|r", "1 29333280 0 0 0 0 " UNTIL " 0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1:1 0:1", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1:1 1:1", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 24:1", true},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 25:1", false},
		{"-|r", "1 29333280 0 0 0 0 0 0", true}, /* who did not log in */
		{"|r", "1 29333280 0 0 0 0 0 0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1:0", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1:", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1:F", false},
		{ANNA "|r", "1 29333280 0 0 0 0 0 0 1:12345678901234567", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct total t;
		if (total_parse(span_str(cases[i].field), span_str(cases[i].value), &t) !=
			cases[i].ok)
			fail_msg("%s: %s", cases[i].field, cases[i].value);
	}
	struct total t;
	assert_false(total_parse(span_of(ANNA "|r\0", 27), SPAN("1 29333280 0 0 0 0 0 0"), &t));
}

static struct total one(const char *rule, uint64_t bytes)
{
	struct total t = {.person = ANNA, .start = START, .bytes = bytes};
	memcpy(t.rule, rule, strlen(rule) + 1);
	return t;
}

static struct total sum_of(struct totals *all)
{
	struct total sum;
	assert_true(totals_changed(all, START, &sum));
	assert_false(totals_changed(all, START, &(struct total){.start = 0}));
	return sum;
}

static void each_node_counts_with_its_largest(void **state)
{
	(void)state;
	struct totals *all = totals_new(0);
	struct total a = one("r", 100), b = one("r", 40), older = one("r", 60), sum;
	a.more_minutes = 30;
	b.more_minutes = 15;
	a.minutes[8] = 0xf0;
	b.minutes[8] = 0x3c; /* two of them in parallel */
	assert_true(totals_take(all, 0, &a) && totals_take(all, 1, &b));
	sum = sum_of(all);
	assert_int_equal(sum.bytes, 140);
	assert_int_equal(sum.more_minutes, 45);
	assert_int_equal(total_minutes(&sum), 6);
	/* an older word, from a Redis that lost a second, and the same word twice */
	assert_true(totals_take(all, 0, &older) && totals_take(all, 1, &b));
	assert_false(totals_changed(all, START, &sum));
	a.bytes = 101;
	assert_true(totals_take(all, 0, &a));
	assert_int_equal(sum_of(all).bytes, 141);
	totals_again(all);
	assert_int_equal(sum_of(all).bytes, 141);
	totals_free(all);
}

static void the_longest_acknowledgement_holds(void **state)
{
	(void)state;
	struct totals *all = totals_new(0);
	struct total first = one("r", 0), second = one("r", 0), sum;
	first.acked_at_ms = 1000, first.acked_until_ms = 3000, first.purpose = 1;
	second.acked_at_ms = 2000, second.acked_until_ms = 4000, second.purpose = 2;
	assert_true(totals_take(all, 5, &second) && totals_take(all, 3, &first));
	sum = sum_of(all);
	assert_int_equal(sum.acked_at_ms, 2000);
	assert_int_equal(sum.acked_until_ms, 4000);
	assert_int_equal(sum.purpose, 2);
	totals_free(all);
}

static void days_are_apart_and_are_forgotten(void **state)
{
	(void)state;
	struct totals *all = totals_new(0);
	struct total today = one("r", 5), tomorrow = one("r", 7), sum;
	tomorrow.start += 1440;
	assert_true(totals_take(all, 0, &today) && totals_take(all, 0, &tomorrow));
	assert_int_equal(sum_of(all).bytes, 5); /* a clock that is ahead begins nothing early */
	totals_forget(all, START + 1440);
	assert_int_equal(totals_count(all), 1);
	assert_true(totals_changed(all, START + 1440, &sum));
	assert_int_equal(sum.bytes, 7);
	assert_true(totals_take(all, 0, &tomorrow));
	assert_false(totals_changed(all, START + 1440, &sum));
	totals_free(all);
}

static void what_has_no_room_is_refused_and_the_rest_goes_on(void **state)
{
	(void)state;
	struct totals *all = totals_new(2);
	struct total a = one("a", 1), b = one("b", 2), c = one("c", 3);
	assert_true(totals_take(all, 0, &a) && totals_take(all, 0, &b));
	assert_false(totals_take(all, 0, &c));
	a.bytes = 9;
	assert_true(totals_take(all, 0, &a));
	assert_int_equal(totals_count(all), 2);
	totals_forget(all, START + 1);
	assert_true(totals_take(all, 0, &c));
	totals_free(all);
}

#define PEOPLE 400
#define NODES  7

/* Against a plain computation: words in any order, some twice, some lost. */
static void sums_are_those_of_a_plain_computation(void **state)
{
	(void)state;
	static uint64_t bytes[PEOPLE][NODES], bits[PEOPLE], got[PEOPLE], got_bits[PEOPLE];
	struct totals *all = totals_new(0);
	struct total t, sum;
	for (int round = 0; round < 20000; round++) {
		const unsigned who = chance(PEOPLE), node = chance(NODES);
		t = one("r", chance(100000));
		memcpy(t.person + 20,
			(char[4]){(char)('a' + who % 6), (char)('a' + who / 6 % 6),
				(char)('a' + who / 36 % 6), (char)('a' + who / 216)},
			4);
		t.minutes[3] = 1ULL << chance(64);
		assert_true(totals_take(all, node, &t));
		bits[who] |= t.minutes[3];
		if (t.bytes > bytes[who][node])
			bytes[who][node] = t.bytes;
		if (chance(50) == 0 || round == 19999)
			while (totals_changed(all, START, &sum)) {
				const char *p = sum.person + 20;
				const int at = (p[0] - 'a') + 6 * (p[1] - 'a') + 36 * (p[2] - 'a') +
					       216 * (p[3] - 'a');
				got[at] = sum.bytes;
				got_bits[at] = sum.minutes[3];
			}
	}
	for (unsigned who = 0; who < PEOPLE; who++) {
		uint64_t want = 0;
		for (unsigned node = 0; node < NODES; node++)
			want += bytes[who][node];
		assert_int_equal(got[who], want);
		assert_int_equal(got_bits[who], bits[who]);
	}
	totals_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_as_documented),
		cmocka_unit_test(what_is_read_is_what_was_written),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(each_node_counts_with_its_largest),
		cmocka_unit_test(the_longest_acknowledgement_holds),
		cmocka_unit_test(days_are_apart_and_are_forgotten),
		cmocka_unit_test(what_has_no_room_is_refused_and_the_rest_goes_on),
		cmocka_unit_test(sums_are_those_of_a_plain_computation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
