/*
 * Coaching and limits in the decision, as tables: the rules, how the person stands under each, and
 * the verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

#define RULES(text) "zone = \"Europe/London\";\n" SERVICES "rules = (" text ");"
#define SERVICES                                                                                   \
	"roles: { staff = { everyone = true; }; desk = { networks = [\"192.0.2.0/24\"]; }; };"
#define COACH "{ name = \"video\"; to = [\"v.example\"]; action = \"coach\"; }"
#define LIMITED(limits)                                                                            \
	"{ name = \"some\"; to = [\"v.example\"]; action = \"allow\"; limits = { " limits "; }; }"
#define REST "{ name = \"rest\"; action = \"allow\"; }"

enum who { NOBODY, UNKNOWN, ANNA };

struct row {
	const char *rules;
	enum who who;
	struct standing_facts standing[2];
	bool open, observe_all;
	const char *want; /* "allow RULE", "deny RULE REASON", "need WHAT RULE" */
};

static const char *text_of(const struct snapshot *s, const struct verdict *v, char *out, size_t n)
{
	static const char *const needs[] = {"none", "identity", "address", "ack", "limit"};
	struct rule_view r = {.name = SPAN("-")};

	if (v->rule >= 0)
		snapshot_rule(s, (size_t)v->rule, &r);
	if (v->decision == DECISION_ALLOW)
		snprintf(out, n, "allow %.*s%s", SPAN_ARG(r.name),
			v->reason == REASON_OBSERVE_ALL ? " observe-all" : "");
	else if (v->decision == DECISION_DENY)
		snprintf(out, n, "deny %.*s %s", SPAN_ARG(r.name), reason_info(v->reason)->word);
	else
		snprintf(out, n, "need %s %.*s", needs[v->need], SPAN_ARG(r.name));
	return out;
}

static void check(const struct row *r, size_t i)
{
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(r->rules, &b);
	struct host host;
	struct target target;
	struct facts f = {.host = &host,
		.target = &target,
		.port = 443,
		.address_state = ADDRESS_KNOWN,
		.open = r->open,
		.observe_all = r->observe_all};
	struct verdict v;
	char text[200];

	assert_true(host_parse(SPAN("v.example"), &host));
	policy_classify(s, &host, &target);
	assert_true(addr_parse(SPAN("8.8.8.8"), &f.address));
	assert_true(addr_parse(SPAN("192.0.2.1"), &f.client));
	f.identity = r->who == NOBODY	 ? IDENTITY_NOBODY
		     : r->who == UNKNOWN ? IDENTITY_UNKNOWN
					 : IDENTITY_KNOWN;
	if (r->who == ANNA)
		f.roles = policy_roles(s, SPAN("anna"), NULL, 0);
	for (size_t k = 0; k < 2; k++)
		if (r->standing[k].spent || r->standing[k].asked_ack)
			f.standing[f.standings++] = r->standing[k];
	policy_evaluate(s, &f, &v, NULL);
	if (strcmp(text_of(s, &v, text, sizeof text), r->want) != 0)
		fail_msg("row %zu: %s, expected %s", i, text, r->want);
	buf_free(&b);
}

#define ACK(yes)                                                                                   \
	{                                                                                          \
		.asked_ack = true, .acked = (yes)                                                  \
	}
#define SPENT(k)                                                                                   \
	{                                                                                          \
		.spent = SPENT_YES, .kind = LIMIT_##k                                              \
	}
#define AGO(k, s)                                                                                  \
	{                                                                                          \
		.spent = SPENT_YES, .kind = LIMIT_##k, .spent_for_s = (s)                          \
	}
#define NOT_SPENT                                                                                  \
	{                                                                                          \
		.spent = SPENT_NO                                                                  \
	}
#define BOTH(k, a)                                                                                 \
	{                                                                                          \
		.spent = SPENT_YES, .kind = LIMIT_##k, .asked_ack = true, .acked = (a)             \
	}

