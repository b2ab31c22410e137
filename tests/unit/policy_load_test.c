/*
 * What is wrong with a policy file is said with its line, what was found and what was expected; one
 * mistake is one error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

#include <sys/stat.h>

struct bad {
	const char *text;
	unsigned line;
	const char *part;
};

#define REST	  "rules = ( { name = \"rest\"; action = \"allow\"; } );\n"
#define RULE(...) "rules = (\n{ name = \"r\"; action = \"allow\"; " __VA_ARGS__ " } );\n"
#define DEFS                                                                                       \
	"zone = \"UTC\"; schedules: { office = \"Mon-Fri 08:00-18:00\"; };\n"                      \
	"roles: { staff = { everyone = true; }; };\n"                                              \
	"services: { hub = { hosts = [\"hub.example\"]; categories = [\"work\"]; }; };\n"

/* Line 4 is "rules = (", the rule is on line 5. */
#define IN_RULE(...) DEFS RULE(__VA_ARGS__)

static const struct bad wrong[] = {
	/* the top level */
	{"zone = \"UTC\";\n", 0, "there are no rules"},
	{"\nrulez = ();\n" REST, 2, "the nearest known is \"rules\""},
	{"zone = 5;\n" REST, 1, "zone must be a string"},
	{"zone = \"Europe/Lodnon\";\n" REST, 1, "Europe/Lodnon"},
	{"schedules: { x = \"Mon 08:00-09:00\"; };\n" REST, 1, "schedules need a time zone"},
	{"inside = [ \"10.1.2.3/8\" ];\n" REST, 1, "\"10.1.2.3/8\" is no address range"},
	{"inside = [\n\"ten\" ];\n" REST, 2, "\"ten\" is no address range"},
	{"inside = [ \"::ffff:10.0.0.0/104\" ];\n" REST, 1, "write it as IPv4"},
	{"inside = \"10.0.0.0/8\";\n" REST, 1, "inside must be an array"},
	{"ports = [ \"0\" ];\n" REST, 1, "\"0\" is no port"},
	{"ports = [ \"80-79\" ];\n" REST, 1, "\"80-79\" is no port"},
	{"ports = [ \"http\" ];\n" REST, 1, "\"http\" is no port"},
	{"ports = [ 65536 ];\n" REST, 1, "65536 is no port"},
	{"ports = [ -1 ];\n" REST, 1, "-1 is no port"},
	{"ports = [];\n" REST, 1, "at least one port"},
	{"ports = 443;\n" REST, 1, "must be an array"},
	{"ports = ( true );\n" REST, 1, "a port is"},
	{"tls_only = \"yes\";\n" REST, 1, "true or false"},
	{"geo = 4;\n" REST, 1, "geo must be a string"},
	{"rules = ( 5 );\n", 1, "a rule must be a group"},
	{"rules: { a = 1; };\n", 1, "rules must be a list"},
	/* roles */
	{"roles: {\nstaff = { group = [\"a\"]; everyone = true; }; };\n" REST, 2,
		"the nearest known is \"groups\""},
	{"roles: {\nstaff = { }; };\n" REST, 2, "nobody can hold role \"staff\""},
	{"roles: {\nstaff = \"all\"; };\n" REST, 2, "role \"staff\" must be a group"},
	{"roles: { staff = { users = \"kb\"; }; };\n" REST, 1, "users must be an array"},
	{"roles: { staff = { users = [\"\"]; }; };\n" REST, 1, "expected 1 to"},
	{"roles: { k = { networks = [\"192.0.2.0\",\n\"192.0.2.1/24\"]; }; };\n" REST, 2,
		"\"192.0.2.1/24\" is no address range"},
	{"roles: { staff = { everyone = 1; }; };\n" REST, 1, "true or false"},
	{"roles: { a23456789012345678901234567890123456789012345678901234567890123456 = "
	 "{ everyone = true; }; };\n" REST,
		1, "expected 64 at most"},
	{"roles: ( \"staff\" );\n" REST, 1, "roles must be a group"},
	/* schedules */
	{"zone = \"UTC\"; schedules: {\nlunch = \"Mon-Fry 12:00-14:00\"; };\n" REST, 2,
		"schedule \"lunch\": \"Fry\" is no day"},
	{"zone = \"UTC\"; schedules: { lunch = 12; };\n" REST, 1, "must be a string"},
	/* services */
	{"services: {\nhub = { }; };\n" REST, 2, "service \"hub\" has no host"},
	{"services: { hub = 1; };\n" REST, 1, "service \"hub\" must be a group"},
	{"services: { hub = { host = [\"hub.example\"]; hosts = [\"h.example\"]; }; };\n" REST, 1,
		"the nearest known is \"hosts\""},
	{"services: { hub = { hosts = [\".hub.example\"]; }; };\n" REST, 1,
		"without a dot or star"},
	{"services: { hub = { hosts = [\"*.hub.example\"]; }; };\n" REST, 1,
		"without a dot or star"},
	{"services: { hub = { hosts = [\"https://hub.example\"]; }; };\n" REST, 1,
		"without scheme"},
	{"services: { hub = { hosts = [\"hub.example:8443\"]; }; };\n" REST, 1, "rules name ports"},
	{"services: { hub = { hosts = [\"192.0.2.1\"]; }; };\n" REST, 1, "an address is no part"},
	{"services: { hub = { hosts = [\"hub..example\"]; }; };\n" REST, 1, "is no host name"},
	{"services: { hub = { hosts = [\"hub.example\"];\ncdn = [\"hub.example\"]; }; };\n" REST, 2,
		"stands twice"},
	{"services: { hub = { hosts = [\"h.example\"]; zone = \"extern\"; }; };\n" REST, 1,
		"zone = \"extern\"; expected \"internal\", \"external\" or \"public\""},
	{"services: { hub = { hosts = [\"h.example\"]; categories = [\"so cial\"]; }; };\n" REST, 1,
		"cannot name a category"},
	{"services: { hub = { hosts = [\"h.example\"]; categories = [\"a\",\n\"a\"]; }; };\n" REST,
		2, "category \"a\" stands twice"},
	{"services: { hub = { hosts = [\"h.example\"]; title = \"a\\nb\"; }; };\n" REST, 1,
		"control character"},
	/* lists */
	{"lists = ( 1 );\n" REST, 1, "a list must be a group"},
	{"lists = (\n{ category = \"a\"; file = \"f\"; } );\n" REST, 2, "the list has no format"},
	{"lists = (\n{ category = \"a\"; format = \"ut1\"; } );\n" REST, 2, "the list has no file"},
	{"lists = (\n{ file = \"a\"; format = \"ut1\"; } );\n" REST, 2, "the list has no category"},
	{"lists = ( { category = \"a\"; file = \"f\"; format = \"rpz\"; } );\n" REST, 1,
		"format = \"rpz\"; expected \"plain\", \"hosts\" or \"ut1\""},
	{"lists = ( { category = \"#a\"; file = \"f\"; format = \"ut1\"; } );\n" REST, 1,
		"cannot name a category"},
	{"lists = ( { kategory = \"a\"; file = \"f\"; format = \"ut1\"; category = \"b\"; } "
	 ");\n" REST,
		1, "the nearest known is \"category\""},
	/* rules */
	{"rules = (\n{ action = \"allow\"; } );\n", 2, "the rule has no name"},
	{"rules = (\n{ name = \"two words\"; action = \"allow\"; } );\n", 2, "cannot name a rule"},
	{"rules = (\n{ name = \"\"; action = \"allow\"; } );\n", 2, "cannot name a rule"},
	{"rules = (\n{ name = \"a\"; } );\n", 2, "the rule has no action"},
	{"rules = ( { name = \"a\"; action = \"deny\"; },\n{ name = \"a\"; action = \"allow\"; } "
	 ");\n",
		2, "two rules are named \"a\"; the first is at line 1"},
	{"rules = ( { name = \"a\"; action = \"warn\"; } );\n", 1,
		"action = \"warn\"; expected \"allow\", \"deny\" or \"coach\""},
	{IN_RULE("mode = \"dry\";"), 5, "mode = \"dry\"; expected \"enforce\" or \"observe\""},
	{IN_RULE("record = \"url\";"), 5,
		"record = \"url\"; expected \"service\", \"host\" or \"none\""},
	{IN_RULE("too = [\"hub\"];"), 5, "the nearest known is \"to\""},
	{IN_RULE("memory = \"8h\";"), 5, "unknown setting \"memory\""},
	{IN_RULE("to = \"hub\";"), 5, "to must be an array"},
	{IN_RULE("to = [];"), 5, "`to` is empty"},
	{IN_RULE("to = [\"\"];"), 5, "\"\" names nothing"},
	{IN_RULE("to = [\"hbu\"];"), 5, "no service is named \"hbu\"; did you mean \"hub\"?"},
	{IN_RULE("to = [\"facebok\"];"), 5, "did you mean \"facebook\"?"},
	{IN_RULE("to = [\"#wrok\"];"), 5, "no category is named \"wrok\"; did you mean \"work\"?"},
	{IN_RULE("to = [\"#quantum-entanglement\"];"), 5,
		"no category is named \"quantum-entanglement\""},
	{IN_RULE("to = [\"hub\",\n\"*.hub.example\"];"), 6, "expected \".domain.example\""},
	{IN_RULE("to = [\"hub.example:443\"];"), 5, "has a port"},
	{IN_RULE("to = [\"https://hub.example/\"];"), 5, "expected the host alone"},
	{IN_RULE("to = [\"10.0.0.1/8\"];"), 5, "\"10.0.0.1/8\" is no address range"},
	{IN_RULE("to = [\"10.0.0\"];"), 5, "\"10.0.0\" is no address range"},
	{IN_RULE("to = [\"300.1.1.1\"];"), 5, "is no address range"},
	{IN_RULE("to = [\"2001:db8::/200\"];"), 5, "is no address range"},
	{IN_RULE("to = [\"a b.example\"];"), 5, "is no host name"},
	{IN_RULE("to = [\".\"];"), 5, "is no host name"},
	{IN_RULE("to = [\"host:\"];"), 5, "is no host name"},
	{IN_RULE("to = [\"#\"];"), 5, "no category is named \"\""},
	{IN_RULE("except = [];"), 5, "`except` is empty"},
	{IN_RULE("except = [\"nub\"];"), 5, "did you mean \"hub\"?"},
	{IN_RULE("roles = [\"stuff\"];"), 5, "no role is named \"stuff\"; did you mean \"staff\"?"},
	{IN_RULE("roles = [];"), 5, "`roles` is empty"},
	{IN_RULE("roles = \"staff\";"), 5, "roles must be an array"},
	{IN_RULE("schedule = \"offce\";"), 5,
		"no schedule is named \"offce\"; did you mean \"office\"?"},
	{IN_RULE("ports = [\"443\", \"99999\"];"), 5, "\"99999\" is no port"},
	{IN_RULE("countries = [\"KP\"];"), 5, "countries need a database"},
	{"geo = \"c.mmdb\";\n" RULE("countries = [\"KP\", \"kr\"];"), 3, "\"kr\" is no country"},
	{"geo = \"c.mmdb\";\n" RULE("countries = [\"UK\"];"), 3, "here \"GB\""},
	{"geo = \"c.mmdb\";\n" RULE("countries = [\"ZZ\"];"), 3, "ISO 3166"},
	{"geo = \"c.mmdb\";\n" RULE("countries = [];"), 3, "`countries` is empty"},
	{IN_RULE("limits = { hours = 60; };"), 5,
		"limit \"hours\" is not known; known limits: minutes, bytes, tunnels, requests, "
		"bandwidth"},
	{IN_RULE("limits = { };"), 5, "limits nothing"},
	{IN_RULE("limits = { when_spent = \"deny\"; };"), 5, "limits nothing"},
	{IN_RULE("limits = { requests = \"60/fortnight\"; };"), 5, "is no period"},
	{IN_RULE("limits = { requests = 60; };"), 5, "requests must be a string"},
	{IN_RULE("limits = { requests = \"60/min\"; when_spent = \"never\"; };"), 5,
		"when_spent = \"never\"; expected \"deny\", \"coach\" or \"next\""},
	{IN_RULE("limits = { minutes = 0; };"), 5, "minutes"},
	{IN_RULE("limits = { minutes = 1441; };"), 5, "minutes"},
	{IN_RULE("limits = { minutes = \"60\"; };"), 5, "minutes must be"},
	{IN_RULE("limits = { bytes = \"2 XB\"; };"), 5, "bytes"},
	{IN_RULE("limits = { tunnels = 10001; };"), 5, "tunnels"},
	{IN_RULE("limits = { bandwidth = \"4 MB\"; };"), 5, "expected a size a second"},
	{IN_RULE("limits = { bandwidth = \"1/s\"; };"), 5, "expected a size a second"},
	{IN_RULE("limits = { bandwidth = \"4 MB/s\"; when_spent = \"next\"; };"), 5,
		"is never spent"},
	{IN_RULE("limits = { requests = \"1/s\"; warn = 80; };"), 5, "neither is limited"},
	{IN_RULE("limits = { tunnels = 1; grace = \"1m\"; };"), 5, "neither is limited"},
	{IN_RULE("limits = { tunnels = 1; without_redis = \"deny\"; };"), 5, "neither is limited"},
	{IN_RULE("limits = { minutes = 1; warn = 101; };"), 5, "warn"},
	{IN_RULE("limits = { minutes = 1; grace = \"2h\"; };"), 5, "grace"},
	{IN_RULE("limits = { minutes = 1; without_redis = \"maybe\"; };"), 5,
		"expected \"local\", \"deny\" or \"allow\""},
	{IN_RULE("remember = \"8h\";"), 5, "the rule asks for none"},
	{IN_RULE("purposes = [\"work\"];"), 5, "the rule asks for none"},
	{IN_RULE("limits = { minutes = 1; when_spent = \"coach\"; }; remember = \"30s\";"), 5,
		"remember"},
	{IN_RULE("limits = { minutes = 1; when_spent = \"coach\"; }; purposes = [];"), 5,
		"0 purposes"},
	{IN_RULE("limits = { minutes = 1; when_spent = \"coach\"; }; purposes = [\"a\\nb\"];"), 5,
		"control character"},
	{"rules = (\n{ name = \"r\"; action = \"deny\"; limits = { requests = \"1/s\"; }; } );\n",
		2, "`limits` on a rule that denies"},
	{IN_RULE("embeds = 1;"), 5, "true or false"},
	{IN_RULE("opaque = \"true\";"), 5, "true or false"},
	{IN_RULE("review = \"31.3.2027\";"), 5, "expected \"YYYY-MM-DD\""},
	{IN_RULE("review = \"2027-02-29\";"), 5, "is no day"},
	{IN_RULE("review = \"\";"), 5, "is no day"},
	{IN_RULE("purpose = 5;"), 5, "purpose must be a string"},
	{IN_RULE("message = \"a\\tb\";"), 5, "control character"},
	{IN_RULE("message = "
		 "\"0123456789012345678901234567890123456789012345678901234567890123456789"
		 "0123456789012345678901234567890123456789012345678901234567890123456789"
		 "0123456789012345678901234567890123456789012345678901234567890\";"),
		5, "message has 201 bytes; expected 200 at most"},
	/* what the language itself refuses */
	{"rules = (\n{ name = \"a\" action }\n", 2, ""},
	{"zone = \"UTC\";\nzone = \"UTC\";\n" REST, 2, "zone"},
	{"ports = [ 5000000000 ];\n" REST, 1, ""},
};

