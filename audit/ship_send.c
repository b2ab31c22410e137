/* Batches: filled from the chains in turn, sent, and their answers taken. */
#include "ship_inside.h"

#include "clock.h"
#include "log.h"
#include "schema.h"

#define STEP_MS	    100 /* reading from the disk in one step */
#define READERS_MAX 64	/* open segments of dead chains; each has its buffer */

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
		ship_utc_day(clock_wall_ms(), c->day);
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
			ship_set_aside(s, c, a == READ_HOLE ? SET_HOLE : SET_UNREAD, &e);
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
		ship_set_aside(s, c, why, &e);
	return why == SET_NOT;
}

/* False: the connection broke. */
static bool ship_chain(struct shipper *s, struct ship_chain *c, struct err *e)
{
	if (!may_ship(s, c))
		return true;
	fill(s, c);
	ship_tell_damage(s, c);
	if (ship_chain_finished(c))
		ship_chain_close(&s->view, c);
	const unsigned n = ship_batch_records(s->batch);
	if (n == 0)
		return true;
	if (!ship_send_batch(s, e))
		return false;
	const uint64_t last = ship_batch_last(s->batch);
	s->flight[s->n_flight++] = (struct flight){c, last - n + 1, last, s->expired};
	return true;
}

bool ship_send_all(struct shipper *s, struct err *e)
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
	if (ship_word_is(a, "differs", 3)) {
		if (c->aside == SET_NOT)
			ship_set_aside(s, c, SET_DIFFERS, NULL);
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
	if (ship_refused_by(a, e))
		return false;
	if (ship_word_is(a, "stored", 4))
		ok = take_stored(s, f, a);
	else if (ship_word_is(a, "other", 2))
		ship_note_other(s, a);
	else
		ok = a->type == REDIS_ARRAY && a->n >= 3 && take_other_tip(s, f, a);
	return ok || ship_strange(s, "an answer of the script is not understood", e);
}

bool ship_receive_all(struct shipper *s, struct err *e)
{
	for (size_t i = 0; i < s->n_flight; i++) {
		const struct redis_reply *a = redis_receive(s->redis, e);
		if (!a || !take_answer(s, &s->flight[i], a, e))
			return false;
	}
	s->n_flight = 0;
	return true;
}
