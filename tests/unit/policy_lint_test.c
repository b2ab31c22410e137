/* Findings: each is found where it is meant, at its line, and the policies beside it that are right
 * are left in peace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy_scratch.h"

#define NOW 1795435200 /* 2026-11-23 12:00Z */

/* A policy in which every role and schedule is there to be named; `findings` leaves "unused-…" out.
 */
#define HEAD                                                                                       \
	"zone = \"Europe/London\"; geo = \"c.mmdb\"; conduct = \"c\"; "                            \
	"roles: { a = { groups = [ \"a\" ]; }; b = { users = [ \"b\" ]; }; all = { everyone = "    \
	"true; }; "                                                                                \
	"net = { networks = [ \"192.0.2.0/24\" ]; }; }; "                                          \
	"schedules: { work = \"Mon-Fri 08:00-18:00\"; lunch = \"12:00-13:00\"; noon = \"Mon-Fri "  \
	"12:00-13:00\"; early = \"06:00-07:00\"; };"                                               \
	"services: { s1 = { hosts = [ \"s1.example\" ]; categories = [ \"cat\" ]; shared = [ "     \
	"\"cdn.example\" ]; }; "                                                                   \
	"s2 = { hosts = [ \"s2.example\" ]; shared = [ \"cdn.example\" ]; }; "                     \
	"s3 = { hosts = [ \"s3.example\" ]; categories = [ \"cat\" ]; }; };\n"

#define P    "purpose = \"p\"; "
#define REST "\n{ name = \"rest\"; action = \"allow\"; }"

/* "line:code line:code …" of all findings but the unused ones, unless `all`. */
static void findings(const char *text, bool all, char *out, size_t cap)
{
	struct buf b = {0}, words;
	const struct snapshot *s = snapshot_of_text(text, &b);
	struct problems p = {0};

	policy_lint("test.cfg", s, NOW, &p);
	assert_int_equal(p.errors, 0);
	buf_init_fixed(&words, out, cap);
	buf_adds(&words, "");
	for (size_t i = 0; i < p.n; i++) {
		assert_string_equal(p.v[i].file, "test.cfg");
		assert_true(strlen(p.v[i].text) > 10);
		if (all || strncmp(p.v[i].code, "unused", 6) != 0)
			buf_printf(&words, "%s%u:%s", words.n ? " " : "", p.v[i].line, p.v[i].code);
	}
	problems_free(&p);
	buf_free(&b);
}

