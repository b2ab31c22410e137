#include "rules_view.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

bool rules_view_make(struct rules_view *v, struct tally *t, uint64_t fold_below)
{
	*v = (struct rules_view){.t = t};
	return tally_rows(t, DIM_RULE, fold_below, &v->rows, &v->n);
}

void rules_view_drop(struct rules_view *v)
{
	free(v->rows);
	*v = (struct rules_view){.n = 0};
}

const struct tally_row *rules_view_row(const struct rules_view *v, struct span rule)
{
	for (size_t i = 0; i < v->n; i++)
		if (!v->rows[i].fold && span_eq(v->rows[i].key, rule))
			return &v->rows[i];
	return NULL;
}

enum rule_use rules_view_use(const struct rules_view *v, struct span rule)
{
	char day[11];
	if (rules_view_row(v, rule))
		return USE_TOLD;
	return tally_last_day(v->t, DIM_RULE, rule, day) ? USE_FEW : USE_NEVER;
}

const char *rule_use_text(enum rule_use u)
{
	static const char *const texts[] = {[USE_NEVER] = "never used",
		[USE_TOLD] = "used",
		[USE_FEW] = "used; figures folded"};
	return texts[u];
}

bool rules_view_has(const struct snapshot *s, struct span rule)
{
	for (size_t i = 0; i < snapshot_rules(s); i++) {
		struct rule_view r;
		snapshot_rule(s, i, &r);
		if (span_eq(r.name, rule))
			return true;
	}
	return false;
}

const char *rule_action_text(const struct rule_view *rule)
{
	static const char *const words[][2] = {[RULE_ALLOW] = {"allow", "observe (allow)"},
		[RULE_DENY] = {"deny", "observe (deny)"},
		[RULE_COACH] = {"coach", "observe (coach)"}};

	return words[rule->action][rule->observe];
}

void rules_today(const struct snapshot *s, char out[11])
{
	snapshot_day(s, clock_wall_ms() / 1000, out);
}

/* The loader took care that a date is one. */
bool review_words(struct span review, const char *today, char *out, size_t cap)
{
	char text[11];
	int64_t at, now;
	if (!span_copy(review, text, sizeof text) || !day_number(text, &at) ||
		!day_number(today, &now)) {
		snprintf(out, cap, "no date");
		return false;
	}
	long long days = (long long)(at - now);
	if (days == 0)
		snprintf(out, cap, "due today");
	else if (days > 0)
		snprintf(out, cap, "in %lld %s", days, days == 1 ? "day" : "days");
	else
		snprintf(out, cap, "overdue by %lld %s", -days, days == -1 ? "day" : "days");
	return days < 0;
}
