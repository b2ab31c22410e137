/* Expectation tables: what passes, what fails and how it says so; and the questions behind them,
 * which stile-policy asks with the same words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "expect.h"
#include "explain.h"
#include "policy_scratch.h"

static const char policy[] =
	"zone = \"Europe/London\";\n"
	"inside = [ \"10.20.0.0/16\" ];\n"
	"geo = \"country.mmdb\";\n" /* from memory: snapshot_of_text() brings its own ranges */
	"roles: { communications = { groups = [ \"comms\" ]; }; youth = { groups = [ "
	"\"youth-work\" ]; users = [ \"kb\" ]; };\n"
	"  kiosks = { networks = [ \"192.0.2.0/24\" ]; }; staff = { everyone = true; }; };\n"
	"schedules: { lunch = \"Mon-Fri 12:00-14:00\"; };\n"
	"rules = (\n"
	"  { name = \"sanctions\"; countries = [ \"KP\" ]; action = \"deny\"; },\n"
	"  { name = \"campaigns\"; roles = [ \"communications\" ]; to = [ \"#social\", \"#video\" "
	"]; action = \"allow\"; purpose = \"p\"; },\n"
	"  { name = \"kiosks\"; roles = [ \"kiosks\" ]; to = [ \"knowledge-hub\" ]; action = "
	"\"allow\"; purpose = \"p\"; },\n"
	"  { name = \"lunch\"; roles = [ \"staff\" ]; to = [ \"#social\" ]; schedule = \"lunch\"; "
	"action = \"allow\"; purpose = \"p\";\n"
	"    limits = { requests = \"60/min\"; }; },\n"
	"  { name = \"no-social\"; to = [ \"#social\" ]; action = \"deny\"; },\n"
	"  { name = \"daily\"; roles = [ \"staff\" ]; to = [ \"#photo\" ]; action = \"allow\"; "
	"purpose = \"p\";\n"
	"    limits = { minutes = 60; bytes = \"2 GB\"; when_spent = \"next\"; }; },\n"
	"  { name = \"coached\"; to = [ \"#photo\", \"#video\" ]; action = \"coach\"; "
	"purposes = [ \"p\" ];\n"
	"    limits = { tunnels = 6; bandwidth = \"4 MB/s\"; }; },\n"
	"  { name = \"asked-later\"; roles = [ \"staff\" ]; to = [ \"medium\" ]; action = "
	"\"allow\"; purpose = \"p\";\n"
	"    limits = { bytes = \"1 MB\"; when_spent = \"coach\"; }; },\n"
	"  { name = \"rest\"; action = \"allow\"; } );\n";

static unsigned not_understood; /* lines of the last table that were no case */

/* Runs a table; the output is in the static buffer until the next call. */
static const char *run(
	const struct snapshot *s, const char *table, unsigned *passed, unsigned *failed)
{
	static char text[16384];
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	struct expect_counts n = {0};
	bool ok = expect_run(s, span_str(table), "cases.txt", out, &n);
	assert_int_equal(fclose(out), 0);
	*passed = n.passed;
	*failed = n.failed + n.wrong;
	not_understood = n.wrong;
	assert_int_equal(ok, *failed == 0);
	return text;
}

static void cases_that_are_true_pass(void **state)
{
	static const char table[] =
		"# who may what\n"
		"\n"
		"user=anna groups=comms,web client=192.0.2.7 host=www.facebook.com:443 "
		"at=\"2026-11-23 12:30\" => allow rule=campaigns reason=rule\n"
		"user=anna groups=comms host=www.facebook.com => allow rule=campaigns "
		"role=communications service=facebook part=core need=-\r\n"
		"user=ben host=www.facebook.com at=\"2026-11-23 12:30\" => allow rule=lunch "
		"role=staff # at lunch\n"
		"user=ben host=www.facebook.com at=\"2026-11-23 14:00\" => decision=deny "
		"rule=no-social reason=rule role=staff\n"
		"user=ben host=www.facebook.com at=2026-11-23 => deny rule=no-social\n"
		"host=www.facebook.com at=\"2026-11-23 12:30\" => need need=identity reason=- "
		"rule=-\n"
		"login=none host=www.facebook.com => deny rule=no-social role=-\n"
		"client=192.0.2.7 login=none host=khub.net => allow rule=kiosks role=kiosks "
		"service=knowledge-hub\n"
		"user=ben host=connect.facebook.net => allow rule=rest part=embed\n"
		"user=ben host=example.org => allow rule=rest service=- part=-\n"
		"user=ben host=example.org:22 => deny reason=port\n"
		"user=ben host=bücher.example address=175.45.176.1 => deny rule=sanctions "
		"country=KP\n"
		"user=ben host=example.org address=10.20.0.1 => deny reason=inside rule=rest\n"
		"user=ben host=[::1]:443 => deny reason=special\n"
		"user=ben host=::ffff:127.0.0.1 => deny reason=special\n"
		"user=\"ben\" host=\"example.org:80\" => rule=rest\n";
	struct buf b = {0};
	unsigned passed, failed;
	const char *out = run(snapshot_of_text(policy, &b), table, &passed, &failed);

	(void)state;
	if (failed)
		fail_msg("%s", out);
	assert_int_equal(passed, 16);
	buf_free(&b);
}

