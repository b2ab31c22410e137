/* What differs between two policies, against a look at every minute of the week; and who and what
 * is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "compare.h"
#include "explain.h"
#include "policy_scratch.h"

#define ROLES                                                                                      \
	"roles: { comms = { groups = [ \"comms\" ]; }; kb = { users = [ \"kb\" ]; }; "             \
	"kiosks = { networks = [ \"192.0.2.0/24\" ]; }; staff = { everyone = true; }; }; "         \
	"services: { hub = { hosts = [ \"hub.example\" ]; }; }; "

static const char old_text[] =
	"zone = \"Europe/London\"; " ROLES
	"schedules: { lunch = \"Mon-Fri 12:00-14:00\"; late = \"Fri 22:00-02:00\"; }; rules = ( "
	"{ name = \"work\"; roles = [ \"comms\" ]; to = [ \"hub\" ]; action = \"allow\"; }, "
	"{ name = \"lunch\"; roles = [ \"staff\" ]; to = [ \"hub\", \".x.example\" ]; schedule = "
	"\"lunch\"; action = \"allow\"; limits = { bytes = \"1 GB\"; }; }, "
	"{ name = \"late\"; to = [ \"hub\" ]; schedule = \"late\"; action = \"allow\"; }, "
	"{ name = \"no\"; to = [ \"hub\", \".x.example\" ]; action = \"deny\"; }, "
	"{ name = \"inside\"; to = [ \"93.184.216.0/24\" ]; action = \"deny\"; }, "
	"{ name = \"rest\"; action = \"allow\"; } );";
static const char new_text[] =
	"zone = \"Asia/Kathmandu\"; " ROLES
	"schedules: { lunch = \"Mon-Thu 17:00-19:00; Sun 23:00-01:00\"; }; rules = ( "
	"{ name = \"work\"; roles = [ \"comms\", \"kb\" ]; to = [ \"hub\" ]; action = \"coach\"; "
	"}, "
	"{ name = \"lunch\"; roles = [ \"staff\" ]; to = [ \"hub\", \".x.example\" ]; schedule = "
	"\"lunch\"; action = \"allow\"; limits = { bytes = \"2 GB\"; }; }, "
	"{ name = \"reading\"; roles = [ \"kiosks\" ]; to = [ \"hub\" ]; action = \"allow\"; }, "
	"{ name = \"no\"; to = [ \"hub\", \".x.example\" ]; action = \"deny\"; }, "
	"{ name = \"inside\"; to = [ \"93.184.216.0/24\" ]; action = \"allow\"; }, "
	"{ name = \"other\"; action = \"allow\"; } );";

static const struct {
	const char *user, *group, *client;
	enum who_kind kind;
	const char *name;
} people[] = {
	{NULL, NULL, "0.0.0.0", WHO_NOBODY, ""},
	{"", NULL, "0.0.0.0", WHO_ANYBODY, ""},
	{"", "comms", "0.0.0.0", WHO_GROUP, "comms"},
	{"kb", NULL, "0.0.0.0", WHO_USER, "kb"},
	{NULL, NULL, "192.0.2.0", WHO_NETWORK, "192.0.2.0/24"},
};
static const char *const sites[] = {
	"hub.example", "x.example", "any.x.example", "93.184.216.0", "stile-knows-no.invalid"};
#define PEOPLE (sizeof people / sizeof *people)
#define SITES  (sizeof sites / sizeof *sites)

/* What the comparison said, by minute of the new policy's week. */
static uint8_t told[PEOPLE][SITES][WEEK_MINUTES];
static size_t others;

static void note(void *arg, const struct compare_change *c)
{
	size_t person = 0, site = 0;
	(void)arg;

	while (person < PEOPLE && (people[person].kind != c->who->kind ||
					  strcmp(people[person].name, c->who->name) != 0))
		person++;
	while (site < SITES && strcmp(sites[site], c->site->host) != 0)
		site++;
	assert_true(person < PEOPLE);
	others += site == SITES && c->level > COMPARE_RULE;
	if (site == SITES)
		return;
	for (size_t i = 0; i < c->windows; i++)
		for (int m = c->when[i].from; m < c->when[i].to; m++) {
			assert_int_equal(told[person][site][m], 0);
			told[person][site][m] = (uint8_t)c->level;
		}
}

/* The answer as explain gives it: from words, not by the comparison's own way to facts. */
static void ask(const struct snapshot *s, size_t person, size_t site, int64_t at, struct verdict *v,
	struct rule_view *rule)
{
	const char *user = people[person].user;
	struct span group = span_str(people[person].group);
	struct explain_ask ask = {.user = span_str(user && !*user ? "nobody-in-particular" : user),
		.no_login = !user,
		.groups = &group,
		.group_count = people[person].group != NULL,
		.client = span_str(people[person].client),
		.host = span_str(sites[site]),
		.now_s = at};
	struct explained x;
	struct err e;

