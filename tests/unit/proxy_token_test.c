/* Tokens of the coach page: bound to person, rule, terms and time. */
#include "token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NOW INT64_C(1800000000000)

static const uint8_t key[32] = {1, 2, 3}, other_key[32] = {1, 2, 4};
static const struct token_claim mine = {{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}};

static const struct {
	const char *name;
	struct token_claim claim;
	const uint8_t *key;
	int64_t later_ms;
	enum token_answer answer;
} rows[] = {
	{"at once", {{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}}, key, 0, TOKEN_GOOD},
	{"at its end", {{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}}, key,
		TOKEN_LIFE_MS, TOKEN_GOOD},
	{"too late", {{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}}, key,
		TOKEN_LIFE_MS + 1, TOKEN_EXPIRED},
	{"from a clock that is ahead a little",
		{{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}}, key, -5000, TOKEN_GOOD},
	{"from the future", {{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}}, key, -5001,
		TOKEN_FORGED},
	{"another's", {{"0123456780", 10}, {"coach-video", 11}, {"be kind", 7}}, key, 0,
		TOKEN_FORGED},
	{"for another rule", {{"0123456789", 10}, {"coach-audio", 11}, {"be kind", 7}}, key, 0,
		TOKEN_FORGED},
	{"for other terms", {{"0123456789", 10}, {"coach-video", 11}, {"be good", 7}}, key, 0,
		TOKEN_FORGED},
	{"the same bytes, cut elsewhere", {{"0123456789c", 11}, {"oach-video", 10}, {"be kind", 7}},
		key, 0, TOKEN_FORGED},
	{"of another installation", {{"0123456789", 10}, {"coach-video", 11}, {"be kind", 7}},
		other_key, 0, TOKEN_FORGED},
};

static void a_token_is_good_for_what_it_was_made_for(void **state)
{
	struct digest *d = digest_new();
	char token[TOKEN_LEN + 1];

	(void)state;
	token_make(d, key, &mine, NOW, token);
	assert_int_equal(strlen(token), TOKEN_LEN);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t issued = 0;
		enum token_answer a = token_check(d, rows[i].key, &rows[i].claim, span_str(token),
			NOW + rows[i].later_ms, &issued);

		if (a != rows[i].answer)
			fail_msg("%s: %d", rows[i].name, a);
		if (a == TOKEN_GOOD)
			assert_int_equal(issued, NOW);
	}
	digest_free(d);
}

/* Every single change of a digit is seen, and so is every other length. */
static void a_changed_token_is_forged(void **state)
{
	struct digest *d = digest_new();
	char token[TOKEN_LEN + 2];
	int64_t issued;

	(void)state;
	token_make(d, key, &mine, NOW, token);
	for (size_t i = 0; i < TOKEN_LEN; i++) {
		char kept = token[i];

		token[i] = kept == '0' ? '1' : '0';
		assert_int_equal(
			token_check(d, key, &mine, span_str(token), NOW, &issued), TOKEN_FORGED);
		token[i] = kept;
	}
	for (size_t n = 0; n < TOKEN_LEN; n++)
		assert_int_equal(
			token_check(d, key, &mine, span_of(token, n), NOW, &issued), TOKEN_FORGED);
	token[TOKEN_LEN] = '0', token[TOKEN_LEN + 1] = 0;
	assert_int_equal(token_check(d, key, &mine, span_str(token), NOW, &issued), TOKEN_FORGED);
	digest_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_good_for_what_it_was_made_for),
		cmocka_unit_test(a_changed_token_is_forged)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
