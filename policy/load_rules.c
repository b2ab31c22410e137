/*
 * Rules. Whatever a rule names must be there: a rule that names a role, service or category that
 * nobody defined would silently never hold.
 */
#include "domain.h"
#include "model.h"

#include <stdlib.h>

static const char *const actions[] = {
	[RULE_ALLOW] = "allow", [RULE_DENY] = "deny", [RULE_COACH] = "coach", NULL};
static const char *const records[] = {
	[RECORD_SERVICE] = "service", [RECORD_HOST] = "host", [RECORD_NONE] = "none", NULL};
static const char *const modes[] = {"enforce", "observe", NULL};

/* --- what `to` and `except` take --- */

/* A list while its keys are gathered; they are sorted before they go into the model. */
struct gather {
	const struct load *l;
	const struct conf_node *at; /* the element being read */
	struct buf keys;	    /* uint32_t */
};

static void add_key(struct gather *g, enum item_kind kind, int32_t id)
{
	uint32_t key = item_key(kind, (uint32_t)id);

	buf_add(&g->keys, &key, sizeof key);
}

static bool add_named(
	struct gather *g, enum section s, enum item_kind kind, const char *what, struct span name)
{
	int32_t id = model_find(g->l->m, s, name);

	if (id < 0)
		return load_unknown(g->l, g->at, s, what, name);
	add_key(g, kind, id);
	return true;
}

/* The id of a name that rules mention, the same for all rules. */
static int32_t target_id(const struct load *l, struct span name, enum scope scope)
{
	int32_t id = names_find(l->m, name, TAG_TARGET, scope);

	if (id >= 0)
		return id;
	id = (int32_t)model_count(l->m, SECTION_TARGET);
	struct name_tag tag = {.id = (uint32_t)id, .kind = TAG_TARGET, .scope = (uint8_t)scope};
	if (!names_add(l->m, name, tag))
		return -1;
	struct snap_target target = {.name = model_text(l->m, name), .scope = scope};
	model_push(l->m, SECTION_TARGET, &target);
	return id;
}

static bool add_host(struct gather *g, struct span written, enum scope scope)
{
	char name[HOST_MAX + 1];

	if (!domain_to_ascii(written, name))
		return conf_error(g->l->c, g->at, g->l->p,
			"\"%.64s\" is no host name; expected letters, digits and hyphens between "
			"dots",
			conf_string_value(g->at));
	int32_t id = target_id(g->l, span_str(name), scope);
	if (id < 0)
		return conf_error(g->l->c, g->at, g->l->p, "more than %u host names", NAMES_MAX);
	add_key(g, ITEM_TARGET, id);
	return true;
}

static bool all_of(struct span s, const char *set)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr(set, s.p[i]))
			return false;
	return true;
}

/* Digits and dots, or anything with a slash or a colon, can only be meant as an address. */
static bool looks_like_range(struct span s)
{
	return memchr(s.p, '/', s.n) || memchr(s.p, ':', s.n) ||
	       (memchr(s.p, '.', s.n) && all_of(s, "0123456789."));
}

static bool add_range(struct gather *g, struct span s)
{
	struct prefix range;

	if (memchr(s.p, ':', s.n) &&
		all_of(s, "0123456789abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:") &&
		memchr(s.p, ':', s.n) == memrchr(s.p, ':', s.n))
		return conf_error(g->l->c, g->at, g->l->p,
			"\"%.64s\" has a port; expected the host alone, the rule's `ports` names "
			"ports",
			s.p);
	if (memmem(s.p, s.n, "://", 3))
		return conf_error(g->l->c, g->at, g->l->p,
			"\"%.64s\" is an address of a page; expected the host alone", s.p);
	if (!load_prefix(g->l, g->at, s, &range))
		return false;
	model_push(g->l->m, SECTION_PREFIX, &range);
	return true;
}

static struct span behind(struct span s, size_t n)
{
	return span_of(s.p + n, s.n - n);
}