static const struct {
	const char *rules, *found;
} cases[] = {
	{REST, ""},
	/* behind a rule without conditions */
	{REST ",\n{ name = \"x\"; roles = [ \"a\" ]; action = \"deny\"; }", "4:unreachable"},
	{REST ",\n{ name = \"x\"; ports = [ \"22\" ]; action = \"allow\"; }", ""},
	{REST ",\n{ name = \"x\"; action = \"deny\"; },\n{ name = \"y\"; ports = [ \"22\" ]; "
	      "action = \"allow\"; }",
		"5:unreachable"},
	/* roles */
	{"{ name = \"x\"; roles = [ \"a\", \"b\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; roles = [ \"b\" ]; action = \"allow\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; roles = [ \"a\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; roles = [ \"a\", \"b\" ]; action = \"allow\"; }",
		""},
	{"{ name = \"x\"; roles = [ \"a\" ]; action = \"deny\"; },\n{ name = \"y\"; action = "
	 "\"allow\"; }",
		""},
	{"{ name = \"x\"; roles = [ \"all\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; roles = [ \"a\" ]; action = \"allow\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; roles = [ \"all\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; roles = [ \"net\" ]; action = \"allow\"; }",
		""},
	/* observing rules decide nothing, but may be covered */
	{"{ name = \"x\"; action = \"deny\"; mode = \"observe\"; },\n{ name = \"y\"; action = "
	 "\"allow\"; }",
		""},
	{"{ name = \"x\"; action = \"deny\"; },\n{ name = \"y\"; action = \"allow\"; mode = "
	 "\"observe\"; }",
		"3:unreachable"},
	/* schedules */
	{"{ name = \"x\"; schedule = \"work\"; action = \"deny\"; },\n"
	 "{ name = \"y\"; schedule = \"noon\"; action = \"allow\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; schedule = \"work\"; action = \"deny\"; },\n"
	 "{ name = \"y\"; schedule = \"lunch\"; action = \"allow\"; }",
		""},
	{"{ name = \"x\"; schedule = \"work\"; action = \"deny\"; },\n{ name = \"y\"; action = "
	 "\"allow\"; }",
		""},
	/* hosts, services, categories, ranges */
	{"{ name = \"x\"; to = [ \".example.com\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; to = [ \"www.example.com\", \".b.example.com\" ]; action = \"allow\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; to = [ \".example.com\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; to = [ \"wwwexample.com\" ]; action = \"allow\"; }",
		""},
	{"{ name = \"x\"; to = [ \"example.com\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; to = [ \".example.com\" ]; action = \"allow\"; }",
		""},
	{"{ name = \"x\"; " P "to = [ \"#cat\" ]; action = \"allow\"; },\n"
	 "{ name = \"y\"; to = [ \"s3\" ]; action = \"deny\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; " P "to = [ \"s3\" ]; action = \"allow\"; },\n"
	 "{ name = \"y\"; to = [ \"#cat\" ]; action = \"deny\"; }",
		"3:shared-open"},
	/* a deny leaves shared hosts to the allow behind it */
	{"{ name = \"x\"; to = [ \"s1\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; " P "to = [ \"s1\" ]; action = \"allow\"; }",
		"2:shared-open"},
	{"{ name = \"x\"; to = [ \"10.0.0.0/8\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; to = [ \"10.1.0.0/16\" ]; action = \"allow\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; to = [ \"10.1.0.0/16\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; to = [ \"10.0.0.0/8\" ]; action = \"allow\"; }",
		""},
	{"{ name = \"x\"; to = [ \".example.com\" ]; except = [ \"www.example.com\" ]; action = "
	 "\"deny\"; },\n"
	 "{ name = \"y\"; to = [ \"www.example.com\" ]; action = \"allow\"; }",
		""},
	{"{ name = \"x\"; to = [ \".example.com\" ]; except = [ \"www.example.com\" ]; action = "
	 "\"deny\"; },\n"
	 "{ name = \"y\"; to = [ \".example.com\" ]; except = [ \"www.example.com\", "
	 "\".b.example\" ]; action = "
	 "\"deny\"; }",
		"3:shadowed"},
	/* ports and countries */
	{"{ name = \"x\"; ports = [ \"1-100\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; ports = [ \"22\", \"80\" ]; action = \"allow\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; ports = [ \"80\" ]; action = \"deny\"; },\n{ name = \"y\"; action = "
	 "\"allow\"; }",
		""},
	{"{ name = \"x\"; countries = [ \"KP\", \"IR\" ]; action = \"deny\"; },\n"
	 "{ name = \"y\"; countries = [ \"KP\" ]; action = \"deny\"; }",
		"3:shadowed"},
	{"{ name = \"x\"; countries = [ \"KP\" ]; action = \"deny\"; },\n{ name = \"y\"; action = "
	 "\"deny\"; }",
		""},
	/* never */
	{"{ name = \"x\"; to = [ \"www.example.com\" ]; except = [ \".example.com\" ]; action = "
	 "\"deny\"; }",
		"2:never"},
	{"{ name = \"x\"; to = [ \".example.com\" ]; except = [ \"www.example.com\" ]; action = "
	 "\"deny\"; }",
		""},
	/* what a rule should say */
	{"{ name = \"x\"; to = [ \"s3\" ]; action = \"allow\"; }", "2:no-purpose"},
	{"{ name = \"x\"; to = [ \"s3.example\" ]; action = \"allow\"; }", ""},
	{"{ name = \"x\"; to = [ \"s3\" ]; action = \"deny\"; }", ""},
	{"{ name = \"x\"; review = \"2026-11-22\"; action = \"deny\"; }", "2:review-overdue"},
	{"{ name = \"x\"; review = \"2026-11-23\"; action = \"deny\"; }", ""},
	{"{ name = \"x\"; action = \"allow\"; limits = { requests = \"60/min\"; }; }",
		"2:limit-unknown"},
	{"{ name = \"x\"; roles = [ \"net\" ]; action = \"allow\"; limits = { requests = "
	 "\"60/min\"; }; }",
		"2:limit-unknown"},
	{"{ name = \"x\"; roles = [ \"all\" ]; action = \"allow\"; limits = { requests = "
	 "\"60/min\"; }; }",
		""},
/* minutes are made by services alone */
#define ALL_TO(to) "{ name = \"x\"; " P "roles = [ \"all\" ]; " to " action = \"allow\"; "
#define MINUTES	   "limits = { minutes = 9; }; }"
	{ALL_TO("") MINUTES, "2:no-minutes"},
	{ALL_TO("to = [ \"s3\" ];") MINUTES, ""},
	{ALL_TO("to = [ \"#cat\" ];") MINUTES, ""},
	{ALL_TO("to = [ \"s3\", \"10.0.0.0/8\" ];") MINUTES, "2:no-minutes"},
	{ALL_TO("to = [ \"s3.example\" ];") MINUTES, ""},
	{ALL_TO("to = [ \".s3.example\" ];") MINUTES, ""},
	{ALL_TO("to = [ \"www.s3.example\", \".m.s3.example\" ];") MINUTES, ""},
	{ALL_TO("to = [ \".example\" ];") MINUTES, "2:no-minutes"},
	{ALL_TO("to = [ \"s3\", \"nots3.example\" ];") MINUTES, "2:no-minutes"},
	{ALL_TO("to = [ \"nots3.example\" ];") "limits = { bytes = 9; }; }", ""},
/* the next rule */
#define NEXT "limits = { bytes = 9; when_spent = \"next\"; }; }"
	{ALL_TO("to = [ \"s3\" ];") NEXT, "2:next-nothing"},
	{ALL_TO("to = [ \"s3\" ];") NEXT "," REST, ""},
	{ALL_TO("to = [ \"s3\" ];") NEXT ",{ name = \"y\"; " P
					 "to = [ \"s2\" ]; action = \"allow\"; }",
		"2:next-nothing"},
	/* s1 and s2 have a host in common */
	{ALL_TO("to = [ \"s1\" ];") NEXT ",{ name = \"y\"; " P
					 "to = [ \"s2\" ]; action = \"allow\"; }",
		""},
	{ALL_TO("to = [ \"s3\" ];") NEXT ",{ name = \"y\"; to = [ \"#cat\" ]; action = \"deny\"; }",
		"2:shared-open"},
	{ALL_TO("to = [ \"s3\" ]; schedule = \"work\";") NEXT
		",{ name = \"y\"; schedule = \"lunch\"; action = \"deny\"; }",
		""},
	{ALL_TO("to = [ \"s3\" ]; schedule = \"noon\";") NEXT
		",{ name = \"y\"; schedule = \"early\"; action = \"deny\"; }",
		"2:next-nothing"},
	{ALL_TO("") NEXT ",{ name = \"y\"; action = \"deny\"; mode = \"observe\"; }",
		"2:next-nothing"},
	/* what stands behind it is not shadowed by it, but by what shadows both */
	{ALL_TO("") NEXT ",\n{ name = \"y\"; roles = [ \"all\" ]; action = \"deny\"; }", ""},
	{"{ name = \"w\"; action = \"deny\"; },\n" ALL_TO("") NEXT
		",\n{ name = \"y\"; roles = [ \"all\" ]; action = \"deny\"; }",
		"3:unreachable 3:next-nothing 4:unreachable"},
	{ALL_TO("") "mode = \"observe\"; " NEXT, ""},
	/* acknowledgements */
	{"{ name = \"x\"; action = \"coach\"; }", ""},
	{"{ name = \"x\"; to = [ \"s3\" ]; action = \"coach\"; }", "2:no-purpose"},
	{"{ name = \"x\"; to = [ \"s3\" ]; action = \"coach\"; purposes = [ \"p\" ]; }", ""},
	{"{ name = \"x\"; action = \"coach\"; limits = { bytes = 9; when_spent = \"coach\"; }; }",
		"2:coach-twice"},
	{"{ name = \"x\"; action = \"allow\"; limits = { bytes = 9; when_spent = \"coach\"; }; }",
		""},
	{"{ name = \"x\"; action = \"coach\"; limits = { bytes = 9; }; }", ""},
	{"{ name = \"x\"; action = \"coach\"; },\n{ name = \"y\"; action = \"allow\"; }",
		"3:unreachable"},
	/* shared hosts */
	{"{ name = \"x\"; to = [ \"s1\", \"s2\" ]; action = \"deny\"; }", ""},
	{"{ name = \"x\"; to = [ \"s1\" ]; action = \"deny\"; mode = \"observe\"; }", ""},
	{"{ name = \"x\"; " P "to = [ \"s1\" ]; action = \"allow\"; }", ""},
	{"{ name = \"x\"; to = [ \"facebook\" ]; action = \"deny\"; }", "2:shared-open"},
};