static void acknowledgements_and_spent_limits_are_facts_of_a_case(void **state)
{
	static const char table[] =
		"user=b host=www.youtube.com => coach rule=coached reason=coach limit=- need=-\n"
		"user=b host=www.youtube.com acked=coached => allow rule=coached reason=rule\n"
		"user=b host=www.youtube.com acked=coached spent=coached => deny rule=coached "
		"reason=tunnels-open limit=tunnels\n"
		"user=b host=www.youtube.com spent=coached => coach rule=coached limit=-\n"
		"host=www.youtube.com => need need=identity\n"
		"login=none host=www.youtube.com => deny rule=coached reason=coach-login\n"
		"user=b host=www.flickr.com => allow rule=daily limit=-\n"
		"user=b host=www.flickr.com spent=daily => coach rule=coached limit=-\n"
		"user=b host=www.flickr.com spent=daily:bytes acked=coached => allow rule=coached\n"
		"user=b host=www.flickr.com spent=coached acked=coached => allow rule=daily\n"
		"user=b host=medium.com => allow rule=asked-later limit=-\n"
		"user=b host=medium.com acked=asked-later => allow rule=asked-later limit=-\n"
		"user=b host=medium.com spent=asked-later => coach rule=asked-later "
		"reason=coach limit=bytes\n"
		"user=b host=medium.com spent=asked-later acked=asked-later => allow "
		"rule=asked-later limit=bytes\n"
		"user=b host=www.facebook.com at=\"2026-11-23 12:30\" spent=lunch:requests => deny "
		"rule=lunch reason=limit limit=requests\n"
		"user=b host=www.flickr.com spent=daily,coached:tunnels acked=coached => deny "
		"rule=coached limit=tunnels\n";
	struct buf b = {0};
	unsigned passed, failed;
	const char *out = run(snapshot_of_text(policy, &b), table, &passed, &failed);

	(void)state;
	if (failed)
		fail_msg("%s", out);
	assert_int_equal(passed, 16);
	buf_free(&b);
}

/* Every kind of rule there is, as one policy; with a country database, which it needs;
 * of lists only files bring hosts. */
static const char model_policy[] =
	"geo = \"country.mmdb\";\n"
	"zone     = \"Europe/London\";\n"
	"inside   = [ \"10.20.0.0/16\" ];\n"
	"ports    = [ \"80\", \"443\" ];\n"
	"tls_only = false;\n"
	"roles:     { communications = { groups = [\"comms\"]; };  youth = { groups = "
	"[\"youth-work\"]; users = [\"kb\"]; };\n"
	"             kiosks = { networks = [\"192.0.2.0/24\"]; };  staff = { everyone = true; }; "
	"};\n"
	"schedules: { lunch = \"Mon-Fri 12:00-14:00\";  office = \"Mon-Fri 08:00-18:00\"; };\n"
	"services:  { knowledge-hub = { hosts = [\"khub.example\"]; cdn = "
	"[\"khub-static.example\"]; zone = \"external\"; categories = [\"collaboration\"]; }; };\n"
	"lists    = ( { category = \"gambling\"; file = \"lists/gambling\"; format = \"ut1\"; } "
	");\n"
	"rules = (\n"
	"  { name = \"campaigns\"; roles = [\"communications\"]; to = [\"#social\", \"#video\"]; "
	"action = \"allow\";\n"
	"    purpose = \"public campaigns and civic debate\"; owner = \"Head of Communications\";\n"
	"    benefit = \"replies within one working day\"; risk = \"reputation\"; risk_owner = "
	"\"Monitoring Officer\"; review = \"2027-03-31\"; },\n"
	"  { name = \"youth\"; roles = [\"youth\"]; to = [\"facebook\", \"instagram\"]; schedule = "
	"\"office\"; action = \"allow\"; purpose = \"youth participation\"; },\n"
	"  { name = \"sanctions\"; countries = [\"KP\"]; action = \"deny\"; },\n"
	"  { name = \"gambling\"; to = [\"#gambling\"]; action = \"deny\"; message = \"Not on the "
	"council's network.\"; },\n"
	"  { name = \"staff-social\"; roles = [\"staff\"]; to = [\"#social\"]; action = "
	"\"allow\";\n"
	"    limits = { minutes = 60; requests = \"60/min\"; bandwidth = \"4 MB/s\"; when_spent = "
	"\"deny\"; without_redis = \"local\"; }; },\n"
	"  { name = \"coach-video\"; to = [\"#video\"]; action = \"coach\"; remember = \"8h\"; },\n"
	"  { name = \"rest\"; action = \"allow\"; } );\n";