static bool add_item(struct gather *g, struct span s)
{
	if (s.n == 0)
		return conf_error(g->l->c, g->at, g->l->p,
			"\"\" names nothing; expected a service, #category, host, .suffix or "
			"range");
	if (s.p[0] == '#')
		return add_named(g, SECTION_CATEGORY, ITEM_CATEGORY, "category", behind(s, 1));
	if (s.p[0] == '.')
		return add_host(g, behind(s, 1), SCOPE_SUFFIX);
	if (span_starts(s, SPAN("host:")))
		return add_host(g, behind(s, 5), SCOPE_SELF);
	if (s.p[0] == '*')
		return conf_error(g->l->c, g->at, g->l->p,
			"\"%.64s\" has a star; expected \".domain.example\" for a domain and all "
			"below it",
			s.p);
	if (looks_like_range(s))
		return add_range(g, s);
	if (memchr(s.p, '.', s.n))
		return add_host(g, s, SCOPE_SELF);
	return add_named(g, SECTION_SERVICE, ITEM_SERVICE, "service", s);
}

static int by_key(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void keep_keys(struct gather *g, struct snap_list *out)
{
	struct model *m = g->l->m;
	size_t n = g->keys.n / sizeof(uint32_t), first = model_count(m, SECTION_ITEM);
	uint32_t *v = (uint32_t *)(void *)g->keys.p;

	if (n)
		qsort(v, n, sizeof *v, by_key);
	for (size_t i = 0; i < n; i++) {
		if (i && v[i] == v[i - 1])
			continue;
		model_push(m, SECTION_ITEM, &v[i]);
		out->bits |= item_bit(v[i]);
	}
	out->items = model_run_from(m, SECTION_ITEM, first);
}

static bool load_list_of(
	const struct load *l, const struct conf_node *rule, const char *name, struct snap_list *out)
{
	struct gather g = {.l = l};
	size_t first = model_count(l->m, SECTION_PREFIX);
	const struct conf_node *v;
	bool ok = true;

	if (!conf_strings(l->c, rule, name, &v, l->p))
		return false;
	if (!v)
		return true;
	if (conf_len(v) == 0)
		return conf_error(l->c, v, l->p,
			"`%s` is empty; leave it away, or name a service, #category, host, .suffix "
			"or "
			"range",
			name);
	for (size_t i = 0; i < conf_len(v); i++) {
		g.at = conf_at(v, i);
		ok = add_item(&g, span_str(conf_string_value(g.at))) && ok;
	}
	if (g.keys.failed)
		ok = conf_error(l->c, v, l->p, "out of memory");
	else
		keep_keys(&g, out);
	out->ranges = model_run_from(l->m, SECTION_PREFIX, first);
	buf_free(&g.keys);
	return ok;
}

/* --- roles, schedule, countries --- */

static bool load_rule_roles(const struct load *l, const struct conf_node *rule, uint64_t *out)
{
	const struct conf_node *v;
	bool ok = true;

	if (!conf_strings(l->c, rule, "roles", &v, l->p))
		return false;
	if (v && conf_len(v) == 0)
		return conf_error(l->c, v, l->p, "`roles` is empty; leave it away for anybody");
	for (size_t i = 0; v && i < conf_len(v); i++) {
		struct span name = span_str(conf_string_at(v, i));
		int32_t id = model_find(l->m, SECTION_ROLE, name);

		if (id < 0)
			ok = load_unknown(l, conf_at(v, i), SECTION_ROLE, "role", name);
		else
			*out |= UINT64_C(1) << id;
	}
	return ok;
}

static bool load_rule_schedule(const struct load *l, const struct conf_node *rule, uint32_t *out)
{
	const char *name = NULL;

	if (!conf_string(l->c, rule, "schedule", &name, l->p))
		return false;
	if (!name)
		return true;
	int32_t id = model_find(l->m, SECTION_SCHEDULE, span_str(name));
	if (id < 0)
		return load_unknown(l, conf_get(rule, "schedule"), SECTION_SCHEDULE, "schedule",
			span_str(name));
	*out = (uint32_t)id;
	return true;
}

static bool is_country(const char *code)
{
	static const char *const known[] = {
#define COUNTRY(code) #code,
#include "countries.def"
#undef COUNTRY
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i], code) == 0)
			return true;
	return false;
}

