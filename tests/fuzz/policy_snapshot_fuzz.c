/*
 * Any bytes as a snapshot. Half of the inputs are laid over a good snapshot (offset, then bytes,
 * again and again), because few bytes that a fuzzer makes up get past the magic. What opens must
 * classify, label and decide without a step outside.
 */
#include "model.h"

#include "fuzz.h"

static const char text[] =
	"zone = \"Europe/London\"; conduct = \"Be fair.\"; inside = [ \"10.0.0.0/8\" ]; geo = "
	"\"x\";"
	"roles: { a = { users = [\"kb\"]; groups = [\"g\"]; networks = [\"192.0.2.0/24\"]; };"
	" s = { everyone = true; }; };"
	"schedules: { o = \"Mon-Fri 08:00-18:00\"; };"
	"services: { hub = { hosts = [\"hub.example\"]; shared = [\"cdn.example\"];"
	" categories = [\"work\"]; }; };"
	"rules = ( { name = \"o\"; mode = \"observe\"; action = \"deny\"; },"
	"{ name = \"a\"; roles = [\"a\"]; to = [\"hub\", \"#work\", \".x.example\", "
	"\"10.1.0.0/16\"];"
	" except = [\"y.x.example\"]; schedule = \"o\"; ports = [\"443\"]; action = \"allow\";"
	" limits = { requests = \"60/min\"; }; },"
	"{ name = \"k\"; countries = [\"KP\"]; action = \"deny\"; },"
	"{ name = \"n\"; roles = [\"s\"]; to = [\"#social\"]; action = \"allow\"; limits = { "
	"minutes = 9; "
	"bytes = \"2 GB\"; tunnels = 6; bandwidth = \"4 MB/s\"; when_spent = \"next\"; grace = "
	"\"2m\"; }; },"
	"{ name = \"c\"; to = [\"#social\", \"2001:db8::/32\"]; action = \"coach\"; purposes = "
	"[\"p\", \"q\"]; },"
	"{ name = \"r\"; action = \"allow\"; } );";

static struct buf good; /* made once */

static void make_good(void)
{
	static const struct geo4 v4[] = {{0, "", 0}, {0xaf2db000, "KP", 0}};
	struct problems p = {0};
	struct model m;
	struct err e;
	struct conf *c = conf_parse("fuzz.cfg", span_str(text), &p);

	if (!c || !model_init(&m, NULL) || !model_load(&m, c, &p))
		abort();
	buf_add(&m.section[SECTION_GEO4], v4, sizeof v4);
	if (!model_compile(&m, &good, &e) || !snapshot_open(good.p, good.n, &e))
		abort();
	model_free(&m);
	conf_free(c);
}

static void decide(const struct snapshot *s, const char *name, enum identity_state identity,
	enum address_state address)
{
	enum condition conditions[8];
	struct trace trace = {.cap = 8, .v = conditions};
	char label[HOST_MAX + 1], day[11];
	const struct span group = SPAN("g");
	struct verdict v;
	struct target t;
	struct host h;

	if (!host_parse(span_str(name), &h))
		abort();
	policy_classify(s, &h, &t);
	for (int record = RECORD_SERVICE; record <= RECORD_NONE; record++)
		policy_label(s, &h, &t, (enum rule_record)record, label, sizeof label);
	struct facts f = {.now_s = 1772445600,
		.host = &h,
		.target = &t,
		.port = 443,
		.identity = identity,
		.address_state = address};
	if (!addr_parse(SPAN("192.0.2.1"), &f.client) || !addr_parse(SPAN("10.1.2.3"), &f.address))
		abort();
	f.roles = policy_roles(s, SPAN("kb"), &group, 1);
	/* all that it asks for is answered, half of it with what is worse */
	for (size_t i = 0; i < 2 * POLICY_STANDINGS_MAX; i++) {
		policy_evaluate(s, &f, &v, &trace);
		if (v.need != NEED_ACK && v.need != NEED_LIMIT)
			break;
		struct standing_facts *st = facts_standing(&f, (size_t)v.rule);
		if (!st)
			break;
		if (v.need == NEED_ACK)
			st->asked_ack = st->acked = true;
		else
			st->spent = i % 2 ? SPENT_YES : SPENT_NO;
	}
	snapshot_day(s, f.now_s, day);
	if (v.rule >= (int32_t)snapshot_rules(s) || v.role >= (int32_t)snapshot_roles(s))
		abort();
}

/* What is asked without a host. */
static size_t outlook(const struct snapshot *s)
{
	struct facts f = {.now_s = 1772445600};
	struct span purpose[POLICY_PURPOSES_MAX];
	struct rule_now now;
	struct buf b = {0};
	size_t sum = snapshot_conduct(s).n;

	for (size_t i = 0; i < snapshot_rules(s); i++) {
		struct rule_view r;

		policy_rule_now(s, &f, i, &now);
		policy_rule_to(s, i, &b);
		snapshot_rule(s, i, &r);
		for (int k = 0; k < LIMIT_COUNT; k++)
			limits_put(&r.limits, (enum limit_kind)k, &b);
		size_t n = snapshot_rule_purposes(s, i, purpose, POLICY_PURPOSES_MAX);
		while (n > 0)
			buf_span(&b, purpose[--n]);
	}
	int64_t edge = policy_next_edge(s, f.now_s);
	if (edge && edge <= f.now_s)
		abort();
	sum += b.n;
	buf_free(&b);
	return sum;
}

static void look(const struct snapshot *s)
{
	static const char *const hosts[] = {
		"hub.example", "a.cdn.example", "y.x.example", "www.facebook.com", "10.1.2.3"};
	struct rule_view r;
	size_t sum = 0;

	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		decide(s, hosts[i], IDENTITY_UNKNOWN, ADDRESS_UNKNOWN);
		decide(s, hosts[i], IDENTITY_KNOWN, ADDRESS_KNOWN);
		decide(s, hosts[i], IDENTITY_NOBODY, ADDRESS_OUTSIDE);
	}
	for (size_t i = 0; i < snapshot_rules(s); i++) {
		snapshot_rule(s, i, &r);
		for (size_t k = 0; k < r.message.n; k++)
			sum += (unsigned char)r.message.p[k];
	}
	sum += outlook(s);
	for (size_t i = 0; i < snapshot_services(s); i++)
		sum += snapshot_service(s, i).n + snapshot_service_title(s, i).n;
	if (sum == SIZE_MAX)
		abort();
}

/* Four bytes of place, one of length, the bytes. */
static void lay_over(char *block, size_t n, struct span data)
{
	while (data.n > 5) {
		uint32_t at;
		size_t len = (unsigned char)data.p[4] % 16 + 1u;

		memcpy(&at, data.p, 4);
		data = span_of(data.p + 5, data.n - 5);
		if (len > data.n)
			len = data.n;
		at %= (uint32_t)n;
		if (len > n - at)
			len = n - at;
		memcpy(block + at, data.p, len);
		data = span_of(data.p + len, data.n - len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	bool over = n > 0 && data[0] % 2;
	struct err e;

	if (!good.p)
		make_good();
	if (n == 0)
		return 0;
	size_t size = over ? good.n : n - 1;
	char *block = malloc(size ? size : 1);
	if (!block)
		return 0;
	memcpy(block, over ? good.p : (const char *)data + 1, size);
	if (over)
		lay_over(block, size, span_of(data + 1, n - 1));
	const struct snapshot *s = snapshot_open(block, size, &e);
	if (s)
		look(s);
	free(block);
	return 0;
}
