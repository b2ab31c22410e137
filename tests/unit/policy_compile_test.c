/*
 * Snapshots: the same files give the same bytes, a block may lie anywhere, and whatever is damaged
 * is refused when it is opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

static const char policy[] =
	"zone = \"Europe/London\";\n"
	"inside = [ \"10.20.0.0/16\" ];\n"
	"tls_only = true;\n"
	"roles: { comms = { groups = [\"comms\"]; }; kiosks = { networks = [\"192.0.2.0/24\"]; };\n"
	"  staff = { everyone = true; }; };\n"
	"schedules: { office = \"Mon-Fri 08:00-18:00\"; };\n"
	"services: { hub = { title = \"Knowledge Hub\"; hosts = [\"hub.example\"]; zone = "
	"\"external\";\n"
	"    categories = [\"work\"]; source = \"own\"; };\n"
	"  facebook = { hosts = [\"facebook.example\"]; }; };\n"
	"lists = ( { category = \"bets\"; file = \"bets\"; format = \"plain\"; } );\n"
	"rules = (\n"
	"  { name = \"one\"; roles = [\"comms\"]; to = [\"hub\", \"#social\", \".a.example\",\n"
	"      \"b.example\", \"192.0.2.0/24\"]; except = [\"c.a.example\"]; schedule = "
	"\"office\";\n"
	"    ports = [\"443\", \"8000-8999\"]; action = \"allow\"; message = \"m\"; record = "
	"\"host\";\n"
	"    embeds = true; opaque = true; limits = { requests = \"60/min\"; }; purpose = \"p\";\n"
	"    owner = \"o\"; benefit = \"b\"; risk = \"r\"; risk_owner = \"ro\"; review = "
	"\"2027-03-31\"; },\n"
	"  { name = \"two\"; to = [\"#bets\"]; mode = \"observe\"; action = \"deny\"; record = "
	"\"none\"; } );\n";

static void compile_policy(struct buf *out)
{
	write_file("policy.cfg", policy);
	write_file("bets", "bet.example\nodds.example\n");
	snapshot_of_file("policy.cfg", out);
}

/* What a careless record would leave in its holes. */
static __attribute__((noinline)) void dirty_the_stack(int with)
{
	volatile char v[32768];

	for (size_t i = 0; i < sizeof v; i++)
		v[i] = (char)with;
}

static void the_same_files_give_the_same_bytes(void **state)
{
	struct buf a = {0}, b = {0};
	(void)state;

	dirty_the_stack(0x55);
	compile_policy(&a);
	dirty_the_stack(0xaa);
	compile_policy(&b);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
	buf_free(&a);
	buf_free(&b);
}

static void a_block_is_put_behind_what_is_there_and_may_move(void **state)
{
	struct buf a = {0}, b = {0};
	struct err e = {""};
	(void)state;

	compile_policy(&a);
	buf_adds(&b, "12345");
	struct problems p = {0};
	assert_true(policy_compile("policy.cfg", &b, &p));
	assert_int_equal(b.n, a.n + 5);
	assert_memory_equal(b.p, "12345", 5);
	assert_memory_equal(b.p + 5, a.p, a.n);

	uint64_t *moved = malloc(a.n);
	assert_non_null(moved);
	memcpy(moved, a.p, a.n);
	buf_free(&a);
	const struct snapshot *s = snapshot_open(moved, b.n - 5, &e);
	assert_non_null(s);
	assert_true(span_is(snapshot_zone_name(s), "Europe/London"));
	assert_null(snapshot_open((char *)moved + 4, b.n - 9, &e));
	assert_non_null(strstr(e.text, "aligned"));
	free(moved);
	buf_free(&b);
	problems_free(&p);
}