static bool load_countries(const struct load *l, const struct conf_node *rule, struct run *out)
{
	size_t first = model_count(l->m, SECTION_COUNTRY);
	const struct conf_node *v;
	bool ok = true;

	if (!conf_strings(l->c, rule, "countries", &v, l->p))
		return false;
	if (!v)
		return true;
	if (conf_len(v) == 0)
		return conf_error(l->c, v, l->p, "`countries` is empty; leave it away for all");
	if (!l->m->geo)
		return conf_error(l->c, v, l->p,
			"countries need a database; expected geo = \"country.mmdb\" in the policy");
	for (size_t i = 0; i < conf_len(v); i++) {
		const char *code = conf_string_at(v, i);
		struct country c;

		if (!is_country(code)) {
			ok = conf_error(l->c, conf_at(v, i), l->p,
				"\"%.64s\" is no country; expected two capital letters of ISO "
				"3166%s",
				code, strcmp(code, "UK") == 0 ? ", here \"GB\"" : ", as in \"FR\"");
			continue;
		}
		memcpy(c.code, code, sizeof c.code);
		model_push(l->m, SECTION_COUNTRY, &c);
	}
	*out = model_run_from(l->m, SECTION_COUNTRY, first);
	return ok;
}

/* --- the day of review --- */

static bool is_day(struct span s)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t y, m, d;

	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' || !span_u64(span_of(s.p, 4), 2060, &y) ||
		!span_u64(span_of(s.p + 5, 2), 12, &m) || !span_u64(span_of(s.p + 8, 2), 31, &d))
		return false;
	if (y < 2000 || m == 0 || d == 0 || d > days[m - 1])
		return false;
	return m != 2 || d != 29 || (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

static bool load_review(const struct load *l, const struct conf_node *rule, struct text *out)
{
	if (!load_text(l, rule, "review", out))
		return false;
	if (!conf_get(rule, "review") || is_day(model_span(l->m, *out)))
		return true;
	return conf_error(l->c, conf_get(rule, "review"), l->p,
		"review = \"%.*s\" is no day; expected \"YYYY-MM-DD\" from 2000 to 2060",
		SPAN_ARG(model_span(l->m, *out)));
}

/* --- one rule --- */

static bool load_rule_name(const struct load *l, const struct conf_node *g, struct text *out)
{
	const char *name = NULL;

	if (!conf_string(l->c, g, "name", &name, l->p))
		return false;
	if (!name)
		return conf_error(l->c, g, l->p, "the rule has no name; expected name = \"…\"");
	if (!load_name(l, conf_get(g, "name"), span_str(name), "a rule"))
		return false;
	int32_t other = model_find(l->m, SECTION_RULE, span_str(name));
	if (other >= 0) {
		const struct snap_rule *r = model_at(l->m, SECTION_RULE, (size_t)other);

		return conf_error(l->c, conf_get(g, "name"), l->p,
			"two rules are named \"%s\"; the first is at line %u", name,
			r->source.line);
	}
	*out = model_text(l->m, span_str(name));
	return true;
}

static bool load_action(const struct load *l, const struct conf_node *g, uint8_t *out)
{
	int action = -1;

	if (!load_word(l, g, "action", actions, &action))
		return false;
	if (action < 0)
		return conf_error(l->c, g, l->p,
			"the rule has no action; expected action = \"allow\", \"deny\" or "
			"\"coach\"");
	*out = (uint8_t)action;
	if (action == RULE_COACH)
		l->m->flags |= SNAPSHOT_WANTS_IDENTITY;
	return true;
}

static bool load_flag(const struct load *l, const struct conf_node *g, const char *name,
	uint32_t bit, uint32_t *flags)
{
	bool set = false;

	if (!conf_bool(l->c, g, name, &set, l->p))
		return false;
	*flags |= set ? bit : 0;
	return true;
}

static bool load_words(const struct load *l, const struct conf_node *g, struct snap_rule *r)
{
	int mode = 0, record = RECORD_SERVICE;
	bool ok = load_action(l, g, &r->action);

	ok = load_word(l, g, "mode", modes, &mode) && ok;
	ok = load_word(l, g, "record", records, &record) && ok;
	ok = load_flag(l, g, "embeds", RULE_EMBEDS, &r->flags) && ok;
	ok = load_flag(l, g, "opaque", RULE_OPAQUE, &r->flags) && ok;
	r->flags |= mode ? RULE_OBSERVE : 0;
	r->record = (uint8_t)record;
	return ok;
}

static bool load_conditions(const struct load *l, const struct conf_node *g, struct snap_rule *r)
{
	bool ok = load_rule_roles(l, g, &r->roles);

	ok = load_list_of(l, g, "to", &r->to) && ok;
	ok = load_list_of(l, g, "except", &r->except) && ok;
	ok = load_rule_schedule(l, g, &r->schedule) && ok;
	ok = load_ports(l, g, &r->ports) && ok;
	return load_countries(l, g, &r->countries) && ok;
}

static bool load_texts(const struct load *l, const struct conf_node *g, struct snap_rule *r)
{
	bool ok = load_text(l, g, "message", &r->message);

	ok = load_text(l, g, "purpose", &r->purpose) && ok;
	ok = load_text(l, g, "owner", &r->owner) && ok;
	ok = load_text(l, g, "benefit", &r->benefit) && ok;
	ok = load_text(l, g, "risk", &r->risk) && ok;
	ok = load_text(l, g, "risk_owner", &r->risk_owner) && ok;
	return load_review(l, g, &r->review) && ok;
}

static bool load_rule(const struct load *l, const struct conf_node *g)
{
	struct snap_rule r = {.schedule = SNAPSHOT_NONE};

	if (conf_kind(g) != CONF_GROUP)
		return conf_error(l->c, g, l->p,
			"a rule must be a group, as in { name = \"rest\"; action = \"allow\"; }");
	bool ok = load_only(l, g, KEY_RULE);
	r.source = load_source(l, g);
	ok = load_rule_name(l, g, &r.name) && ok;
	ok = load_words(l, g, &r) && ok;
	ok = load_conditions(l, g, &r) && ok;
	ok = load_limits(l, g, &r) && ok;
	ok = load_texts(l, g, &r) && ok;
	model_push(l->m, SECTION_RULE, &r);
	return ok;
}

/* A host can match only so many names of rules (struct target). All that it can match are suffixes
 * of the longest of them, so looking at each name's own suffixes finds every host that is too many.
 */
static bool targets_fit(const struct load *l, const struct conf_node *rules)
{
	for (size_t i = 0; i < model_count(l->m, SECTION_TARGET); i++) {
		const struct snap_target *t = model_at(l->m, SECTION_TARGET, i);
		struct span name = model_span(l->m, t->name), rest = name;
		size_t n = 0;

		for (; rest.n; span_cut(&rest, '.'))
			n += names_count(l->m, rest, TAG_TARGET);
		if (n > POLICY_TAGS_MAX)
			return conf_error(l->c, rules, l->p,
				"rules name \"%.*s\" and more than %d of the domains above it",
				SPAN_ARG(name), POLICY_TAGS_MAX - 1);
	}
	return true;
}

bool load_rules(const struct load *l, const struct conf_node *root)
{
	const struct conf_node *v;
	bool ok = true;

	if (!conf_list(l->c, root, "rules", &v, l->p))
		return false;
	if (!v)
		return conf_error(l->c, root, l->p,
			"there are no rules; expected rules = ( { name = \"…\"; action = \"…\"; } "
			")");
	if (conf_len(v) > POLICY_RULES_MAX)
		return conf_error(l->c, v, l->p, "%zu rules; expected %d at most", conf_len(v),
			POLICY_RULES_MAX);
	for (size_t i = 0; i < conf_len(v); i++)
		ok = load_rule(l, conf_at(v, i)) && ok;
	return targets_fit(l, v) && ok;
}
