/* Budgets from the table of standings, in the terms of the rule. */
#include "left.h"

#include "worker.h"

static void add(struct left *l, enum limit_kind kind, uint64_t used, uint64_t of, uint8_t warn)
{
	/* of * warn / 100 without an overflow */
	uint64_t at = of / 100 * warn + of % 100 * warn / 100;

	l->budget[l->n++] = (struct left_budget){
		.kind = kind, .used = used, .of = of, .warn = used >= at, .spent = used >= of};
}

void left_look(struct worker *w, const char *person, const struct rule_view *rule, int64_t now_s,
	struct left *out)
{
	const struct limits_view *l = &rule->limits;
	const struct local_day *day = worker_today(w, now_s);
	/* without a login all of a network's people share what the rule gives */
	const struct standing_entry *e =
		standing_find(w->standing, span_str(*person ? person : "-"), rule->name);
	struct standing_figures f = {0};

	*out = (struct left){.anew_s = day->to_s};
	if (e)
		standing_figures(w->standing, e, day, &f);
	out->tunnels = f.tunnels;
	if (l->minutes)
		add(out, LIMIT_MINUTES, f.minutes, l->minutes + f.granted[STANDING_MINUTES],
			l->warn);
	if (l->bytes)
		add(out, LIMIT_BYTES, f.bytes, l->bytes + f.granted[STANDING_BYTES], l->warn);
}

void left_field(const struct left *l, const struct rule_view *rule, int64_t now_s, struct buf *out)
{
	size_t told = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct left_budget *b = &l->budget[i];

		if (!b->warn)
			continue;
		buf_adds(out, told++ ? ", \"" : "Stile-Limit: \"");
		buf_span(out, rule->name);
		buf_printf(out, "\";kind=%s;used=%llu;of=%llu;reset=%lld", limit_word(b->kind),
			(unsigned long long)b->used, (unsigned long long)b->of,
			(long long)(l->anew_s - now_s));
	}
	buf_adds(out, told ? "\r\n" : "");
}
