/* The state of the proxy as JSON: what `ctl status` shows. */
#include "status.h"

#include "ship.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

const char *status_ship_word(const struct status *s)
{
	if (!s->shipping)
		return "off";
	if (!s->ship.known)
		return "starting";
	switch ((enum ship_state)s->ship.state) {
	case SHIP_IDLE:
		return "idle";
	case SHIP_BUSY:
		return "busy";
	case SHIP_AWAY:
		return "away";
	case SHIP_REFUSED:
		break;
	}
	return "refused";
}

const char *status_totals_word(const struct status *s)
{
	if (s->totals_restoring)
		return "restoring";
	return s->totals_known ? "known" : "unknown";
}

double status_totals_age_s(const struct status *s)
{
	uint64_t heard = s->ship.totals_heard_ms;

	if (!s->shipping)
		return 0;
	return heard && heard <= s->mono_ms ? (double)(s->mono_ms - heard) / 1000 : INFINITY;
}

uint64_t status_unshipped(bool shipping, const struct ship_figures *ship, uint64_t journal_bytes)
{
	bool heard = ship->known && ship->shipped + ship->already > 0;

	return shipping && heard ? ship->backlog_bytes : journal_bytes;
}

uint64_t status_backlog(const struct status *s)
{
	return status_unshipped(s->shipping, &s->ship, s->journal_bytes);
}

void status_counters(const struct status *s, struct counters *out)
{
	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < s->workers; i++)
		counters_sum(out, s->worker[i].counters);
}

static void moment(struct buf *b, const char *key, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char at[64];

	strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
	buf_printf(b, ",\"%s\":\"%s\"", key, at);
}

static void text(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%s\"%s\":", b->n && b->p[b->n - 1] != '{' ? "," : "", key);
	buf_json(b, span_str(value));
}

static void worker(const struct worker_status *w, struct buf *b)
{
	const struct counters *c = w->counters;

	buf_printf(b,
		"{\"worker\":%u,\"pid\":%d,\"ready\":%s,\"connections\":%" PRIu64
		",\"tunnels\":%" PRIu64 ",\"accesses\":%" PRIu64 ",\"refusals\":%" PRIu64
		",\"restarts\":%" PRIu64 "}",
		w->index, (int)w->pid, w->ready ? "true" : "false", count_get(&c->connections),
		count_get(&c->tunnels), counters_verdicts(c, VERDICT_ALLOW),
		counters_verdicts(c, VERDICT_DENY) + counters_verdicts(c, VERDICT_FAIL),
		w->restarts);
}

static void workers(const struct status *s, struct buf *b)
{
	buf_adds(b, ",\"workers\":[");
	for (size_t i = 0; i < s->workers; i++) {
		if (i)
			buf_addc(b, ',');
		worker(&s->worker[i], b);
	}
	buf_addc(b, ']');
}

static void policy(const struct status *s, struct buf *b)
{
	buf_adds(b, ",\"policy\":{");
	text(b, "digest", s->digest);
	moment(b, "in_force_since", s->in_force_ms);
	buf_printf(b,
		",\"rules\":%" PRIu64 ",\"reloads\":%" PRIu64 ",\"reloads_failed\":%" PRIu64 "}",
		s->rules, s->reloads_ok, s->reloads_failed);
}

static void journal(const struct status *s, struct buf *b)
{
	buf_printf(b,
		",\"journal\":{\"bytes\":%" PRIu64 ",\"backlog_bytes\":%" PRIu64
		",\"lost\":%" PRIu64 ",\"failing\":%s,\"space_left_s\":",
		s->journal_bytes, status_backlog(s), s->journal_lost,
		s->journal_failing ? "true" : "false");
	if (isfinite(s->space_left_s))
		buf_printf(b, "%.0f", s->space_left_s);
	else
		buf_adds(b, "null");
	buf_printf(b, ",\"recorded_minutes\":%" PRIu64 ",\"passed_minutes\":%" PRIu64 "}",
		s->recorded, s->passed);
}

static void shipper(const struct status *s, struct buf *b)
{
	buf_adds(b, ",\"shipper\":{");
	text(b, "state", status_ship_word(s));
	text(b, "cause", cause_word((enum cause)s->ship.cause));
	text(b, "trouble", s->ship_text);
	buf_printf(b,
		",\"failures\":%" PRIu32 ",\"shipped\":%" PRIu64 ",\"alarms\":%" PRIu64
		",\"restarts\":%" PRIu64 "}",
		s->ship.failures, s->ship.shipped, s->ship.alarms, s->shipper_restarts);
}

static void totals(const struct status *s, struct buf *b)
{
	double age = status_totals_age_s(s);

	buf_adds(b, ",\"totals\":{");
	text(b, "state", status_totals_word(s));
	text(b, "cause", cause_word((enum cause)s->ship.totals_cause));
	buf_printf(b,
		",\"nodes\":%" PRIu32 ",\"nodes_seen\":%" PRIu32 ",\"entries\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"age_s\":",
		s->ship.nodes, s->ship.nodes_seen, s->standings, s->standings_refused);
	if (isfinite(age))
		buf_printf(b, "%.1f}", age);
	else
		buf_adds(b, "null}");
}

static void certificate(const struct status *s, struct buf *b)
{
	if (s->certificate_end_s)
		moment(b, "certificate_ends", (int64_t)s->certificate_end_s * 1000);
	else
		buf_adds(b, ",\"certificate_ends\":null");
}

static void observe(const struct status *s, struct buf *b)
{
	if (s->observe_left_ms == 0) {
		buf_adds(b, ",\"observe\":null");
		return;
	}
	buf_printf(b, ",\"observe\":{\"left_s\":%" PRIu64, (s->observe_left_ms + 999) / 1000);
	text(b, "reason", s->observe_reason);
	buf_addc(b, '}');
}

void status_json(const struct status *s, struct buf *b)
{
	text(b, "version", STILE_VERSION);
	text(b, "node", s->node);
	text(b, "state", s->draining ? "draining" : s->ready ? "running" : "starting");
	moment(b, "started", s->started_ms);
	buf_printf(b, ",\"uptime_s\":%" PRId64, (s->now_ms - s->started_ms) / 1000);
	policy(s, b);
	workers(s, b);
	journal(s, b);
	shipper(s, b);
	totals(s, b);
	certificate(s, b);
	observe(s, b);
}
