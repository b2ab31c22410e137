/* Pseudonyms of people met lately: the same as ever, and nobody is taken for another. */
#include "pseudonyms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MANY 5000 /* more than there are places */

static const char key[32] = "0123456789abcdef0123456789abcde", other[32] = "another";

struct desk {
	struct pseudonyms *pseudonyms;
	struct digest *digest;
};

static int start(void **state)
{
	static struct desk d;

	d = (struct desk){pseudonyms_new(), digest_new()};
	*state = &d;
	return d.pseudonyms && d.digest ? 0 : -1;
}

static int stop(void **state)
{
	struct desk *d = *state;

	pseudonyms_free(d->pseudonyms);
	digest_free(d->digest);
	pseudonyms_free(NULL);
	return 0;
}

static struct pseudonym *meet(struct desk *d, const char *k, const char *user)
{
	return pseudonyms_find(d->pseudonyms, d->digest, span_of(k, 32), span_str(user));
}

/* HMAC-SHA-256, the first 24 digits. */
static void expected(struct desk *d, const char *k, const char *user, char out[PERSON_LEN + 1])
{
	struct span text = span_str(user);
	uint8_t mac[SHA256_LEN];

	digest_hmac(d->digest, span_of(k, 32), &text, 1, mac);
	hex_encode(mac, PERSON_LEN / 2, out);
}

static void who_is_met_again_is_known(void **state)
{
	char want[PERSON_LEN + 1];
	struct pseudonym *p = meet(*state, key, "anna");

	expected(*state, key, "anna", want);
	assert_string_equal(p->text, want);
	assert_int_equal(p->told, 0);
	p->told = 20784;
	p = meet(*state, key, "anna");
	assert_string_equal(p->text, want);
	assert_int_equal(p->told, 20784);
}

static void another_key_makes_another_person(void **state)
{
	char want[PERSON_LEN + 1];

	meet(*state, key, "anna")->told = 20784;
	expected(*state, other, "anna", want);
	assert_string_equal(meet(*state, other, "anna")->text, want);
	assert_int_equal(meet(*state, other, "anna")->told, 0);
}

/* Whoever takes a place over takes nothing else. */
static void nobody_is_taken_for_another(void **state)
{
	char user[16], want[PERSON_LEN + 1];

	for (unsigned turn = 0; turn < 2; turn++)
		for (unsigned i = 0; i < MANY; i++) {
			struct pseudonym *p;

			snprintf(user, sizeof user, "user%u", i);
			expected(*state, key, user, want);
			p = meet(*state, key, user);
			assert_string_equal(p->text, want);
			assert_true(p->told == 0 || (turn == 1 && p->told == i + 1));
			p->told = i + 1;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_met_again_is_known, start, stop),
		cmocka_unit_test_setup_teardown(another_key_makes_another_person, start, stop),
		cmocka_unit_test_setup_teardown(nobody_is_taken_for_another, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