static const struct row rows[] = {
	/* who accepts must be somebody, and once is enough */
	{RULES(COACH "," REST), UNKNOWN, {{0}}, false, false, "need identity -"},
	{RULES(COACH "," REST), NOBODY, {{0}}, false, false, "deny video coach-login"},
	{RULES(COACH "," REST), ANNA, {{0}}, false, false, "need ack video"},
	{RULES(COACH "," REST), ANNA, {ACK(false)}, false, false, "deny video coach"},
	{RULES(COACH "," REST), ANNA, {ACK(true)}, false, false, "allow video"},
	{RULES(COACH "," REST), ANNA, {{0}}, false, true, "allow video observe-all"},
	{RULES(COACH "," REST), UNKNOWN, {{0}}, false, true, "need identity -"},
	/* … also of an access that is open: an acknowledgement that is over ends it */
	{RULES(COACH), ANNA, {ACK(false)}, true, false, "deny video coach"},
	/* each kind has its reason */
	{RULES(LIMITED("minutes = 5")), ANNA, {{0}}, false, false, "need limit some"},
	{RULES(LIMITED("minutes = 5")), ANNA, {NOT_SPENT}, false, false, "allow some"},
	{RULES(LIMITED("minutes = 5")), ANNA, {SPENT(MINUTES)}, false, false,
		"deny some minutes-spent"},
	{RULES(LIMITED("bytes = \"1G\"")), ANNA, {SPENT(BYTES)}, false, false,
		"deny some bytes-spent"},
	{RULES(LIMITED("tunnels = 2")), ANNA, {SPENT(TUNNELS)}, false, false,
		"deny some tunnels-open"},
	{RULES(LIMITED("requests = \"1/s\"")), ANNA, {SPENT(REQUESTS)}, false, false,
		"deny some limit"},
	{RULES(LIMITED("bandwidth = \"1MB/s\"")), ANNA, {{0}}, false, false, "allow some"},
	{RULES(LIMITED("minutes = 5; without_redis = \"deny\"")), ANNA, {{.spent = SPENT_UNTOLD}},
		false, false, "deny some limit-unknown"},
	{RULES(LIMITED("minutes = 5")), ANNA, {SPENT(MINUTES)}, false, true,
		"allow some observe-all"},
	/* what is open takes nothing more, and has its grace */
	{RULES(LIMITED("tunnels = 2")), ANNA, {{0}}, true, false, "allow some"},
	{RULES(LIMITED("requests = \"1/s\"")), ANNA, {{0}}, true, false, "allow some"},
	{RULES(LIMITED("minutes = 5; grace = \"2m\"")), ANNA, {AGO(MINUTES, 119)}, true, false,
		"allow some"},
	{RULES(LIMITED("minutes = 5; grace = \"2m\"")), ANNA, {AGO(MINUTES, 120)}, true, false,
		"deny some minutes-spent"},
	{RULES(LIMITED("minutes = 5; grace = \"2m\"")), ANNA, {AGO(MINUTES, 0)}, false, false,
		"deny some minutes-spent"},
	/* when_spent: the next rule, or an acknowledgement */
	{RULES(LIMITED("minutes = 5; when_spent = \"next\"") "," REST), ANNA, {SPENT(MINUTES)},
		false, false, "allow rest"},
	{RULES(LIMITED("minutes = 5; when_spent = \"next\"")), ANNA, {SPENT(MINUTES)}, false, false,
		"deny - no-rule"},
	{RULES(LIMITED("minutes = 5; when_spent = \"next\"") "," REST), ANNA, {NOT_SPENT}, false,
		false, "allow some"},
	{RULES(LIMITED("minutes = 5; when_spent = \"coach\"") "," REST), ANNA, {SPENT(MINUTES)},
		false, false, "need ack some"},
	{RULES(LIMITED("minutes = 5; when_spent = \"coach\"") "," REST), ANNA,
		{BOTH(MINUTES, true)}, false, false, "allow some"},
	{RULES(LIMITED("minutes = 5; when_spent = \"coach\"") "," REST), ANNA,
		{BOTH(MINUTES, false)}, false, false, "deny some coach"},
	{RULES(LIMITED("minutes = 5; when_spent = \"coach\"")), UNKNOWN, {{0}}, false, false,
		"need identity -"},
	/* a rule that coaches may have limits as well: accepted, then spent */
	{RULES("{ name = \"c\"; action = \"coach\"; limits = { minutes = 5; }; }"), ANNA,
		{ACK(true)}, false, false, "need limit c"},
	{RULES("{ name = \"c\"; action = \"coach\"; limits = { minutes = 5; }; }"), ANNA,
		{BOTH(MINUTES, true)}, false, false, "deny c minutes-spent"},
};

static void every_row_is_answered_as_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check(&rows[i], i);
}

static void what_rules_carry_is_what_was_written(void **state)
{
	static const char text[] = RULES(
		"{ name = \"c\"; action = \"coach\"; remember = \"90m\"; purpose = \"p\";"
		" purposes = [\"casework\", \"press\"]; limits = { minutes = 60; bytes = \"2 GB\";"
		" requests = \"60/min\"; tunnels = 6; bandwidth = \"4 MB/s\"; warn = 70;"
		" when_spent = \"next\"; grace = \"2m\"; without_redis = \"allow\"; }; },"
		"{ name = \"d\"; action = \"coach\"; purpose = \"p\"; },"
		"{ name = \"e\"; action = \"allow\"; }") "conduct = "
							 "\"https://intranet.example/code\";";
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(text, &b);
	struct span purpose[POLICY_PURPOSES_MAX];
	struct rule_view r;
	(void)state;

	snapshot_rule(s, 0, &r);
	assert_int_equal(r.action, RULE_COACH);
	assert_int_equal(r.remember_s, 5400);
	assert_int_equal(r.limits.minutes, 60);
	assert_true(r.limits.bytes == UINT64_C(2000000000));
	assert_int_equal(r.limits.requests.count, 60);
	assert_int_equal(r.limits.tunnels, 6);
	assert_true(r.limits.bandwidth == 4000000);
	assert_int_equal(r.limits.warn, 70);
	assert_int_equal(r.limits.when_spent, WHEN_SPENT_NEXT);
	assert_int_equal(r.limits.grace_s, 120);
	assert_int_equal(r.limits.without_redis, WITHOUT_REDIS_ALLOW);
	assert_int_equal(snapshot_rule_purposes(s, 0, purpose, POLICY_PURPOSES_MAX), 2);
	assert_true(span_is(purpose[1], "press"));
	assert_int_equal(snapshot_rule_purposes(s, 1, purpose, POLICY_PURPOSES_MAX), 1);
	assert_true(span_is(purpose[0], "p"));
	assert_int_equal(snapshot_rule_purposes(s, 2, purpose, POLICY_PURPOSES_MAX), 0);
	snapshot_rule(s, 1, &r);
	assert_int_equal(r.remember_s, 8 * 3600);
	snapshot_rule(s, 2, &r);
	assert_int_equal(r.remember_s, 0);
	assert_true(span_is(snapshot_conduct(s), "https://intranet.example/code"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_answered_as_it_says),
		cmocka_unit_test(what_rules_carry_is_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