/* Loads from memory; the snapshot is thrown away. */
static bool load(const char *text, struct problems *p)
{
	struct conf *c = conf_parse("test.cfg", span_str(text), p);
	struct model m;
	bool ok;

	if (!c)
		return false;
	assert_true(model_init(&m, NULL));
	ok = model_load(&m, c, p);
	model_free(&m);
	conf_free(c);
	return ok;
}

static void every_mistake_is_one_error_with_its_line(void **state)
{
	size_t failed = 0;
	(void)state;

	_Static_assert(sizeof wrong / sizeof *wrong >= 60, "the table shrank");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const struct bad *w = &wrong[i];
		struct problems p = {0};
		bool ok = load(w->text, &p);

		if (ok || p.errors != 1 || p.v[0].line != w->line ||
			!strstr(p.v[0].text, w->part) || strcmp(p.v[0].file, "test.cfg") != 0) {
			print_error("%s-- expected line %u, \"%s\"; got %zu errors:\n", w->text,
				w->line, w->part, p.errors);
			problems_print(&p, stderr);
			failed++;
		}
		problems_free(&p);
	}
	assert_int_equal(failed, 0);
}

static void all_mistakes_of_a_file_are_reported_at_once(void **state)
{
	struct problems p = {0};
	(void)state;

	assert_false(load("zone = 1;\nports = [ 0 ];\ninside = [ \"x\" ];\n"
			  "roles: { a = { }; };\nrules = (\n{ name = \"a\"; action = \"x\"; },\n"
			  "{ name = \"b\"; action = \"allow\"; roles = [ \"c\" ]; } );\n",
		&p));
	assert_int_equal(p.errors, 6);
	problems_free(&p);
}

