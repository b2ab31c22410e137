/*
 * The metrics page: a function a row of metrics.def. Everything is read at once from the master's
 * view and the sum of the workers' figures, so that a page does not contradict itself.
 */
#include "metrics.h"

#include <inttypes.h>
#include <math.h>

struct page {
	const struct status *s;
	const struct counters *sum;
	struct buf *b;
	const char *name;
};

/* --- lines ---------------------------------------------------------------------------------------
 */

static void number(const struct page *p, double v)
{
	if (isinf(v))
		buf_adds(p->b, " +Inf\n");
	else if (v == floor(v) && fabs(v) < 9e15)
		buf_printf(p->b, " %.0f\n", v);
	else
		buf_printf(p->b, " %.15g\n", v);
}

static void value(const struct page *p, double v)
{
	buf_adds(p->b, p->name);
	number(p, v);
}

/* Values of labels are words of tables, digests and versions: nothing to escape. */
static void labelled(const struct page *p, const char *key, const char *word, double v)
{
	buf_printf(p->b, "%s{%s=\"%s\"}", p->name, key, word);
	number(p, v);
}

static void count(const struct page *p, const _Atomic uint64_t *n)
{
	value(p, (double)count_get(n));
}

static void histogram(const struct page *p, enum lap lap)
{
	const struct lap_counts *l = &p->sum->lap[lap];
	uint64_t so_far = 0;

	for (size_t i = 0; i < LAP_BUCKETS; i++) {
		so_far += count_get(&l->bucket[i]);
		buf_printf(p->b, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", p->name,
			lap_bound_us[i] / 1e6, so_far);
	}
	so_far += count_get(&l->bucket[LAP_BUCKETS]);
	buf_printf(p->b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n",
		p->name, so_far, p->name, (double)count_get(&l->sum_us) / 1e6, p->name, so_far);
}

/* --- rows of metrics.def -------------------------------------------------------------------------
 */

static void put_BUILD(const struct page *p)
{
	labelled(p, "version", STILE_VERSION, 1);
}

static void put_UP(const struct page *p)
{
	value(p, p->s->ready && !p->s->draining);
}

static void put_START(const struct page *p)
{
	value(p, (double)p->s->started_ms / 1000);
}

static void put_CONNECTIONS(const struct page *p)
{
	count(p, &p->sum->connections);
}

static void put_DROPPED(const struct page *p)
{
	static const char *const words[] = {
#define DROP(name, word, text) word,
#include "drops.def"
#undef DROP
	};

	for (size_t i = 0; i < DROP_COUNT; i++)
		labelled(p, "reason", words[i], (double)count_get(&p->sum->drop[i]));
}

static void put_PAUSES(const struct page *p)
{
	count(p, &p->sum->pauses);
}

static void put_TUNNELS_OPEN(const struct page *p)
{
	count(p, &p->sum->tunnels);
}

static void put_TUNNELS(const struct page *p)
{
	count(p, &p->sum->tunnels_begun);
}

static void put_ACCESSES(const struct page *p)
{
	for (size_t v = 0; v < VERDICT_COUNT; v++)
		for (size_t r = 0; r < REASON_COUNT; r++) {
			uint64_t n = count_get(&p->sum->verdict[v][r]);

			if (n == 0)
				continue; /* most pairs never come */
			buf_printf(p->b, "%s{verdict=\"%s\",reason=\"%s\"} %" PRIu64 "\n", p->name,
				verdict_word((enum verdict_word)v),
				reason_info((enum reason)r)->word, n);
		}
}

static void put_ENDS(const struct page *p)
{
	static const char *const words[] = {
#define END(name, word, text) word,
#include "ends.def"
#undef END
	};

	for (size_t i = 0; i < END_COUNT; i++)
		labelled(p, "reason", words[i], (double)count_get(&p->sum->end[i]));
}

static void put_PORTAL(const struct page *p)
{
	static const char *const words[] = {
#define PORTAL(name, word, path, methods, login, fill, text) word,
#include "portal.def"
#undef PORTAL
	};

	for (size_t i = 0; i < PORTAL_COUNT; i++)
		labelled(p, "page", words[i], (double)count_get(&p->sum->portal[i]));
}

static void put_ACKS(const struct page *p)
{
	count(p, &p->sum->acks);
}

static void put_LOGIN_BUSY(const struct page *p)
{
	count(p, &p->sum->verdict[VERDICT_DENY][REASON_LOGIN_BUSY]);
}

static void put_BYTES(const struct page *p)
{
	labelled(p, "direction", "up", (double)count_get(&p->sum->up));
	labelled(p, "direction", "down", (double)count_get(&p->sum->down));
}

static void put_VERDICT(const struct page *p)
{
	histogram(p, LAP_VERDICT);
}

static void put_RECORD(const struct page *p)
{
	histogram(p, LAP_RECORD);
}

static void put_CONNECT(const struct page *p)
{
	histogram(p, LAP_CONNECT);
}

