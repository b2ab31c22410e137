/* Account files: what is taken, what is refused and with which words, and the block made of them.
 */
#include "accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#define Y     "$y$j9T$BLabKpxq8OWm5E8oGUGNZ.$hYqrfOr4NSiSpU.tDRb36rtPZGdjSExmKAJLZGsXUM5"
#define B     "$2y$05$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define LONG8 "aaaaaaaa"
#define LONG                                                                                       \
	LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8 LONG8  \
		LONG8

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool compile(const char *users, const char *groups, struct buf *out, struct problems *p)
{
	put("users", users);
	if (groups)
		put("groups", groups);
	return accounts_compile("users", groups ? "groups" : NULL, out, p);
}

static const struct {
	const char *users, *groups, *file;
	unsigned line;
	const char *says;
} wrong[] = {
	{"anna\n", NULL, "users", 1, "expected user:hash"},
	{"# c\n\n:" Y "\n", NULL, "users", 3, "1-128 bytes"},
	{LONG "a:" Y "\n", NULL, "users", 1, "1-128 bytes"},
	{"an\x01na:" Y "\n", NULL, "users", 1, "control"},
	{"anna:secret\n", NULL, "users", 1, "not a hash"},
	{"anna:\n", NULL, "users", 1, "not a hash"},
	{"anna:$apr1$12345678$abcdefghijklmnopqrstuv\n", NULL, "users", 1, "not a hash"},
	{"anna:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", NULL, "users", 1, "not a hash"},
	{"anna:rEK1ecacw.7.c\n", NULL, "users", 1, "not a hash"},
	{"anna:$1$12345678$abcdefghijklmnopqrstuv\n", NULL, "users", 1, "too weak"},
	{"anna:" Y "\nben:" Y "\nanna:" B "\n", NULL, "users", 3, "line 1 already"},
	{"anna:" Y "\n", "staff anna\n", "groups", 1, "expected group:"},
	{"anna:" Y "\n", "a b: anna\n", "groups", 1, "expected group:"},
	{"anna:" Y "\n", "staff: ann\x02\n", "groups", 1, "control"},
};

static void wrong_lines_are_named_with_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct problems p = {0};
		struct buf out = {0};

		if (compile(wrong[i].users, wrong[i].groups, &out, &p))
			fail_msg("row %zu was taken", i);
		assert_int_equal(out.n, 0);
		assert_int_equal(p.errors, 1);
		assert_string_equal(p.v[0].file, wrong[i].file);
		assert_int_equal(p.v[0].line, wrong[i].line);
		if (!strstr(p.v[0].text, wrong[i].says))
			fail_msg("row %zu says: %s", i, p.v[0].text);
		buf_free(&out);
		problems_free(&p);
	}
}

static void a_missing_file_is_an_error(void **state)
{
	struct problems p = {0};
	struct buf out = {0};

	(void)state;
	assert_false(accounts_compile("nowhere", NULL, &out, &p));
	assert_int_equal(p.errors, 1);
	assert_string_equal(p.v[0].file, "nowhere");
	problems_free(&p);
}

static const struct accounts *open_block(const char *users, const char *groups, struct buf *out)
{
	struct problems p = {0};
	struct err e;
	const struct accounts *a;

	if (!compile(users, groups, out, &p))
		fail_msg("%s:%u: %s", p.v[0].file, p.v[0].line, p.v[0].text);
	problems_free(&p);
	a = accounts_open(buf_spanof(out), &e);
	if (!a)
		fail_msg("%s", e.text);
	return a;
}

