/*
 * The decision, as tables: who asks, for what, with what is known, and the verdict. A verdict is
 * written "allow RULE ROLE", "deny RULE REASON" or "need WHAT"; "-" stands for none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

/* Monday to Sunday, 2 to 8 March 2026, London is on UTC; on 2026-07-06, a Monday, an hour ahead. */
#define MONDAY_10 "2026-03-02 10:00"

struct row {
	/* "?": nobody asked; "-": cannot be known; "user" or "user:group,group". Behind "@" stands
	 * the client, 10.0.0.1 where there is none. */
	const char *who;
	const char *host; /* with port, 443 where there is none */
	/* NULL: unknown; "out": assumed outside; "self ADDRESS"; ADDRESS */
	const char *address;
	const char *at; /* NULL: MONDAY_10 */
	const char *want;
};

static void set_person(const struct snapshot *s, char *who, struct facts *f)
{
	struct span groups[8];
	size_t n = 0;
	char *client = strchr(who, '@');

	if (client)
		*client++ = 0;
	assert_true(addr_parse(span_str(client ? client : "10.0.0.1"), &f->client));
	f->identity = strcmp(who, "?") == 0   ? IDENTITY_UNKNOWN
		      : strcmp(who, "-") == 0 ? IDENTITY_NOBODY
					      : IDENTITY_KNOWN;
	if (f->identity != IDENTITY_KNOWN)
		return;
	struct span rest = span_str(who), user = span_cut(&rest, ':');
	while (rest.p && rest.n && n < 8)
		groups[n++] = span_cut(&rest, ',');
	f->roles = policy_roles(s, user, groups, n);
}

static void set_address(const char *text, struct facts *f)
{
	if (!text) {
		f->address_state = ADDRESS_UNKNOWN;
		return;
	}
	f->address_state = strcmp(text, "out") == 0 ? ADDRESS_OUTSIDE : ADDRESS_KNOWN;
	if (f->address_state == ADDRESS_OUTSIDE)
		return;
	f->address_is_self = span_starts(span_str(text), SPAN("self "));
	assert_true(addr_parse(span_str(f->address_is_self ? text + 5 : text), &f->address));
}

static void describe(const struct snapshot *s, const struct verdict *v, char *out, size_t cap)
{
	static const char *const needs[] = {"none", "identity", "address", "ack", "limit"};
	const char *rule = "-", *role = "-";
	size_t rule_n = 1, role_n = 1;

	if (v->rule >= 0) {
		struct rule_view view;

		snapshot_rule(s, (size_t)v->rule, &view);
		rule = view.name.p;
		rule_n = view.name.n;
	}
	if (v->role >= 0) {
		role = snapshot_role(s, (size_t)v->role).p;
		role_n = snapshot_role(s, (size_t)v->role).n;
	}
	if (v->decision == DECISION_NEED)
		snprintf(out, cap, "need %s", needs[v->need]);
	else if (v->decision == DECISION_ALLOW)
		snprintf(out, cap, "allow %.*s %.*s", (int)rule_n, rule, (int)role_n, role);
	else
		snprintf(out, cap, "deny %.*s %s", (int)rule_n, rule, reason_info(v->reason)->word);
}

/* Owns what facts point to. */
struct asked {
	struct facts f;
	struct host host;
	struct target target;
};

static void ask(const struct snapshot *s, const struct row *r, struct asked *a)
{
	char who[100];

	memset(a, 0, sizeof *a);
	snprintf(who, sizeof who, "%s", r->who);
	set_person(s, who, &a->f);
	if (!authority_parse_default(span_str(r->host), 443, &a->host, &a->f.port))
		fail_msg("\"%s\" is no host", r->host);
	policy_classify(s, &a->host, &a->target);
	a->f.host = &a->host;
	a->f.target = &a->target;
	a->f.limits_unspent = true;
	set_address(r->address, &a->f);
	assert_true(snapshot_parse_time(s, span_str(r->at ? r->at : MONDAY_10), &a->f.now_s));
}

/* Without a trace, as the proxy asks, and with one, as explain does: the same is decided. */
static void evaluate(const struct snapshot *s, const struct facts *f, struct verdict *v)
{
	enum condition why[64];
	struct trace t = {.v = why, .cap = 64};
	struct verdict traced;

	policy_evaluate(s, f, v, NULL);
	policy_evaluate(s, f, &traced, &t);
	assert_int_equal(traced.decision, v->decision);
	assert_int_equal(traced.need, v->need);
	assert_int_equal(traced.reason, v->reason);
	assert_int_equal(traced.rule, v->rule);
	assert_int_equal(traced.role, v->role);
	assert_true(traced.roles == v->roles);
	assert_string_equal(traced.country, v->country);
	assert_int_equal(traced.limit, v->limit);
	assert_int_equal(traced.retry_s, v->retry_s);
	assert_int_equal(traced.seen, v->seen);
	assert_memory_equal(traced.seen_rule, v->seen_rule, v->seen * sizeof *v->seen_rule);
}

static void check_rows(const char *policy, const struct row *v, size_t n)
{
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++) {
		struct asked a;
		struct verdict got;
		char text[200];

		ask(s, &v[i], &a);
		evaluate(s, &a.f, &got);
		describe(s, &got, text, sizeof text);
		if (strcmp(text, v[i].want) != 0) {
			print_error("%s -> %s (%s, %s): \"%s\", expected \"%s\"\n", v[i].who,
				v[i].host, v[i].address ? v[i].address : "no address",
				v[i].at ? v[i].at : MONDAY_10, text, v[i].want);
			wrong++;
		}
	}
	buf_free(&b);
	assert_int_equal(wrong, 0);
}

#define CHECK(policy, rows) check_rows(policy, rows, sizeof(rows) / sizeof *(rows))

/* --- the council --- */