static void the_model_policy_answers_as_it_reads(void **state)
{
	static const char table[] =
		"user=anna groups=comms host=www.youtube.com => allow rule=campaigns\n"
		"user=ben host=www.facebook.com => allow rule=staff-social role=staff\n"
		"user=ben host=www.facebook.com spent=staff-social:minutes => deny "
		"rule=staff-social reason=minutes-spent limit=minutes\n"
		"user=ben host=www.facebook.com spent=staff-social:requests => deny reason=limit\n"
		"user=kb host=www.facebook.com at=\"2026-11-23 09:00\" spent=staff-social => allow "
		"rule=youth\n"
		"user=ben host=www.youtube.com => coach rule=coach-video\n"
		"user=ben host=www.youtube.com acked=coach-video => allow rule=coach-video\n"
		"login=none host=www.youtube.com => deny rule=coach-video reason=coach-login\n"
		"host=www.youtube.com => need need=identity\n"
		"user=ben host=example.org address=175.45.176.1 => deny rule=sanctions\n"
		"login=none host=example.org => allow rule=rest\n";
	struct buf b = {0};
	unsigned passed, failed;

	(void)state;
	const char *out = run(snapshot_of_text(model_policy, &b), table, &passed, &failed);
	if (failed)
		fail_msg("%s", out);
	assert_int_equal(passed, 11);
	buf_free(&b);
}

static void failures_name_the_line_and_show_both_sides(void **state)
{
	struct buf b = {0};
	unsigned passed, failed;
	const char *out = run(snapshot_of_text(policy, &b),
		"user=a host=example.org => allow\n \t\r\r\n"
		"\r # comment\n"
		"user=a host=example.org => deny rule=no-social\n"
		"user=a host=www.facebook.com => deny rule=no-social\n",
		&passed, &failed);

	(void)state;
	assert_int_equal(passed, 1);
	assert_int_equal(failed, 2);
	assert_non_null(strstr(out,
		"cases.txt:4: expected decision=deny rule=no-social, got decision=allow "
		"rule=rest reason=rule need=- limit=- role=staff service=- part=- country=-"));
	/* true in the morning, wrong at lunch: a case without a time must hold at all of them */
	assert_non_null(strstr(out,
		"cases.txt:5: expected decision=deny rule=no-social, got decision=allow "
		"rule=lunch"));
	assert_non_null(strstr(out, "on Mon at 12:00"));
	buf_free(&b);
}

static void every_expectation_is_really_compared(void **state)
{
	static const char *const wrong[] = {"deny", "decision=deny", "rule=lunch", "rule=-",
		"reason=no-rule", "need=identity", "role=youth", "role=-", "service=-",
		"service=instagram", "part=cdn", "country=KP", "allow rule=rest", "coach",
		"limit=minutes"};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char line[256];
		unsigned passed, failed;
		snprintf(line, sizeof(line), "user=anna groups=comms host=www.facebook.com => %s",
			wrong[i]);
		run(s, line, &passed, &failed);
		if (failed != 1 || passed != 0 || not_understood)
			fail_msg("\"%s\" passed", wrong[i]);
	}
	buf_free(&b);
}

