/*
 * The shipper. Each step gathers batches from the chains, sends them all, then reads the answers:
 * Redis works on one batch while the next is read from the disk. Cursors run ahead of the answers;
 * whenever an answer is not "stored", the chain is put back to the tip that Redis named. After any
 * break of the connection everything is asked anew, so there is nothing to recover.
 */
#include "ship.h"

#include "clock.h"
#include "log.h"
#include "record.h"
#include "schema.h"
#include "ship_batch.h"
#include "ship_chain.h"
#include "ship_keep.h"
#include "ship_retain.h"
#include "ship_script.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCH_DEFAULT 500
#define BATCH_MAX     5000
#define FLIGHT_MAX    16  /* batches of one step */
#define STEP_MS	      100 /* reading from the disk in one step */
#define READERS_MAX   64  /* open segments of dead chains; each has its buffer */
#define LOOK_MS	      1000
#define SCAN_MS	      200
#define IDLE_MS	      200
#define REFUSED_MS    5000
#define AWAY_MIN_MS   500
#define AWAY_MAX_MS   10000
/* After a boot the clock may be set only now; by then a jump would have been seen. */
#define RETAIN_AFTER_MS (10 * 60 * 1000)

struct flight {
	struct ship_chain *chain;
	uint64_t first, last;
	unsigned expired; /* records in it whose days have passed retention */
};

struct shipper {
	struct ship_options o;
	char node[65];
	int root;
	struct redis *redis; /* NULL: away */
	char sha[48];	     /* of the script in Redis; "" if it has to be loaded */
	struct ship_view view;
	struct ship_keep keep;
	struct ship_retain retain;
	struct ship_totals *totals; /* NULL: none wanted */
	struct record_decoder *decoder;
	struct ship_batch *batch;
	unsigned expired; /* of the batch */
	char day[11];	  /* the last one asked for while the batch is filled; "" none */
	unsigned parts;	  /* what of its records is stored */
	struct flight flight[FLIGHT_MAX];
	size_t n_flight, turn;
	bool more; /* the last step left something to do at once */
	bool refused;
	bool said_undecoded, said_expired;
	enum cause why;		  /* of the trouble, where the connection does not know it */
	uint64_t looked, scanned; /* monotonic; 0: due */
	struct ship_status status;
	char trouble[480], alarm[480];
	unsigned pause;
};

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

/* --- alarms ----------------------------------------------------------------------------------- */

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

static void utc_day(int64_t wall_ms, char out[11])
{
	struct tm tm;
	time_t t = (time_t)(wall_ms / 1000);
	gmtime_r(&t, &tm);
	strftime(out, 11, "%Y-%m-%d", &tm);
}

static void local_day(void *arg, int64_t wall_ms, char out[11])
{
	const struct shipper *s = arg;
	if (s->o.day)
		s->o.day(s->o.day_arg, wall_ms, out);
	else
		utc_day(wall_ms, out);
}

static void mark_begin(struct shipper *s, struct record *r, const char *what, char day[11])
{
	const int64_t now = clock_wall_ms();
	local_day(s, now, day);
	record_init(r, RECORD_MARK);
	record_num(r, FIELD_T, (uint64_t)now);
	record_str(r, FIELD_DAY, span_str(day));
	record_str(r, FIELD_WHAT, span_str(what));
}

static void mark_end(struct shipper *s, struct record *r, uint64_t n, const char *text)
{
	struct buf b;
	char mem[RECORD_MAX];
	if (n)
		record_num(r, FIELD_N, n);
	record_str(r, FIELD_TEXT, span_str(text));
	buf_init_fixed(&b, mem, sizeof mem);
	if (!record_encode(r, &b) || !journal_add(s->o.marks, buf_spanof(&b), NULL, NULL))
		log_error("ship", "this could not be recorded: %s", text);
	journal_hand_over(s->o.marks);
}

