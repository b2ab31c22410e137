/*
 * Findings: what a policy says that its author probably does not mean. Each is a function over the
 * compiled rules; none changes a decision, and a finding forbids nothing. The words in brackets
 * (the codes) are those of stile-policy(1).
 */
#include "cover.h"

#include <stdarg.h>
#include <stdio.h>

struct lint {
	const struct snapshot *s;
	const char *path;
	struct problems *p;
	char today[11];
	const struct snap_rule *rules;
	size_t rule_count;
	struct buf shared; /* uint32_t: entries of names that some service shares */
};

__attribute__((format(printf, 4, 5))) static void found(
	const struct lint *l, struct source source, const char *code, const char *fmt, ...)
{
	struct span included = snapshot_span(l->s, source.file);
	char file[4096], text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bool own = included.n == 0 || !span_copy(included, file, sizeof(file));
	problem_finding(l->p, own ? l->path : file, source.line, code, "%s", text);
}

static struct span text_of(const struct lint *l, struct text t)
{
	return snapshot_span(l->s, t);
}

static bool enforces(const struct snap_rule *r)
{
	return !(r->flags & RULE_OBSERVE);
}

/* Does it leave the answer to the next rule once a limit is spent? */
static bool passes_on(const struct snap_rule *r)
{
	return r->limits.when_spent == WHEN_SPENT_NEXT;
}

/* --- rules that never decide --------------------------------------------------------------------
 */

static const struct snap_rule *covering(const struct lint *l, size_t late)
{
	for (size_t i = 0; i < late; i++) {
		if (enforces(&l->rules[i]) && !passes_on(&l->rules[i]) &&
			cover_rule(l->s, &l->rules[i], &l->rules[late]))
			return &l->rules[i];
	}
	return NULL;
}

static void lint_covered(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i], *by = covering(l, i);

	if (!by)
		return;
	struct span name = text_of(l, r->name), early = text_of(l, by->name);
	if (cover_unconditional(by))
		found(l, r->source, "unreachable",
			"rule \"%.*s\" is never reached: rule \"%.*s\" in line %u has no condition",
			SPAN_ARG(name), SPAN_ARG(early), by->source.line);
	else
		found(l, r->source, "shadowed",
			"rule \"%.*s\" never decides: rule \"%.*s\" in line %u holds wherever it "
			"does",
			SPAN_ARG(name), SPAN_ARG(early), by->source.line);
}

static void lint_never(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];
	struct span name = text_of(l, r->name);

	if (cover_excepted(l->s, r))
		found(l, r->source, "never",
			"rule \"%.*s\" never holds: `except` names all of `to`", SPAN_ARG(name));
}

/* --- what a rule should say ----------------------------------------------------------------------
 */

static bool names_services(const struct lint *l, const struct snap_rule *r)
{
	const uint32_t *v = snapshot_at_ITEM(l->s, NULL) + r->to.items.first;

	for (size_t i = 0; i < r->to.items.n; i++) {
		if (item_kind(v[i]) != ITEM_TARGET)
			return true;
	}
	return false;
}

static void lint_purpose(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];

	if (r->action != RULE_DENY && names_services(l, r) && r->purpose.n == 0 &&
		r->purposes.n == 0)
		found(l, r->source, "no-purpose",
			"rule \"%.*s\" opens services without a purpose; reports cannot say what "
			"for",
			SPAN_ARG(text_of(l, r->name)));
}

static void lint_review(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];
	struct span day = text_of(l, r->review);

	if (day.n == 10 && memcmp(day.p, l->today, 10) < 0)
		found(l, r->source, "review-overdue", "rule \"%.*s\" was to be reviewed by %.*s",
			SPAN_ARG(text_of(l, r->name)), SPAN_ARG(day));
}

/* --- limits and acknowledgements ----------------------------------------------------------------
 */

static bool limits_persons(const struct snap_limits *l)
{
	return l->minutes || l->bytes || l->tunnels || l->bandwidth || l->requests.interval_us;
}

/* A rule that waits for acknowledgements asks everybody who they are. */
static void lint_limits(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];

	if (!limits_persons(&r->limits) || r->remember_s)
		return;
	if (r->roles == 0 || (r->roles & l->s->by_network))
		found(l, r->source, "limit-unknown",
			"rule \"%.*s\" limits persons, but also holds for people who are not asked "
			"who they are; name roles by user, group or everyone",
			SPAN_ARG(text_of(l, r->name)));
}

static bool of_service(const struct lint *l, const struct name_entry *e, uint8_t scope)
{
	const struct name_tag *tags = snapshot_at_TAG(l->s, NULL) + e->tags;

	for (size_t i = 0; i < e->tag_count; i++)
		if (tags[i].kind == TAG_SERVICE && (tags[i].scope & scope) == scope)
			return true;
	return false;
}

