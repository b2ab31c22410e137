/* What each kind of record adds to the daily figures, and the way back from field names. */
#include "rollup.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define K      "\"u1\",\"staff\",\"facebook\",\"public\",\"r1\",\"\"]"
#define NOBODY "\"\",\"\",\"\",\"\",\"\",\"\"]"

/* Records as they stand in a journal → "hash field value" joined by "|". */
static const struct {
	const char *record, *want;
} cases[] = {
#define ACCESS(verdict, reason, n)                                                                 \
	"{\"k\":\"access\",\"t\":1,\"day\":\"2026-11-23\",\"id\":\"a\",\"user\":\"u1\",\"role\":"  \
	"\"staff\",\"service\":\"facebook\",\"zone\":\"public\",\"rule\":\"r1\",\"verdict\":"      \
	"\"" verdict "\",\"reason\":\"" reason "\",\"n\":" n "}"
	{ACCESS("allow", "rule", "null"), "day [\"allow\"," K " 1"},
	{ACCESS("allow", "rule", "3"), "day [\"allow\"," K " 3"},
	{ACCESS("deny", "rule", "7"), "day [\"deny\"," K " 7"},
	{ACCESS("deny", "no-address", "null"), "day [\"deny\"," K " 1"},
	{ACCESS("deny", "limit", "40"), "day [\"limit\"," K " 40"},
	{ACCESS("challenge", "login", "2"), "day [\"challenge\"," K " 2"},
	{ACCESS("allow", "rule", "0"), ""},
	{ACCESS("other", "rule", "1"), ""},
#define USAGE(up, down, core_up, core_down, tunnels)                                               \
	"{\"k\":\"usage\",\"t\":1,\"day\":\"2026-11-23\",\"user\":\"u1\",\"role\":\"staff\","      \
	"\"service\":\"facebook\",\"zone\":\"public\",\"rule\":\"r1\",\"purpose\":null,"           \
	"\"minute\":29000000,\"up\":" up ",\"down\":" down ",\"core_up\":" core_up                 \
	",\"core_down\":" core_down ",\"tunnels\":" tunnels "}"
	{USAGE("10", "20", "3", "4", "2"), "day [\"moved\"," K " 10,20,2|min [" K " 29000000,3,4 "},
	{USAGE("10", "0", "0", "0", "1"), "day [\"moved\"," K " 10,0,1"},
	{USAGE("0", "0", "0", "0", "1"), "day [\"moved\"," K " 0,0,1"},
	{USAGE("0", "0", "0", "5", "0"), "min [" K " 29000000,0,5 "},
	{USAGE("0", "0", "0", "0", "0"), ""},
	{USAGE("18446744073709551615", "0", "0", "0", "0"),
		"day [\"moved\"," K " 18446744073709551615,0,0"},
	/* bytes of an access are counted where its minutes are: in usage */
	{"{\"k\":\"end\",\"t\":1,\"day\":\"2026-11-23\",\"id\":\"a\",\"user\":\"u1\",\"up\":5,"
	 "\"down\":6}",
		""},
	{"{\"k\":\"mark\",\"t\":1,\"day\":\"2026-11-23\",\"what\":\"checkpoint\"}",
		"day [\"checkpoint\"," NOBODY " 1"},
	{"{\"k\":\"mark\",\"t\":1,\"day\":\"2026-11-23\",\"what\":\"gap\",\"n\":12}",
		"day [\"lost\"," NOBODY " 12"},
	{"{\"k\":\"mark\",\"t\":1,\"day\":\"2026-11-23\",\"what\":\"start\"}", ""},
	{"{\"k\":\"mark\",\"t\":1,\"day\":\"2026-11-23\",\"what\":\"alarm\",\"n\":3}", ""},
	{"{\"k\":\"person\",\"t\":1,\"day\":\"2026-11-23\",\"user\":\"u1\"}", ""},
	{"{\"k\":\"access\",\"t\":1,\"day\":\"2026-11-23\",\"verdict\":\"deny\",\"reason\":\"bytes-"
	 "spent\"}",
		"day [\"limit\"," NOBODY " 1"},
	{"{\"k\":\"access\",\"t\":1,\"day\":\"2026-11-23\",\"verdict\":\"deny\",\"reason\":"
	 "\"coach\"}",
		"day [\"deny\"," NOBODY " 1"},
	{"{\"k\":\"ack\",\"t\":1,\"day\":\"2026-11-23\",\"user\":\"u1\",\"rule\":\"video\","
	 "\"purpose\":\"casework\",\"until\":2}",
		"day [\"ack\",\"u1\",\"\",\"\",\"\",\"video\",\"casework\"] 1"},
	{"{\"k\":\"policy\",\"t\":1,\"day\":\"2026-11-23\",\"digest\":\"d\"}", ""},
	/* no day, no figures: the record itself is still in the stream */
	{"{\"k\":\"mark\",\"t\":1,\"day\":\"yesterday\",\"what\":\"checkpoint\"}", ""},
};

/* The table names the fields that matter; the codec wants all of a kind in their order. */
static void fill(struct record *r, const char *json)
{
	static char store[4096];
	size_t used = 0;
	for (int k = 0; k < RECORD_COUNT; k++) {
		char head[32];
		snprintf(head, sizeof head, "{\"k\":\"%s\"", record_word((enum record_kind)k));
		if (strncmp(json, head, strlen(head)) == 0)
			record_init(r, (enum record_kind)k);
	}
	for (int f = 0; f < FIELD_COUNT; f++) {
		char name[32];
		snprintf(name, sizeof name, "\"%s\":", field_key((enum field)f));
		const char *at = strstr(json, name);
		if (!at || !(record_fields(r->kind) & 1ULL << f))
			continue;
		at += strlen(name);
		if (field_type((enum field)f) == FIELD_TYPE_NUM && *at != 'n') {
			record_num(r, (enum field)f, strtoull(at, NULL, 10));
		} else if (*at == '"') {
			size_t n = strcspn(++at, "\"");
			memcpy(store + used, at, n);
			record_str(r, (enum field)f, span_of(store + used, n));
			used += n;
		}
	}
}