static const char council[] =
	"zone = \"Europe/London\";\n"
	"inside = [ \"10.20.0.0/16\", \"fd00:20::/32\", \"127.0.0.8/32\" ];\n"
	"ports = ( \"80\", 443 );\n"
	"geo = \"country.mmdb\";\n"
	"roles: {\n"
	"  communications = { groups = [\"comms\"]; };\n"
	"  youth = { groups = [\"youth-work\"]; users = [\"kb\"]; };\n"
	"  kiosks = { networks = [\"192.0.2.0/24\", \"2001:db8:2::/48\"]; };\n"
	"  staff = { everyone = true; };\n"
	"};\n"
	"schedules: { lunch = \"Mon-Fri 12:00-14:00\"; office = \"Mon-Fri 08:00-18:00\"; };\n"
	"services: {\n"
	"  chat = { hosts = [\"chat.example\"]; cdn = [\"chat-static.example\"];\n"
	"    embed = [\"like.chat.example\"]; shared = [\"cdn.shared.example\"];\n"
	"    categories = [\"people\"]; };\n"
	"  snap = { hosts = [\"snap.example\"]; shared = [\"cdn.shared.example\"];\n"
	"    categories = [\"people\", \"film\"]; };\n"
	"  tube = { hosts = [\"tube.example\"]; embed = [\"player.tube.example\"];\n"
	"    shared = [\"edge.example\"]; categories = [\"film\"]; };\n"
	"  vault = { hosts = [\"vault.example\"]; zone = \"internal\"; categories = [\"files\"]; "
	"};\n"
	"};\n"
	"rules = (\n"
	"  { name = \"campaigns\"; roles = [\"communications\"]; to = [\"#people\", \"#film\"];\n"
	"    action = \"allow\"; },\n"
	"  { name = \"youth\"; roles = [\"youth\"]; to = [\"chat\"]; schedule = \"office\";\n"
	"    action = \"allow\"; },\n"
	"  { name = \"sanctions\"; countries = [\"KP\"]; action = \"deny\"; },\n"
	"  { name = \"bets\"; to = [\".bet.example\", \"lotto.example\", \"212.27.48.64/26\"];\n"
	"    except = [\"fair.bet.example\"]; action = \"deny\"; },\n"
	"  { name = \"intranet\"; to = [\"host:intranet\", \".council.example\", "
	"\"10.20.9.0/24\",\n"
	"    \"vault\", \"127.0.0.8\"]; action = \"allow\"; },\n"
	"  { name = \"files\"; to = [\"#files\"]; action = \"allow\"; },\n"
	"  { name = \"ssh\"; roles = [\"communications\"]; to = [\"git.example\"]; ports = "
	"[\"22\",\n"
	"    \"2200-2299\"]; action = \"allow\"; },\n"
	"  { name = \"lunch-film\"; roles = [\"staff\"]; to = [\"#film\"]; schedule = \"lunch\";\n"
	"    action = \"allow\"; },\n"
	"  { name = \"no-tube\"; to = [\"tube\"]; action = \"deny\"; },\n"
	"  { name = \"kiosk\"; roles = [\"kiosks\"]; action = \"allow\"; },\n"
	"  { name = \"rest\"; roles = [\"staff\"]; action = \"allow\"; } );\n";