/* Is every host that the target names one of a service? */
static bool target_of_service(const struct lint *l, const struct snap_target *t)
{
	struct span rest = text_of(l, t->name);
	uint8_t scope = t->scope;

	while (rest.n) {
		const struct name_entry *e = snapshot_name(l->s, rest);

		if (e && of_service(l, e, scope))
			return true;
		span_cut(&rest, '.');
		scope = SCOPE_BELOW;
	}
	return false;
}

/* What in `to` can be hosts of no service, for people; empty: nothing. */
static struct span outside_services(const struct lint *l, const struct snap_rule *r)
{
	const uint32_t *v = snapshot_at_ITEM(l->s, NULL) + r->to.items.first;
	const struct snap_target *targets = snapshot_at_TARGET(l->s, NULL);
	const struct snap_category *categories = snapshot_at_CATEGORY(l->s, NULL);

	if (r->to.items.n + r->to.ranges.n == 0)
		return SPAN("everything");
	if (r->to.ranges.n)
		return SPAN("address ranges");
	for (size_t i = 0; i < r->to.items.n; i++) {
		uint32_t id = item_id(v[i]);

		if (item_kind(v[i]) == ITEM_CATEGORY && categories[id].listed)
			return snapshot_category(l->s, id);
		if (item_kind(v[i]) == ITEM_TARGET && !target_of_service(l, &targets[id]))
			return text_of(l, targets[id].name);
	}
	return SPAN("");
}

static void lint_minutes(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];
	struct span what = r->limits.minutes ? outside_services(l, r) : SPAN("");

	if (what.n)
		found(l, r->source, "no-minutes",
			"rule \"%.*s\" limits minutes, and is for hosts of no service too (%.*s): "
			"they make no minutes; limit bytes as well, or make them a service",
			SPAN_ARG(text_of(l, r->name)), SPAN_ARG(what));
}

/* Can the rule decide anything at all that the one above leaves to it? */
static bool may_follow(const struct lint *l, size_t above, size_t below)
{
	return enforces(&l->rules[below]) && !covering(l, below) &&
	       cover_may_meet(l->s, &l->rules[above], &l->rules[below]);
}

static void lint_next(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];

	if (!passes_on(r) || !enforces(r))
		return;
	for (size_t k = i + 1; k < l->rule_count; k++)
		if (may_follow(l, i, k))
			return;
	found(l, r->source, "next-nothing",
		"rule \"%.*s\" leaves the answer to the next rule once a limit is spent, and no "
		"rule "
		"below can hold for the same; the answer is no",
		SPAN_ARG(text_of(l, r->name)));
}

/* One acknowledgement answers both questions, so nobody who has the access meets the limit. */
static void lint_coach(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];

	if (r->remember_s == 0)
		return;
	if (snapshot_conduct(l->s).n == 0)
		found(l, r->source, "no-conduct",
			"rule \"%.*s\" asks people to accept a code of conduct, and `conduct` "
			"names "
			"none",
			SPAN_ARG(text_of(l, r->name)));
	if (r->action == RULE_COACH && r->limits.when_spent == WHEN_SPENT_COACH)
		found(l, r->source, "coach-twice",
			"rule \"%.*s\" coaches from the start, so that its limits never stop "
			"anybody; say when_spent = \"deny\" or \"next\"",
			SPAN_ARG(text_of(l, r->name)));
}

/* --- shared hosts that a deny leaves open
 * --------------------------------------------------------- */

/* Of a name's services: does the list name one that has it as a shared host, and leave out another?
 */
static bool partly_named(const struct lint *l, const struct snap_list *list,
	const struct name_entry *e, uint32_t *named, uint32_t *other)
{
	const struct name_tag *tags = snapshot_at_TAG(l->s, NULL) + e->tags;
	bool has_named = false, has_other = false;

	for (size_t i = 0; i < e->tag_count; i++) {
		if (tags[i].kind != TAG_SERVICE)
			continue;
		bool in = cover_service(l->s, list, tags[i].id);
		if (in && tags[i].part == PART_SHARED && !has_named) {
			*named = tags[i].id;
			has_named = true;
		} else if (!in && !has_other) {
			*other = tags[i].id;
			has_other = true;
		}
	}
	return has_named && has_other;
}

static bool has_shared_tag(const struct lint *l, const struct name_entry *e)
{
	const struct name_tag *tags = snapshot_at_TAG(l->s, NULL) + e->tags;

	for (size_t i = 0; i < e->tag_count; i++) {
		if (tags[i].kind == TAG_SERVICE && tags[i].part == PART_SHARED)
			return true;
	}
	return false;
}

/* Lists bring millions of names, shared hosts are few: they are looked for once, not for each rule.
 */
static void find_shared(struct lint *l)
{
	size_t n;
	const struct name_entry *v = snapshot_at_NAME(l->s, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (has_shared_tag(l, &v[i]))
			buf_add(&l->shared, &i, sizeof(i));
	}
}

