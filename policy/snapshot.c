/*
 * Opening a snapshot: every offset, index, count and enum of the block is checked once, here, so
 * that all other code may follow them without a look. The checks go section by section in the order
 * of sections.def.
 */
#include "snapshot.h"

static bool texts_in(const struct snapshot *s, const struct text *t, size_t n)
{
	size_t end = s->section[SECTION_TEXT].n;

	for (size_t i = 0; i < n; i++)
		if (t[i].at > end || t[i].n > end - t[i].at)
			return false;
	return true;
}

static bool text_in(const struct snapshot *s, struct text t)
{
	return texts_in(s, &t, 1);
}

static bool run_in(const struct snapshot *s, struct run r, enum section in)
{
	size_t end = s->section[in].n;

	return r.first <= end && r.n <= end - r.first;
}

static bool source_in(const struct snapshot *s, const struct source *source)
{
	return text_in(s, source->file);
}

/* --- one function for each section that has something to check --- */

static bool zone_fits(const struct snapshot *s)
{
	size_t n;
	const struct zone_step *v = snapshot_at_ZONE(s, &n);

	for (size_t i = 0; i < n; i++)
		if ((i && v[i].from_s <= v[i - 1].from_s) || v[i].offset_s < -2 * 86400 ||
			v[i].offset_s > 2 * 86400)
			return false;
	return n > 0;
}

/* Bytes are looked at as bytes: a bool that holds 2 must not even be read. */
static bool prefixes_fit(const struct snapshot *s)
{
	size_t n;
	const struct prefix *v = snapshot_at_PREFIX(s, &n);

	for (size_t i = 0; i < n; i++) {
		uint8_t v4;

		memcpy(&v4, &v[i].addr.v4, 1);
		if (v4 > 1 || v[i].len > (v4 ? 32 : 128))
			return false;
	}
	return true;
}

static bool ports_fit(const struct snapshot *s)
{
	size_t n;
	const struct port_range *v = snapshot_at_PORT(s, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i].from > v[i].to)
			return false;
	return true;
}

static bool windows_fit(const struct snapshot *s)
{
	size_t n;
	const struct week_window *v = snapshot_at_WINDOW(s, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i].from >= v[i].to || v[i].to > WEEK_MINUTES)
			return false;
	return true;
}

static bool members_fit(const struct snapshot *s)
{
	size_t n;
	const struct text *v = snapshot_at_MEMBER(s, &n);

	return texts_in(s, v, n);
}

static bool roles_fit(const struct snapshot *s)
{
	size_t n;
	const struct snap_role *v = snapshot_at_ROLE(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!text_in(s, v[i].name) || !source_in(s, &v[i].source) ||
			!run_in(s, v[i].users, SECTION_MEMBER) ||
			!run_in(s, v[i].groups, SECTION_MEMBER) ||
			!run_in(s, v[i].networks, SECTION_PREFIX))
			return false;
	return n <= POLICY_ROLES_MAX;
}

static bool schedules_fit(const struct snapshot *s)
{
	size_t n;
	const struct snap_schedule *v = snapshot_at_SCHEDULE(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!text_in(s, v[i].name) || !text_in(s, v[i].written) ||
			!source_in(s, &v[i].source) || !run_in(s, v[i].windows, SECTION_WINDOW))
			return false;
	return true;
}

static bool categories_fit(const struct snapshot *s)
{
	size_t n;
	const struct snap_category *v = snapshot_at_CATEGORY(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!text_in(s, v[i].name))
			return false;
	return n <= UINT16_MAX;
}

static bool services_fit(const struct snapshot *s)
{
	size_t n;
	const struct snap_service *v = snapshot_at_SERVICE(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!text_in(s, v[i].name) || !text_in(s, v[i].title) || !text_in(s, v[i].zone) ||
			!text_in(s, v[i].origin) || !source_in(s, &v[i].source) ||
			!run_in(s, v[i].categories, SECTION_SERVICE_CATEGORY))
			return false;
	return n <= UINT16_MAX;
}

static bool service_categories_fit(const struct snapshot *s)
{
	size_t n, known = s->section[SECTION_CATEGORY].n;
	const uint16_t *v = snapshot_at_SERVICE_CATEGORY(s, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i] >= known)
			return false;
	return true;
}