static void a_council_gets_the_verdicts_its_policy_spells_out(void **state)
{
	static const struct row v[] = {
		/* roles by group, by name, by everyone */
		{"ann:comms", "chat.example", "out", NULL, "allow campaigns communications"},
		{"ann:comms", "www.chat.example", "out", NULL, "allow campaigns communications"},
		{"ann:comms", "tube.example", "out", NULL, "allow campaigns communications"},
		{"ann:other,comms", "chat.example", "out", NULL, "allow campaigns communications"},
		{"ann:Comms", "chat.example", "out", NULL, "allow rest staff"},
		{"kb", "chat.example", "out", NULL, "allow youth youth"},
		{"zoe:youth-work", "chat.example", "out", NULL, "allow youth youth"},
		{"kb2", "chat.example", "out", NULL, "allow rest staff"},
		{"joe", "chat.example", "out", NULL, "allow rest staff"},
		{"joe", "anything.example", "out", NULL, "allow rest staff"},
		/* near misses are other names */
		{"ann:comms", "xchat.example", "out", NULL, "allow rest staff"},
		{"ann:comms", "chat.example.evil.example", "out", NULL, "allow rest staff"},
		{"ann:comms", "chat-example", "out", NULL, "allow rest staff"},
		{"joe", "xbet.example", "out", NULL, "allow rest staff"},
		/* schedules: half-open, in the policy's zone, with daylight saving */
		{"kb", "chat.example", "out", "2026-03-02 07:59", "allow rest staff"},
		{"kb", "chat.example", "out", "2026-03-02 08:00", "allow youth youth"},
		{"kb", "chat.example", "out", "2026-03-02 17:59", "allow youth youth"},
		{"kb", "chat.example", "out", "2026-03-02 18:00", "allow rest staff"},
		{"kb", "chat.example", "out", "2026-03-07 10:00", "allow rest staff"},
		{"kb", "chat.example", "out", "2026-07-06 08:00", "allow youth youth"},
		{"kb", "chat.example", "out", "2026-07-06 07:59", "allow rest staff"},
		{"joe", "tube.example", "out", "2026-03-02 12:30", "allow lunch-film staff"},
		{"joe", "tube.example", "out", "2026-03-02 14:00", "deny no-tube rule"},
		/* parts: a deny leaves embedded pieces, and shared hosts that others need too */
		{"joe", "player.tube.example", "out", NULL, "allow rest staff"},
		{"joe", "edge.example", "out", NULL, "deny no-tube rule"},
		{"ann:comms", "cdn.shared.example", "out", NULL, "allow campaigns communications"},
		{"ann:comms", "chat-static.example", "out", NULL, "allow campaigns communications"},
		{"ann:comms", "like.chat.example", "out", NULL, "allow rest staff"},
		{"kb", "cdn.shared.example", "out", NULL, "allow youth youth"},
		{"kb", "snap.example", "out", NULL, "allow rest staff"},
		/* names, suffixes, exceptions */
		{"joe", "bet.example", NULL, NULL, "need address"},
		{"joe", "bet.example", "out", NULL, "deny bets rule"},
		{"joe", "a.b.bet.example", "out", NULL, "deny bets rule"},
		{"joe", "fair.bet.example", "out", NULL, "allow rest staff"},
		{"joe", "x.fair.bet.example", "out", NULL, "deny bets rule"},
		{"joe", "lotto.example", "out", NULL, "deny bets rule"},
		{"joe", "www.lotto.example", "out", NULL, "allow rest staff"},
		/* ranges and countries need the address, and see through other spellings of it */
		{"joe", "some.example", NULL, NULL, "need address"},
		{"joe", "some.example", "212.27.48.65", NULL, "deny bets rule"},
		{"joe", "some.example", "212.27.48.63", NULL, "allow rest staff"},
		{"joe", "some.example", "::ffff:212.27.48.65", NULL, "deny bets rule"},
		{"joe", "some.example", "64:ff9b::212.27.48.65", NULL, "deny bets rule"},
		{"joe", "212.27.48.70", NULL, NULL, "deny bets rule"},
		{"joe", "[::ffff:212.27.48.70]", NULL, NULL, "deny bets rule"},
		{"joe", "some.example", "175.45.176.9", NULL, "deny sanctions rule"},
		{"joe", "some.example", "175.45.177.0", NULL, "allow rest staff"},
		{"joe", "175.45.176.9", NULL, NULL, "deny sanctions rule"},
		{"kb", "chat.example", "175.45.176.9", NULL, "allow youth youth"},
		/* ports */
		{"joe", "some.example:80", "out", NULL, "allow rest staff"},
		{"joe", "some.example:8443", "out", NULL, "deny - port"},
		{"joe", "some.example:22", "out", NULL, "deny - port"},
		{"ann:comms", "git.example:22", "out", NULL, "allow ssh communications"},
		{"ann:comms", "git.example:2250", "out", NULL, "allow ssh communications"},
		{"ann:comms", "git.example:2300", "out", NULL, "deny - port"},
		{"ann:comms", "git.example", "out", NULL, "allow rest staff"},
		{"joe", "bet.example:8443", "out", NULL, "deny bets rule"},
		/* who somebody is, is asked only where a rule hangs on it */
		{"?", "chat.example", NULL, NULL, "need identity"},
		{"?", "some.example", NULL, NULL, "need identity"},
		{"?", "some.example", "out", NULL, "need identity"},
		{"?", "lotto.example", "out", NULL, "deny bets rule"},
		{"?", "intranet", "out", NULL, "allow intranet -"},
		{"?", "intranet", NULL, NULL, "need address"},
		{"?", "some.example:8443", "out", NULL, "deny - port"},
		{"?", "175.45.176.9", NULL, NULL, "deny sanctions rule"},
		{"?", "tube.example", "out", "2026-03-02 12:30", "need identity"},
		{"-", "chat.example", "out", NULL, "deny - no-rule"},
		{"-", "some.example", "out", NULL, "deny - no-rule"},
		{"-", "some.example:8443", "out", NULL, "deny - no-rule"},
		/* kiosks are known by network and never asked, unless an earlier rule means people
		 */
		{"?@192.0.2.7", "some.example", NULL, NULL, "need address"},
		{"?@192.0.2.7", "some.example", "out", NULL, "allow kiosk kiosks"},
		{"-@192.0.2.7", "some.example", "out", NULL, "allow kiosk kiosks"},
		{"-@192.0.2.7", "chat.example", "out", NULL, "allow kiosk kiosks"},
		{"?@192.0.2.7", "chat.example", "out", NULL, "need identity"},
		{"-@192.0.3.7", "some.example", "out", NULL, "deny - no-rule"},
		{"-@2001:db8:2::1", "some.example", "out", NULL, "allow kiosk kiosks"},
		{"-@::ffff:192.0.2.7", "some.example", "out", NULL, "allow kiosk kiosks"},
		{"joe@192.0.2.7", "some.example", "out", NULL, "allow kiosk kiosks"},
		/* the guard: inside, and meant by name */
		{"joe", "intranet", "10.20.1.1", NULL, "allow intranet staff"},
		{"joe", "intranet", "10.21.1.1", NULL, "deny intranet inside"},
		{"joe", "www.council.example", "10.20.1.1", NULL, "allow intranet staff"},
		{"joe", "council.example", "fd00:20::1", NULL, "allow intranet staff"},
		{"joe", "council.example", "fd00:21::1", NULL, "deny intranet inside"},
		{"joe", "some.example", "10.20.9.5", NULL, "allow intranet staff"},
		{"joe", "10.20.9.5", NULL, NULL, "need address"},
		{"joe", "10.20.9.5", "out", NULL, "allow intranet staff"},
		{"joe", "some.example", "10.20.8.5", NULL, "deny rest inside"},
		{"joe", "10.20.8.5", "out", NULL, "deny rest inside"},
		{"joe", "vault.example", "10.20.8.5", NULL, "allow intranet staff"},
		{"joe", "some.example", "::ffff:10.20.8.5", NULL, "deny rest inside"},
		{"joe", "some.example", "169.254.169.254", NULL, "deny rest special"},
		{"joe", "intranet", "169.254.169.254", NULL, "deny intranet special"},
		{"joe", "some.example", "127.0.0.1", NULL, "deny rest special"},
		{"joe", "127.0.0.8", "127.0.0.8", NULL, "allow intranet staff"},
		{"joe", "127.0.0.8", "self 127.0.0.8", NULL, "deny intranet self"},
		{"joe", "some.example", "self 93.184.215.14", NULL, "deny rest self"},
		{"joe", "lotto.example", "self 93.184.215.14", NULL, "deny bets rule"},
		{"joe", "some.example", "::1", NULL, "deny rest special"},
		{"joe", "some.example", "93.184.215.14", NULL, "allow rest staff"},
	};
	(void)state;

	_Static_assert(sizeof v / sizeof *v >= 80, "the table shrank");
	CHECK(council, v);
}

/* --- single rules, looked at closely --- */

#define SERVICES                                                                                   \
	"services: { a = { hosts = [\"a.example\"]; embed = [\"e.a.example\"];"                    \
	" shared = [\"ab.example\", \"abc.example\"]; categories = [\"x\"]; };"                    \
	" b = { hosts = [\"b.example\"]; shared = [\"ab.example\", \"abc.example\"];"              \
	" categories = [\"x\", \"y\"]; };"                                                         \
	" c = { hosts = [\"c.example\"]; shared = [\"abc.example\"]; categories = [\"y\"]; }; };"  \
	"inside = [ \"10.0.0.0/8\" ];"                                                             \
	"roles: { staff = { everyone = true; }; };"