static void lint_shared(const struct lint *l, size_t i)
{
	const struct snap_rule *r = &l->rules[i];
	const struct snap_service *services = snapshot_at_SERVICE(l->s, NULL);
	const struct name_entry *names = snapshot_at_NAME(l->s, NULL);
	const uint32_t *shared = (const void *)l->shared.p;
	uint32_t named = 0, other = 0;

	if (r->action != RULE_DENY || !enforces(r) || !names_services(l, r))
		return;
	for (size_t k = 0; k < l->shared.n / sizeof(*shared); k++) {
		const struct name_entry *e = &names[shared[k]];
		if (!partly_named(l, &r->to, e, &named, &other))
			continue;
		found(l, r->source, "shared-open",
			"rule \"%.*s\" denies %.*s but not its shared host %.*s, which %.*s uses "
			"too; "
			"name both, or the host",
			SPAN_ARG(text_of(l, r->name)), SPAN_ARG(text_of(l, services[named].name)),
			SPAN_ARG(text_of(l, (struct text){e->text, e->len})),
			SPAN_ARG(text_of(l, services[other].name)));
		return;
	}
}

/* --- what nothing uses
 * ----------------------------------------------------------------------------- */

static void lint_unused(const struct lint *l)
{
	size_t roles, schedules;
	const struct snap_role *role = snapshot_at_ROLE(l->s, &roles);
	const struct snap_schedule *schedule = snapshot_at_SCHEDULE(l->s, &schedules);
	uint64_t used = 0;

	for (size_t i = 0; i < l->rule_count; i++)
		used |= l->rules[i].roles;
	for (size_t i = 0; i < roles; i++) {
		if (!(used >> i & 1))
			found(l, role[i].source, "unused-role", "no rule names role \"%.*s\"",
				SPAN_ARG(text_of(l, role[i].name)));
	}
	for (size_t i = 0; i < schedules; i++) {
		bool named = false;
		for (size_t k = 0; k < l->rule_count && !named; k++)
			named = l->rules[k].schedule == i;
		if (!named)
			found(l, schedule[i].source, "unused-schedule",
				"no rule names schedule \"%.*s\"",
				SPAN_ARG(text_of(l, schedule[i].name)));
	}
}

/* --- services
 * --------------------------------------------------------------------------------------- */

static void lint_replaced(const struct lint *l)
{
	size_t n;
	const struct snap_service *v = snapshot_at_SERVICE(l->s, &n);

	for (size_t i = 0; i < n; i++) {
		if (v[i].flags & SERVICE_REPLACES)
			found(l, v[i].source, "replaces",
				"service \"%.*s\" takes the place of the catalogue's; its hosts "
				"there "
				"no longer count",
				SPAN_ARG(text_of(l, v[i].name)));
	}
}

/* One host that people open in two services: minutes would count for both. */
static void lint_overlap_at(const struct lint *l, const struct name_entry *e)
{
	const struct snap_service *services = snapshot_at_SERVICE(l->s, NULL), *first = NULL;
	const struct name_tag *tags = snapshot_at_TAG(l->s, NULL) + e->tags;

	for (size_t i = 0; i < e->tag_count; i++) {
		if (tags[i].kind != TAG_SERVICE || tags[i].part != PART_CORE)
			continue;
		const struct snap_service *one = &services[tags[i].id];
		if (!first) {
			first = one;
			continue;
		}
		const struct snap_service *own = one->flags & SERVICE_BUILT_IN ? first : one;
		const struct snap_service *other = own == one ? first : one;
		found(l, own->source, "overlap",
			"host %.*s is in `hosts` of service \"%.*s\" and of \"%.*s\"",
			SPAN_ARG(text_of(l, (struct text){e->text, e->len})),
			SPAN_ARG(text_of(l, own->name)), SPAN_ARG(text_of(l, other->name)));
	}
}

static void lint_overlap(const struct lint *l)
{
	size_t n;
	const struct name_entry *v = snapshot_at_NAME(l->s, &n);

	for (size_t i = 0; i < n; i++)
		lint_overlap_at(l, &v[i]);
}

void policy_lint(const char *path, const struct snapshot *s, int64_t now_s, struct problems *p)
{
	struct lint l = {.s = s, .path = path, .p = p};

	l.rules = snapshot_at_RULE(s, &l.rule_count);
	snapshot_day(s, now_s, l.today);
	find_shared(&l);
	for (size_t i = 0; i < l.rule_count; i++) {
		lint_covered(&l, i);
		lint_never(&l, i);
		lint_purpose(&l, i);
		lint_review(&l, i);
		lint_limits(&l, i);
		lint_minutes(&l, i);
		lint_next(&l, i);
		lint_coach(&l, i);
		lint_shared(&l, i);
	}
	lint_unused(&l);
	lint_replaced(&l);
	lint_overlap(&l);
	buf_free(&l.shared);
}
