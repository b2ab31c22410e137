/* When a schedule begins or ends next, against a look at every minute; and what rules are for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

static const char *const schedules[] = {"Mon-Fri 08:00-18:00", "Sun 01:30-02:30", "00:00-24:00",
	"Sat-Mon 22:00-02:00", "Sun", "Mon 00:00-00:01; Sun 23:59-24:00", "Sun 01:00-02:00"};

static const char *policy_with(const char *zone, const char *schedule, char *out, size_t n)
{
	snprintf(out, n,
		"zone = \"%s\"; schedules: { a = \"%s\"; unused = \"04:00-05:00\"; };"
		"rules = ( { name = \"r\"; schedule = \"a\"; action = \"allow\"; } );",
		zone, schedule);
	return out;
}

static bool open_at(const struct snapshot *s, int64_t at)
{
	struct facts f = {.now_s = at};
	struct rule_now now;

	policy_rule_now(s, &f, 0, &now);
	return now.open;
}

/* Is the rule open, at every minute of three weeks and more from `start`? */
#define MINUTES (23 * 1440)
static int64_t start;
static bool open[MINUTES];

static void look_at_every_minute(const struct snapshot *s)
{
	for (int i = 0; i < MINUTES; i++)
		open[i] = open_at(s, start + i * 60);
}

/* The first change within two weeks. */
static int64_t look_for_edge(int64_t from)
{
	int64_t now = (from - start) / 60;

	for (int64_t i = now + 1; i < now + 14 * 1440; i++)
		if (open[i] != open[now])
			return start + i * 60;
	return 0;
}

/* From each edge the next, and the second before it: a search that begins beside an edge must not
 * step over it. */
static void check_at_edges(const struct snapshot *s)
{
	for (int64_t at = look_for_edge(start); at && at < start + 8 * 86400;) {
		int64_t next = look_for_edge(at);

		assert_true(policy_next_edge(s, at - 1) == at);
		assert_true(policy_next_edge(s, at) == next);
		assert_true(policy_next_edge(s, at + 1) == next);
		at = next;
	}
}

static void check(const char *zone, const char *schedule, const char *day)
{
	char text[400];
	struct buf b = {0};
	const struct snapshot *s =
		snapshot_of_text(policy_with(zone, schedule, text, sizeof text), &b);
	struct rule_now now;

	assert_true(snapshot_parse_time(s, span_str(day), &start));
	look_at_every_minute(s);
	for (int64_t at = start; at < start + 8 * 86400; at += 13 * 3600 + 17 * 60 + 13) {
		struct facts f = {.now_s = at};
		int64_t want = look_for_edge(at);

		policy_rule_now(s, &f, 0, &now);
		if (now.until_s != want)
			fail_msg("%s, \"%s\", at %lld: %lld, expected %lld", zone, schedule,
				(long long)at, (long long)now.until_s, (long long)want);
		assert_true(policy_next_edge(s, at) == want);
	}
	check_at_edges(s);
	buf_free(&b);
}

/* 2026-03-29 and 2026-10-25: the clocks of Europe change. */
static void edges_are_those_of_every_minute(void **state)
{
	static const char *const days[] = {"2026-01-05", "2026-03-27", "2026-10-23"};
	(void)state;

	for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++)
		for (size_t k = 0; k < 3; k++)
			check("Europe/London", schedules[i], days[k]);
	check("Asia/Kathmandu", schedules[0], days[0]);
	check("America/New_York", schedules[1], "2026-03-06");
}

/* Clocks that move by half an hour, at midnight (so that a day has no beginning, or two), and half
 * an hour off the full hour of UTC. */
static void unusual_clocks_have_the_same_edges(void **state)
{
	static const struct {
		const char *zone, *day;
	} v[] = {{"Australia/Lord_Howe", "2026-04-03"}, {"Australia/Lord_Howe", "2026-10-02"},
		{"Africa/Cairo", "2026-04-22"}, {"Africa/Cairo", "2026-10-28"},
		{"America/Santiago", "2026-04-03"}, {"America/Santiago", "2026-09-04"},
		{"America/St_Johns", "2026-03-06"}, {"Pacific/Chatham", "2026-09-25"}};
	static const char *const times[] = {"Fri 00:00-00:30", "Sun 00:00-01:00; Sat 23:15-24:00",
		"Sun 01:45-02:15,02:45-03:30", "Mon-Fri 08:00-18:00", "Sat-Sun"};
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		for (size_t k = 0; k < sizeof times / sizeof *times; k++)
			check(v[i].zone, times[k], v[i].day);
}

static void the_first_edge_of_several_rules_is_next(void **state)
{
	static const char text[] =
		"zone = \"Europe/London\"; schedules: { a = \"Mon-Fri 08:00-18:00\"; b = "
		"\"12:00-14:00\"; c = \"Sun 01:30-02:30\"; };"
		"rules = ( { name = \"x\"; schedule = \"a\"; action = \"allow\"; },"
		"{ name = \"y\"; schedule = \"b\"; action = \"deny\"; },"
		"{ name = \"z\"; schedule = \"c\"; action = \"allow\"; },"
		"{ name = \"n\"; action = \"allow\"; } );";
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(text, &b);
	(void)state;

	assert_true(snapshot_parse_time(s, SPAN("2026-10-22"), &start));
	for (int64_t at = start; at < start + 7 * 86400; at += 1801) {
		struct facts f = {.now_s = at};
		struct rule_now now;
		int64_t first = 0;

		for (size_t i = 0; i < 4; i++) {
			policy_rule_now(s, &f, i, &now);
			if (now.until_s && (!first || now.until_s < first))
				first = now.until_s;
		}
		policy_rule_now(s, &f, 3, &now);
		assert_true(now.open && now.until_s == 0);
		assert_true(first > at && policy_next_edge(s, at) == first);
	}
	buf_free(&b);
}