static void a_deny_takes_shared_hosts_only_where_all_sharers_are_named(void **state)
{
	static const char one[] =
		SERVICES "rules = ( { name = \"no\"; to = [\"a\"]; action = \"deny\"; },"
			 "{ name = \"rest\"; action = \"allow\"; } );";
	static const char both[] =
		SERVICES "rules = ( { name = \"no\"; to = [\"a\", \"b\"]; action = \"deny\"; },"
			 "{ name = \"rest\"; action = \"allow\"; } );";
	static const char category[] =
		SERVICES "rules = ( { name = \"no\"; to = [\"#x\"]; action = \"deny\"; },"
			 "{ name = \"rest\"; action = \"allow\"; } );";
	static const char mixed[] =
		SERVICES "rules = ( { name = \"no\"; to = [\"a\", \"#y\"]; action = \"deny\"; },"
			 "{ name = \"rest\"; action = \"allow\"; } );";
	static const struct row of_one[] = {{"-", "a.example", "out", NULL, "deny no rule"},
		{"-", "ab.example", "out", NULL, "allow rest -"},
		{"-", "e.a.example", "out", NULL, "allow rest -"}};
	static const struct row of_both[] = {{"-", "ab.example", "out", NULL, "deny no rule"},
		{"-", "abc.example", "out", NULL, "allow rest -"},
		{"-", "c.example", "out", NULL, "allow rest -"}};
	static const struct row of_category[] = {{"-", "ab.example", "out", NULL, "deny no rule"},
		{"-", "abc.example", "out", NULL, "allow rest -"},
		{"-", "b.example", "out", NULL, "deny no rule"}};
	static const struct row of_mixed[] = {{"-", "abc.example", "out", NULL, "deny no rule"},
		{"-", "sub.abc.example", "out", NULL, "deny no rule"}};
	(void)state;

	CHECK(one, of_one);
	CHECK(both, of_both);
	CHECK(category, of_category);
	CHECK(mixed, of_mixed);
}

static void embedded_pieces_are_covered_on_request_only(void **state)
{
	static const char without[] =
		SERVICES "rules = ( { name = \"yes\"; to = [\"#x\"]; action = \"allow\"; } );";
	static const char with[] = SERVICES "rules = ( { name = \"yes\"; to = [\"#x\"]; embeds = "
					    "true; action = \"allow\"; } );";
	static const char denied[] = SERVICES
		"rules = ( { name = \"no\"; to = [\"a\"]; embeds = true; action = \"deny\"; },"
		"{ name = \"rest\"; action = \"allow\"; } );";
	static const struct row not [] = {{"-", "e.a.example", "out", NULL, "deny - no-rule"},
		{"-", "a.example", "out", NULL, "allow yes -"}};
	static const struct row covered[] = {{"-", "e.a.example", "out", NULL, "allow yes -"}};
	static const struct row taken[] = {{"-", "x.e.a.example", "out", NULL, "deny no rule"}};
	(void)state;

	CHECK(without, not );
	CHECK(with, covered);
	CHECK(denied, taken);
}

static void exceptions_turn_the_rules_of_parts_around(void **state)
{
	/* an exception of an allow takes away, one of a deny gives */
	static const char allow[] = SERVICES "rules = ( { name = \"yes\"; to = [\"#x\"]; except = "
					     "[\"a\"]; action = \"allow\"; } );";
	static const char deny[] = SERVICES
		"rules = ( { name = \"no\"; to = [\"#x\"]; except = [\"a\"]; action = \"deny\"; },"
		"{ name = \"rest\"; action = \"allow\"; } );";
	static const char range[] =
		SERVICES "rules = ( { name = \"yes\"; except = [\"175.45.176.0/24\"];"
			 " action = \"allow\"; } );";
	static const struct row of_allow[] = {{"-", "a.example", "out", NULL, "deny - no-rule"},
		{"-", "b.example", "out", NULL, "allow yes -"},
		{"-", "ab.example", "out", NULL, "allow yes -"}};
	static const struct row of_deny[] = {{"-", "a.example", "out", NULL, "allow rest -"},
		{"-", "b.example", "out", NULL, "deny no rule"},
		{"-", "ab.example", "out", NULL, "allow rest -"}};
	static const struct row of_range[] = {{"-", "some.example", NULL, NULL, "need address"},
		{"-", "some.example", "175.45.176.1", NULL, "deny - no-rule"},
		{"-", "some.example", "175.45.175.1", NULL, "allow yes -"},
		{"-", "some.example", "out", NULL, "allow yes -"}};
	(void)state;

	CHECK(allow, of_allow);
	CHECK(deny, of_deny);
	CHECK(range, of_range);
}

static void a_name_may_stand_in_several_rules_and_in_both_forms(void **state)
{
	static const char policy[] = SERVICES
		"rules = ( { name = \"one\"; to = [\"x.example\", \"x.example\", \".y.example\"];"
		" ports = [ 443 ]; action = \"deny\"; },"
		"{ name = \"two\"; to = [\".x.example\", \"y.example\", \"host:a.example\"];"
		" ports = [ 443 ]; action = \"allow\"; },"
		"{ name = \"three\"; to = [\"x.example\", \".x.example\"]; ports = [ 80 ];"
		" action = \"allow\"; },"
		"{ name = \"four\"; to = [\".example\"]; except = [\".x.example\"]; ports = [ 22 ];"
		" action = \"allow\"; } );";
	static const struct row v[] = {{"-", "x.example", "out", NULL, "deny one rule"},
		{"-", "www.x.example", "out", NULL, "allow two -"},
		{"-", "x.example:80", "out", NULL, "allow three -"},
		{"-", "www.x.example:80", "out", NULL, "allow three -"},
		{"-", "www.y.example", "out", NULL, "deny one rule"},
		{"-", "a.example", "out", NULL, "allow two -"},
		{"-", "www.a.example", "out", NULL, "deny - port"},
		{"-", "y.example:22", "out", NULL, "allow four -"},
		{"-", "www.x.example:22", "out", NULL, "deny - port"},
		{"-", "example:22", "out", NULL, "allow four -"}};
	(void)state;

	CHECK(policy, v);
}

