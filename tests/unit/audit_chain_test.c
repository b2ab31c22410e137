/* Chains: anyone can recompute them with sha256sum, and they tie records to name and order. */
#include "chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#define NAME "00112233445566778899aabbccddeeff"

/* Made with the three sha256sum lines of chain.h. */
static const struct {
	const char *body, *hash;
} vector[] = {
	{"", "12b574ef52ead5839a7d62f98f5399c7ca407a460c4c2e09324df9a0166560a3"}, /* before seq 1 */
	{"{\"k\":\"mark\"}", "5cda32eae7cf859fab5d3fb148c15a56633772fd27fb513899bc5187b965b7d4"},
	{"second body", "2f0e023893e310c9dc38d4a278b693276b1f5899a10eee55e81efd1edb28623a"},
};

static void a_chain_is_what_sha256sum_says(void **state)
{
	struct chain_tip tip;
	char hex[2 * SHA256_LEN + 1];

	(void)state;
	chain_start(SPAN(NAME), &tip);
	for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) {
		if (i)
			chain_next(&tip, span_str(vector[i].body));
		hex_encode(tip.hash, SHA256_LEN, hex);
		assert_string_equal(hex, vector[i].hash);
		assert_int_equal(tip.seq, i);
	}
}

static bool sh(const char *command, char *out, size_t cap)
{
	FILE *f = popen(command, "r");
	bool ok = f && fgets(out, (int)cap, f);

	if (f)
		pclose(f);
	return ok;
}

/* The recipe of the header itself, run as it stands there. */
static void the_recipe_of_the_header_gives_the_hash_of_the_journal(void **state)
{
	char out[128] = "";

	(void)state;
	if (!sh("command -v xxd", out, sizeof out)) {
		print_message("skipped: xxd is not installed\n");
		skip();
	}
	assert_true(sh("name=" NAME "; body='{\"k\":\"mark\"}'; "
		       "before=$(printf 'stile-chain-1:%s' \"$name\" | sha256sum | cut -c1-64); "
		       "inner=$(printf '%s' \"$body\" | sha256sum | cut -c1-64); "
		       "printf '%s%s' \"$before\" \"$inner\" | xxd -r -p | sha256sum",
		out, sizeof out));
	out[2 * SHA256_LEN] = 0;
	assert_string_equal(out, vector[1].hash);
}

static void order_and_name_change_every_hash(void **state)
{
	struct chain_tip ab, ba, other;

	(void)state;
	chain_start(SPAN(NAME), &ab);
	ba = ab;
	chain_start(SPAN("ffeeddccbbaa99887766554433221100"), &other);
	assert_memory_not_equal(ab.hash, other.hash, SHA256_LEN);
	chain_next(&ab, SPAN("a"));
	chain_next(&ab, SPAN("b"));
	chain_next(&ba, SPAN("b"));
	chain_next(&ba, SPAN("a"));
	assert_memory_not_equal(ab.hash, ba.hash, SHA256_LEN);
}

static void looking_ahead_moves_nothing(void **state)
{
	struct chain_tip tip, before;
	uint8_t after[SHA256_LEN];

	(void)state;
	chain_start(SPAN(NAME), &tip);
	before = tip;
	chain_hash(tip.hash, SPAN("x"), after);
	assert_memory_equal(&before, &tip, sizeof tip);
	chain_next(&tip, SPAN("x"));
	assert_memory_equal(after, tip.hash, SHA256_LEN);
	assert_int_equal(tip.seq, 1);
}

static void names_are_random_lower_case_hex(void **state)
{
	char a[CHAIN_NAME_LEN + 1], b[CHAIN_NAME_LEN + 1];

	(void)state;
	chain_name_new(a);
	chain_name_new(b);
	assert_int_equal(strlen(a), CHAIN_NAME_LEN);
	assert_int_equal(strspn(a, "0123456789abcdef"), CHAIN_NAME_LEN);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_what_sha256sum_says),
		cmocka_unit_test(the_recipe_of_the_header_gives_the_hash_of_the_journal),
		cmocka_unit_test(order_and_name_change_every_hash),
		cmocka_unit_test(looking_ahead_moves_nothing),
		cmocka_unit_test(names_are_random_lower_case_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
