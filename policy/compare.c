/*
 * People, sites and moments are gathered first, each once. What holds at a moment hangs on the
 * schedules alone, so moments at which the same ones hold are asked about once; the windows of a
 * change are then those of all its moments.
 */
#include "compare.h"

#include "explain.h"
#include "snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT 443

struct moment {
	int minute; /* of the new policy's week */
	int64_t at_s;
	size_t state; /* index of the first moment at which the same schedules hold */
};

/* A site under both policies. */
struct place {
	struct host host;
	struct target target[2];
};

struct compare {
	const struct snapshot *s[2];
	struct buf people;  /* struct compare_who */
	struct buf clients; /* struct addr, one a person */
	struct buf sites;   /* struct compare_site */
	struct buf moments; /* struct moment, ascending */
	struct buf states;  /* a byte for each moment and schedule */
	void (*found)(void *arg, const struct compare_change *c);
	void *arg;
};

#define AT(c, member, type)    ((struct type *)(void *)(c)->member.p)
#define COUNT(c, member, type) ((c)->member.n / sizeof(struct type))

/* --- people ------------------------------------------------------------------------------------
 */

static bool logged_in(enum who_kind k)
{
	return k != WHO_NOBODY && k != WHO_NETWORK;
}

static bool known(const struct compare *c, const struct compare_who *who)
{
	const struct compare_who *v = AT(c, people, compare_who);

	for (size_t i = 0; i < COUNT(c, people, compare_who); i++)
		if (logged_in(v[i].kind) == logged_in(who->kind) &&
			v[i].roles[0] == who->roles[0] && v[i].roles[1] == who->roles[1])
			return true;
	return false;
}

static void add_person(
	struct compare *c, enum who_kind kind, struct span name, const struct addr *client)
{
	struct compare_who who = {.kind = kind};
	bool user = kind == WHO_USER, group = kind == WHO_GROUP;

	snprintf(who.name, sizeof who.name, "%.*s", SPAN_ARG(name));
	for (size_t i = 0; i < 2; i++) {
		struct facts f = {.client = *client};

		f.identity = logged_in(kind) ? IDENTITY_KNOWN : IDENTITY_NOBODY;
		f.roles = policy_roles(c->s[i], user ? name : SPAN(""), &name, group);
		who.roles[i] = facts_roles(c->s[i], &f);
	}
	if (known(c, &who))
		return;
	buf_add(&c->people, &who, sizeof who);
	buf_add(&c->clients, client, sizeof *client);
}

static void add_members(
	struct compare *c, const struct snapshot *s, enum who_kind kind, struct run members)
{
	const struct text *v = snapshot_at_MEMBER(s, NULL) + members.first;
	const struct addr nowhere = {.b = {[10] = 0xff, [11] = 0xff}, .v4 = true};

	for (size_t i = 0; i < members.n; i++)
		add_person(c, kind, snapshot_span(s, v[i]), &nowhere);
}

static void gather_people(struct compare *c)
{
	const struct addr nowhere = {.b = {[10] = 0xff, [11] = 0xff}, .v4 = true};

	add_person(c, WHO_NOBODY, SPAN(""), &nowhere);
	add_person(c, WHO_ANYBODY, SPAN(""), &nowhere);
	for (int k = COMPARE_NEW; k >= COMPARE_OLD; k--) {
		size_t n;
		const struct snap_role *v = snapshot_at_ROLE(c->s[k], &n);

		for (size_t i = 0; i < n; i++) {
			const struct prefix *p = snapshot_at_PREFIX(c->s[k], NULL);

			add_members(c, c->s[k], WHO_GROUP, v[i].groups);
			add_members(c, c->s[k], WHO_USER, v[i].users);
			for (size_t m = 0; m < v[i].networks.n; m++) {
				char text[PREFIX_TEXT_MAX];

				prefix_format(&p[v[i].networks.first + m], text);
				add_person(c, WHO_NETWORK, span_str(text),
					&p[v[i].networks.first + m].addr);
			}
		}
	}
}

/* --- sites -------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 3, 4))) static void add_site(
	struct compare *c, struct span host, const char *fmt, ...)
{
	const struct compare_site *v = AT(c, sites, compare_site);
	struct compare_site site;
	va_list ap;

	if (!span_copy(host, site.host, sizeof site.host))
		return;
	for (size_t i = 0; i < COUNT(c, sites, compare_site); i++)
		if (strcmp(v[i].host, site.host) == 0)
			return;
	va_start(ap, fmt);
	vsnprintf(site.label, sizeof site.label, fmt, ap);
	va_end(ap);
	buf_add(&c->sites, &site, sizeof site);
}

/* The shortest name that carries such a tag, in order of the alphabet where there are several. */
static struct span shortest(const struct snapshot *s, enum tag_kind kind, uint32_t id)
{
	size_t n;
	const struct name_entry *v = snapshot_at_NAME(s, &n);
	struct span best = SPAN("");