static void inside_opens_to_names_and_never_to_categories(void **state)
{
	static const char category[] =
		SERVICES "rules = ( { name = \"yes\"; to = [\"#x\"]; action = \"allow\"; } );";
	static const char service[] = SERVICES
		"rules = ( { name = \"yes\"; to = [\"#x\", \"a\"]; action = \"allow\"; } );";
	static const char any[] = SERVICES "rules = ( { name = \"yes\"; action = \"allow\"; } );";
	static const char range[] = SERVICES "rules = ( { name = \"yes\"; to = [\"#x\", "
					     "\"10.1.0.0/16\"]; action = \"allow\"; } );";
	static const struct row closed[] = {{"-", "a.example", "10.1.1.1", NULL, "deny yes inside"},
		{"-", "a.example", "8.8.8.8", NULL, "allow yes -"}};
	static const struct row opened[] = {{"-", "a.example", "10.1.1.1", NULL, "allow yes -"},
		{"-", "b.example", "10.1.1.1", NULL, "deny yes inside"},
		{"-", "a.example", "192.168.1.1", NULL, "deny yes inside"}};
	static const struct row by_range[] = {{"-", "a.example", "10.1.1.1", NULL, "allow yes -"},
		{"-", "a.example", "10.2.1.1", NULL, "deny yes inside"},
		{"-", "other.example", "10.1.1.1", NULL, "allow yes -"},
		{"-", "other.example", NULL, NULL, "need address"}};
	(void)state;

	CHECK(category, closed);
	CHECK(any, closed);
	CHECK(service, opened);
	CHECK(range, by_range);
}

static void a_port_is_the_reason_only_where_nothing_else_was(void **state)
{
	static const char policy[] =
		SERVICES "ports = [ 443 ];"
			 "rules = ( { name = \"a\"; to = [\"a\"]; action = \"allow\"; },"
			 "{ name = \"b\"; to = [\"b\"]; roles = [\"staff\"]; action = \"allow\"; },"
			 "{ name = \"watch\"; mode = \"observe\"; action = \"allow\"; },"
			 "{ name = \"no\"; to = [\"c\"]; ports = [\"25\"]; action = \"deny\"; } );";
	static const struct row v[] = {{"-", "a.example:80", "out", NULL, "deny - port"},
		{"-", "a.example:80", NULL, NULL, "deny - port"},
		{"-", "b.example:80", "out", NULL, "deny - no-rule"},
		{"?", "b.example:80", "out", NULL, "deny - port"},
		{"joe", "b.example:80", "out", NULL, "deny - port"},
		{"joe", "d.example:80", "out", NULL, "deny - no-rule"},
		{"joe", "c.example:25", "out", NULL, "deny no rule"},
		{"joe", "c.example:26", "out", NULL, "deny - no-rule"}};
	(void)state;

	CHECK(policy, v);
}

static void nobody_is_asked_for_a_role_that_only_a_network_gives(void **state)
{
	static const char policy[] =
		"roles: { k = { networks = [\"192.0.2.0/24\"]; }; s = { everyone = true; };"
		" k2 = { networks = [\"198.51.100.0/24\"]; }; };"
		"rules = ( { name = \"kiosk\"; roles = [\"k\"]; action = \"allow\"; },"
		"{ name = \"either\"; roles = [\"k\", \"s\"]; to = [\"facebook\"]; action = "
		"\"allow\"; },"
		"{ name = \"range\"; roles = [\"k2\"]; to = [\"8.8.8.0/24\"]; action = \"allow\"; "
		"},"
		"{ name = \"rest\"; roles = [\"s\"]; action = \"allow\"; } );";
	static const struct row v[] = {{"?", "a.example", "out", NULL, "need identity"},
		{"-", "a.example", "out", NULL, "deny - no-rule"},
		/* known by its network, it may have a name resolved before anybody is asked */
		{"?@198.51.100.1", "a.example", NULL, NULL, "need address"},
		{"?@198.51.100.1", "a.example", "8.8.8.8", NULL, "allow range k2"},
		{"?@198.51.100.1", "a.example", "9.9.9.9", NULL, "need identity"},
		{"?@192.0.2.1", "a.example", "out", NULL, "allow kiosk k"},
		{"?", "facebook.com", "out", NULL, "need identity"},
		{"?@192.0.2.1", "facebook.com", "out", NULL, "allow kiosk k"}};
	(void)state;

	CHECK(policy, v);
}

static void people_are_asked_before_names_are_resolved(void **state)
{
	static const char policy[] =
		SERVICES "geo = \"x\";"
			 "rules = ( { name = \"kp\"; countries = [\"KP\"]; action = \"deny\"; },"
			 "{ name = \"a\"; to = [\"a\"]; action = \"allow\"; },"
			 "{ name = \"b\"; to = [\"b\"]; action = \"deny\"; },"
			 "{ name = \"fr\"; to = [\"c\"]; roles = [\"staff\"]; countries = [\"FR\"];"
			 " action = \"allow\"; } );";
	static const struct row v[] = {{"?", "a.example", NULL, NULL, "need address"},
		{"?", "b.example", NULL, NULL, "need address"},
		{"?", "c.example", NULL, NULL, "need identity"},
		{"joe", "c.example", NULL, NULL, "need address"},
		{"joe", "c.example", "212.27.48.1", NULL, "allow fr staff"},
		{"joe", "c.example", "8.8.8.8", NULL, "deny - no-rule"},
		{"?", "c.example", "8.8.8.8", NULL, "deny - no-rule"},
		{"?", "c.example", "212.27.48.1", NULL, "need identity"},
		{"-", "c.example", "212.27.48.1", NULL, "deny - no-rule"},
		{"joe", "c.example", "out", NULL, "deny - no-rule"},
		{"joe", "other.example", NULL, NULL, "need address"},
		{"joe", "a.example", "2a05:8000::1", NULL, "deny kp rule"},
		{"joe", "a.example", "2a05:7fff::1", NULL, "allow a staff"},
		{"joe", "[2a05:8000::1]", NULL, NULL, "deny kp rule"}};
	(void)state;

	CHECK(policy, v);
}

/* --- observing --- */