static void too_many_roles_are_refused(void **state)
{
	struct problems p = {0};
	struct buf b = {0};
	(void)state;

	buf_adds(&b, "roles: {\n");
	for (int i = 0; i <= POLICY_ROLES_MAX; i++)
		buf_printf(&b, "r%d = { everyone = true; };\n", i);
	buf_adds(&b, "};\n" REST);
	assert_false(load(b.p, &p));
	assert_non_null(strstr(p.v[0].text, "65 roles; expected 64 at most"));
	problems_free(&p);
	buf_free(&b);
}

static void sixty_four_roles_are_fine(void **state)
{
	struct buf b = {0}, out = {0};
	(void)state;

	buf_adds(&b, "roles: {\n");
	for (int i = 0; i < POLICY_ROLES_MAX; i++)
		buf_printf(&b, "r%d = { users = [\"u%d\"]; };\n", i, i);
	buf_adds(&b, "};\n" REST);
	const struct snapshot *s = snapshot_of_text(b.p, &out);
	assert_int_equal(policy_roles(s, SPAN("u63"), NULL, 0), UINT64_C(1) << 63);
	buf_free(&b);
	buf_free(&out);
}

/* One host cannot match more rule names than a verdict's target holds; 16 is the limit, 17 refused.
 */
static void names_nested_too_deep_are_refused(void **state)
{
	(void)state;

	for (int depth = POLICY_TAGS_MAX; depth <= POLICY_TAGS_MAX + 1; depth++) {
		struct problems p = {0};
		struct buf b = {0}, name = {0};

		buf_adds(&b, "rules = ( { name = \"a\"; action = \"deny\"; to = [ ");
		buf_adds(&name, "x");
		for (int i = 0; i < depth; i++) {
			buf_printf(&b, "%s\".%s\"", i ? ", " : "", name.p);
			buf_adds(&name, ".x");
		}
		buf_adds(&b, " ]; } );");
		assert_int_equal(load(b.p, &p), depth == POLICY_TAGS_MAX);
		problems_free(&p);
		buf_free(&b);
		buf_free(&name);
	}
}