static void mark(struct shipper *s, const char *chain, uint64_t seq, const uint8_t *hash,
	uint64_t n, const char *text)
{
	struct record r;
	char day[11] = "", hex[2 * SHA256_LEN + 1];
	if (!s->o.marks)
		return;
	mark_begin(s, &r, "alarm", day);
	record_str(&r, FIELD_CHAIN, span_str(chain));
	record_num(&r, FIELD_SEQ, seq);
	if (hash) {
		hex_encode(hash, SHA256_LEN, hex);
		record_str(&r, FIELD_HASH, span_str(hex));
	}
	mark_end(s, &r, n, text);
}

static void say_aside(
	const struct ship_chain *c, enum ship_aside why, const char *detail, char *out, size_t cap)
{
	const unsigned long long tip = c->tip.seq, read = c->read.seq;
	const unsigned long long first = c->n ? c->seg[0].name.first_seq : 0;
	switch (why) {
	case SET_AHEAD:
		snprintf(out, cap,
			"chain %s: Redis has records up to %llu, the journal ends at %llu: was an "
			"older copy of the journal put back? Nothing of the chain is shipped",
			c->name, tip, read);
		return;
	case SET_DIFFERS:
		snprintf(out, cap,
			"chain %s: at %llu Redis and the journal have different hashes: one of "
			"them was changed. Nothing of the chain is shipped",
			c->name, tip);
		return;
	case SET_BEHIND:
		snprintf(out, cap,
			"chain %s: Redis has records up to %llu, the journal begins at %llu: what "
			"lies between is in neither. Nothing of the chain is shipped",
			c->name, tip, first);
		return;
	case SET_GONE:
		snprintf(out, cap,
			"chain %s: its segments went from the disk before all was in Redis, which "
			"has records up to %llu",
			c->name, tip);
		return;
	case SET_HOLE:
	case SET_UNREAD:
	case SET_NOT:
	default:
		snprintf(out, cap, "chain %s: %.300s. Nothing more of the chain is shipped",
			c->name, detail);
	}
}

/* The chain is set aside until the tip in Redis changes or the connection is lost; the others go
 * on. The same alarm is marked once, not at every connection. */
static void set_aside(
	struct shipper *s, struct ship_chain *c, enum ship_aside why, const struct err *detail)
{
	char text[480];
	say_aside(c, why, detail ? detail->text : "", text, sizeof text);
	log_error("ship", "%s", text);
	snprintf(s->alarm, sizeof s->alarm, "%s", text);
	c->aside = why;
	c->placed = false;
	ship_chain_close(&s->view, c);
	if (c->told_kind == why && memcmp(&c->told, &c->tip, sizeof c->told) == 0)
		return;
	c->told_kind = why;
	c->told = c->tip;
	mark(s, c->name, c->tip.seq, c->known ? c->tip.hash : NULL, 0, text);
}

static void chain_gone(void *arg, struct ship_chain *c)
{
	struct shipper *s = arg;
	if (c->aside == SET_NOT)
		set_aside(s, c, SET_GONE, NULL);
}

static void tell_damage(struct shipper *s, struct ship_chain *c)
{
	char text[240];
	const uint64_t n = c->bad_new > c->empty_new ? c->bad_new : c->empty_new;
	if (n == 0)
		return;
	snprintf(text, sizeof text,
		"chain %s: the journal is damaged where record %llu is due: %llu unreadable lines, "
		"%llu records are shipped without body",
		c->name, (unsigned long long)c->damage_seq, (unsigned long long)c->bad_new,
		(unsigned long long)c->empty_new);
	log_error("ship", "%s", text);
	mark(s, c->name, c->damage_seq, NULL, n, text);
	s->status.bad_lines += c->bad_new;
	c->bad_new = c->empty_new = 0;
}

/* --- the connection --------------------------------------------------------------------------- */

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

static bool strange(struct shipper *s, const char *what, struct err *e)
{
	s->why = CAUSE_PROTOCOL;
	return err_set(e, "Redis: %s", what);
}