static void days_have_23_24_and_25_hours(void **state)
{
	static const struct {
		const char *at;
		int hours;
	} v[] = {{"2026-03-28 23:59", 24}, {"2026-03-29 12:00", 23}, {"2026-10-25 00:00", 25},
		{"2026-10-25 23:00", 25}, {"2026-10-26 00:00", 24}};
	char text[400];
	struct buf b = {0};
	const struct snapshot *s =
		snapshot_of_text(policy_with("Europe/London", "Sun", text, sizeof text), &b);
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct local_day day;
		int64_t at;

		assert_true(snapshot_parse_time(s, span_str(v[i].at), &at));
		snapshot_local_day(s, at, &day);
		assert_true(day.from_s <= at && at < day.to_s);
		assert_int_equal(day.to_s - day.from_s, v[i].hours * 3600);
		assert_true(span_eq(span_str(day.text), span_of(v[i].at, 10)));
	}
	buf_free(&b);
}

static void what_a_rule_is_for_is_said_as_it_was_written(void **state)
{
	static const char *const want[] = {
		"#social, .below.example, 203.0.113.0/24, exact.example, facebook except intranet",
		"everything", "2001:db8::1"};
	static const char text[] =
		"rules = ( { name = \"a\"; to = [\"#social\", \"facebook\", \"exact.example\", "
		"\".below.example\", \"203.0.113.0/24\"]; except = [\"host:intranet\"]; action = "
		"\"allow\"; },"
		"{ name = \"b\"; action = \"deny\"; },"
		"{ name = \"c\"; to = [\"2001:db8::1\"]; action = \"allow\"; } );";
	struct buf b = {0}, out = {0};
	const struct snapshot *s = snapshot_of_text(text, &b);
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		char words[6][40];
		size_t n = 0, all = 0;

		out.n = 0;
		policy_rule_to(s, i, &out);
		/* the order is the compiler's */
		for (struct span rest = span_str(want[i]); rest.p; n++) {
			struct span word = span_trim(span_cut(&rest, ','));

			assert_true(span_copy(word, words[n], sizeof words[n]));
			all += word.n + 2;
			if (!memmem(out.p, out.n, word.p, memchr(word.p, ' ', word.n) ? 8 : word.n))
				fail_msg("\"%s\" is not in \"%.*s\"", words[n], (int)out.n, out.p);
		}
		assert_int_equal(out.n, all - 2);
	}
	buf_free(&out);
	buf_free(&b);
}

/* For whom a rule is, and through which of its roles. */
static void rules_are_for_who_has_a_role(void **state)
{
	static const struct {
		const char *user, *client; /* NULL: nobody has logged in */
		int want[4];		   /* -2: not for you, -1: for everybody, else the role */
	} rows[] = {{"anna", "192.0.2.1", {-1, 0, 2, 0}}, {"ben", "192.0.2.1", {-1, -2, 2, -2}},
		{NULL, "192.0.2.1", {-1, -2, -2, -2}}, {NULL, "10.0.0.1", {-1, -2, -2, 1}},
		{"anna", "10.0.0.1", {-1, 0, 2, 0}}};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(
		"zone = \"UTC\"; roles: { comms = { users = [\"anna\"]; };"
		" kiosks = { networks = [\"10.0.0.0/8\"]; }; staff = { everyone = true; }; };"
		"rules = ( { name = \"a\"; action = \"deny\"; },"
		" { name = \"b\"; roles = [\"comms\"]; action = \"allow\"; },"
		" { name = \"c\"; roles = [\"staff\"]; action = \"allow\"; },"
		" { name = \"d\"; roles = [\"kiosks\", \"comms\"]; action = \"allow\"; } );",
		&b);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct facts f = {.identity = rows[i].user ? IDENTITY_KNOWN : IDENTITY_UNKNOWN};

		assert_true(addr_parse(span_str(rows[i].client), &f.client));
		if (rows[i].user)
			f.roles = policy_roles(s, span_str(rows[i].user), NULL, 0);
		for (size_t k = 0; k < 4; k++) {
			struct rule_now now;
			int got;

			policy_rule_now(s, &f, k, &now);
			got = now.for_you ? now.role : -2;
			if (got != rows[i].want[k])
				fail_msg("row %zu, rule %zu: %d", i, k, got);
		}
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_for_who_has_a_role),
		cmocka_unit_test(edges_are_those_of_every_minute),
		cmocka_unit_test(unusual_clocks_have_the_same_edges),
		cmocka_unit_test(the_first_edge_of_several_rules_is_next),
		cmocka_unit_test(days_have_23_24_and_25_hours),
		cmocka_unit_test(what_a_rule_is_for_is_said_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