static bool items_fit(const struct snapshot *s)
{
	static const enum section of[] = {[ITEM_SERVICE] = SECTION_SERVICE,
		[ITEM_CATEGORY] = SECTION_CATEGORY,
		[ITEM_TARGET] = SECTION_TARGET};
	size_t n;
	const uint32_t *v = snapshot_at_ITEM(s, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i] >> ITEM_KIND_SHIFT > ITEM_TARGET ||
			item_id(v[i]) >= s->section[of[item_kind(v[i])]].n)
			return false;
	return true;
}

static bool targets_fit(const struct snapshot *s)
{
	size_t n;
	const struct snap_target *v = snapshot_at_TARGET(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!text_in(s, v[i].name) || v[i].scope == 0 || v[i].scope > SCOPE_SUFFIX)
			return false;
	return true;
}

static bool list_fits(const struct snapshot *s, const struct snap_list *l)
{
	return run_in(s, l->items, SECTION_ITEM) && run_in(s, l->ranges, SECTION_PREFIX);
}

static bool role_mask_fits(const struct snapshot *s, uint64_t mask)
{
	size_t n = s->section[SECTION_ROLE].n;

	return n >= 64 || mask >> n == 0;
}

static bool rule_texts_fit(const struct snapshot *s, const struct snap_rule *r)
{
	return text_in(s, r->name) && text_in(s, r->message) && text_in(s, r->purpose) &&
	       text_in(s, r->owner) && text_in(s, r->benefit) && text_in(s, r->risk) &&
	       text_in(s, r->risk_owner) && text_in(s, r->review) && source_in(s, &r->source);
}

static bool limits_fit(const struct snap_limits *l)
{
	return l->warn <= 100 && l->when_spent <= WHEN_SPENT_NEXT &&
	       l->without_redis <= WITHOUT_REDIS_ALLOW;
}

static bool purposes_fit(const struct snapshot *s)
{
	size_t n;
	const struct text *v = snapshot_at_PURPOSE(s, &n);

	return texts_in(s, v, n);
}

static bool rules_fit(const struct snapshot *s)
{
	size_t n;
	const struct snap_rule *v = snapshot_at_RULE(s, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_rule *r = &v[i];

		if (!role_mask_fits(s, r->roles) || !list_fits(s, &r->to) ||
			!list_fits(s, &r->except) || !run_in(s, r->ports, SECTION_PORT) ||
			!run_in(s, r->countries, SECTION_COUNTRY) || !rule_texts_fit(s, r) ||
			!run_in(s, r->purposes, SECTION_PURPOSE) || !limits_fit(&r->limits) ||
			r->action > RULE_COACH || r->record > RECORD_NONE ||
			(r->schedule != SNAPSHOT_NONE &&
				r->schedule >= s->section[SECTION_SCHEDULE].n))
			return false;
	}
	return n <= POLICY_RULES_MAX;
}

/* A power of two with a free slot, or a look-up would not end. */
static bool slots_fit(const struct snapshot *s)
{
	size_t n, used = 0, names = s->section[SECTION_NAME].n;
	const struct name_slot *v = snapshot_at_SLOT(s, &n);

	if (n == 0 || (n & (n - 1)) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (v[i].entry > names)
			return false;
		used += v[i].entry != 0;
	}
	return used < n;
}

static bool names_fit(const struct snapshot *s)
{
	size_t n;
	const struct name_entry *v = snapshot_at_NAME(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!text_in(s, (struct text){v[i].text, v[i].len}) ||
			!run_in(s, (struct run){v[i].tags, v[i].tag_count}, SECTION_TAG))
			return false;
	return true;
}

static bool tags_fit(const struct snapshot *s)
{
	static const enum section of[] = {[TAG_SERVICE] = SECTION_SERVICE,
		[TAG_CATEGORY] = SECTION_CATEGORY,
		[TAG_TARGET] = SECTION_TARGET};
	size_t n;
	const struct name_tag *v = snapshot_at_TAG(s, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i].kind > TAG_TARGET || v[i].id >= s->section[of[v[i].kind]].n ||
			v[i].part >= PART_COUNT || v[i].scope == 0 || v[i].scope > SCOPE_SUFFIX)
			return false;
	return true;
}