	for (size_t i = 0; i < n; i++) {
		const struct name_tag *tags = snapshot_at_TAG(s, NULL) + v[i].tags;
		struct span name = snapshot_span(s, (struct text){v[i].text, v[i].len});

		if (best.n && (name.n > best.n ||
				      (name.n == best.n && memcmp(name.p, best.p, name.n) > 0)))
			continue;
		for (size_t k = 0; k < v[i].tag_count; k++)
			if (tags[k].kind == kind && tags[k].id == id &&
				(kind != TAG_SERVICE || tags[k].part == PART_CORE))
				best = name;
	}
	return best;
}

static void add_services(struct compare *c, const struct snapshot *s)
{
	for (uint32_t i = 0; i < snapshot_services(s); i++) {
		struct span host = shortest(s, TAG_SERVICE, i);

		if (host.n)
			add_site(c, host, "%.*s", SPAN_ARG(snapshot_service(s, i)));
	}
}

static void add_lists(struct compare *c, const struct snapshot *s)
{
	size_t n;
	const struct snap_category *v = snapshot_at_CATEGORY(s, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct span host = v[i].listed ? shortest(s, TAG_CATEGORY, i) : SPAN("");

		if (host.n)
			add_site(c, host, "#%.*s", SPAN_ARG(snapshot_category(s, i)));
	}
}

static void add_targets(struct compare *c, const struct snapshot *s)
{
	size_t n;
	const struct snap_target *v = snapshot_at_TARGET(s, &n);

	for (size_t i = 0; i < n; i++) {
		struct span name = snapshot_span(s, v[i].name);
		char below[HOST_MAX + 1];

		if (v[i].scope & SCOPE_SELF)
			add_site(c, name, "%.*s", SPAN_ARG(name));
		if ((v[i].scope & SCOPE_BELOW) && name.n + 4 < sizeof below) {
			snprintf(below, sizeof below, "any.%.*s", SPAN_ARG(name));
			add_site(c, span_str(below), ".%.*s", SPAN_ARG(name));
		}
	}
}

static void add_ranges(struct compare *c, const struct snapshot *s, struct run ranges)
{
	const struct prefix *v = snapshot_at_PREFIX(s, NULL) + ranges.first;
	char address[ADDR_TEXT_MAX], range[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < ranges.n; i++) {
		addr_format(&v[i].addr, address);
		prefix_format(&v[i], range);
		add_site(c, span_str(address), "%s", range);
	}
}

static void gather_sites(struct compare *c)
{
	for (int k = COMPARE_NEW; k >= COMPARE_OLD; k--)
		add_services(c, c->s[k]);
	for (int k = COMPARE_NEW; k >= COMPARE_OLD; k--) {
		size_t n;
		const struct snap_rule *v = snapshot_at_RULE(c->s[k], &n);

		add_lists(c, c->s[k]);
		add_targets(c, c->s[k]);
		for (size_t i = 0; i < n; i++) {
			add_ranges(c, c->s[k], v[i].to.ranges);
			add_ranges(c, c->s[k], v[i].except.ranges);
		}
	}
	add_site(c, SPAN("stile-knows-no.invalid"), "everything else");
}

/* --- moments -----------------------------------------------------------------------------------
 */

/* Monday 2026-01-05 begins a week in which no zone of today moves its clocks. */
static bool monday(const struct snapshot *s, int64_t *out)
{
	return snapshot_parse_time(s, SPAN("2026-01-05"), out);
}

static int by_minute(const void *a, const void *b)
{
	return ((const struct moment *)a)->minute - ((const struct moment *)b)->minute;
}

static void add_moment(struct compare *c, int minute, int64_t start)
{
	struct moment m = {.minute = (minute % WEEK_MINUTES + WEEK_MINUTES) % WEEK_MINUTES};

	m.at_s = start + m.minute * INT64_C(60);
	buf_add(&c->moments, &m, sizeof m);
}