static void put_JOURNAL_BYTES(const struct page *p)
{
	value(p, (double)p->s->journal_bytes);
}

static void put_BACKLOG(const struct page *p)
{
	value(p, (double)status_backlog(p->s));
}

static void put_LOST(const struct page *p)
{
	value(p, (double)p->s->journal_lost);
}

static void put_FAILING(const struct page *p)
{
	value(p, p->s->journal_failing);
}

static void put_SPACE(const struct page *p)
{
	value(p, p->s->space_left_s);
}

static void put_RECORDED(const struct page *p)
{
	value(p, (double)p->s->recorded * 60);
}

static void put_PASSED(const struct page *p)
{
	value(p, (double)p->s->passed * 60);
}

static void put_SHIP_STATE(const struct page *p)
{
	static const char *const words[] = {"idle", "busy", "away", "refused", "starting", "off"};
	const char *now = status_ship_word(p->s);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		labelled(p, "state", words[i], strcmp(words[i], now) == 0);
}

static void put_SHIP_FAILURES(const struct page *p)
{
	value(p, p->s->ship.failures);
}

static void put_SHIPPED(const struct page *p)
{
	value(p, (double)p->s->ship.shipped);
}

static void put_SHIP_ALARMS(const struct page *p)
{
	value(p, (double)p->s->ship.alarms);
}

static void put_SHIP_TROUBLES(const struct page *p)
{
	for (unsigned i = CAUSE_NONE + 1; i < CAUSES; i++)
		labelled(p, "cause", cause_word((enum cause)i), (double)p->s->ship.troubles[i]);
}

static void put_RETAIN_DELETED(const struct page *p)
{
	value(p, (double)p->s->ship.deleted);
}

static void put_RETAIN_EXPIRED(const struct page *p)
{
	value(p, (double)p->s->ship.expired);
}

static void put_TOTALS_STATE(const struct page *p)
{
	static const char *const words[] = {"known", "unknown", "restoring"};
	const char *now = status_totals_word(p->s);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		labelled(p, "state", words[i], strcmp(words[i], now) == 0);
}

static void put_TOTALS_AGE(const struct page *p)
{
	value(p, status_totals_age_s(p->s));
}

static void put_NODES(const struct page *p)
{
	value(p, p->s->ship.nodes);
}

static void put_NODES_SEEN(const struct page *p)
{
	value(p, p->s->ship.nodes_seen);
}

static void put_TOTALS_TOLD(const struct page *p)
{
	value(p, (double)p->s->ship.totals_told);
}

static void put_TOTALS_HEARD(const struct page *p)
{
	value(p, (double)p->s->ship.totals_heard);
}

static void put_TOTALS_STRANGE(const struct page *p)
{
	value(p, (double)p->s->ship.totals_strange);
}

static void put_TOTALS_CROWDED(const struct page *p)
{
	value(p, (double)p->s->ship.totals_crowded);
}

static void put_STANDINGS(const struct page *p)
{
	value(p, (double)p->s->standings);
}

static void put_STANDINGS_REFUSED(const struct page *p)
{
	value(p, (double)p->s->standings_refused);
}

static void put_POLICY(const struct page *p)
{
	labelled(p, "digest", p->s->digest, 1);
}

static void put_IN_FORCE(const struct page *p)
{
	value(p, (double)p->s->in_force_ms / 1000);
}

static void put_RELOADS(const struct page *p)
{
	labelled(p, "result", "ok", (double)p->s->reloads_ok);
	labelled(p, "result", "failed", (double)p->s->reloads_failed);
}

static void put_RESTARTS(const struct page *p)
{
	uint64_t workers = 0;

	for (size_t i = 0; i < p->s->workers; i++)
		workers += p->s->worker[i].restarts;
	labelled(p, "role", "worker", (double)workers);
	labelled(p, "role", "shipper", (double)p->s->shipper_restarts);
}

static void put_CERTIFICATE(const struct page *p)
{
	if (p->s->certificate_end_s)
		value(p, (double)p->s->certificate_end_s);
}

static void put_OBSERVE(const struct page *p)
{
	value(p, p->s->observe_left_ms > 0);
}

static void put_OBSERVE_LEFT(const struct page *p)
{
	value(p, (double)p->s->observe_left_ms / 1000);
}

/* --- the page ------------------------------------------------------------------------------------
 */

#define TYPE_GAUGE     "gauge"
#define TYPE_COUNTER   "counter"
#define TYPE_HISTOGRAM "histogram"

static const struct {
	const char *name, *type, *text;
	void (*put)(const struct page *);
} rows[] = {
#define METRIC(name, page, type, text) {page, TYPE_##type, text, put_##name},
#include "metrics.def"
#undef METRIC
};

void metrics_write(const struct status *s, struct buf *out)
{
	struct counters sum;
	struct page p = {.s = s, .sum = &sum, .b = out};

	status_counters(s, &sum);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		p.name = rows[i].name;
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", p.name, rows[i].text, p.name,
			rows[i].type);
		rows[i].put(&p);
	}
}
