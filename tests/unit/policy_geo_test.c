/*
 * Countries from databases as the writer of the format's own project makes them (make_geo.pl): the
 * ranges must say of every address what went in, whatever the layout and the tree, and a damaged
 * file is an error, never a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "addr.h"
#include "file.h"
#include "geo.h"

struct ranges {
	struct buf v4, v6;
};

static void make(const char *file, const char *words)
{
	const char *root = getenv("STILE_ROOT");
	char command[2048];

	assert_non_null(root);
	snprintf(command, sizeof(command), "perl '%s/tests/unit/make_geo.pl' %s %s", root, file,
		words);
	if (system(command) != 0)
		fail_msg("%s (package libmaxmind-db-writer-perl is needed)", command);
}

static void load(const char *file, struct ranges *r)
{
	struct err e = {""};

	*r = (struct ranges){{0}, {0}};
	if (!geo_compile(file, &r->v4, &r->v6, &e))
		fail_msg("%s", e.text);
}

static void drop(struct ranges *r)
{
	buf_free(&r->v4);
	buf_free(&r->v6);
}

/* "" if unknown. */
static void country(const struct ranges *r, const char *text, char out[3])
{
	struct addr a;
	uint64_t key = 0;

	assert_true(addr_parse(span_str(text), &a));
	memset(out, 0, 3);
	for (int i = 0; i < (a.v4 ? 4 : 8); i++)
		key = key << 8 | a.b[(a.v4 ? 12 : 0) + i];
	const struct geo4 *v4 = (const void *)r->v4.p;
	const struct geo6 *v6 = (const void *)r->v6.p;
	for (size_t i = 0; a.v4 && i < r->v4.n / sizeof(*v4) && v4[i].from <= key; i++)
		memcpy(out, v4[i].code, 2);
	for (size_t i = 0; !a.v4 && i < r->v6.n / sizeof(*v6) && v6[i].from <= key; i++)
		memcpy(out, v6[i].code, 2);
}

static void assert_sorted_and_merged(const struct ranges *r)
{
	const struct geo4 *v4 = (const void *)r->v4.p;
	const struct geo6 *v6 = (const void *)r->v6.p;
	size_t n4 = r->v4.n / sizeof(*v4), n6 = r->v6.n / sizeof(*v6);

	assert_true(n4 > 0 && n6 > 0);
	assert_true(v4[0].from == 0 && v6[0].from == 0);
	for (size_t i = 1; i < n4; i++)
		assert_true(
			v4[i - 1].from < v4[i].from && memcmp(v4[i - 1].code, v4[i].code, 2) != 0);
	for (size_t i = 1; i < n6; i++)
		assert_true(
			v6[i - 1].from < v6[i].from && memcmp(v6[i - 1].code, v6[i].code, 2) != 0);
}

struct question {
	const char *address, *code;
};

static void assert_countries(const struct ranges *r, const struct question *q, size_t n)
{
	assert_sorted_and_merged(r);
	for (size_t i = 0; i < n; i++) {
		char got[3];
		country(r, q[i].address, got);
		if (strcmp(got, q[i].code) != 0)
			fail_msg("%s: \"%s\", expected \"%s\"", q[i].address, got, q[i].code);
	}
}

#define NETWORKS                                                                                   \
	" 127.0.0.2/32=DE 127.0.1.0/24=FR 127.0.2.0/23=GB 127.0.4.0/24=GB 0.0.0.0/8=NL"            \
	" 255.255.255.0/24=US"
#define NETWORKS6 " 2001:db8::/33=DE 2001:db8:8000::/33=KP 2a00::/12=FR 2001:dba::/64=GB"

static const struct question four[] = {{"127.0.0.1", ""}, {"127.0.0.2", "DE"}, {"127.0.0.3", ""},
	{"127.0.0.255", ""}, {"127.0.1.0", "FR"}, {"127.0.1.255", "FR"}, {"127.0.2.0", "GB"},
	{"127.0.4.255", "GB"}, {"127.0.5.0", ""}, {"0.0.0.0", "NL"}, {"0.255.255.255", "NL"},
	{"1.0.0.0", ""}, {"255.255.254.255", ""}, {"255.255.255.255", "US"}, {"8.8.8.8", ""}};
static const struct question six[] = {{"2001:db8::", "DE"}, {"2001:db8:7fff:ffff:ffff::1", "DE"},
	{"2001:db8:8000::", "KP"}, {"2001:db8:ffff:ffff::1", "KP"}, {"2001:db9::", ""}, {"::1", ""},
	{"2a00::1", "FR"}, {"2a0f:ffff::1", "FR"}, {"2a10::", ""}, {"2001:dba::ffff", "GB"},
	{"2001:dba:0:1::", ""}, {"ffff::", ""}, {"2002:7f00:2::", ""}};

static void both_layouts_and_all_kinds_of_trees_are_read(void **state)
{
	static const char *const kinds[] = {"maxmind 6 0", "maxmind 6 1", "flat 6 0", "flat 6 1"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct ranges r;
		char words[1024];
		snprintf(words, sizeof(words), "%s %s", kinds[i], NETWORKS NETWORKS6);
		make("six.mmdb", words);
		load("six.mmdb", &r);
		assert_countries(&r, four, sizeof(four) / sizeof(*four));
		assert_countries(&r, six, sizeof(six) / sizeof(*six));
		drop(&r);
	}
}