static void observing_rules_are_noted_and_change_nothing(void **state)
{
	static const char policy[] = SERVICES
		"geo = \"x\";"
		"rules = ( { name = \"o0\"; to = [\"a\"]; mode = \"observe\"; action = \"deny\"; },"
		"{ name = \"o1\"; roles = [\"staff\"]; mode = \"observe\"; action = \"deny\"; },"
		"{ name = \"o2\"; countries = [\"FR\"]; mode = \"observe\"; action = \"deny\"; },"
		"{ name = \"o3\"; to = [\"b\"]; mode = \"observe\"; action = \"allow\";"
		" limits = { requests = \"1/day\"; }; },"
		"{ name = \"yes\"; to = [\"#x\"]; action = \"allow\"; },"
		"{ name = \"o5\"; mode = \"observe\"; action = \"deny\"; } );";
	static const struct {
		struct row row;
		const char *seen;
	} v[] = {
		{{"?", "a.example", "8.8.8.8", NULL, "allow yes -"}, "0"},
		{{"joe", "a.example", "8.8.8.8", NULL, "allow yes staff"}, "01"},
		{{"joe", "a.example", "212.27.48.1", NULL, "allow yes staff"}, "012"},
		{{"?", "a.example", NULL, NULL, "need address"}, "0"},
		{{"-", "b.example", "8.8.8.8", NULL, "allow yes -"}, "3"},
		{{"-", "c.example", "8.8.8.8", NULL, "deny - no-rule"}, "5"},
		{{"?", "c.example", NULL, NULL, "deny - no-rule"}, "5"},
	};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct asked a;
		struct verdict got;
		char text[200], seen[POLICY_SEEN_MAX + 1] = "";

		ask(s, &v[i].row, &a);
		a.f.limits_unspent = false;
		evaluate(s, &a.f, &got);
		describe(s, &got, text, sizeof text);
		for (size_t k = 0; k < got.seen; k++)
			seen[k] = (char)('0' + got.seen_rule[k]);
		assert_string_equal(text, v[i].row.want);
		assert_string_equal(seen, v[i].seen);
	}
	buf_free(&b);
}

static void no_more_observing_rules_are_noted_than_fit(void **state)
{
	struct buf text = {0}, b = {0};
	(void)state;

	buf_adds(&text, "rules = ( ");
	for (int i = 0; i < POLICY_SEEN_MAX + 3; i++)
		buf_printf(
			&text, "{ name = \"o%d\"; mode = \"observe\"; action = \"deny\"; }, ", i);
	buf_adds(&text, "{ name = \"rest\"; action = \"allow\"; } );");
	const struct snapshot *s = snapshot_of_text(text.p, &b);
	const struct row row = {"-", "a.example", "out", NULL, NULL};
	struct asked a;
	struct verdict got;
	ask(s, &row, &a);
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_ALLOW);
	assert_int_equal(got.seen, POLICY_SEEN_MAX);
	assert_int_equal(got.seen_rule[POLICY_SEEN_MAX - 1], POLICY_SEEN_MAX - 1);
	buf_free(&text);
	buf_free(&b);
}

/* --- break-glass --- */

static void while_all_is_observed_only_the_rules_give_way(void **state)
{
	static const char policy[] =
		"services: { a = { hosts = [\"a.example\"]; }; b = { hosts = [\"b.example\"]; }; };"
		"inside = [ \"10.20.0.0/16\" ]; ports = [ \"443\" ];"
		"roles: { staff = { everyone = true; }; kiosk = { networks = [\"10.0.0.9\"]; }; };"
		"rules = ( { name = \"no-a\"; to = [\"a\"]; action = \"deny\"; },"
		"{ name = \"in\"; to = [\"host:in.example\"]; action = \"allow\"; },"
		"{ name = \"net\"; roles = [\"kiosk\"]; to = [\"b\"]; action = \"deny\"; },"
		"{ name = \"some\"; roles = [\"staff\"]; to = [\"b\"]; action = \"allow\";"
		" limits = { requests = \"60/min\"; }; } );";
	static const struct {
		struct row row;
		bool spent;
		const char *reason, *seen;
	} v[] = {
		/* a rule that denies gives way, and says so */
		{{"joe", "a.example", "8.8.8.8", NULL, "allow - staff"}, false, "observe-all", "0"},
		{{"joe", "a.example", NULL, NULL, "need address"}, false, NULL, "0"},
		{{"joe", "b.example", "8.8.8.8", NULL, "allow some staff"}, false, "rule", ""},
		/* so does what no rule allows, and a port that none opens */
		{{"joe", "c.example", "8.8.8.8", NULL, "allow - staff"}, false, "observe-all", ""},
		{{"joe", "b.example:25", "8.8.8.8", NULL, "allow - staff"}, false, "observe-all",
			""},
		{{"-", "c.example", "8.8.8.8", NULL, "allow - -"}, false, "observe-all", ""},
		/* and a limit that is spent */
		{{"joe", "b.example", "8.8.8.8", NULL, "allow some staff"}, true, "observe-all",
			""},
		/* who could log in is asked to, as ever; a kiosk is known by its network */
		{{"?", "c.example", "8.8.8.8", NULL, "need identity"}, false, NULL, ""},
		{{"?", "b.example", "8.8.8.8", NULL, "need identity"}, false, NULL, ""},
		{{"?@10.0.0.9", "c.example", "8.8.8.8", NULL, "allow - kiosk"}, false,
			"observe-all", ""},
		/* the guard holds: nothing but a rule that allows it by name opens what is inside
		 */
		{{"joe", "a.example", "10.20.0.1", NULL, "deny - inside"}, false, "inside", "0"},
		{{"joe", "c.example", "10.20.0.1", NULL, "deny - inside"}, false, "inside", ""},
		{{"joe", "c.example", "127.0.0.1", NULL, "deny - special"}, false, "special", ""},
		{{"joe", "c.example", "169.254.169.254", NULL, "deny - special"}, false, "special",
			""},
		{{"joe", "c.example", "self 8.8.8.8", NULL, "deny - self"}, false, "self", ""},
		{{"joe", "in.example", "10.20.0.1", NULL, "allow in staff"}, false, "rule", ""},
		{{"joe", "in.example", "10.30.0.1", NULL, "deny in inside"}, false, "inside", ""},
	};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct row row = v[i].row;
		struct asked a;
		struct verdict got;
		char text[200], seen[POLICY_SEEN_MAX + 1] = "";

		ask(s, &row, &a);
		a.f.observe_all = true;
		a.f.limits_unspent = !v[i].spent;
		if (v[i].spent)
			a.f.standing[a.f.standings++] = (struct standing_facts){
				.rule = 3, .spent = SPENT_YES, .kind = LIMIT_REQUESTS};
		evaluate(s, &a.f, &got);
		describe(s, &got, text, sizeof text);
		for (size_t k = 0; k < got.seen; k++)
			seen[k] = (char)('0' + got.seen_rule[k]);
		if (strcmp(text, row.want) != 0)
			print_error("row %zu\n", i);
		assert_string_equal(text, row.want);
		assert_string_equal(seen, v[i].seen);
		if (v[i].reason)
			assert_string_equal(reason_info(got.reason)->word, v[i].reason);
	}
	buf_free(&b);
}

