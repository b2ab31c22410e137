/* Retries are one attempt, however the records tell them; reviews are measured in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attempts.h"
#include "rules_view.h"

#include <stdlib.h>

#define DAY "2026-11-02"

struct given {
	unsigned second;
	const char *user, *to, *rule, *reason;
	unsigned n;
};

static void take(struct attempts *a, const struct given *g, const char *verdict)
{
	struct record r;
	record_init(&r, RECORD_ACCESS);
	record_num(&r, FIELD_T, 1793613600000 + g->second * 1000ULL);
	record_str(&r, FIELD_DAY, SPAN(DAY));
	record_str(&r, FIELD_USER, span_str(g->user));
	record_str(&r, FIELD_TO, span_str(g->to));
	record_str(&r, FIELD_RULE, span_str(g->rule));
	record_str(&r, FIELD_REASON, span_str(g->reason));
	record_str(&r, FIELD_VERDICT, span_str(verdict));
	if (g->n)
		record_num(&r, FIELD_N, g->n);
	attempts_take(a, &r);
}

static struct figures total_of(const struct given *g, size_t n, bool backwards)
{
	struct period p = {.from = DAY, .to = DAY, .days = 1};
	struct tally *t = tally_new(&p);
	struct attempts *a = attempts_new();
	struct figures f;
	for (size_t i = 0; i < n && g[i].to; i++)
		take(a, &g[backwards ? n - 1 - i : i], "deny");
	assert_true(attempts_give(a, t));
	tally_total(t, &f);
	attempts_free(a);
	tally_free(t);
	return f;
}

static void retries_are_one_attempt(void **state)
{
	static const struct {
		struct given g[4];
		size_t n;
		unsigned attempts, refused, limited, people;
	} cases[] = {
		{{{0, "p", "x", "r", "rule", 1}, {60, "p", "x", "r", "rule", 7}}, 2, 1, 8, 0, 1},
		{{{0, "p", "x", "r", "rule", 0}, {120, "p", "x", "r", "rule", 1}}, 2, 1, 2, 0, 1},
		{{{0, "p", "x", "r", "rule", 1}, {121, "p", "x", "r", "rule", 1}}, 2, 2, 2, 0, 1},
		{{{0, "p", "x", "r", "rule", 1}, {100, "p", "x", "r", "rule", 1},
			 {200, "p", "x", "r", "rule", 1}},
			3, 1, 3, 0, 1},
		{{{0, "p", "x", "r", "rule", 1}, {1, "q", "x", "r", "rule", 1}}, 2, 2, 2, 0, 2},
		{{{0, "p", "x", "r", "rule", 1}, {1, "p", "y", "r", "rule", 1}}, 2, 2, 2, 0, 1},
		{{{0, "p", "x", "r", "rule", 1}, {1, "p", "x", "s", "rule", 1}}, 2, 2, 2, 0, 1},
		{{{0, "p", "x", "r", "rule", 1}, {1, "p", "x", "r", "limit", 5}}, 2, 2, 1, 5, 1},
		{{{0, "", "x", "r", "rule", 1}, {1, "", "x", "r", "rule", 1}}, 2, 1, 2, 0, 0},
		{{{0, "p", "x", "", "no-rule", 1}, {1, "p", "x", "", "no-rule", 1}}, 2, 1, 2, 0, 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int backwards = 0; backwards < 2; backwards++) {
			struct figures f = total_of(cases[i].g, cases[i].n, backwards);
			if (f.attempts != cases[i].attempts || f.refused != cases[i].refused ||
				f.limited != cases[i].limited || f.people != cases[i].people)
				fail_msg("case %zu: %u attempts of %u refused, %u limited, %u "
					 "people",
					i, (unsigned)f.attempts, (unsigned)f.refused,
					(unsigned)f.limited, (unsigned)f.people);
		}
}

static void only_refusals_are_taken(void **state)
{
	static const struct given one = {0, "p", "x", "r", "rule", 1},
				  none = {0, "p", "x", "r", "rule", 0};
	struct attempts *a = attempts_new();
	(void)state;
	take(a, &one, "allow");
	take(a, &one, "challenge");
	assert_int_equal(attempts_refusals(a), 0);
	take(a, &one, "deny");
	take(a, &none, "deny");
	assert_int_equal(attempts_refusals(a), 2);
	attempts_free(a);
}

static void reviews_are_told_in_words(void **state)
{
	static const struct {
		const char *review, *words;
		bool overdue;
	} cases[] = {{"2026-11-24", "in 1 day", false}, {"2027-03-31", "in 128 days", false},
		{"2026-11-23", "due today", false}, {"2026-11-22", "overdue by 1 day", true},
		{"2025-11-23", "overdue by 365 days", true}, {"", "no date", false}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char words[64];
		bool overdue =
			review_words(span_str(cases[i].review), "2026-11-23", words, sizeof words);
		assert_string_equal(words, cases[i].words);
		assert_int_equal(overdue, cases[i].overdue);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retries_are_one_attempt),
		cmocka_unit_test(only_refusals_are_taken),
		cmocka_unit_test(reviews_are_told_in_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