static void users_and_groups_are_found_as_written(void **state)
{
	struct buf out = {0};
	struct span g[IDENTITY_GROUPS_MAX];
	const struct accounts *a =
		open_block("# people\r\nzoe:" B "\r\nanna:" Y "\n\nAnna:" B "\nj\xc3\xb6rg m:" Y,
			"# c\nstaff: anna zoe anna\ncomms:zoe\n\nstaff: ghost\nempty:\n", &out);

	(void)state;
	assert_true(span_is(accounts_hash(a, SPAN("anna")), Y));
	assert_true(span_is(accounts_hash(a, SPAN("Anna")), B));
	assert_true(span_is(accounts_hash(a, SPAN("zoe")), B));
	assert_true(span_is(accounts_hash(a, SPAN("j\xc3\xb6rg m")), Y));
	assert_int_equal(accounts_hash(a, SPAN("ANNA")).n, 0);
	assert_int_equal(accounts_hash(a, SPAN("")).n, 0);
	assert_int_equal(accounts_groups(a, SPAN("zoe"), g), 2);
	assert_true(span_is(g[0], "staff") && span_is(g[1], "comms"));
	assert_int_equal(accounts_groups(a, SPAN("anna"), g), 1);
	assert_int_equal(accounts_groups(a, SPAN("Anna"), g), 0);
	/* no password here, yet a member */
	assert_int_equal(accounts_hash(a, SPAN("ghost")).n, 0);
	assert_int_equal(accounts_groups(a, SPAN("ghost"), g), 1);
	assert_int_equal(accounts_groups(NULL, SPAN("anna"), g), 0);
	for (uint64_t pick = 0; pick < 20; pick++)
		assert_true(accounts_some_hash(a, pick).n > 0);
	buf_free(&out);
}

static void empty_files_make_an_empty_table(void **state)
{
	struct buf out = {0};
	const struct accounts *a = open_block("", "", &out);

	(void)state;
	assert_int_equal(accounts_hash(a, SPAN("anna")).n, 0);
	assert_int_equal(accounts_some_hash(a, 1).n, 0);
	buf_free(&out);
}

static void sixty_four_groups_are_taken_and_no_more(void **state)
{
	struct problems p = {0};
	struct buf out = {0}, groups = {0};
	struct span g[IDENTITY_GROUPS_MAX];

	(void)state;
	for (int i = 0; i < IDENTITY_GROUPS_MAX; i++)
		buf_printf(&groups, "g%d: anna\n", i);
	assert_int_equal(
		accounts_groups(open_block("anna:" Y "\n", groups.p, &out), SPAN("anna"), g),
		IDENTITY_GROUPS_MAX);
	buf_printf(&groups, "more: anna\n");
	buf_reset(&out);
	assert_false(compile("anna:" Y "\n", groups.p, &out, &p));
	assert_non_null(strstr(p.v[0].text, "more than 64 groups"));
	problems_free(&p);
	buf_free(&out);
	buf_free(&groups);
}

/* Any byte may be another and the end may be missing: refused or readable, never outside the block.
 */
static void a_damaged_block_is_refused_or_harmless(void **state)
{
	struct buf out = {0};
	struct span g[IDENTITY_GROUPS_MAX];
	struct err e;

	(void)state;
	open_block("anna:" Y "\nben:" B "\n", "staff: anna ben\ncomms: ben\n", &out);
	for (size_t n = 0; n < out.n; n++) {
		void *copy = malloc(n ? n : 1);

		memcpy(copy, out.p, n);
		assert_null(accounts_open(span_of(copy, n), &e));
		free(copy);
	}
	for (size_t i = 0; i < out.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			char *copy = malloc(out.n);
			const struct accounts *a;

			memcpy(copy, out.p, out.n);
			copy[i] = (char)(copy[i] ^ 1 << bit);
			a = accounts_open(span_of(copy, out.n), &e);
			if (a) {
				accounts_hash(a, SPAN("ben"));
				accounts_groups(a, SPAN("ben"), g);
				accounts_groups(a, SPAN("anna"), g);
			}
			free(copy);
		}
	buf_free(&out);
}

static void ten_thousand_users_are_all_found(void **state)
{
	struct buf users = {0}, out = {0};
	const struct accounts *a;
	char name[32];

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_printf(&users, "u%d:%s\n", (i * 7919) % 10000, Y);
	a = open_block(users.p, NULL, &out);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "u%d", i);
		assert_true(accounts_hash(a, span_str(name)).n > 0);
	}
	assert_int_equal(accounts_hash(a, SPAN("u10000")).n, 0);
	buf_free(&users);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_lines_are_named_with_file_and_line),
		cmocka_unit_test(a_missing_file_is_an_error),
		cmocka_unit_test(users_and_groups_are_found_as_written),
		cmocka_unit_test(empty_files_make_an_empty_table),
		cmocka_unit_test(sixty_four_groups_are_taken_and_no_more),
		cmocka_unit_test(a_damaged_block_is_refused_or_harmless),
		cmocka_unit_test(ten_thousand_users_are_all_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