static void every_kind_adds_what_the_contract_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct record r;
		struct rollup u[ROLLUP_PER_RECORD];
		fill(&r, cases[i].record);
		size_t n = rollup_of(&r, u);
		assert_true(n <= ROLLUP_PER_RECORD);
		char got[6000] = "";
		for (size_t k = 0; k < n; k++) {
			size_t at = strlen(got);
			assert_true(span_is(u[k].day, "2026-11-23"));
			if (u[k].hash == ROLLUP_DAY)
				snprintf(got + at, sizeof got - at, "%sday %s %llu", k ? "|" : "",
					u[k].field, (unsigned long long)u[k].add);
			else
				snprintf(got + at, sizeof got - at, "%s%s %s %s", k ? "|" : "",
					u[k].hash == ROLLUP_MIN ? "min" : "day", u[k].field,
					u[k].text);
		}
		assert_string_equal(got, cases[i].want);
	}
}

static void field_names_give_their_parts_back(void **state)
{
	(void)state;
	struct record r;
	struct rollup u[ROLLUP_PER_RECORD];
	record_init(&r, RECORD_ACCESS);
	record_str(&r, FIELD_DAY, SPAN("2026-11-23"));
	record_str(&r, FIELD_USER, SPAN("\xc3\xa4\"\\u"));
	record_str(&r, FIELD_ROLE, SPAN("a,b"));
	record_str(&r, FIELD_PURPOSE, SPAN("say \"hi\"\n\xf0\x9f\x98\x80"));
	record_str(&r, FIELD_VERDICT, SPAN("allow"));
	assert_int_equal(rollup_of(&r, u), 1);

	char store[256];
	struct rollup_key key;
	assert_true(rollup_key_parse(ROLLUP_DAY, span_str(u[0].field), store, sizeof store, &key));
	assert_true(span_is(key.metric, "allow"));
	assert_true(span_is(key.user, "\xc3\xa4\"\\u"));
	assert_true(span_is(key.role, "a,b"));
	assert_true(span_is(key.service, ""));
	assert_true(span_is(key.purpose, "say \"hi\"\n\xf0\x9f\x98\x80"));
	assert_false(rollup_key_parse(ROLLUP_DAY, span_str(u[0].field), store, 5, &key));
	assert_false(rollup_key_parse(ROLLUP_MIN, span_str(u[0].field), store, sizeof store, &key));
	assert_true(rollup_key_parse(ROLLUP_MIN, SPAN("[\"u\",\"r\",\"s\",\"z\",\"n\",\"p\"]"),
		store, sizeof store, &key));
	assert_true(span_is(key.metric, "") && span_is(key.user, "u") && span_is(key.purpose, "p"));
}

static void strange_field_names_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "[", "{}", "[]", "\"x\"", "[1,2,3,4,5,6,7]",
		"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]",
		"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]",
		"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",null]",
		"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"] x"};
	char store[64];
	struct rollup_key key;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(
			rollup_key_parse(ROLLUP_DAY, span_str(bad[i]), store, sizeof store, &key));
}

static void the_longest_parts_still_make_a_whole_field_name(void **state)
{
	(void)state;
	static const enum field all[] = {
		FIELD_USER, FIELD_ROLE, FIELD_SERVICE, FIELD_ZONE, FIELD_RULE, FIELD_PURPOSE};
	static char ones[1000], wide[1000];
	memset(ones, 1, sizeof ones);
	for (size_t i = 0; i + 2 < sizeof wide; i += 2)
		memcpy(wide + i, "\xc3\xa4", 2);
	const struct span values[] = {span_of(ones, 1000), span_of(wide, 998), span_of(wide, 200)};
	for (size_t v = 0; v < 3; v++) {
		struct record r;
		struct rollup u[ROLLUP_PER_RECORD];
		record_init(&r, RECORD_USAGE);
		record_str(&r, FIELD_DAY, SPAN("2026-11-23"));
		record_num(&r, FIELD_UP, UINT64_MAX);
		record_num(&r, FIELD_DOWN, UINT64_MAX);
		record_num(&r, FIELD_TUNNELS, UINT64_MAX);
		record_num(&r, FIELD_CORE_UP, UINT64_MAX);
		record_num(&r, FIELD_CORE_DOWN, UINT64_MAX);
		record_num(&r, FIELD_MINUTE, UINT64_MAX);
		for (size_t i = 0; i < 6; i++)
			record_str(&r, all[i], values[v]);
		assert_int_equal(rollup_of(&r, u), 2);
		assert_string_equal(u[0].text,
			"18446744073709551615,18446744073709551615,18446744073709551615");
		assert_string_equal(u[1].text,
			"18446744073709551615,18446744073709551615,18446744073709551615 ");
		for (size_t i = 0; i < 2; i++) {
			char store[2000];
			struct rollup_key key;
			assert_true(rollup_key_parse(
				u[i].hash, span_str(u[i].field), store, sizeof store, &key));
			assert_true(span_starts(values[v], key.purpose) && key.purpose.n > 30);
			if (values[v].n == 200)
				assert_true(span_eq(values[v], key.purpose));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_adds_what_the_contract_says),
		cmocka_unit_test(field_names_give_their_parts_back),
		cmocka_unit_test(strange_field_names_are_refused),
		cmocka_unit_test(the_longest_parts_still_make_a_whole_field_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