static void a_host_in_too_many_services_is_refused(void **state)
{
	struct problems p = {0};
	struct buf b = {0};
	(void)state;

	buf_adds(&b, "services: {\n");
	for (int i = 0; i <= POLICY_TAGS_MAX; i++)
		buf_printf(&b, "s%d = { shared = [\"all.example\"]; };\n", i);
	buf_adds(&b, "};\n" REST);
	assert_false(load(b.p, &p));
	assert_int_equal(p.errors, 1);
	assert_int_equal(p.v[0].line, 2 + POLICY_TAGS_MAX);
	assert_non_null(strstr(p.v[0].text, "stands in more than 16 services"));
	problems_free(&p);
	buf_free(&b);
}

static void too_many_rules_are_refused(void **state)
{
	struct problems p = {0};
	struct buf b = {0};
	(void)state;

	buf_adds(&b, "rules = (\n");
	for (int i = 0; i < POLICY_RULES_MAX; i++)
		buf_printf(&b, "{ name = \"r%d\"; action = \"deny\"; },\n", i);
	buf_adds(&b, "{ name = \"last\"; action = \"deny\"; } );\n");
	assert_false(load(b.p, &p));
	assert_int_equal(p.errors, 1);
	assert_non_null(strstr(p.v[0].text, "4097 rules; expected 4096 at most"));
	problems_free(&p);
	buf_free(&b);
}