static void a_snapshot_says_what_the_policy_said(void **state)
{
	struct buf b = {0};
	struct rule_view r;
	(void)state;

	compile_policy(&b);
	const struct snapshot *s = snapshot_open(b.p, b.n, NULL);
	assert_non_null(s);
	assert_true(snapshot_tls_only(s));
	assert_true(snapshot_wants_identity(s));
	assert_int_equal(snapshot_roles(s), 3);
	assert_true(span_is(snapshot_role(s, 1), "kiosks"));
	assert_int_equal(snapshot_rules(s), 2);
	assert_true(snapshot_catalogue_version(s).n > 0);

	snapshot_rule(s, 0, &r);
	assert_true(span_is(r.name, "one"));
	assert_true(span_is(r.message, "m"));
	assert_true(span_is(r.purpose, "p"));
	assert_true(span_is(r.owner, "o"));
	assert_true(span_is(r.benefit, "b"));
	assert_true(span_is(r.risk, "r"));
	assert_true(span_is(r.risk_owner, "ro"));
	assert_true(span_is(r.review, "2027-03-31"));
	assert_int_equal(r.action, RULE_ALLOW);
	assert_int_equal(r.record, RECORD_HOST);
	assert_false(r.observe);
	assert_true(r.opaque);
	assert_int_equal(r.limits.requests.interval_us, 1000000);
	assert_int_equal(r.limits.requests.burst, 15);
	assert_int_equal(r.limits.requests.count, 60);
	assert_int_equal(r.limits.requests.period_s, 60);
	assert_int_equal(r.line, 12);

	snapshot_rule(s, 1, &r);
	assert_int_equal(r.action, RULE_DENY);
	assert_int_equal(r.record, RECORD_NONE);
	assert_true(r.observe);
	assert_false(r.opaque);
	assert_int_equal(r.limits.requests.interval_us, 0);
	assert_int_equal(r.message.n, 0);
	buf_free(&b);
}

static int find_service(const struct snapshot *s, const char *name, size_t *times)
{
	int at = -1;

	*times = 0;
	for (size_t i = 0; i < snapshot_services(s); i++) {
		if (!span_is(snapshot_service(s, i), name))
			continue;
		at = (int)i;
		++*times;
	}
	return at;
}

static void a_policys_service_takes_the_catalogues_place(void **state)
{
	struct buf b = {0};
	struct target t;
	struct host h;
	size_t times;
	(void)state;

	compile_policy(&b);
	const struct snapshot *s = snapshot_open(b.p, b.n, NULL);
	assert_non_null(s);
	int at = find_service(s, "facebook", &times);
	assert_int_equal(times, 1);
	const struct snap_service *v = snapshot_at_SERVICE(s, NULL);
	assert_int_equal(v[at].flags, SERVICE_REPLACES);
	assert_int_equal(v[at].hosts, 1);

	assert_true(host_parse(SPAN("www.facebook.example"), &h));
	policy_classify(s, &h, &t);
	assert_int_equal(t.services, 1);
	assert_int_equal(t.service[0].service, at);
	assert_true(host_parse(SPAN("www.facebook.com"), &h));
	policy_classify(s, &h, &t);
	assert_int_equal(t.services, 0);

	at = find_service(s, "youtube", &times);
	assert_int_equal(times, 1);
	assert_int_equal(v[at].flags, SERVICE_BUILT_IN);
	at = find_service(s, "hub", &times);
	assert_int_equal(v[at].flags, 0);
	assert_true(span_is(snapshot_service_title(s, (size_t)at), "Knowledge Hub"));
	assert_true(span_is(snapshot_service_zone(s, (size_t)at), "external"));
	assert_true(span_is(snapshot_span(s, v[at].origin), "own"));
	buf_free(&b);
}

/* Every name that went in is found again with its tag, and names beside them are not. */
static void many_names_are_all_found(void **state)
{
	enum { MANY = 20000 };
	struct buf text = {0}, b = {0};
	(void)state;

	for (int i = 0; i < MANY; i++)
		buf_printf(&text, "n%d.d%d.example\n", i, i % 97);
	write_file("many", text.p);
	write_file("many.cfg",
		"lists = ( { category = \"many\"; file = \"many\"; format = \"plain\"; } );\n"
		"rules = ( { name = \"a\"; action = \"allow\"; } );\n");
	const struct snapshot *s = snapshot_of_file("many.cfg", &b);
	for (int i = 0; i < MANY; i++) {
		char name[64];
		int n = snprintf(name, sizeof name, "n%d.d%d.example", i, i % 97);
		const struct name_entry *e = snapshot_name(s, span_of(name, (size_t)n));

		assert_non_null(e);
		assert_int_equal(e->tag_count, 1);
		assert_int_equal(snapshot_at_TAG(s, NULL)[e->tags].kind, TAG_CATEGORY);
		n = snprintf(name, sizeof name, "n%d.d%d.example", i, i % 97 + 1);
		assert_null(snapshot_name(s, span_of(name, (size_t)n)));
	}
	/* one run of tags for all names of the list */
	size_t tags;
	snapshot_at_TAG(s, &tags);
	assert_true(tags < 2000);
	buf_free(&text);
	buf_free(&b);
}

