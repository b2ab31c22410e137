/* Names become pseudonyms at once, and only these are shown and recorded. */
#include "grants.h"

#include "clock.h"
#include "digest.h"

#include <stdio.h>
#include <time.h>

struct person {
	char text[STANDING_PERSON_MAX + 1];
};

/* As ledger.c does it for those who log in. */
static void pseudonym(const struct bundle *b, const char *who, struct person *out)
{
	struct span text = span_str(who);
	uint8_t bytes[STANDING_PERSON_MAX / 2], mac[SHA256_LEN];
	struct digest *d;

	if (text.n == STANDING_PERSON_MAX && hex_decode(text, bytes, sizeof bytes)) {
		hex_encode(bytes, sizeof bytes, out->text);
		return;
	}
	d = digest_new();
	digest_hmac(d, span_of(b->pseudonym_key, 32), &text, 1, mac);
	digest_free(d);
	hex_encode(mac, sizeof bytes, out->text);
}

/* --- showing ----------------------------------------------------------------------------------
 */

static void moment(struct buf *out, const char *key, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	struct tm tm;
	char text[32];

	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	buf_printf(out, ",\"%s\":\"%s\"", key, text);
}

static void budget(
	struct buf *out, const char *key, uint64_t used, uint64_t limit, uint64_t granted)
{
	if (!limit)
		return;
	buf_printf(out, ",\"%s\":{\"used\":%llu,\"limit\":%llu,\"granted\":%llu}", key,
		(unsigned long long)used, (unsigned long long)limit, (unsigned long long)granted);
}

static void rule_members(struct buf *out, const struct rule_view *r,
	const struct standing_figures *f, const struct standing_ack *ack, int64_t now_s)
{
	const struct limits_view *l = &r->limits;

	buf_adds(out, "{\"rule\":");
	buf_json(out, r->name);
	budget(out, "minutes", f->minutes, l->minutes, f->granted[STANDING_MINUTES]);
	budget(out, "bytes", f->bytes, l->bytes, f->granted[STANDING_BYTES]);
	if (l->tunnels)
		buf_printf(out, ",\"tunnels\":{\"open\":%u,\"limit\":%u}", f->tunnels, l->tunnels);
	if (l->requests.count)
		buf_printf(out, ",\"requests\":{\"limit\":%u,\"period_s\":%u}", l->requests.count,
			l->requests.period_s);
	if (l->bandwidth)
		buf_printf(
			out, ",\"bandwidth\":{\"limit\":%llu}", (unsigned long long)l->bandwidth);
	if (ack->until_s > now_s)
		moment(out, "acknowledged_until", ack->until_s);
	buf_addc(out, '}');
}

static bool limited(const struct rule_view *r)
{
	const struct limits_view *l = &r->limits;

	return l->minutes || l->bytes || l->tunnels || l->requests.count || l->bandwidth ||
	       r->remember_s;
}

void grants_show(const struct bundle *b, struct standing *t, const char *who, struct buf *out)
{
	int64_t now_s = clock_wall_ms() / 1000;
	struct local_day day;
	struct person p;
	size_t shown = 0;

	pseudonym(b, who, &p);
	snapshot_local_day(b->policy, now_s, &day);
	buf_printf(out, ",\"person\":\"%s\"", p.text);
	moment(out, "day_ends", day.to_s);
	buf_adds(out, ",\"rules\":[");
	for (size_t i = 0; i < snapshot_rules(b->policy); i++) {
		struct standing_figures f = {0};
		struct standing_ack ack = {0};
		struct standing_entry *e;
		struct rule_view r;

		snapshot_rule(b->policy, i, &r);
		if (!limited(&r))
			continue;
		e = standing_find(t, span_str(p.text), r.name);
		if (e) {
			standing_figures(t, e, &day, &f);
			standing_ack(e, &ack);
		}
		buf_adds(out, shown++ ? ",\n" : "");
		rule_members(out, &r, &f, &ack, now_s);
	}
	buf_addc(out, ']');
}

/* --- giving -----------------------------------------------------------------------------------
 */

static bool takes(const struct rule_view *r, const struct grant *g)
{
	if (*g->rule && !span_eq(r->name, span_str(g->rule)))
		return false;
	return g->kind == STANDING_MINUTES ? r->limits.minutes != 0 : r->limits.bytes != 0;
}

static size_t how_many(const struct snapshot *p, const struct grant *g)
{
	struct rule_view r;
	size_t n = 0;

	for (size_t i = 0; i < snapshot_rules(p); i++) {
		snapshot_rule(p, i, &r);
		n += takes(&r, g);
	}
	return n;
}

/* False: the table has no room. */
static bool give(const struct bundle *b, struct standing *t, unsigned master,
	const struct person *p, const struct grant *g, const struct local_day *day)
{
	bool all = true;

	for (size_t i = 0; i < snapshot_rules(b->policy); i++) {
		struct standing_entry *e;
		struct rule_view r;

		snapshot_rule(b->policy, i, &r);
		if (!takes(&r, g))
			continue;
		e = standing_hold(t, master, span_str(p->text), r.name, day);
		all &= e != NULL;
		if (!e)
			continue;
		standing_grant(t, e, g->kind, g->n, day);
		standing_release(e, master);
	}
	return all;
}

bool grants_give(const struct bundle *b, struct standing *t, unsigned master, struct chronicle *c,
	const struct grant *g, struct err *e)
{
	const char *what = g->kind == STANDING_MINUTES ? "minutes" : "bytes";
	struct local_day day;
	struct person p;

	if (how_many(b->policy, g) == 0)
		return err_set(
			e, *g->rule ? "no rule of that name limits %s" : "no rule limits %s", what);
	if (!c || chronicle_failing(c))
		return err_set(e, "it cannot be recorded, so it is not given: the journal fails");
	pseudonym(b, g->who, &p);
	snapshot_local_day(b->policy, clock_wall_ms() / 1000, &day);
	chronicle_grant(c, p.text, g->rule, what, g->n, g->reason);
	return give(b, t, master, &p, g, &day) ||
	       err_set(e, "the table of limits has no room for it");
}