/* --- limits --- */

static void limits_are_asked_last_and_deny_when_spent(void **state)
{
	static const char policy[] = SERVICES
		"rules = ( { name = \"free\"; to = [\"a\"]; action = \"allow\"; },"
		"{ name = \"some\"; action = \"allow\"; limits = { requests = \"60/min\"; }; } );";
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(policy, &b);
	struct asked a;
	struct verdict got;
	(void)state;

	ask(s, &(struct row){"-", "b.example", NULL, NULL, NULL}, &a);
	a.f.limits_unspent = false;
	evaluate(s, &a.f, &got);
	assert_int_equal(got.need, NEED_ADDRESS);
	ask(s, &(struct row){"-", "b.example", "10.1.1.1", NULL, NULL}, &a);
	a.f.limits_unspent = false;
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_DENY);
	assert_int_equal(got.reason, REASON_INSIDE);

	ask(s, &(struct row){"-", "b.example", "8.8.8.8", NULL, NULL}, &a);
	a.f.limits_unspent = false;
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_NEED);
	assert_int_equal(got.need, NEED_LIMIT);
	assert_int_equal(got.rule, 1);

	/* what is known of another rule's limit is not known of this one's */
	a.f.standings = 1;
	a.f.standing[0] = (struct standing_facts){.rule = 0, .spent = SPENT_YES};
	evaluate(s, &a.f, &got);
	assert_int_equal(got.need, NEED_LIMIT);

	a.f.standings = 2;
	a.f.standing[1] = (struct standing_facts){.rule = 1, .spent = SPENT_NO};
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_ALLOW);
	assert_int_equal(got.need, NEED_NONE);

	a.f.standing[1] = (struct standing_facts){
		.rule = 1, .spent = SPENT_YES, .kind = LIMIT_REQUESTS, .retry_s = 17};
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_DENY);
	assert_int_equal(got.reason, REASON_LIMIT);
	assert_int_equal(got.rule, 1);
	assert_int_equal(got.retry_s, 17);

	a.f.limits_unspent = true;
	a.f.standings = 0;
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_ALLOW);

	ask(s, &(struct row){"-", "a.example", "8.8.8.8", NULL, NULL}, &a);
	a.f.limits_unspent = false;
	evaluate(s, &a.f, &got);
	assert_int_equal(got.decision, DECISION_ALLOW);
	buf_free(&b);
}

/* --- what else a verdict says --- */

static void verdicts_carry_roles_and_country(void **state)
{
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(council, &b);
	struct asked a;
	struct verdict got;
	(void)state;

	ask(s, &(struct row){"kb:comms@192.0.2.1", "some.example", "212.27.48.1", NULL, NULL}, &a);
	evaluate(s, &a.f, &got);
	assert_int_equal(got.roles, 0xf);
	assert_string_equal(got.country, "FR");
	assert_int_equal(got.role, 2); /* the kiosk rule named it */

	/* a rule without roles: the first role that holds */
	ask(s, &(struct row){"kb:comms", "intranet", "out", NULL, NULL}, &a);
	evaluate(s, &a.f, &got);
	assert_int_equal(got.role, 0);
	assert_string_equal(got.country, "");

	/* nobody known: what the caller left in `roles` does not count */
	ask(s, &(struct row){"?", "some.example", "8.8.8.8", NULL, NULL}, &a);
	a.f.roles = ~UINT64_C(0);
	evaluate(s, &a.f, &got);
	assert_int_equal(got.roles, 0);
	assert_int_equal(got.need, NEED_IDENTITY);

	/* a network's role is not a person's to bring along */
	ask(s, &(struct row){"joe", "some.example", "8.8.8.8", NULL, NULL}, &a);
	a.f.roles = ~UINT64_C(0);
	evaluate(s, &a.f, &got);
	assert_int_equal(got.roles, 0xb);
	buf_free(&b);
}

static void a_trace_says_why_each_rule_did_not_decide(void **state)
{
	static const enum condition want[] = {COND_TO, COND_TO, COND_COUNTRY, COND_TO, COND_TO,
		COND_TO, COND_ROLES, COND_TO, COND_TO, COND_ROLES, COND_HOLDS};
	enum condition v[16];
	struct trace t = {.cap = 16, .v = v};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(council, &b);
	struct asked a;
	struct verdict got;
	(void)state;

	ask(s, &(struct row){"joe", "git.example", "8.8.8.8", NULL, NULL}, &a);
	a.f.roles = policy_roles(s, SPAN("joe"), NULL, 0);
	policy_evaluate(s, &a.f, &got, &t);
	assert_int_equal(t.n, sizeof want / sizeof *want);
	for (size_t i = 0; i < t.n; i++)
		if (v[i] != want[i])
			fail_msg("rule %zu: %s, expected %s", i, condition_text(v[i]),
				condition_text(want[i]));

	ask(s, &(struct row){"joe", "fair.bet.example", "8.8.8.8", NULL, NULL}, &a);
	policy_evaluate(s, &a.f, &got, &t);
	assert_int_equal(v[3], COND_EXCEPT);
	ask(s, &(struct row){"ann:comms", "git.example", "8.8.8.8", NULL, NULL}, &a);
	policy_evaluate(s, &a.f, &got, &t);
	assert_int_equal(v[6], COND_PORT);
	ask(s, &(struct row){"joe", "tube.example", "8.8.8.8", NULL, NULL}, &a);
	policy_evaluate(s, &a.f, &got, &t);
	assert_int_equal(v[7], COND_SCHEDULE);
	ask(s, &(struct row){"joe", "lotto.example", "8.8.8.8", NULL, NULL}, &a);
	policy_evaluate(s, &a.f, &got, &t);
	assert_int_equal(v[3], COND_HOLDS);
	assert_int_equal(v[4], COND_NOT_REACHED);
	assert_int_equal(v[10], COND_NOT_REACHED);

	/* room for fewer rules than there are */
	v[3] = COND_LIMIT_NEXT;
	t.cap = 3;
	policy_evaluate(s, &a.f, &got, &t);
	assert_int_equal(t.n, 3);
	assert_int_equal(v[3], COND_LIMIT_NEXT);
	buf_free(&b);
}