static void note_state(struct compare *c, int64_t at_s)
{
	for (int k = 0; k < 2; k++) {
		size_t n;
		const struct snap_schedule *v = snapshot_at_SCHEDULE(c->s[k], &n);
		struct local_time t;

		snapshot_local(c->s[k], at_s, &t);
		for (size_t i = 0; i < n; i++)
			buf_addc(&c->states,
				schedule_has(snapshot_at_WINDOW(c->s[k], NULL) + v[i].windows.first,
					v[i].windows.n, t.weekday * 1440 + t.minute));
	}
}

static void find_states(struct compare *c)
{
	struct moment *v = AT(c, moments, moment);
	size_t n = COUNT(c, moments, moment);

	for (size_t i = 0; i < n; i++)
		note_state(c, v[i].at_s);
	if (c->states.failed)
		return;
	size_t width = n ? c->states.n / n : 0;
	for (size_t i = 0; i < n; i++)
		for (v[i].state = 0; v[i].state < i; v[i].state++)
			if (width == 0 || memcmp(c->states.p + width * v[i].state,
						  c->states.p + width * i, width) == 0)
				break;
}

static bool gather_moments(struct compare *c)
{
	int64_t start[2];

	if (!monday(c->s[0], &start[0]) || !monday(c->s[1], &start[1]))
		return false;
	add_moment(c, 0, start[COMPARE_NEW]);
	for (int k = 0; k < 2; k++) {
		size_t n;
		const struct week_window *w = snapshot_at_WINDOW(c->s[k], &n);
		int shift = (int)((start[k] - start[COMPARE_NEW]) / 60);

		for (size_t i = 0; i < n; i++) {
			add_moment(c, w[i].from + shift, start[COMPARE_NEW]);
			add_moment(c, w[i].to + shift, start[COMPARE_NEW]);
		}
	}
	if (c->moments.failed)
		return false;
	struct moment *v = AT(c, moments, moment);
	size_t n = COUNT(c, moments, moment), kept = 1;
	qsort(v, n, sizeof *v, by_minute);
	for (size_t i = 1; i < n; i++)
		if (v[i].minute != v[kept - 1].minute)
			v[kept++] = v[i];
	c->moments.n = kept * sizeof *v;
	find_states(c);
	return !c->states.failed;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static bool same_texts(const struct rule_view *a, const struct rule_view *b)
{
	return span_eq(a->name, b->name) && span_eq(a->message, b->message) &&
	       a->record == b->record;
}

static bool same_limits(const struct limits_view *a, const struct limits_view *b)
{
	return a->minutes == b->minutes && a->bytes == b->bytes && a->tunnels == b->tunnels &&
	       a->bandwidth == b->bandwidth && a->requests.count == b->requests.count &&
	       a->requests.period_s == b->requests.period_s &&
	       a->requests.burst == b->requests.burst && a->warn == b->warn &&
	       a->when_spent == b->when_spent && a->grace_s == b->grace_s &&
	       a->without_redis == b->without_redis;
}

static enum compare_level differ(const struct compare_answer *a, const struct compare_answer *b)
{
	bool opens = a->v.decision == DECISION_ALLOW || a->v.reason == REASON_COACH;

	if (strcmp(answer_word(&a->v), answer_word(&b->v)) != 0 ||
		(a->v.decision == DECISION_ALLOW && a->rule.opaque != b->rule.opaque))
		return COMPARE_ANSWER;
	if (opens && (!same_limits(&a->rule.limits, &b->rule.limits) ||
			     a->rule.remember_s != b->rule.remember_s))
		return COMPARE_LIMITS;
	if (a->v.reason != b->v.reason || !same_texts(&a->rule, &b->rule))
		return COMPARE_RULE;
	return COMPARE_SAME;
}

static void answer(const struct compare *c, int k, size_t person, const struct place *p,
	int64_t at_s, struct compare_answer *out)
{
	const struct compare_who *who = &AT(c, people, compare_who)[person];
	struct explained x = {.facts = {.now_s = at_s, .port = PORT, .limits_unspent = true}};

	x.facts.client = AT(c, clients, addr)[person];
	x.facts.identity = logged_in(who->kind) ? IDENTITY_KNOWN : IDENTITY_NOBODY;
	x.facts.roles = who->roles[k];
	x.facts.host = &p->host;
	x.facts.target = &p->target[k];
	x.facts.address_state = p->host.literal ? ADDRESS_KNOWN : ADDRESS_OUTSIDE;
	x.facts.address = p->host.addr;
	memset(out, 0, sizeof *out);
	explain_answer(c->s[k], &x, &out->v, NULL);
	if (out->v.rule >= 0)
		snapshot_rule(c->s[k], (size_t)out->v.rule, &out->rule);
}

/* Both answers of a person about a site at each moment that is the first of its state. */
struct pair_of {
	enum compare_level level;
	size_t like; /* the first moment with the same two answers */
	struct compare_answer answer[2];
};

static bool same_pair(const struct pair_of *a, const struct pair_of *b)
{
	for (int k = 0; k < 2; k++)
		if (a->answer[k].v.rule != b->answer[k].v.rule ||
			a->answer[k].v.reason != b->answer[k].v.reason ||
			a->answer[k].v.decision != b->answer[k].v.decision)
			return false;
	return true;
}

static void ask(const struct compare *c, size_t person, const struct place *p, struct pair_of *out)
{
	const struct moment *m = AT(c, moments, moment);

	for (size_t i = 0; i < COUNT(c, moments, moment); i++) {
		if (m[i].state != i) {
			out[i] = out[m[i].state];
			continue;
		}
		for (int k = 0; k < 2; k++)
			answer(c, k, person, p, m[i].at_s, &out[i].answer[k]);
		out[i].level = differ(&out[i].answer[0], &out[i].answer[1]);
		for (out[i].like = 0; out[i].like < i; out[i].like++)
			if (same_pair(&out[out[i].like], &out[i]))
				break;
	}
}

/* All windows in which the answers are those of moment `i`. */
static size_t windows_of(
	const struct compare *c, const struct pair_of *v, size_t i, struct week_window *out)
{
	const struct moment *m = AT(c, moments, moment);
	size_t n = COUNT(c, moments, moment), windows = 0;

	for (size_t k = i; k < n; k++) {
		uint16_t from = (uint16_t)m[k].minute;
		uint16_t to = k + 1 < n ? (uint16_t)m[k + 1].minute : WEEK_MINUTES;

		if (v[k].like != i)
			continue;
		if (windows && out[windows - 1].to == from)
			out[windows - 1].to = to;
		else
			out[windows++] = (struct week_window){from, to};
	}
	return windows;
}

static void tell(const struct compare *c, size_t person, size_t site, const struct pair_of *v,
	struct week_window *windows)
{
	for (size_t i = 0; i < COUNT(c, moments, moment); i++) {
		if (v[i].level == COMPARE_SAME || v[i].like != i)
			continue;
		const struct compare_change change = {.level = v[i].level,
			.who = &AT(c, people, compare_who)[person],
			.site = &AT(c, sites, compare_site)[site],
			.answer = {&v[i].answer[0], &v[i].answer[1]},
			.when = windows,
			.windows = windows_of(c, v, i, windows)};
		c->found(c->arg, &change);
	}
}

static void look_at(const struct compare *c, size_t site, struct place *p)
{
	struct span name = span_str(AT(c, sites, compare_site)[site].host);

	memset(p, 0, sizeof *p);
	p->host.literal = addr_parse(name, &p->host.addr);
	p->host.len = (uint8_t)name.n;
	memcpy(p->host.name, name.p, name.n + 1);
	for (int k = 0; k < 2; k++)
		policy_classify(c->s[k], &p->host, &p->target[k]);
}

static bool compare_all(const struct compare *c)
{
	size_t moments = COUNT(c, moments, moment);
	struct pair_of *v = calloc(moments, sizeof *v);
	struct week_window *windows = calloc(moments, sizeof *windows);
	struct place p;

	for (size_t i = 0; v && windows && i < COUNT(c, people, compare_who); i++)
		for (size_t k = 0; k < COUNT(c, sites, compare_site); k++) {
			look_at(c, k, &p);
			ask(c, i, &p, v);
			tell(c, i, k, v, windows);
		}
	bool ok = v && windows;
	free(v);
	free(windows);
	return ok;
}

bool policy_compare(const struct snapshot *const s[2],
	void (*found)(void *arg, const struct compare_change *c), void *arg,
	struct compare_count *count)
{
	struct compare c = {.s = {s[0], s[1]}, .found = found, .arg = arg};

	gather_people(&c);
	gather_sites(&c);
	bool ok = gather_moments(&c) && !c.people.failed && !c.clients.failed && !c.sites.failed &&
		  compare_all(&c);
	*count = (struct compare_count){.people = COUNT(&c, people, compare_who),
		.sites = COUNT(&c, sites, compare_site),
		.moments = COUNT(&c, moments, moment)};
	buf_free(&c.people);
	buf_free(&c.clients);
	buf_free(&c.sites);
	buf_free(&c.moments);
	buf_free(&c.states);
	return ok;
}