/* "\0\0", or two capital letters: the code goes into records as it is. */
static bool code_fits(const char code[2])
{
	if (code[0] == 0 && code[1] == 0)
		return true;
	return code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z';
}

static bool countries_fit(const struct snapshot *s)
{
	size_t n;
	const struct country *v = snapshot_at_COUNTRY(s, &n);

	for (size_t i = 0; i < n; i++)
		if (!code_fits(v[i].code))
			return false;
	return true;
}

static bool geo_fits(const struct snapshot *s)
{
	size_t n4, n6;
	const struct geo4 *v4 = snapshot_at_GEO4(s, &n4);
	const struct geo6 *v6 = snapshot_at_GEO6(s, &n6);

	for (size_t i = 0; i < n4; i++)
		if (!code_fits(v4[i].code) || (i && v4[i].from <= v4[i - 1].from))
			return false;
	for (size_t i = 0; i < n6; i++)
		if (!code_fits(v6[i].code) || (i && v6[i].from <= v6[i - 1].from))
			return false;
	return true;
}

static bool header_fits(const struct snapshot *s)
{
	return text_in(s, s->zone) && text_in(s, s->catalogue) && text_in(s, s->conduct) &&
	       run_in(s, s->inside, SECTION_PREFIX) && run_in(s, s->ports, SECTION_PORT) &&
	       role_mask_fits(s, s->everyone | s->by_person | s->by_network);
}

static const struct check {
	const char *what;
	bool (*fits)(const struct snapshot *s);
} checks[] = {{"zone", zone_fits}, {"prefixes", prefixes_fit}, {"ports", ports_fit},
	{"schedule windows", windows_fit}, {"role members", members_fit}, {"roles", roles_fit},
	{"schedules", schedules_fit}, {"categories", categories_fit}, {"services", services_fit},
	{"categories of services", service_categories_fit}, {"countries", countries_fit},
	{"items", items_fit}, {"targets", targets_fit}, {"purposes", purposes_fit},
	{"rules", rules_fit}, {"name slots", slots_fit}, {"names", names_fit}, {"tags", tags_fit},
	{"geo", geo_fits}, {"header", header_fits}};

/* Every section lies inside the block, aligned. */
static bool sections_fit(const struct snapshot *s, size_t n)
{
	static const size_t record[SECTION_COUNT] = {
#define SECTION(name, type, text) [SECTION_##name] = sizeof(type),
#include "sections.def"
#undef SECTION
	};

	for (size_t i = 0; i < SECTION_COUNT; i++) {
		size_t at = s->section[i].at;

		if (at % 8 || at < sizeof *s || at > n || s->section[i].n > (n - at) / record[i])
			return false;
	}
	return true;
}

const struct snapshot *snapshot_open(const void *bytes, size_t n, struct err *e)
{
	const struct snapshot *s = bytes;

	if ((uintptr_t)bytes % 8) {
		err_set(e, "snapshot: not aligned");
		return NULL;
	}
	if (n < sizeof *s || s->magic != SNAPSHOT_MAGIC) {
		err_set(e, "snapshot: these bytes are none");
		return NULL;
	}
	if (s->version != SNAPSHOT_VERSION) {
		err_set(e, "snapshot: format %u, expected %u", s->version, SNAPSHOT_VERSION);
		return NULL;
	}
	if (s->size != n || !sections_fit(s, n)) {
		err_set(e, "snapshot: cut short or damaged");
		return NULL;
	}
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		if (!checks[i].fits(s)) {
			err_set(e, "snapshot: damaged %s", checks[i].what);
			return NULL;
		}
	}
	return s;
}

/* --- views --- */

size_t snapshot_rules(const struct snapshot *s)
{
	return s->section[SECTION_RULE].n;
}