/* Whatever is asked for and then known, the answer is the one that all facts at once give, and the
 * questions come to an end. */
static void asking_step_by_step_ends_in_the_same_verdict(void **state)
{
	static const char *const hosts[] = {"chat.example", "tube.example", "cdn.shared.example",
		"bet.example", "fair.bet.example", "intranet", "10.20.9.5", "git.example:22",
		"some.example", "vault.example", "like.chat.example", "175.45.176.9"};
	static const char *const people[] = {
		"joe", "kb", "ann:comms", "-", "joe@192.0.2.1", "-@192.0.2.1"};
	static const char *const addresses[] = {
		"8.8.8.8", "175.45.176.9", "212.27.48.70", "10.20.9.5", "127.0.0.8", "::1"};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(council, &b);
	size_t asked = 0;
	(void)state;

	for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++)
		for (size_t p = 0; p < sizeof people / sizeof *people; p++)
			for (size_t k = 0; k < sizeof addresses / sizeof *addresses; k++) {
				const struct row row = {
					people[p], hosts[h], addresses[k], NULL, NULL};
				struct verdict whole, step;
				struct asked full, part;
				int rounds = 0;

				ask(s, &row, &full);
				if (full.host.literal)
					full.f.address = full.host.addr;
				policy_evaluate(s, &full.f, &whole, NULL);
				part = full;
				part.f.host = &part.host;
				part.f.target = &part.target;
				part.f.identity = IDENTITY_UNKNOWN;
				part.f.address_state = ADDRESS_UNKNOWN;
				for (;; rounds++) {
					policy_evaluate(s, &part.f, &step, NULL);
					if (step.decision != DECISION_NEED)
						break;
					assert_true(rounds < 2);
					asked++;
					if (step.need == NEED_IDENTITY)
						part.f.identity = full.f.identity;
					else
						part.f.address_state = ADDRESS_KNOWN;
				}
				assert_int_equal(step.decision, whole.decision);
				assert_int_equal(step.rule, whole.rule);
			}
	assert_true(asked > 100);
	buf_free(&b);
}

/* --- hosts and labels --- */

static void hosts_are_classified_by_their_longest_suffix(void **state)
{
	static const struct {
		const char *host, *services, *label;
	} v[] = {
		{"chat.example", "chat/core", "chat"},
		{"a.b.chat.example", "chat/core", "chat"},
		{"like.chat.example", "chat/embed", "chat"},
		{"x.like.chat.example", "chat/embed", "chat"},
		{"cdn.shared.example", "chat/shared snap/shared", "chat+snap"},
		{"shared.example", "", "shared.example"},
		{"xchat.example", "", "xchat.example"},
		{"a.b.some.co.uk", "", "some.co.uk"},
		{"intranet", "", "intranet"},
		{"192.0.2.1", "", "192.0.2.1"},
		{"[2001:db8::1]", "", "2001:db8::1"},
		{"www.facebook.com", "facebook/core", "facebook"},
	};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(council, &b);
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct host h;
		struct target t;
		struct buf got = {0};
		char label[HOST_MAX + 1];

		assert_true(host_parse(span_str(v[i].host), &h));
		policy_classify(s, &h, &t);
		buf_adds(&got, "");
		for (size_t k = 0; k < t.services; k++)
			buf_printf(&got, "%s%.*s/%s", k ? " " : "",
				SPAN_ARG(snapshot_service(s, t.service[k].service)),
				part_word((enum service_part)t.service[k].part));
		assert_string_equal(got.p, v[i].services);
		policy_label(s, &h, &t, RECORD_SERVICE, label, sizeof label);
		assert_string_equal(label, v[i].label);
		policy_label(s, &h, &t, RECORD_HOST, label, sizeof label);
		assert_string_equal(label, h.name);
		policy_label(s, &h, &t, RECORD_NONE, label, sizeof label);
		assert_string_equal(label, "other");
		buf_free(&got);
	}
	buf_free(&b);
}

static void countries_come_from_the_run_an_address_falls_into(void **state)
{
	static const struct {
		const char *address, *country;
	} v[] = {{"0.0.0.0", ""}, {"212.27.47.255", ""}, {"212.27.48.0", "FR"},
		{"212.27.48.255", "FR"}, {"212.27.49.0", ""}, {"255.255.255.255", ""},
		{"175.45.176.77", "KP"}, {"::ffff:175.45.176.77", "KP"},
		{"64:ff9b::175.45.176.77", "KP"}, {"2a05:7fff:ffff::1", ""}, {"2a05:8000::", "KP"},
		{"2a05:ffff:ffff:ffff::1", "KP"}, {"2a06::", ""}, {"ffff::", ""}};
	struct buf b = {0};
	const struct snapshot *s = snapshot_of_text(council, &b);
	(void)state;

	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct addr a;
		char code[3];

		assert_true(addr_parse(span_str(v[i].address), &a));
		policy_country(s, &a, code);
		assert_string_equal(code, v[i].country);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_council_gets_the_verdicts_its_policy_spells_out),
		cmocka_unit_test(a_deny_takes_shared_hosts_only_where_all_sharers_are_named),
		cmocka_unit_test(embedded_pieces_are_covered_on_request_only),
		cmocka_unit_test(exceptions_turn_the_rules_of_parts_around),
		cmocka_unit_test(a_name_may_stand_in_several_rules_and_in_both_forms),
		cmocka_unit_test(inside_opens_to_names_and_never_to_categories),
		cmocka_unit_test(a_port_is_the_reason_only_where_nothing_else_was),
		cmocka_unit_test(nobody_is_asked_for_a_role_that_only_a_network_gives),
		cmocka_unit_test(people_are_asked_before_names_are_resolved),
		cmocka_unit_test(observing_rules_are_noted_and_change_nothing),
		cmocka_unit_test(no_more_observing_rules_are_noted_than_fit),
		cmocka_unit_test(while_all_is_observed_only_the_rules_give_way),
		cmocka_unit_test(limits_are_asked_last_and_deny_when_spent),
		cmocka_unit_test(verdicts_carry_roles_and_country),
		cmocka_unit_test(a_trace_says_why_each_rule_did_not_decide),
		cmocka_unit_test(asking_step_by_step_ends_in_the_same_verdict),
		cmocka_unit_test(hosts_are_classified_by_their_longest_suffix),
		cmocka_unit_test(countries_come_from_the_run_an_address_falls_into),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