/* An error answer of the server: LOADING, OOM, READONLY, NOPERM, MOVED and all the others. */
static bool refused_by_server(const struct redis_reply *a, struct err *e)
{
	if (a->type == REDIS_ERROR)
		err_set(e, "Redis: %.*s", (int)(a->str.n > 300 ? 300 : a->str.n), a->str.p);
	return a->type == REDIS_ERROR;
}

static bool load_script(struct shipper *s, struct err *e)
{
	const struct span load[] = {SPAN("SCRIPT"), SPAN("LOAD"), ship_script()};
	const struct redis_reply *a = redis_command(s->redis, load, 3, e);
	if (!a || refused_by_server(a, e))
		return false;
	return (a->type == REDIS_STRING && span_copy(a->str, s->sha, sizeof s->sha)) ||
	       strange(s, "SCRIPT LOAD gave no digest", e);
}

/* A name that was not in the list: Redis is new to us, or was emptied. */
static bool list_node(struct shipper *s, struct err *e)
{
	const struct redis_reply *a = redis_words(s->redis, e, "SADD", KEY_NODES, s->node, NULL);
	if (!a || refused_by_server(a, e))
		return false;
	if (a->type == REDIS_INT && a->num == 1 && s->totals)
		ship_totals_lost(s->totals);
	return true;
}

static bool send_batch(struct shipper *s, struct err *e)
{
	size_t n;
	const struct span *argv = ship_batch_command(
		s->batch, span_str(s->sha), span_str(s->node), span_str(s->o.node_id), &n);
	return argv ? redis_send(s->redis, argv, n, e) : err_set(e, "out of memory");
}

static bool word_is(const struct redis_reply *a, const char *word, size_t n)
{
	return a->type == REDIS_ARRAY && a->n >= n && a->v[0].type == REDIS_STRING &&
	       span_is(a->v[0].str, word);
}

static void note_other(struct shipper *s, const struct redis_reply *a)
{
	struct span id = a->v[1].str;
	s->refused = true;
	snprintf(s->trouble, sizeof s->trouble,
		"Redis: the name %s belongs to node id %.*s, this journal has %s. Give this node "
		"another audit.node; or, if the other is gone for good, delete stile:{%s}:id",
		s->node, id.n > 40 ? 40 : (int)id.n, id.p, s->o.node_id, s->node);
}

/* The name is bound to this node's id, or is found to be another's. */
static bool bind_name(struct shipper *s, struct err *e)
{
	const struct chain_tip none = {.seq = 0};
	ship_batch_begin(s->batch, "", &none, false);
	if (!send_batch(s, e))
		return false;
	const struct redis_reply *a = redis_receive(s->redis, e);
	if (!a)
		return false;
	if (a->type == REDIS_ERROR && span_starts(a->str, SPAN("NOSCRIPT"))) {
		if (!load_script(s, e) || !send_batch(s, e) || !(a = redis_receive(s->redis, e)))
			return false;
	}
	if (refused_by_server(a, e))
		return false;
	s->refused = false;
	if (word_is(a, "other", 2))
		note_other(s, a);
	else if (!word_is(a, "bound", 1))
		return strange(s, "an answer of the script is not understood", e);
	return true;
}

/* "seq:hash". */
static bool tip_parse(struct span s, struct chain_tip *out)
{
	struct span hash = s, seq = span_cut(&hash, ':');
	return span_u64(seq, UINT64_MAX - 1, &out->seq) && hash.p &&
	       hex_decode(hash, out->hash, sizeof out->hash);
}