	if (!explain_facts(s, &ask, &x, &e))
		fail_msg("%s", e.text);
	explain_answer(s, &x, v, NULL);
	memset(rule, 0, sizeof *rule);
	if (v->rule >= 0)
		snapshot_rule(s, (size_t)v->rule, rule);
}

static enum compare_level expected(
	const struct snapshot *const s[2], size_t person, size_t site, int64_t at)
{
	struct verdict v[2];
	struct rule_view r[2];

	for (int k = 0; k < 2; k++)
		ask(s[k], person, site, at, &v[k], &r[k]);
	if (strcmp(answer_word(&v[0]), answer_word(&v[1])) != 0)
		return COMPARE_ANSWER;
	if (v[0].decision == DECISION_ALLOW && r[0].limits.bytes != r[1].limits.bytes)
		return COMPARE_LIMITS;
	bool same = v[0].reason == v[1].reason && span_eq(r[0].name, r[1].name);
	return same ? COMPARE_SAME : COMPARE_RULE;
}

static void changes_are_those_of_every_minute(void **state)
{
	struct buf b[2] = {{0}, {0}};
	const struct snapshot *s[2] = {snapshot_of_text(old_text, &b[0]), NULL};
	struct compare_count count;
	size_t seen[COMPARE_ANSWER + 1] = {0};
	int64_t monday;
	(void)state;

	s[1] = snapshot_of_text(new_text, &b[1]);
	assert_true(policy_compare(s, note, NULL, &count));
	assert_int_equal(count.people, PEOPLE);
	assert_true(snapshot_parse_time(s[1], SPAN("2026-01-05"), &monday));
	for (size_t p = 0; p < PEOPLE; p++)
		for (size_t k = 0; k < SITES; k++)
			for (int m = 0; m < WEEK_MINUTES; m++) {
				enum compare_level want = expected(s, p, k, monday + m * 60);

				seen[want]++;
				if (told[p][k][m] != want)
					fail_msg("person %zu, %s, minute %d: %d, expected %d", p,
						sites[k], m, told[p][k][m], want);
			}
	/* the policies differ in each way, or the test would say little */
	for (int i = COMPARE_SAME; i <= COMPARE_ANSWER; i++)
		assert_true(seen[i] > 0);
	assert_int_equal(others, 0);
	buf_free(&b[0]);
	buf_free(&b[1]);
}

static void count_changes(void *arg, const struct compare_change *c)
{
	(void)c;
	++*(size_t *)arg;
}

static size_t changes(const char *old, const char *new, struct compare_count *count)
{
	struct buf b[2] = {{0}, {0}};
	const struct snapshot *s[2] = {snapshot_of_text(old, &b[0]), NULL};
	size_t n = 0;

	s[1] = snapshot_of_text(new, &b[1]);
	assert_true(policy_compare(s, count_changes, &n, count));
	buf_free(&b[0]);
	buf_free(&b[1]);
	return n;
}

static void a_policy_does_not_differ_from_itself(void **state)
{
	struct compare_count count;
	(void)state;

	assert_int_equal(changes(old_text, old_text, &count), 0);
	assert_int_equal(changes(new_text, new_text, &count), 0);
}

/* What one of them alone names is looked at, whichever it is. */
static void what_either_names_is_looked_at(void **state)
{
	static const char *const named[] = {"facebook", "only.example", ".below.example",
		"198.51.100.0/24", "2001:db8::/32", "#video"};
	static const char none[] = "rules = ( { name = \"rest\"; action = \"allow\"; } );";
	struct compare_count count;
	char text[400];
	(void)state;

	for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
		snprintf(text, sizeof text,
			"rules = ( { name = \"no\"; to = [ \"%s\" ]; action = \"deny\"; }, "
			"{ name = \"rest\"; action = \"allow\"; } );",
			named[i]);
		size_t there = changes(none, text, &count), back = changes(text, none, &count);
		if (there == 0 || there != back)
			fail_msg("%s: %zu and %zu", named[i], there, back);
	}
	snprintf(text, sizeof text,
		"roles: { a = { groups = [ \"g\" ]; }; }; rules = ( { name = \"no\"; roles = [ "
		"\"a\" "
		"]; action = \"deny\"; }, { name = \"rest\"; action = \"allow\"; } );");
	size_t there = changes(none, text, &count);
	assert_int_equal(count.people, 3);
	assert_int_equal(there, count.sites);
	assert_int_equal(changes(text, none, &count), there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_those_of_every_minute),
		cmocka_unit_test(a_policy_does_not_differ_from_itself),
		cmocka_unit_test(what_either_names_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