static void findings_stand_where_they_are_meant_and_nowhere_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[4096], got[512];
		const char *rules = cases[i].rules;
		/* rules begin in line 2; those that begin with a line end, in line 3 */
		snprintf(text, sizeof(text), HEAD "rules = ( %s );", rules);
		findings(text, false, got, sizeof(got));
		if (strcmp(got, cases[i].found) != 0)
			fail_msg("%s: \"%s\", expected \"%s\"", rules, got, cases[i].found);
	}
}

static void a_code_of_conduct_to_accept_is_missed(void **state)
{
	char got[512];

	(void)state;
	findings("zone = \"UTC\"; roles: { a = { groups = [ \"a\" ]; }; };\nrules = (\n"
		 "{ name = \"x\"; action = \"coach\"; ports = [ \"80\" ]; },\n"
		 "{ name = \"y\"; roles = [ \"a\" ]; action = \"allow\";\n"
		 "limits = { bytes = 9; when_spent = \"coach\"; }; } );",
		true, got, sizeof(got));
	assert_string_equal(got, "3:no-conduct 4:no-conduct");
}

static void lists_bring_hosts_that_make_no_minutes(void **state)
{
	struct problems p = {0};
	struct buf b = {0};

	(void)state;
	write_file("names", "a.example\n");
	write_file("policy.cfg",
		"zone = \"UTC\"; lists = ( { category = \"social\"; file = \"names\"; format = "
		"\"plain\"; } );\n"
		"roles: { all = { everyone = true; }; };\nrules = (\n"
		"{ name = \"x\"; roles = [ \"all\" ]; to = [ \"#social\" ]; purpose = \"p\"; "
		"action = \"allow\"; limits = { minutes = 9; }; },\n"
		"{ name = \"y\"; roles = [ \"all\" ]; to = [ \"#video\" ]; purpose = \"p\"; "
		"action = \"allow\"; limits = { minutes = 9; }; } );");
	policy_lint("policy.cfg", snapshot_of_file("policy.cfg", &b), NOW, &p);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.v[0].line, 4);
	assert_string_equal(p.v[0].code, "no-minutes");
	assert_non_null(strstr(p.v[0].text, "(social)"));
	problems_free(&p);
	buf_free(&b);
}