/* What Redis says now is what counts: another tip than the one known puts the chain back to it. */
static void note_tip(struct shipper *s, struct ship_chain *c, const struct redis_reply *a)
{
	struct chain_tip tip = {.seq = 0};
	const bool known = a->type == REDIS_STRING;
	const bool clear = !known || tip_parse(a->str, &tip);
	if (c->asked && c->known == known && memcmp(&c->tip, &tip, sizeof tip) == 0)
		return;
	c->asked = true;
	c->known = known;
	c->tip = tip;
	c->placed = false;
	c->aside = SET_NOT;
	if (!clear)
		set_aside(s, c, SET_DIFFERS, NULL);
}

static bool ask_tips(struct shipper *s, struct err *e)
{
	char key[KEY_MAX];
	if (s->view.n_chains == 0)
		return true;
	struct span *argv = malloc((s->view.n_chains + 2) * sizeof *argv);
	if (!argv)
		return err_set(e, "out of memory");
	size_t n = 2, i = 0;
	key_node(key, span_str(s->node), "tips");
	argv[0] = SPAN("HMGET");
	argv[1] = span_str(key);
	for (struct ship_chain *c = s->view.chains; c; c = c->next)
		argv[n++] = span_str(c->name);
	const struct redis_reply *a = redis_command(s->redis, argv, n, e);
	free(argv);
	if (!a || refused_by_server(a, e))
		return false;
	if (a->type != REDIS_ARRAY || a->n != s->view.n_chains)
		return strange(s, "HMGET gave no list of tips", e);
	for (struct ship_chain *c = s->view.chains; c; c = c->next)
		note_tip(s, c, &a->v[i++]);
	return true;
}

static bool scan(struct shipper *s, struct err *e)
{
	s->scanned = clock_mono_ms();
	return ship_view_scan(&s->view, chain_gone, s, e);
}

static bool look_due(const struct shipper *s)
{
	if (s->refused || s->looked == 0 || clock_mono_ms() - s->looked >= LOOK_MS)
		return true;
	for (const struct ship_chain *c = s->view.chains; c; c = c->next)
		if (!c->asked)
			return true;
	return false;
}

/* Asks Redis for the id and all tips. The disk is read again after it, so that a tip is never taken
 * for ahead of a journal that has grown meanwhile. */
