/*
 * The shipper. Each step gathers batches from the chains, sends them all, then reads the answers:
 * Redis works on one batch while the next is read from the disk. Cursors run ahead of the answers;
 * whenever an answer is not "stored", the chain is put back to the tip that Redis named. After any
 * break of the connection everything is asked anew, so there is nothing to recover.
 */
#include "ship_inside.h"

#include "cause.h"
#include "clock.h"
#include "log.h"
#include "schema.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH_DEFAULT 500
#define BATCH_MAX     5000
#define SCAN_MS	      200
#define IDLE_MS	      200
#define REFUSED_MS    5000
#define AWAY_MIN_MS   500
#define AWAY_MAX_MS   10000
/* After a boot the clock may be set only now; by then a jump would have been seen. */
#define RETAIN_AFTER_MS (10 * 60 * 1000)

static enum ship_state settle(struct shipper *s, enum ship_state state);

/* --- life ------------------------------------------------------------------------------------- */

static bool open_root(struct shipper *s, struct err *e)
{
	if (s->o.root)
		s->root = open(s->o.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		s->root = fcntl(s->o.root_fd, F_DUPFD_CLOEXEC, 0);
	s->view.root = s->root;
	return s->root >= 0 || err_sys(e, "journal folder %s", s->o.root ? s->o.root : "");
}

static void set_keep(struct shipper *s, const struct ship_options *o)
{
	s->retain.keep_ms[RETAIN_RAW] = o->keep_raw_ms;
	s->retain.keep_ms[RETAIN_ROLLUPS] = o->keep_rollups_ms;
}

struct shipper *ship_new(const struct ship_options *o, struct err *e)
{
	if (!node_name_ok(span_str(o->node))) {
		err_set(e, "the node's name must be 1-64 of letters, digits, '-', '_' and '.'");
		return NULL;
	}
	struct shipper *s = calloc(1, sizeof *s);
	if (!s) {
		err_set(e, "out of memory");
		return NULL;
	}
	s->o = *o;
	s->root = -1;
	if (s->o.batch == 0)
		s->o.batch = BATCH_DEFAULT;
	if (s->o.batch > BATCH_MAX)
		s->o.batch = BATCH_MAX;
	if (s->o.redis.timeout_ms == 0)
		s->o.redis.timeout_ms = 5000;
	snprintf(s->node, sizeof s->node, "%s", o->node);
	s->keep = (struct ship_keep){.keep_ms = o->keep_ms, .space = o->space};
	s->decoder = record_decoder_new();
	s->batch = ship_batch_new(s->o.batch);
	s->totals = o->totals ? ship_totals_new(o->totals, s->node) : NULL;
	set_keep(s, o);
	if (!s->decoder || !s->batch || (o->totals && !s->totals))
		err_set(e, "out of memory");
	else if (open_root(s, e) &&
		 ship_retain_start(&s->retain, s->root,
			 o->retain_after_ms ? o->retain_after_ms : RETAIN_AFTER_MS, e))
		return s;
	ship_free(s);
	return NULL;
}

void ship_free(struct shipper *s)
{
	if (!s)
		return;
	redis_free(s->redis);
	ship_view_free(&s->view);
	ship_batch_free(s->batch);
	ship_totals_free(s->totals);
	record_decoder_free(s->decoder);
	if (s->root >= 0)
		close(s->root);
	free(s);
}

const struct ship_status *ship_status(const struct shipper *s)
{
	return &s->status;
}

const struct totals_figures *ship_totals_status(const struct shipper *s)
{
	return s->totals ? ship_totals_figures(s->totals) : NULL;
}

unsigned ship_pause(const struct shipper *s)
{
	return s->pause;
}

/* --- the connection --------------------------------------------------------------------------- */

static void drop_connection(struct shipper *s)
{
	redis_free(s->redis);
	s->redis = NULL;
	s->n_flight = 0;
	s->looked = 0;
	for (struct ship_chain *c = s->view.chains; c; c = c->next) {
		c->asked = c->placed = false;
		c->aside = SET_NOT;
	}
}

static bool same_login(const struct redis_options *a, const struct redis_options *b)
{
	return strcmp(a->user, b->user) == 0 && strcmp(a->password, b->password) == 0 &&
	       span_eq(a->ca, b->ca);
}

void ship_change(struct shipper *s, const struct ship_options *o)
{
	const bool same = same_login(&s->o.redis, &o->redis);
	memcpy(s->o.redis.user, o->redis.user, sizeof o->redis.user);
	memcpy(s->o.redis.password, o->redis.password, sizeof o->redis.password);
	s->o.redis.ca = o->redis.ca;
	set_keep(s, o);
	if (same)
		return;
	drop_connection(s);
	s->status.failures = 0;
	s->pause = 0;
}

/* The log says the error and what to do about it; the status has the cause as a word. */
static enum ship_state away(struct shipper *s, struct err *e)
{
	enum cause why = s->why;
	if (why == CAUSE_NONE && s->redis)
		why = redis_why(s->redis);
	if (why == CAUSE_NONE)
		why = CAUSE_LOCAL;
	s->why = CAUSE_NONE;
	drop_connection(s);
	cause_advise(why, e);
	s->status.cause = why;
	snprintf(s->trouble, sizeof s->trouble, "%s", e->text);
	return SHIP_AWAY;
}

static enum ship_state arrive(struct shipper *s)
{
	struct err e = {{0}};
	const uint64_t until = clock_mono_ms() + s->o.redis.timeout_ms;
	s->redis = redis_open(&s->o.redis, &s->why, &e);
	if (!s->redis)
		return away(s, &e);
	redis_deadline(s->redis, until);
	if (s->totals)
		ship_totals_connected(s->totals);
	if (!ship_scan(s, &e) || !ship_load_script(s, &e) || !ship_look(s, &e))
		return away(s, &e);
	return s->refused ? SHIP_REFUSED : SHIP_BUSY;
}

/* --- retention in Redis ----------------------------------------------------------------------- */

/* The mark goes first: what is deleted is never without its proof. */
static void on_deleting(void *arg, uint64_t n, const char *text)
{
	struct shipper *s = arg;
	struct record r;
	char day[11] = "";
	log_info("ship", "%s", text);
	s->status.deleted += n;
	if (!s->o.marks)
		return;
	ship_mark_begin(s, &r, "retention", day);
	ship_mark_end(s, &r, n, text);
}

static bool retain(struct shipper *s, struct err *e)
{
	const struct ship_retain_with with = {.redis = s->redis,
		.node = s->node,
		.day = ship_local_day,
		.deleting = on_deleting,
		.arg = s};
	return !ship_keep_clock_steady(&s->keep) || ship_retain_run(&s->retain, &with, e);
}

/* --- one step --------------------------------------------------------------------------------- */

static enum ship_state work(struct shipper *s)
{
	struct err e = {{0}};
	redis_deadline(s->redis, clock_mono_ms() + s->o.redis.timeout_ms);
	if ((!s->more || clock_mono_ms() - s->scanned >= SCAN_MS) && !ship_scan(s, &e))
		return away(s, &e);
	if (ship_look_due(s)) {
		if (!ship_look(s, &e))
			return away(s, &e);
		if (s->refused)
			return SHIP_REFUSED;
		ship_keep_run(&s->keep, &s->view);
		if (!retain(s, &e))
			return away(s, &e);
	}
	if (!ship_send_all(s, &e) || !ship_receive_all(s, &e))
		return away(s, &e);
	if (s->refused)
		return SHIP_REFUSED;
	if (s->totals && !ship_totals_step(s->totals, s->redis, &e))
		return away(s, &e);
	return s->more || ship_look_due(s) || (s->totals && ship_totals_busy(s->totals))
		       ? SHIP_BUSY
		       : SHIP_IDLE;
}

enum ship_state ship_step(struct shipper *s)
{
	if (s->o.marks)
		journal_poll(s->o.marks);
	return settle(s, s->redis ? work(s) : arrive(s));
}

/* Half of it is chance, so that many nodes do not come back at the same moment. */
static unsigned back_off(unsigned failures)
{
	unsigned ms = AWAY_MAX_MS, chance;
	if (failures < 6)
		ms = 2 * AWAY_MIN_MS << (failures - 1);
	if (ms > AWAY_MAX_MS)
		ms = AWAY_MAX_MS;
	random_bytes(&chance, sizeof chance);
	return ms / 2 + chance % (ms / 2 + 1);
}

static void count_up(struct shipper *s)
{
	struct ship_status *st = &s->status;
	st->journal_bytes = s->view.bytes;
	st->backlog_bytes = st->alarms = 0;
	for (const struct ship_chain *c = s->view.chains; c; c = c->next) {
		st->backlog_bytes += ship_chain_backlog(c);
		st->alarms += c->aside != SET_NOT;
	}
}

static enum ship_state settle(struct shipper *s, enum ship_state state)
{
	const bool bad = state == SHIP_AWAY || state == SHIP_REFUSED;
	s->status.failures += bad;
	if (!bad) {
		s->status.failures = 0;
		s->status.cause = CAUSE_NONE;
		s->trouble[0] = 0;
	}
	if (state == SHIP_REFUSED)
		s->status.cause = CAUSE_NODE;
	s->status.troubles[s->status.cause] += bad;
	s->pause = state == SHIP_BUSY ? 0 : IDLE_MS;
	if (state == SHIP_AWAY)
		s->pause = back_off(s->status.failures);
	if (state == SHIP_REFUSED)
		s->pause = REFUSED_MS;
	count_up(s);
	const char *text = bad ? s->trouble : s->status.alarms ? s->alarm : "";
	snprintf(s->status.text, sizeof s->status.text, "%s", text);
	return state;
}