static void lines_that_are_no_case_fail_and_say_why(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"host=example.org", "nothing is expected"},
		{"host=example.org =>", "nothing is expected"},
		{"host=example.org => # allow", "nothing is expected"},
		{"=> allow", "no host"},
		{"host= => allow", "no value"},
		{"host=a.example host=b.example => allow", "twice"},
		{"host=a.example => allow deny", "twice"},
		{"host=a.example => => allow", "twice"},
		{"host=a.example usr=x => allow", "no part of a question"},
		{"host=a.example login=maybe => allow", "no part of a question"},
		{"a.example => allow", "no part of a question"},
		{"host=a.example => allow because=x", "cannot be expected"},
		{"host=a.example => rule=", "no value"},
		{"host=\"a.example => allow", "not closed"},
		{"host=\"a.example\"x => allow", "blank behind"},
		{"host=a_b..c => allow", "no host name"},
		{"host=a.example:0 => allow", "no host name"},
		{"host=a.example:65536 => allow", "no host name"},
		{"host=a.example client=300.1.1.1 => allow", "client"},
		{"host=a.example address=x => allow", "address"},
		{"host=10.0.0.1 address=10.0.0.2 => allow", "another one"},
		{"host=a.example at=noon => allow", "no time"},
		{"host=a.example groups=x => allow", "none is named"},
		{"user=a groups=x,,y host=a.example => allow", "empty group"},
		{"user=a login=none host=a.example => allow", "nobody can log in"},
		{"user=a acked=x,,y host=a.example => allow", "empty rule"},
		{"user=a acked=none host=a.example => allow", "no rule is named \"none\""},
		{"user=a acked=rest host=a.example => allow", "asks for no acknowledgement"},
		{"acked=coached host=a.example => allow", "none is named"},
		{"user=a spent=rest host=a.example => allow", "no limit that could be spent"},
		{"user=a spent=lunch:minutes host=a.example => allow", "does not limit minutes"},
		{"user=a spent=lunch: host=a.example => allow", "\"\" is no limit"},
		{"user=a spent=lunch:hits host=a.example => allow", "\"hits\" is no limit"},
		{"user=a spent=coached:bandwidth host=a.example => allow", "never spent"},
	};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned passed, failed;
		const char *out = run(s, cases[i].line, &passed, &failed);
		if (not_understood != 1 || passed != 0 || strncmp(out, "cases.txt:1: ", 13) != 0 ||
			!strstr(out, cases[i].word))
			fail_msg("%s: %s", cases[i].line, out);
	}
	buf_free(&b);
}

static void long_lines_and_many_groups_are_refused(void **state)
{
	struct buf b = {0}, line = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);
	unsigned passed, failed;

	(void)state;
	buf_adds(&line, "user=a host=a.example groups=g");
	for (int i = 0; i < EXPECT_GROUPS_MAX; i++)
		buf_adds(&line, ",g");
	buf_adds(&line, " => allow");
	assert_non_null(strstr(run(s, line.p, &passed, &failed), "more than 64 groups"));
	while (line.n <= EXPECT_LINE_MAX)
		buf_addc(&line, ' ');
	buf_adds(&line, "x");
	assert_non_null(strstr(run(s, line.p, &passed, &failed), "too long"));
	buf_free(&line);
	buf_free(&b);
}

static void hosts_are_read_as_people_type_them(void **state)
{
	static const struct {
		const char *typed, *name; /* NULL: refused */
		unsigned port;
	} cases[] = {
		{"www.example.com", "www.example.com", 443},
		{"WWW.Example.com.:80", "www.example.com", 80},
		{"bücher.example", "xn--bcher-kva.example", 443},
		{"bücher.example:8443", "xn--bcher-kva.example", 8443},
		{"10.0.0.1:80", "10.0.0.1", 80},
		{"2001:db8::1", "2001:db8::1", 443},
		{"[2001:db8::1]:80", "2001:db8::1", 80},
		{"a.example:", "a.example", 443},
		{"", NULL, 0},
		{":443", NULL, 0},
		{"a.example:x", NULL, 0},
		{"http://a.example", NULL, 0},
		{"a.example/", NULL, 0},
		{"1.2.3", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct host h;
		uint16_t port = 0;
		bool ok = explain_host(span_str(cases[i].typed), 443, &h, &port);
		if (ok != (cases[i].name != NULL) ||
			(ok && (strcmp(h.name, cases[i].name) != 0 || port != cases[i].port)))
			fail_msg("\"%s\": %s %u", cases[i].typed, ok ? h.name : "refused", port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_that_are_true_pass),
		cmocka_unit_test(acknowledgements_and_spent_limits_are_facts_of_a_case),
		cmocka_unit_test(the_model_policy_answers_as_it_reads),
		cmocka_unit_test(failures_name_the_line_and_show_both_sides),
		cmocka_unit_test(every_expectation_is_really_compared),
		cmocka_unit_test(lines_that_are_no_case_fail_and_say_why),
		cmocka_unit_test(long_lines_and_many_groups_are_refused),
		cmocka_unit_test(hosts_are_read_as_people_type_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