static struct limits_view limits_of(const struct snap_limits *l)
{
	return (struct limits_view){.minutes = l->minutes,
		.bytes = l->bytes,
		.requests = {.interval_us = l->requests.interval_us,
			.burst = l->requests.burst,
			.count = l->requests.count,
			.period_s = l->requests.period_s},
		.tunnels = l->tunnels,
		.bandwidth = l->bandwidth,
		.warn = l->warn,
		.when_spent = (enum when_spent)l->when_spent,
		.grace_s = l->grace_s,
		.without_redis = (enum without_redis)l->without_redis};
}

void snapshot_rule(const struct snapshot *s, size_t i, struct rule_view *out)
{
	assert(i < snapshot_rules(s));
	const struct snap_rule *r = &snapshot_at_RULE(s, NULL)[i];

	*out = (struct rule_view){.name = snapshot_span(s, r->name),
		.message = snapshot_span(s, r->message),
		.purpose = snapshot_span(s, r->purpose),
		.owner = snapshot_span(s, r->owner),
		.benefit = snapshot_span(s, r->benefit),
		.risk = snapshot_span(s, r->risk),
		.risk_owner = snapshot_span(s, r->risk_owner),
		.review = snapshot_span(s, r->review),
		.action = (enum rule_action)r->action,
		.record = (enum rule_record)r->record,
		.observe = r->flags & RULE_OBSERVE,
		.opaque = r->flags & RULE_OPAQUE,
		.limits = limits_of(&r->limits),
		.remember_s = r->remember_s,
		.line = r->source.line};
}

size_t snapshot_rule_purposes(const struct snapshot *s, size_t i, struct span *out, size_t cap)
{
	assert(i < snapshot_rules(s));
	const struct snap_rule *r = &snapshot_at_RULE(s, NULL)[i];
	const struct text *v = snapshot_at_PURPOSE(s, NULL) + r->purposes.first;
	size_t n = r->purposes.n;

	if (n == 0) {
		v = &r->purpose;
		n = r->purpose.n > 0;
	}
	if (n > cap)
		n = cap;
	for (size_t k = 0; k < n; k++)
		out[k] = snapshot_span(s, v[k]);
	return n;
}

struct span snapshot_conduct(const struct snapshot *s)
{
	return snapshot_span(s, s->conduct);
}

size_t snapshot_roles(const struct snapshot *s)
{
	return s->section[SECTION_ROLE].n;
}

struct span snapshot_role(const struct snapshot *s, size_t i)
{
	assert(i < snapshot_roles(s));
	return snapshot_span(s, snapshot_at_ROLE(s, NULL)[i].name);
}

size_t snapshot_services(const struct snapshot *s)
{
	return s->section[SECTION_SERVICE].n;
}

static const struct snap_service *service(const struct snapshot *s, size_t i)
{
	assert(i < snapshot_services(s));
	return &snapshot_at_SERVICE(s, NULL)[i];
}

struct span snapshot_service(const struct snapshot *s, size_t i)
{
	return snapshot_span(s, service(s, i)->name);
}

struct span snapshot_service_title(const struct snapshot *s, size_t i)
{
	return snapshot_span(s, service(s, i)->title);
}

struct span snapshot_service_zone(const struct snapshot *s, size_t i)
{
	return snapshot_span(s, service(s, i)->zone);
}

struct span snapshot_category(const struct snapshot *s, size_t i)
{
	assert(i < s->section[SECTION_CATEGORY].n);
	return snapshot_span(s, snapshot_at_CATEGORY(s, NULL)[i].name);
}

struct span snapshot_zone_name(const struct snapshot *s)
{
	return snapshot_span(s, s->zone);
}

struct span snapshot_catalogue_version(const struct snapshot *s)
{
	return snapshot_span(s, s->catalogue);
}

bool snapshot_tls_only(const struct snapshot *s)
{
	return s->flags & SNAPSHOT_TLS_ONLY;
}

bool snapshot_sni_match(const struct snapshot *s)
{
	return s->flags & SNAPSHOT_SNI_MATCH;
}

bool snapshot_wants_identity(const struct snapshot *s)
{
	return s->flags & SNAPSHOT_WANTS_IDENTITY;
}

const struct zone_step *snapshot_zone_steps(const struct snapshot *s, size_t *n)
{
	return snapshot_at_ZONE(s, n);
}