/* --- damage --- */

static void a_block_cut_short_is_refused(void **state)
{
	struct buf b = {0};
	struct err e;
	(void)state;

	compile_policy(&b);
	for (size_t n = 0; n < b.n; n += n < 600 ? 1 : 61)
		assert_null(snapshot_open(b.p, n, &e));
	assert_non_null(snapshot_open(b.p, b.n, &e));
	buf_free(&b);
}

struct damage {
	const char *what;
	size_t at; /* in the block */
	uint32_t value;
};

static size_t at_section(const struct snapshot *s, enum section which, size_t offset)
{
	return s->section[which].at + offset;
}

static void every_index_out_of_range_is_refused(void **state)
{
	struct buf b = {0};
	struct err e;
	(void)state;

	compile_policy(&b);
	const struct snapshot *s = snapshot_open(b.p, b.n, &e);
	assert_non_null(s);
	const struct damage v[] = {
		{"magic", 0, 0x12345678},
		{"version", offsetof(struct snapshot, version), SNAPSHOT_VERSION + 1},
		{"size", offsetof(struct snapshot, size), 0x7fffffff},
		{"zone", offsetof(struct snapshot, zone.at), 0x7fffffff},
		{"catalogue", offsetof(struct snapshot, catalogue.n), 0x7fffffff},
		{"inside", offsetof(struct snapshot, inside.n), 1000},
		{"ports", offsetof(struct snapshot, ports.first), 0xffffffff},
		{"everyone", offsetof(struct snapshot, everyone), 0x80},
		{"a section's place", offsetof(struct snapshot, section[SECTION_RULE].at), 12},
		{"a section's length", offsetof(struct snapshot, section[SECTION_RULE].n),
			0xffffff},
		{"no zone step", offsetof(struct snapshot, section[SECTION_ZONE].n), 0},
		{"no slots", offsetof(struct snapshot, section[SECTION_SLOT].n), 0},
		{"odd slots", offsetof(struct snapshot, section[SECTION_SLOT].n), 3},
		{"fewer services", offsetof(struct snapshot, section[SECTION_SERVICE].n), 1},
		{"fewer categories", offsetof(struct snapshot, section[SECTION_CATEGORY].n), 1},
		{"fewer targets", offsetof(struct snapshot, section[SECTION_TARGET].n), 1},
		{"fewer names", offsetof(struct snapshot, section[SECTION_NAME].n), 1},
		{"fewer tags", offsetof(struct snapshot, section[SECTION_TAG].n), 1},
		{"fewer schedules", offsetof(struct snapshot, section[SECTION_SCHEDULE].n), 0},
		{"fewer windows", offsetof(struct snapshot, section[SECTION_WINDOW].n), 0},
		{"fewer roles", offsetof(struct snapshot, section[SECTION_ROLE].n), 0},
		{"prefix", at_section(s, SECTION_PREFIX, offsetof(struct prefix, addr.v4)),
			0x02020202},
		{"port range", at_section(s, SECTION_PORT, 0), 0x00010002},
		{"window", at_section(s, SECTION_WINDOW, 0), 0x00010002},
		{"window's end", at_section(s, SECTION_WINDOW, 0), 0xffff0001},
		{"item", at_section(s, SECTION_ITEM, 0), 0x0fffffff},
		{"item's kind", at_section(s, SECTION_ITEM, 0), 0xf0000000},
		{"target's scope",
			at_section(s, SECTION_TARGET, offsetof(struct snap_target, scope)), 4},
		{"role's name", at_section(s, SECTION_ROLE, 0), 0x7fffffff},
		{"role's networks",
			at_section(s, SECTION_ROLE, offsetof(struct snap_role, networks.n)), 99},
		{"rule's name", at_section(s, SECTION_RULE, 0), 0x7fffffff},
		{"rule's roles", at_section(s, SECTION_RULE, offsetof(struct snap_rule, roles)),
			0x80},
		{"rule's items",
			at_section(s, SECTION_RULE, offsetof(struct snap_rule, to.items.n)), 1000},
		{"rule's schedule",
			at_section(s, SECTION_RULE, offsetof(struct snap_rule, schedule)), 7},
		{"rule's action", at_section(s, SECTION_RULE, offsetof(struct snap_rule, action)),
			3},
		{"rule's record", at_section(s, SECTION_RULE, offsetof(struct snap_rule, action)),
			3 << 8},
		{"rule's review", at_section(s, SECTION_RULE, offsetof(struct snap_rule, review.n)),
			0x7fffffff},
		{"name's text", at_section(s, SECTION_NAME, 0), 0x7fffffff},
		{"name's tags", at_section(s, SECTION_NAME, offsetof(struct name_entry, tags)),
			0x7fffffff},
		{"tag's id", at_section(s, SECTION_TAG, 0), 0x7fffffff},
		{"tag's kind", at_section(s, SECTION_TAG, offsetof(struct name_tag, kind)), 3},
		{"tag's scope", at_section(s, SECTION_TAG, offsetof(struct name_tag, kind)), 0},
		{"service's category", at_section(s, SECTION_SERVICE_CATEGORY, 0), 0xffffffff},
	};

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		char kept[4];

		memcpy(kept, b.p + v[i].at, 4);
		memcpy(b.p + v[i].at, &v[i].value, 4);
		if (snapshot_open(b.p, b.n, &e))
			fail_msg("damaged %s was taken", v[i].what);
		assert_true(span_starts(span_str(e.text), SPAN("snapshot: ")));
		memcpy(b.p + v[i].at, kept, 4);
	}
	assert_non_null(snapshot_open(b.p, b.n, &e));
	buf_free(&b);
}