/* --- files --- */

static bool compile_file(const char *text, struct buf *out, struct problems *p)
{
	write_file("policy.cfg", text);
	return policy_compile("policy.cfg", out, p);
}

static bool in_category(const struct snapshot *s, const char *host, const char *category)
{
	struct host h;
	struct target t;

	assert_true(host_parse(span_str(host), &h));
	policy_classify(s, &h, &t);
	for (size_t i = 0; i < t.categories; i++)
		if (span_is(snapshot_category(s, t.category[i]), category))
			return true;
	return false;
}

static void list_formats_cover_what_they_say(void **state)
{
	static const struct {
		const char *host, *category;
		bool in;
	} v[] = {
		{"plain.example", "plain", true},
		{"www.plain.example", "plain", true},
		{"xplain.example", "plain", false},
		{"dot.example", "plain", true},
		{"www.dot.example", "plain", true},
		{"star.example", "plain", false},
		{"www.star.example", "plain", true},
		{"upper.example", "plain", true},
		{"xn--bcher-kva.example", "plain", true},
		{"comment.example", "plain", true},
		{"192.0.2.77", "plain", true},
		{"192.0.2.78", "plain", false},
		{"ads.example", "hosts", true},
		{"www.ads.example", "hosts", false},
		{"second.example", "hosts", true},
		{"third.example", "hosts", true},
		{"localhost", "hosts", false},
		{"bet.example", "ut1", true},
		{"www.bet.example", "ut1", true},
		{"file.example", "ut1", true},
		{"10.9.8.7", "ut1", true},
		{"10.9.8.70", "ut1", false},
		{"plain.example", "ut1", false},
		{"both.example", "plain", true},
		{"both.example", "hosts", true},
	};
	static const char policy[] =
		"lists = ( { category = \"plain\"; file = \"plain.txt\"; format = \"plain\"; },\n"
		"{ category = \"hosts\"; file = \"lists/hosts\"; format = \"hosts\"; },\n"
		"{ category = \"ut1\"; file = \"lists/bets\"; format = \"ut1\"; },\n"
		"{ category = \"ut1\"; file = \"lists/more\"; format = \"ut1\"; } );\n"
		"rules = ( { name = \"a\"; to = [\"#ut1\"]; action = \"deny\"; } );\n";
	struct problems p = {0};
	struct buf out = {0};
	(void)state;

	mkdir("lists", 0700);
	mkdir("lists/bets", 0700);
	write_file("plain.txt", "# names\n\nplain.example\n.dot.example\r\n*.star.example\n"
				"UPPER.Example.\nb\xc3\xbc"
				"cher.example\ncomment.example # why\n192.0.2.77\nboth.example");
	write_file("lists/hosts", "127.0.0.1 localhost\n0.0.0.0\tads.example\n"
				  "0.0.0.0 second.example third.example # more\n::1 ip6-localhost\n"
				  "0.0.0.0 both.example\n");
	write_file("lists/bets/domains", "bet.example\n10.9.8.7\n");
	write_file("lists/bets/urls", "not.example/page\n");
	write_file("lists/more", "file.example\n");
	bool ok = compile_file(policy, &out, &p);
	problems_print(&p, stderr);
	assert_true(ok);
	assert_int_equal(p.findings, 0);
	const struct snapshot *s = snapshot_open(out.p, out.n, NULL);
	assert_non_null(s);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		if (in_category(s, v[i].host, v[i].category) != v[i].in)
			fail_msg("%s in %s: expected %d", v[i].host, v[i].category, v[i].in);
	problems_free(&p);
	buf_free(&out);
}