static void what_nothing_names_is_found(void **state)
{
	char got[512];

	(void)state;
	findings("zone = \"UTC\"; roles: { a = { groups = [ \"a\" ]; };\n b = { users = [ \"b\" ]; "
		 "}; };\n"
		 "schedules: { s = \"Mon\";\n t = \"Tue\"; };\n"
		 "rules = ( { name = \"x\"; roles = [ \"a\" ]; schedule = \"t\"; action = "
		 "\"deny\"; } );",
		true, got, sizeof(got));
	assert_string_equal(got, "2:unused-role 3:unused-schedule");
}

static void services_that_overlap_or_replace_are_found(void **state)
{
	char got[512];

	(void)state;
	findings("services: { one = { hosts = [ \"a.example\", \"b.example\" ]; };\n"
		 " two = { hosts = [ \"b.example\" ]; cdn = [ \"c.example\" ]; };\n"
		 " three = { cdn = [ \"a.example\" ]; hosts = [ \"d.example\" ]; };\n"
		 " own = { hosts = [ \"facebook.com\" ]; };\n"
		 " bebo = { hosts = [ \"bebo.com\" ]; }; };\n"
		 "rules = ( { name = \"rest\"; action = \"allow\"; } );",
		true, got, sizeof(got));
	assert_non_null(strstr(got, "5:replaces"));
	assert_non_null(strstr(got, "2:overlap"));
	assert_non_null(strstr(got, "4:overlap"));
	assert_null(strstr(got, "3:overlap"));
	assert_int_equal(strlen(got), strlen("5:replaces 2:overlap 4:overlap"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_stand_where_they_are_meant_and_nowhere_else),
		cmocka_unit_test(a_code_of_conduct_to_accept_is_missed),
		cmocka_unit_test(lists_bring_hosts_that_make_no_minutes),
		cmocka_unit_test(what_nothing_names_is_found),
		cmocka_unit_test(services_that_overlap_or_replace_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