static void a_tree_for_ipv4_alone_knows_no_ipv6(void **state)
{
	static const struct question none[] = {{"2001:db8::1", ""}, {"::", ""}, {"ffff::", ""}};
	struct ranges r;

	(void)state;
	make("four.mmdb", "flat 4 0" NETWORKS);
	load("four.mmdb", &r);
	assert_countries(&r, four, sizeof(four) / sizeof(*four));
	assert_countries(&r, none, 3);
	drop(&r);
}

static void neighbours_of_one_country_are_one_range(void **state)
{
	struct ranges r;

	(void)state;
	make("merge.mmdb", "flat 6 0 10.0.0.0/24=DE 10.0.1.0/24=DE 10.0.2.0/24=DE 2001:db8::/33=DE "
			   "2001:db8:8000::/33=DE");
	load("merge.mmdb", &r);
	assert_int_equal(r.v4.n / sizeof(struct geo4), 3);
	assert_int_equal(r.v6.n / sizeof(struct geo6), 3);
	drop(&r);
}

static void networks_beyond_64_bits_count_for_their_64(void **state)
{
	static const struct question q[] = {{"2001:db8::1", "DE"}, {"2001:db8:0:1::", ""}};
	struct ranges r;

	(void)state;
	make("deep.mmdb", "flat 6 0 2001:db8::100/120=DE");
	load("deep.mmdb", &r);
	assert_countries(&r, q, 2);
	drop(&r);
}

static void one_record_for_all_of_ipv4_is_read(void **state)
{
	static const struct question q[] = {
		{"0.0.0.0", "DE"}, {"255.255.255.255", "DE"}, {"2001:db8::1", "FR"}};
	struct ranges r;

	(void)state;
	make("all.mmdb", "flat 6 0 ::/64=DE 2001:db8::/32=FR");
	load("all.mmdb", &r);
	assert_countries(&r, q, 3);
	drop(&r);
}

static void what_is_no_country_is_unknown(void **state)
{
	static const struct question q[] = {
		{"10.0.0.1", ""}, {"11.0.0.1", ""}, {"12.0.0.1", ""}, {"13.0.0.1", "DE"}};
	struct ranges r;

	(void)state;
	make("odd.mmdb", "flat 6 0 10.0.0.0/8=Germany 11.0.0.0/8=de 12.0.0.0/8=-- 13.0.0.0/8=DE");
	load("odd.mmdb", &r);
	assert_countries(&r, q, 4);
	drop(&r);
	make("none.mmdb", "none 6 0 10.0.0.0/8=DE");
	load("none.mmdb", &r);
	assert_countries(&r, q, 3);
	drop(&r);
}

static bool reads(const char *file, struct err *e)
{
	struct ranges r = {{0}, {0}};
	bool ok = geo_compile(file, &r.v4, &r.v6, e);

	drop(&r);
	return ok;
}

static void what_is_no_database_is_an_error_with_its_name(void **state)
{
	struct err e = {""};

	(void)state;
	assert_false(reads("missing.mmdb", &e));
	assert_non_null(strstr(e.text, "missing.mmdb"));
	assert_true(file_replace("text.mmdb", SPAN("127.0.0.0/8 DE\n"), 0600, &e));
	assert_false(reads("text.mmdb", &e));
	assert_non_null(strstr(e.text, "text.mmdb"));
	assert_true(file_replace("empty.mmdb", SPAN(""), 0600, &e));
	assert_false(reads("empty.mmdb", &e));
}

/* A tree whose nodes all lead to the first one has no end. */
static void a_tree_in_circles_is_an_error(void **state)
{
	struct buf b = {0};
	struct err e = {""};

	(void)state;
	make("good.mmdb", "flat 6 0" NETWORKS NETWORKS6);
	assert_true(file_read("good.mmdb", 1 << 20, &b, &e));
	for (size_t at = 0; at + 6 <= 600; at += 6)
		memcpy(b.p + at, "\0\0\1\0\0\1", 6);
	assert_true(file_replace("circle.mmdb", buf_spanof(&b), 0600, &e));
	assert_false(reads("circle.mmdb", &e));
	assert_non_null(strstr(e.text, "damaged"));
	buf_free(&b);
}

/* Bits turned all over the file: an answer or an error, within bounded time, no fault of memory. */
static void damaged_files_do_no_harm(void **state)
{
	struct buf b = {0};
	struct err e = {""};
	unsigned errors = 0;

	(void)state;
	make("good.mmdb", "maxmind 6 1" NETWORKS NETWORKS6);
	assert_true(file_read("good.mmdb", 1 << 20, &b, &e));
	for (size_t at = 0; at < b.n; at += 1 + b.n / 400) {
		char was = b.p[at];
		b.p[at] = (char)(was ^ (1 << at % 8));
		assert_true(file_replace("bad.mmdb", buf_spanof(&b), 0600, &e));
		errors += !reads("bad.mmdb", &e);
		b.p[at] = was;
	}
	assert_true(errors > 0);
	for (size_t n = 0; n < b.n; n += 1 + b.n / 50) {
		assert_true(file_replace("cut.mmdb", span_of(b.p, n), 0600, &e));
		assert_false(reads("cut.mmdb", &e));
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_layouts_and_all_kinds_of_trees_are_read),
		cmocka_unit_test(a_tree_for_ipv4_alone_knows_no_ipv6),
		cmocka_unit_test(neighbours_of_one_country_are_one_range),
		cmocka_unit_test(networks_beyond_64_bits_count_for_their_64),
		cmocka_unit_test(one_record_for_all_of_ipv4_is_read),
		cmocka_unit_test(what_is_no_country_is_unknown),
		cmocka_unit_test(what_is_no_database_is_an_error_with_its_name),
		cmocka_unit_test(a_tree_in_circles_is_an_error),
		cmocka_unit_test(damaged_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