static void lines_that_are_no_names_are_a_finding(void **state)
{
	struct problems p = {0};
	struct buf out = {0};
	(void)state;

	write_file("names", "good.example\nbad name\nalso/bad\n");
	assert_true(compile_file(
		"lists = ( { category = \"a\"; file = \"names\"; format = \"plain\"; } );\n" REST,
		&out, &p));
	assert_int_equal(p.n, 1);
	assert_int_equal(p.findings, 1);
	assert_int_equal(p.v[0].line, 2);
	assert_string_equal(p.v[0].code, "list-line");
	assert_non_null(strstr(p.v[0].text, "2 lines are no host name"));
	problems_free(&p);
	buf_free(&out);
}

static void files_that_cannot_be_used_are_errors_at_their_line(void **state)
{
	static const struct bad v[] = {
		{"lists = (\n{ category = \"a\";\nfile = \"missing\"; format = \"plain\"; } "
		 ");\n" REST,
			3, "missing"},
		{"lists = ( { category = \"a\"; file = \"empty\"; format = \"plain\"; } );\n" REST,
			1, "holds no name in format \"plain\""},
		{"lists = ( { category = \"a\"; file = \"names\"; format = \"hosts\"; } );\n" REST,
			1, "holds no name in format \"hosts\""},
		{"lists = ( { category = \"a\"; file = \"folder\"; format = \"plain\"; } );\n" REST,
			1, "folder"},
		{"lists = ( { category = \"a\"; file = \"folder\"; format = \"ut1\"; } );\n" REST,
			1, "folder/domains"},
		{"\ngeo = \"missing.mmdb\";\n" REST, 2, "missing.mmdb"},
		{"geo = \"names\";\n" REST, 1, "names"},
	};
	(void)state;

	write_file("empty", "# nothing\n");
	write_file("names", "good.example\n");
	mkdir("folder", 0700);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct problems p = {0};
		struct buf out = {0};
		bool ok = compile_file(v[i].text, &out, &p);

		if (ok || p.errors != 1 || p.v[0].line != v[i].line ||
			!strstr(p.v[0].text, v[i].part)) {
			problems_print(&p, stderr);
			fail_msg("%s-- expected line %u, \"%s\"", v[i].text, v[i].line, v[i].part);
		}
		assert_string_equal(p.v[0].file, "policy.cfg");
		problems_free(&p);
		buf_free(&out);
	}
}

