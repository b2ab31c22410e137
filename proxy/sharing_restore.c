/*
 * After a start: today's journal becomes the table's figures again. They are set, not added, so a
 * shipper that dies half way through harms nothing, and its successor begins anew.
 */
#include "sharing_inside.h"

#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>

#define SLICE_MS 20
#define AGAIN_MS 5000 /* after the journal could not be read */
/* Acknowledgements are no older than a policy lets them hold. */
#define ACKS_MS (7 * 24 * 60 * 60 * 1000LL)

static bool rule_of(const struct sharing *s, struct span name, struct rule_view *out)
{
	for (size_t i = 0; i < snapshot_rules(s->o.policy); i++) {
		snapshot_rule(s->o.policy, i, out);
		if (span_eq(out->name, name))
			return true;
	}
	return false;
}

static bool wants(void *arg, struct span rule)
{
	struct rule_view r;

	return rule_of(arg, rule, &r) && (r.limits.minutes || r.limits.bytes || r.remember_s);
}

/* What was counted as it was made: grants in the node's own chain of this start, and usage of this
 * boot, which stands last in the slot: "<worker>-<number>-<boot>". */
static bool counted(void *arg, const struct record *r, const char *chain)
{
	const struct sharing *s = arg;
	struct span slot = record_get(r, FIELD_SLOT);
	char boot[24];

	snprintf(boot, sizeof boot, "-%016" PRIx64, s->o.boot);
	return strcmp(chain, s->chain) == 0 || span_ends(slot, span_str(boot));
}

static bool limits(void *arg, bool minutes, size_t *i, struct span *rule)
{
	const struct sharing *s = arg;
	struct rule_view r;

	while (*i < snapshot_rules(s->o.policy)) {
		snapshot_rule(s->o.policy, (*i)++, &r);
		*rule = r.name;
		if (minutes ? r.limits.minutes > 0 : r.limits.bytes > 0)
			return true;
	}
	return false;
}

static uint32_t purpose(void *arg, struct span rule, struct span text)
{
	const struct sharing *s = arg;
	struct span list[POLICY_PURPOSES_MAX];
	struct rule_view r;

	for (size_t i = 0; i < snapshot_rules(s->o.policy); i++) {
		snapshot_rule(s->o.policy, i, &r);
		if (!span_eq(r.name, rule))
			continue;
		const size_t n = snapshot_rule_purposes(s->o.policy, i, list, POLICY_PURPOSES_MAX);
		for (size_t k = 0; k < n; k++)
			if (span_eq(list[k], text))
				return (uint32_t)k;
	}
	return 0;
}

static void restore_pair(struct sharing *s, const struct total *t, bool today)
{
	const struct standing_totals f = sharing_figures(t);
	struct standing_entry *e = sharing_hold(s, t, &s->day);

	if (!e)
		return; /* counted as standing_refused */
	if (today)
		standing_restore(s->o.standing, e, &s->day, &f);
	sharing_acknowledge(s, e, t);
	sharing_release(s, e);
}

static void restored(struct sharing *s)
{
	struct local_day now;
	struct total t;
	size_t n = 0;
	bool today;

	sharing_day(s, clock_wall_ms(), &now);
	today = now.number == s->day.number; /* else what was read is of yesterday */
	for (; today_next(s->today, &t); n++)
		restore_pair(s, &t, today);
	log_info("limits",
		"today's figures are restored: %llu records, %zu people and rules, %llu ms",
		(unsigned long long)today_records(s->today), n,
		(unsigned long long)(clock_mono_ms() - s->began_ms));
	standing_set_restored(s->o.standing);
	if (s->o.alone)
		standing_known_until(s->o.standing, UINT64_MAX);
}

static bool begin(struct sharing *s, struct err *e)
{
	const int64_t now_ms = clock_wall_ms();
	s->source = (struct today_door){s, wants, counted, limits, purpose};
	struct today_options to = {.root = s->o.root,
		.now_ms = now_ms,
		.acks_from_ms = now_ms - ACKS_MS,
		.door = &s->source};

	sharing_day(s, now_ms, &s->day);
	to.day = s->day;
	s->today = today_new(&to, e);
	return s->today != NULL;
}

static void failed(struct sharing *s, const struct err *e)
{
	today_free(s->today);
	s->today = NULL;
	s->again_ms = clock_mono_ms() + AGAIN_MS;
	log_error("limits",
		"today's figures cannot be restored from the journal, which is tried again: %s; "
		"until then limits hold as their without_redis says",
		e->text);
}

bool sharing_step(struct sharing *s)
{
	struct err e = {""};

	if (standing_restored(s->o.standing) || clock_mono_ms() < s->again_ms)
		return false;
	if (!s->today && !begin(s, &e)) {
		failed(s, &e);
		return false;
	}
	switch (today_read(s->today, SLICE_MS, &e)) {
	case TODAY_MORE:
		return true;
	case TODAY_FAILED:
		failed(s, &e);
		return false;
	case TODAY_DONE:
		break;
	}
	restored(s);
	today_free(s->today);
	s->today = NULL;
	return false;
}

bool sharing_restoring(const struct sharing *s)
{
	return !standing_restored(s->o.standing);
}
