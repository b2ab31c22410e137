/*
 * How much a rule gives and what it asks for in return: its limits, and the acknowledgement that a
 * coaching rule or a spent limit waits for. What could never matter is an error, so that nobody
 * relies on it.
 */
#include "model.h"
#include "rate.h"
#include "units.h"

#define REMEMBER_MIN_MS 60000
#define REMEMBER_MAX_MS INT64_C(604800000)
#define REMEMBER_MS	INT64_C(28800000)
#define GRACE_MAX_MS	3600000
#define BYTES_MAX	(UINT64_C(1) << 50)
#define BANDWIDTH_MIN	1000
#define BANDWIDTH_MAX	UINT64_C(1000000000000)
#define TUNNELS_MAX	10000
#define WARN_PERCENT	80

/* --- a reader for each kind ---------------------------------------------------------------------
 */

typedef bool reader(const struct load *l, const struct conf_node *limits, struct snap_limits *out);

static bool read_whole(const struct load *l, const struct conf_node *g, const char *name,
	int64_t max, uint32_t *out)
{
	int64_t v = 0;

	if (!conf_int(l->c, g, name, 1, max, &v, l->p))
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool read_minutes(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	return read_whole(l, g, "minutes", 1440, &out->minutes);
}

static bool read_tunnels(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	return read_whole(l, g, "tunnels", TUNNELS_MAX, &out->tunnels);
}

static bool read_bytes(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	return conf_size(l->c, g, "bytes", 1, BYTES_MAX, &out->bytes, l->p);
}

static bool read_requests(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	struct rate_limit rate;
	const char *text = NULL;
	struct err e;

	if (!conf_string(l->c, g, "requests", &text, l->p))
		return false;
	if (!rate_parse(span_str(text), &rate, &e))
		return conf_error(l->c, conf_get(g, "requests"), l->p, "requests: %s", e.text);
	out->requests = (struct snap_rate){.interval_us = rate.interval_us,
		.burst = rate.burst,
		.count = rate.count,
		.period_s = rate.period_s};
	return true;
}

static bool read_bandwidth(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	const char *text = NULL;

	if (!conf_string(l->c, g, "bandwidth", &text, l->p))
		return false;
	if (units_speed(span_str(text), &out->bandwidth) && out->bandwidth >= BANDWIDTH_MIN &&
		out->bandwidth <= BANDWIDTH_MAX)
		return true;
	return conf_error(l->c, conf_get(g, "bandwidth"), l->p,
		"bandwidth = \"%.40s\"; expected a size a second from 1 kB/s to 1 TB/s, as in "
		"\"4 MB/s\"",
		text);
}

static reader *const readers[LIMIT_COUNT] = {[LIMIT_MINUTES] = read_minutes,
	[LIMIT_BYTES] = read_bytes,
	[LIMIT_TUNNELS] = read_tunnels,
	[LIMIT_REQUESTS] = read_requests,
	[LIMIT_BANDWIDTH] = read_bandwidth};

/* --- the group ----------------------------------------------------------------------------------
 */

static bool is_setting(const char *name)
{
	static const char *const settings[] = {
#define KEY(group, key, text) KEY_OF_##group(key)
#define KEY_OF_TOP(key)
#define KEY_OF_CATALOGUE(key)
#define KEY_OF_ROLE(key)
#define KEY_OF_SERVICE(key)
#define KEY_OF_LIST(key)
#define KEY_OF_RULE(key)
#define KEY_OF_LIMITS(key) #key,
#include "policy_keys.def"
#undef KEY
	};

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (strcmp(name, settings[i]) == 0)
			return true;
	return false;
}

static bool known_limit(const struct load *l, const struct conf_node *n)
{
	char known[200];
	struct buf b;

	for (int i = 0; i < LIMIT_COUNT; i++)
		if (strcmp(conf_name(n), limit_word((enum limit_kind)i)) == 0)
			return true;
	if (is_setting(conf_name(n)))
		return true;
	buf_init_fixed(&b, known, sizeof known);
	for (int i = 0; i < LIMIT_COUNT; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", limit_word((enum limit_kind)i));
	return conf_error(l->c, n, l->p,
		"limit \"%.64s\" is not known; known limits: %s (and the settings warn, "
		"when_spent, grace, without_redis)",
		conf_name(n), known);
}

static bool read_kinds(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	bool ok = true, any = false;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (!conf_get(g, limit_word((enum limit_kind)i)))
			continue;
		any = true;
		ok = readers[i](l, g, out) && ok;
	}
	return any ? ok
		   : conf_error(l->c, g, l->p,
			     "`limits` limits nothing; expected minutes = 60, requests = "
			     "\"60/min\" "
			     "or the like");
}

/* A setting about minutes and bytes where neither is limited. */
static bool pointless(const struct load *l, const struct conf_node *g, const char *name)
{
	if (!conf_get(g, name))
		return false;
	conf_error(l->c, conf_get(g, name), l->p,
		"`%s` is about minutes and bytes, and neither is limited", name);
	return true;
}

static bool read_settings(const struct load *l, const struct conf_node *g, struct snap_limits *out)
{
	bool daily = conf_get(g, "minutes") || conf_get(g, "bytes"), ok;
	int64_t warn = WARN_PERCENT, grace_ms = 0;
	int spent = WHEN_SPENT_DENY, away = WITHOUT_REDIS_LOCAL;
	static const char *const of_days[] = {"warn", "grace", "without_redis"};
	bool idle = false;

	for (size_t i = 0; !daily && i < sizeof of_days / sizeof *of_days; i++) /* each is told */
		idle |= pointless(l, g, of_days[i]);
	if (idle)
		return false;
	ok = conf_int(l->c, g, "warn", 1, 100, &warn, l->p);
	ok = conf_duration(l->c, g, "grace", 0, GRACE_MAX_MS, &grace_ms, l->p) && ok;
	ok = load_word(l, g, "when_spent", when_spent_words, &spent) && ok;
	ok = load_word(l, g, "without_redis", without_redis_words, &away) && ok;
	if (ok && conf_get(g, "when_spent") && conf_len(g) == 2 && conf_get(g, "bandwidth"))
		ok = conf_error(l->c, conf_get(g, "when_spent"), l->p,
			"bandwidth slows and is never spent; leave `when_spent` away");
	out->warn = (uint8_t)warn;
	out->grace_s = (uint32_t)(grace_ms / 1000);
	out->when_spent = (uint8_t)spent;
	out->without_redis = (uint8_t)away;
	return ok;
}

static bool read_group(const struct load *l, const struct conf_node *rule, struct snap_rule *r)
{
	const struct conf_node *g;
	bool ok = true;

	if (!conf_group(l->c, rule, "limits", &g, l->p))
		return false;
	if (!g)
		return true;
	for (size_t i = 0; i < conf_len(g); i++)
		ok = known_limit(l, conf_at(g, i)) && ok;
	if (!ok)
		return false;
	if (r->action == RULE_DENY)
		return conf_error(l->c, g, l->p,
			"`limits` on a rule that denies; expected them on one with action = "
			"\"allow\" or \"coach\"");
	ok = read_kinds(l, g, &r->limits);
	return read_settings(l, g, &r->limits) && ok;
}

/* --- acknowledgements ---------------------------------------------------------------------------
 */

static bool read_purposes(const struct load *l, const struct conf_node *rule, struct run *out)
{
	size_t first = model_count(l->m, SECTION_PURPOSE);
	const struct conf_node *v;
	bool ok = true;

	if (!conf_strings(l->c, rule, "purposes", &v, l->p))
		return false;
	if (!v)
		return true;
	if (conf_len(v) == 0 || conf_len(v) > POLICY_PURPOSES_MAX)
		return conf_error(l->c, v, l->p, "%zu purposes; expected 1 to %d", conf_len(v),
			POLICY_PURPOSES_MAX);
	for (size_t i = 0; i < conf_len(v); i++) {
		struct text t = {0};

		ok = load_line(l, conf_at(v, i), "a purpose", &t) && ok;
		model_push(l->m, SECTION_PURPOSE, &t);
	}
	*out = model_run_from(l->m, SECTION_PURPOSE, first);
	return ok;
}

bool load_limits(const struct load *l, const struct conf_node *rule, struct snap_rule *r)
{
	int64_t remember_ms = REMEMBER_MS;
	bool ok = read_group(l, rule, r), asks;

	asks = r->action == RULE_COACH || r->limits.when_spent == WHEN_SPENT_COACH;
	for (size_t i = 0; ok && !asks && i < 2; i++) {
		static const char *const names[] = {"remember", "purposes"};

		if (conf_get(rule, names[i]))
			ok = conf_error(l->c, conf_get(rule, names[i]), l->p,
				"`%s` is about acknowledgements, and the rule asks for none; "
				"expected "
				"action = \"coach\" or when_spent = \"coach\"",
				names[i]);
	}
	if (!ok || !asks)
		return ok;
	l->m->flags |= SNAPSHOT_WANTS_IDENTITY;
	ok = conf_duration(
		l->c, rule, "remember", REMEMBER_MIN_MS, REMEMBER_MAX_MS, &remember_ms, l->p);
	r->remember_s = (uint32_t)(remember_ms / 1000);
	return read_purposes(l, rule, &r->purposes) && ok;
}