static bool look(struct shipper *s, struct err *e)
{
	if (!s->sha[0] && !load_script(s, e))
		return false;
	if (!bind_name(s, e))
		return false;
	if (s->refused)
		return true;
	if (!list_node(s, e) || !ask_tips(s, e) || !scan(s, e))
		return false;
	s->looked = clock_mono_ms();
	return true;
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
	if (!scan(s, &e) || !load_script(s, &e) || !look(s, &e))
		return away(s, &e);
	return s->refused ? SHIP_REFUSED : SHIP_BUSY;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Of days that retention has passed nothing comes back, whatever the journal still has. */
static unsigned parts_of(struct shipper *s, struct span day)
{
	unsigned parts = 0;
	if (ship_retain_takes(&s->retain, RETAIN_RAW, day))
		parts |= PART_RECORD;
	if (ship_retain_takes(&s->retain, RETAIN_ROLLUPS, day))
		parts |= PART_FIGURES;
	if (!(parts & PART_RECORD) && !s->said_expired)
		log_info("ship",
			"records of days before %s are not stored in Redis: retention has passed "
			"them",
			s->retain.from[RETAIN_RAW]);
	s->said_expired = s->said_expired || !(parts & PART_RECORD);
	return parts;
}

/* A chain's records are of one day, but at midnight. */
static void take_day(struct shipper *s, struct ship_chain *c, struct span day)
{
	if (span_is(day, c->day) && strcmp(s->day, c->day) == 0)
		return;
	if (day_name_ok(day))
		span_copy(day, c->day, sizeof c->day);
	else if (!c->day[0])
		utc_day(clock_wall_ms(), c->day);
	memcpy(s->day, c->day, sizeof s->day);
	s->parts = parts_of(s, span_str(c->day));
}

static void add_record(struct shipper *s, struct ship_chain *c, const struct ship_record *got)
{
	struct record r;
	struct err e;
	bool clear = got->body.n > 0 && record_decode(s->decoder, got->body, &r, &e);
	struct span day = clear ? record_get(&r, FIELD_DAY) : span_str("");
	if (got->body.n && !clear && !s->said_undecoded) {
		s->said_undecoded = true;
		log_warn("ship", "chain %s record %llu is stored but adds nothing: %s", c->name,
			(unsigned long long)got->at.seq, e.text);
	}
	take_day(s, c, day);
	s->expired += !(s->parts & PART_RECORD);
	ship_batch_add(
		s->batch, &got->at, got->body, clear ? &r : NULL, span_str(c->day), s->parts);
}

/* Fills the batch from the chain's cursor. */
static void fill(struct shipper *s, struct ship_chain *c)
{
	struct ship_record got;
	struct err e = {{0}};
	ship_batch_begin(s->batch, c->name, &c->read, ship_chain_at_oldest(c));
	s->expired = 0;
	s->day[0] = 0;
	while (!ship_batch_full(s->batch)) {
		enum ship_read a = ship_chain_next(&s->view, c, &got, &e);
		if (a == READ_HOLE || a == READ_FAILED)
			set_aside(s, c, a == READ_HOLE ? SET_HOLE : SET_UNREAD, &e);
		if (a != READ_RECORD)
			return;
		add_record(s, c, &got);
	}
	s->more = true;
}

static bool may_ship(struct shipper *s, struct ship_chain *c)
{
	struct err e = {{0}};
	if (c->n == 0 || !c->asked || c->aside != SET_NOT)
		return false;
	if (!c->reader && ship_chain_finished(c))
		return false;
	if (!c->reader && s->view.readers >= READERS_MAX && ship_chain_dead(c)) {
		s->more = true;
		return false;
	}
	if (c->placed)
		return true;
	const enum ship_aside why = ship_chain_place(&s->view, c, &e);
	if (why != SET_NOT)
		set_aside(s, c, why, &e);
	return why == SET_NOT;
}

/* False: the connection broke. */
static bool ship_chain(struct shipper *s, struct ship_chain *c, struct err *e)
{
	if (!may_ship(s, c))
		return true;
	fill(s, c);
	tell_damage(s, c);
	if (ship_chain_finished(c))
		ship_chain_close(&s->view, c);
	const unsigned n = ship_batch_records(s->batch);
	if (n == 0)
		return true;
	if (!send_batch(s, e))
		return false;
	const uint64_t last = ship_batch_last(s->batch);
	s->flight[s->n_flight++] = (struct flight){c, last - n + 1, last, s->expired};
	return true;
}

/* Chain by chain in turn, so that none starves, until enough is on its way. */
static bool send_all(struct shipper *s, struct err *e)
{
	const uint64_t until = clock_mono_ms() + STEP_MS;
	const size_t n = s->view.n_chains;
	size_t idle = 0;
	struct ship_chain *c = s->view.chains;
	s->more = false;
	if (n == 0)
		return true;
	for (size_t i = s->turn % n; i > 0; i--)
		c = c->next;
	while (idle < n && s->n_flight < FLIGHT_MAX) {
		const size_t before = s->n_flight;
		if (!ship_chain(s, c, e))
			return false;
		idle = s->n_flight == before ? idle + 1 : 0;
		c = c->next ? c->next : s->view.chains;
		s->turn++;
		if (clock_mono_ms() >= until) {
			s->more = s->more || idle < n;
			break;
		}
	}
	return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* {"already" | "ahead" | "back" | "differs", seq, hash} */
static bool take_other_tip(struct shipper *s, const struct flight *f, const struct redis_reply *a)
{
	struct ship_chain *c = f->chain;
	struct chain_tip tip = {.seq = 0};
	if (a->v[1].type != REDIS_STRING || a->v[2].type != REDIS_STRING)
		return false;
	const bool known = a->v[2].str.n > 0;
	if (known && (!span_u64(a->v[1].str, UINT64_MAX - 1, &tip.seq) ||
			     !hex_decode(a->v[2].str, tip.hash, sizeof tip.hash)))
		return false;
	c->known = known;
	c->tip = tip;
	if (word_is(a, "differs", 3)) {
		if (c->aside == SET_NOT)
			set_aside(s, c, SET_DIFFERS, NULL);
		return true;
	}
	if (tip.seq >= f->first)
		s->status.already += (tip.seq < f->last ? tip.seq : f->last) - f->first + 1;
	if (!known)
		s->looked = 0; /* Redis was emptied: the other chains have to go back as well */
	c->placed = false;
	s->more = true;
	return true;
}

static bool take_stored(struct shipper *s, const struct flight *f, const struct redis_reply *a)
{
	struct ship_chain *c = f->chain;
	if (!span_u64(a->v[1].str, UINT64_MAX - 1, &c->tip.seq) || c->tip.seq != f->last ||
		!hex_decode(a->v[2].str, c->tip.hash, sizeof c->tip.hash))
		return false;
	c->known = true;
	s->status.shipped += f->last - f->first + 1 - f->expired;
	s->status.expired += f->expired;
	if (a->v[3].num)
		log_error("ship", "chain %s: Redis refused %lld increments of the daily figures",
			c->name, (long long)a->v[3].num);
	return true;
}

static bool take_answer(
	struct shipper *s, const struct flight *f, const struct redis_reply *a, struct err *e)
{
	bool ok = true;
	if (a->type == REDIS_ERROR && span_starts(a->str, SPAN("NOSCRIPT"))) {
		s->sha[0] = 0;
		s->looked = 0;
		f->chain->placed = false;
		s->more = true;
		return true;
	}
	if (refused_by_server(a, e))
		return false;
	if (word_is(a, "stored", 4))
		ok = take_stored(s, f, a);
	else if (word_is(a, "other", 2))
		note_other(s, a);
	else
		ok = a->type == REDIS_ARRAY && a->n >= 3 && take_other_tip(s, f, a);
	return ok || strange(s, "an answer of the script is not understood", e);
}

static bool receive_all(struct shipper *s, struct err *e)
{
	for (size_t i = 0; i < s->n_flight; i++) {
		const struct redis_reply *a = redis_receive(s->redis, e);
		if (!a || !take_answer(s, &s->flight[i], a, e))
			return false;
	}
	s->n_flight = 0;
	return true;
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
	mark_begin(s, &r, "retention", day);
	mark_end(s, &r, n, text);
}

static bool retain(struct shipper *s, struct err *e)
{
	const struct ship_retain_with with = {.redis = s->redis,
		.node = s->node,
		.day = local_day,
		.deleting = on_deleting,
		.arg = s};
	return !ship_keep_clock_steady(&s->keep) || ship_retain_run(&s->retain, &with, e);
}

/* --- one step --------------------------------------------------------------------------------- */

static enum ship_state work(struct shipper *s)
{
	struct err e = {{0}};
	redis_deadline(s->redis, clock_mono_ms() + s->o.redis.timeout_ms);
	if ((!s->more || clock_mono_ms() - s->scanned >= SCAN_MS) && !scan(s, &e))
		return away(s, &e);
	if (look_due(s)) {
		if (!look(s, &e))
			return away(s, &e);
		if (s->refused)
			return SHIP_REFUSED;
		ship_keep_run(&s->keep, &s->view);
		if (!retain(s, &e))
			return away(s, &e);
	}
	if (!send_all(s, &e) || !receive_all(s, &e))
		return away(s, &e);
	if (s->refused)
		return SHIP_REFUSED;
	if (s->totals && !ship_totals_step(s->totals, s->redis, &e))
		return away(s, &e);
	return s->more || look_due(s) || (s->totals && ship_totals_busy(s->totals)) ? SHIP_BUSY
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