static void a_table_of_names_without_a_free_slot_is_refused(void **state)
{
	struct buf b = {0};
	struct err e;
	(void)state;

	compile_policy(&b);
	const struct snapshot *s = snapshot_open(b.p, b.n, &e);
	assert_non_null(s);
	struct name_slot *slots = (struct name_slot *)(void *)(b.p + s->section[SECTION_SLOT].at);
	for (size_t i = 0; i < s->section[SECTION_SLOT].n; i++)
		slots[i].entry = 1;
	assert_null(snapshot_open(b.p, b.n, &e));
	assert_non_null(strstr(e.text, "name slots"));
	buf_free(&b);
}

/* A bit that flips is refused, or changes an answer, but never leads out of the block. */
static void a_flipped_bit_never_leads_out_of_the_block(void **state)
{
	static const char *const hosts[] = {"hub.example", "a.example", "bet.example", "192.0.2.1"};
	struct buf b = {0};
	size_t taken = 0;
	(void)state;

	compile_policy(&b);
	for (size_t bit = 0; bit < b.n * 8; bit += 37) {
		b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
		const struct snapshot *s = snapshot_open(b.p, b.n, NULL);
		for (size_t i = 0; s && i < 4; i++) {
			struct host h;
			struct target t;
			struct verdict v;
			char label[HOST_MAX + 1];

			taken++;
			assert_true(host_parse(span_str(hosts[i]), &h));
			policy_classify(s, &h, &t);
			policy_label(s, &h, &t, RECORD_SERVICE, label, sizeof label);
			struct facts f = {.now_s = 1772445600,
				.host = &h,
				.target = &t,
				.port = 443,
				.identity = IDENTITY_KNOWN,
				.address_state = ADDRESS_OUTSIDE,
				.limits_unspent = true};
			f.roles = policy_roles(s, SPAN("kb"), NULL, 0);
			policy_evaluate(s, &f, &v, NULL);
			assert_int_not_equal(v.decision, DECISION_NEED);
		}
		b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
	}
	assert_true(taken > 0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_files_give_the_same_bytes),
		cmocka_unit_test(a_block_is_put_behind_what_is_there_and_may_move),
		cmocka_unit_test(a_snapshot_says_what_the_policy_said),
		cmocka_unit_test(a_policys_service_takes_the_catalogues_place),
		cmocka_unit_test(many_names_are_all_found),
		cmocka_unit_test(a_block_cut_short_is_refused),
		cmocka_unit_test(every_index_out_of_range_is_refused),
		cmocka_unit_test(a_table_of_names_without_a_free_slot_is_refused),
		cmocka_unit_test(a_flipped_bit_never_leads_out_of_the_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