static void a_missing_policy_is_an_error(void **state)
{
	struct problems p = {0};
	struct buf out = {0};
	(void)state;

	assert_false(policy_compile("no-such.cfg", &out, &p));
	assert_int_equal(p.errors, 1);
	assert_int_equal(out.n, 0);
	problems_free(&p);
}

static void an_included_file_keeps_its_own_name(void **state)
{
	struct problems p = {0};
	struct buf out = {0};
	(void)state;

	write_file("more.cfg", "\n{ name = \"in\"; action = \"alow\"; }\n");
	assert_false(compile_file("rules = (\n@include \"more.cfg\"\n);\n", &out, &p));
	assert_int_equal(p.errors, 1);
	assert_non_null(strstr(p.v[0].file, "more.cfg"));
	assert_int_equal(p.v[0].line, 2);
	problems_free(&p);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_is_one_error_with_its_line),
		cmocka_unit_test(all_mistakes_of_a_file_are_reported_at_once),
		cmocka_unit_test(too_many_roles_are_refused),
		cmocka_unit_test(sixty_four_roles_are_fine),
		cmocka_unit_test(names_nested_too_deep_are_refused),
		cmocka_unit_test(a_host_in_too_many_services_is_refused),
		cmocka_unit_test(too_many_rules_are_refused),
		cmocka_unit_test(list_formats_cover_what_they_say),
		cmocka_unit_test(lines_that_are_no_names_are_a_finding),
		cmocka_unit_test(files_that_cannot_be_used_are_errors_at_their_line),
		cmocka_unit_test(a_missing_policy_is_an_error),
		cmocka_unit_test(an_included_file_keeps_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
