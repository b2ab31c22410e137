/*
 * The story of a slot: added to, numbered, journaled, freed. Only a number says that an emission
 * has begun, and only the journal says that it has ended; what lies between is settled by looking
 * into the chain that the slot names.
 */
#include "usage.h"
#include "clock.h"
#include "digest.h"
#include "journal_read.h"
#include "log.h"
#include "siphash.h"
#include "usage_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define USAGE_LAYOUT 0x32656c697473ull /* of struct usage_shared, and of its keys */
#define TICK_SLOTS   256
#define MINUTE_MS    60000

#define get(x)	  atomic_load_explicit(&(x), memory_order_acquire)
#define set(x, v) atomic_store_explicit(&(x), (v), memory_order_release)

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared atomics need no lock");
static_assert((USAGE_SLOTS & (USAGE_SLOTS - 1)) == 0, "a power of two");

/* What this process knows of a slot's emission. */
struct emission {
	struct usage *u;
	bool waiting;  /* the journal has it */
	bool doubtful; /* it failed, or its owner died: whether the record stands in the chain must
			* be looked up */
	bool asked;    /* in this round */
};

struct figures {
	uint64_t up, down, core_up, core_down, n;
};

struct usage {
	struct usage_shared *shared;
	struct usage_range *range;
	unsigned worker;
	uint64_t boot;
	int dir; /* -1: not known */
	bool crowded, any_doubtful;
	bool in_vain; /* the last look into a chain failed, which was told */
	uint32_t cursor;
	struct figures carry; /* had no slot at all; goes to the next nameless one */
	struct sip_key key;
	struct record_decoder *decoder;
	struct emission emission[USAGE_ALL];
};

/* --- opening ------------------------------------------------------------------------------------
 */

size_t usage_size(unsigned workers)
{
	return sizeof(struct usage_shared) + (size_t)workers * sizeof(struct usage_range);
}

static uint64_t set_once(_Atomic uint64_t *word, uint64_t wanted)
{
	uint64_t found = 0;

	return atomic_compare_exchange_strong(word, &found, wanted) ? wanted : found;
}

static uint64_t random_word(void)
{
	uint64_t v = 0;

	while (v == 0)
		random_bytes(&v, sizeof(v));
	return v;
}

uint64_t usage_boot(void *shared)
{
	struct usage_shared *s = shared;

	return set_once(&s->boot, random_word());
}

/* One key for all who share the memory, and nobody else: whoever connects knows no boot. */
static void make_key(struct usage *u)
{
	const struct span parts[] = {SPAN("usage"), span_of(&u->boot, sizeof(u->boot))};
	uint8_t h[SHA256_LEN];

	digest_sha256(parts, 2, h);
	memcpy(&u->key, h, sizeof(u->key));
}

struct usage *usage_open(void *shared, size_t size, unsigned worker, struct err *e)
{
	struct usage_shared *s = shared;
	struct usage *u;

	if (worker >= USAGE_WORKERS_MAX || size < usage_size(worker + 1)) {
		err_set(e, "usage: no room for worker %u", worker);
		return NULL;
	}
	if (set_once(&s->layout, USAGE_LAYOUT) != USAGE_LAYOUT) {
		err_set(e, "usage: the shared memory is another version's; restart the master");
		return NULL;
	}
	u = calloc(1, sizeof(*u));
	if (!u || !(u->decoder = record_decoder_new())) {
		err_set(e, "usage: out of memory");
		free(u);
		return NULL;
	}
	u->shared = s;
	u->range = &s->range[worker];
	u->worker = worker;
	u->boot = usage_boot(s);
	u->dir = -1;
	make_key(u);
	for (uint32_t i = 0; i < USAGE_ALL; i++)
		u->emission[i].u = u;
	return u;
}

void usage_close(struct usage *u)
{
	if (!u)
		return;
	record_decoder_free(u->decoder);
	free(u);
}

/* --- adding -------------------------------------------------------------------------------------
 */

static uint32_t minute_of(int64_t ms)
{
	return ms > 0 ? (uint32_t)(ms / MINUTE_MS) : 0;
}

static void plus(_Atomic uint64_t *sum, uint64_t v)
{
	if (v)
		atomic_fetch_add_explicit(sum, v, memory_order_relaxed);
}

static void slot_add(struct usage_slot *s, const struct figures *f)
{
	plus(&s->up, f->up);
	plus(&s->down, f->down);
	plus(&s->core_up, f->core_up);
	plus(&s->core_down, f->core_down);
	plus(&s->n, f->n);
}

/* Field by field: two templates that differ anywhere differ in their keys. */
static uint64_t key_of(const struct usage *u, const struct record *fixed)
{
	struct span part[2 + 2 * FIELD_COUNT] = {span_of(&fixed->kind, sizeof(fixed->kind)),
		span_of(&fixed->present, sizeof(fixed->present))};
	size_t n = 2;

	for (uint64_t left = fixed->present; left; left &= left - 1) {
		size_t f = (size_t)__builtin_ctzll(left);

		if (field_type((enum field)f) == FIELD_TYPE_NUM) {
			part[n++] = span_of(&fixed->num[f], sizeof(fixed->num[f]));
			continue;
		}
		part[n++] = span_of(&fixed->str[f].n, sizeof(fixed->str[f].n));
		part[n++] = fixed->str[f];
	}
	return siphash(&u->key, part, n);
}

/* An empty span when it does not fit a slot. */
static struct span encode_fixed(const struct record *fixed, char mem[USAGE_FIXED_MAX + 1])
{
	struct buf b;

	buf_init_fixed(&b, mem, USAGE_FIXED_MAX + 1);
	return record_encode(fixed, &b) ? buf_spanof(&b) : span_of("", 0);
}

static void carry_add(struct figures *c, const struct figures *f)
{
	c->up += f->up;
	c->down += f->down;
	c->core_up += f->core_up;
	c->core_down += f->core_down;
	c->n += f->n;
}

/* Bytes that found no slot of their own. */
static void add_nameless(struct usage *u, uint32_t minute, const struct figures *f)
{
	char mem[USAGE_FIXED_MAX + 1];
	struct record nobody;
	struct span text;
	uint32_t i;

	record_init(&nobody, RECORD_USAGE);
	text = encode_fixed(&nobody, mem);
	i = slot_spare(u->range, 0, minute, text);
	carry_add(&u->carry, f);
	if (i == USAGE_NONE)
		return;
	slot_add(&u->range->slot[i], &u->carry);
	u->carry = (struct figures){0};
}

bool usage_add_again(struct usage *u, struct usage_ref *ref, bool core, uint64_t up, uint64_t down,
	int64_t now_ms)
{
	struct figures f = {up, down, core ? up : 0, core ? down : 0, 0};
	uint32_t minute = minute_of(now_ms);

	if (ref->slot >= USAGE_SLOTS || ref->minute != minute ||
		!slot_takes(u->range, ref->slot, ref->key, minute))
		return false;
	slot_add(&u->range->slot[ref->slot], &f);
	return true;
}

static void note_crowd(struct usage *u)
{
	if (!u->crowded)
		log_warn("usage", "no slot is left for a new person, service and rule in this "
				  "minute; bytes go without a name, refusals one by one");
	u->crowded = true;
}

static uint32_t make_slot(
	struct usage *u, uint64_t key, uint32_t minute, const struct record *fixed)
{
	char mem[USAGE_FIXED_MAX + 1];
	struct span text = encode_fixed(fixed, mem);
	uint32_t i = text.n ? slot_make(u->range, key, minute, text) : USAGE_NONE;

	if (text.n && i == USAGE_NONE)
		note_crowd(u);
	return i;
}

static uint32_t take_slot(
	struct usage *u, uint64_t key, uint32_t minute, const struct record *fixed)
{
	uint32_t i = slot_find(u->range, key, minute);

	return i != USAGE_NONE ? i : make_slot(u, key, minute, fixed);
}

void usage_add(struct usage *u, struct usage_ref *ref, const struct record *fixed, bool core,
	uint64_t up, uint64_t down, int64_t now_ms)
{
	uint32_t minute = minute_of(now_ms);
	struct figures f = {up, down, core ? up : 0, core ? down : 0, ref->minute != minute};

	if (usage_add_again(u, ref, core, up, down, now_ms))
		return;
	ref->key = key_of(u, fixed);
	ref->minute = minute;
	ref->slot = take_slot(u, ref->key, minute, fixed);
	if (ref->slot != USAGE_NONE)
		slot_add(&u->range->slot[ref->slot], &f);
	else
		add_nameless(u, minute, &f);
}

bool usage_refusal(struct usage *u, const struct record *fixed, int64_t now_ms)
{
	const struct figures one = {.n = 1};
	uint32_t minute = minute_of(now_ms);
	uint64_t key = key_of(u, fixed);
	uint32_t i = slot_find(u->range, key, minute);

	if (i != USAGE_NONE) {
		slot_add(&u->range->slot[i], &one);
		return false;
	}
	make_slot(u, key, minute, fixed);
	return true;
}

/* --- emitting -----------------------------------------------------------------------------------
 */

struct tick {
	struct journal *journal;
	struct chain_tip tip;
	int64_t now_ms;
	usage_day_fn *day;
	void *arg;
	size_t emitted;
};

static void fill(struct usage *u, const struct tick *t, uint32_t i, uint64_t number,
	struct record *r, char day[11], char slot[64])
{
	struct usage_slot *s = &u->range->slot[i];
	uint32_t minute = get(u->range->mark[i].minute);
	int64_t at = (int64_t)minute * MINUTE_MS + MINUTE_MS - 1;

	if (minute == minute_of(t->now_ms))
		at = t->now_ms;
	t->day(t->arg, at / 1000, day);
	snprintf(slot, 64, "%u-%" PRIu64 "-%016" PRIx64, u->worker, number, u->boot);
	record_num(r, FIELD_T, (uint64_t)at);
	record_str(r, FIELD_DAY, span_str(day));
	record_str(r, FIELD_SLOT, span_str(slot));
	if (r->kind != RECORD_USAGE) {
		record_num(r, FIELD_N, get(s->n));
		return;
	}
	record_num(r, FIELD_MINUTE, minute);
	record_num(r, FIELD_UP, get(s->up));
	record_num(r, FIELD_DOWN, get(s->down));
	record_num(r, FIELD_CORE_UP, get(s->core_up));
	record_num(r, FIELD_CORE_DOWN, get(s->core_down));
	record_num(r, FIELD_TUNNELS, get(s->n));
}

/* The template of slot i; false (and the slot given up) when it cannot be read. */
static bool template(struct usage *u, uint32_t i, struct record *r)
{
	struct usage_slot *s = &u->range->slot[i];
	struct err e;

	if (s->len <= USAGE_FIXED_MAX &&
		record_decode(u->decoder, span_of(s->fixed, s->len), r, &e) &&
		(r->kind == RECORD_USAGE || r->kind == RECORD_ACCESS))
		return true;
	log_error("usage", "a slot of the shared memory is damaged and given up");
	slot_free(u->range, i);
	return false;
}

/* The chain must be known before the number: whoever finds the number looks there. */
static uint64_t number_slot(struct usage *u, const struct tick *t, uint32_t i)
{
	struct usage_slot *s = &u->range->slot[i];
	uint64_t number = get(s->number);

	if (number)
		return number;
	s->after = t->tip.seq;
	snprintf(s->chain, sizeof(s->chain), "%s", journal_chain(t->journal));
	number = atomic_fetch_add(&u->shared->numbers, 1) + 1;
	set(s->number, number);
	return number;
}

static void on_written(void *arg, bool ok)
{
	struct emission *m = arg;
	struct usage *u = m->u;

	m->waiting = false;
	if (ok) {
		slot_free(u->range, (uint32_t)(m - u->emission));
		return;
	}
	m->doubtful = true;
	u->any_doubtful = true;
}

static void emit(struct usage *u, struct tick *t, uint32_t i)
{
	char line[RECORD_MAX], day[11] = "", slot[64];
	struct record r;
	struct buf b;

	if (!template(u, i, &r))
		return;
	if (r.kind == RECORD_ACCESS && get(u->range->slot[i].n) == 0) {
		slot_free(u->range, i); /* its one refusal was recorded at once */
		return;
	}
	fill(u, t, i, number_slot(u, t, i), &r, day, slot);
	buf_init_fixed(&b, line, sizeof(line));
	if (!record_encode(&r, &b)) {
		log_error("usage", "a record of the open minute does not fit and is lost");
		slot_free(u->range, i);
		return;
	}
	if (!journal_add(t->journal, buf_spanof(&b), on_written, &u->emission[i]))
		return;
	u->emission[i].waiting = true;
	t->emitted++;
}

/* --- settling: does the record of a numbered slot stand in its chain?
 * ------------------------------ */

struct search {
	struct usage *u;
	char chain[CHAIN_NAME_LEN + 1];
	uint64_t after;
	bool told[USAGE_ALL];
};

static void note_number(struct search *s, uint64_t number)
{
	for (uint32_t i = 0; i < USAGE_ALL; i++)
		if (slot_open(s->u->range, i) && get(s->u->range->slot[i].number) == number)
			s->told[i] = true;
}

/* "<worker>-<number>-<boot>" of this worker and this memory */
static bool own_number(const struct usage *u, struct span text, uint64_t *number)
{
	char boot[17];
	uint64_t worker;

	snprintf(boot, sizeof(boot), "%016" PRIx64, u->boot);
	return span_u64(span_cut(&text, '-'), UINT32_MAX, &worker) && worker == u->worker &&
	       span_u64(span_cut(&text, '-'), UINT64_MAX, number) && span_is(text, boot);
}

static void note_line(struct search *s, struct span body)
{
	struct record r;
	struct err e;
	uint64_t number;

	if (!memmem(body.p, body.n, "\"slot\":\"", 8) ||
		!record_decode(s->u->decoder, body, &r, &e) ||
		(r.kind != RECORD_USAGE && r.kind != RECORD_ACCESS))
		return;
	if (own_number(s->u, record_get(&r, FIELD_SLOT), &number))
		note_number(s, number);
}

static bool read_segment(struct search *s, const struct segment_name *name, struct err *e)
{
	struct segment_reader *r = segment_open(s->u->dir, name, e);
	struct journal_line line;
	enum segment_answer answer = SEGMENT_FAILED;

	while (r && (answer = segment_next(r, 0, &line, e)) == SEGMENT_LINE)
		if (line.whole && line.seq > s->after)
			note_line(s, line.body);
	segment_close(r);
	return answer != SEGMENT_FAILED;
}

/* Segments of the chain, but for those that end before the numbers began. */
static bool read_chain(struct search *s, struct err *e)
{
	struct segment_name *v = NULL;
	size_t n = 0;
	bool ok = segment_list(s->u->dir, &v, &n, e);

	for (size_t i = 0; ok && i < n; i++) {
		bool before = i + 1 < n && strcmp(v[i + 1].chain, s->chain) == 0 &&
			      v[i + 1].first_seq <= s->after + 1;

		if (strcmp(v[i].chain, s->chain) == 0 && !before)
			ok = read_segment(s, &v[i], e);
	}
	free(v);
	return ok;
}

static bool unsettled(struct usage *u, uint32_t i)
{
	return u->emission[i].doubtful && !u->emission[i].asked;
}

static bool names_chain(struct usage *u, uint32_t i, const char *chain)
{
	return strncmp(u->range->slot[i].chain, chain, CHAIN_NAME_LEN) == 0;
}

/* What the chain that slot `first` names says of all slots that name it. */
static bool search_chain(struct search *s, uint32_t first, struct err *e)
{
	struct usage *u = s->u;

	memcpy(s->chain, u->range->slot[first].chain, CHAIN_NAME_LEN);
	s->after = UINT64_MAX;
	for (uint32_t i = first; i < USAGE_ALL; i++)
		if (unsettled(u, i) && names_chain(u, i, s->chain) &&
			u->range->slot[i].after < s->after)
			s->after = u->range->slot[i].after;
	return u->dir < 0 || read_chain(s, e);
}

/* A chain that cannot be read now leaves its slots in doubt, to be asked again. At the end there is
 * no other time: counting twice is then better than losing. */
static void settle_chain(struct usage *u, struct search *s, uint32_t first, bool end)
{
	struct err e;
	bool known;

	*s = (struct search){.u = u};
	known = search_chain(s, first, &e);
	if (!known && (end || !u->in_vain))
		log_error("usage", "figures of the open minute %s: %s",
			end ? "may be counted twice" : "wait for their journal", e.text);
	for (uint32_t i = first; i < USAGE_ALL; i++) {
		if (!unsettled(u, i) || !names_chain(u, i, s->chain))
			continue;
		u->emission[i].asked = true;
		u->emission[i].doubtful = !known && !end;
		if (known && s->told[i])
			slot_free(u->range, i);
		else if (!u->emission[i].doubtful)
			set(u->range->slot[i].number, 0);
	}
}

static void settle(struct usage *u, bool end)
{
	struct search *s = calloc(1, sizeof(*s));

	if (!s) /* at the end the slots stay to a successor */
		return;
	for (uint32_t i = 0; i < USAGE_ALL; i++)
		if (unsettled(u, i))
			settle_chain(u, s, i, end);
	free(s);
	u->any_doubtful = false;
	for (uint32_t i = 0; i < USAGE_ALL; i++) {
		u->emission[i].asked = false;
		u->any_doubtful |= u->emission[i].doubtful;
	}
	u->in_vain = u->any_doubtful;
}

/* Of every emission that a dead worker began it is not known how it ended. */
static void doubt_all(struct usage *u)
{
	for (uint32_t i = 0; i < USAGE_ALL; i++)
		if (slot_open(u->range, i) && get(u->range->slot[i].number) &&
			!u->emission[i].waiting)
			u->emission[i].doubtful = u->any_doubtful = true;
}

/* --- the minute is over
 * ----------------------------------------------------------------------------- */

/* The one nameless slot that still takes figures is numbered only when another can take its place,
 * or at the end: bytes that find no slot would be in this process's memory alone, and lost with it.
 */
static bool is_last_resort(struct usage *u, uint32_t i)
{
	if (i < USAGE_SLOTS || get(u->range->slot[i].number))
		return false;
	for (uint32_t k = USAGE_SLOTS; k < USAGE_ALL; k++)
		if (k != i && (!slot_open(u->range, k) || get(u->range->slot[k].number) == 0))
			return false;
	return true;
}

static void sweep(struct usage *u, struct tick *t, bool all, bool end)
{
	uint32_t minute = minute_of(t->now_ms);
	bool crowded = u->crowded;

	u->crowded = false;
	for (uint32_t n = 0; n < USAGE_ALL && (all || t->emitted < TICK_SLOTS); n++) {
		uint32_t i = u->cursor;

		u->cursor = (i + 1) % USAGE_ALL;
		if (slot_open(u->range, i) && !u->emission[i].waiting && !u->emission[i].doubtful &&
			(all || crowded || get(u->range->mark[i].minute) != minute) &&
			(end || !is_last_resort(u, i)))
			emit(u, t, i);
	}
}

void usage_tick(
	struct usage *u, struct journal *j, int64_t now_ms, bool all, usage_day_fn *day, void *arg)
{
	struct tick t = {.journal = j, .now_ms = now_ms, .day = day, .arg = arg};

	if (journal_failing(j) && !all)
		return;
	if (u->any_doubtful)
		settle(u, all);
	if (u->carry.up || u->carry.down || u->carry.n)
		add_nameless(u, minute_of(now_ms), &(struct figures){0});
	journal_tip(j, &t.tip);
	sweep(u, &t, all, all);
}

size_t usage_inherit(struct usage *u, struct journal *j, int dir, usage_day_fn *day, void *arg)
{
	struct tick t = {.journal = j, .now_ms = clock_wall_ms(), .day = day, .arg = arg};

	u->dir = dir;
	doubt_all(u);
	settle(u, false);
	journal_tip(j, &t.tip);
	sweep(u, &t, true, false);
	return t.emitted;
}

/* --- rates
 * ---------------------------------------------------------------------------------------- */

static uint64_t rate_tag(const struct usage *u, struct span person, struct span rule)
{
	const struct span parts[] = {person, span_of("", 1), rule};
	uint64_t tag = siphash(&u->key, parts, 3);

	return tag ? tag : 1;
}

bool usage_rate_take(struct usage *u, struct span person, struct span rule,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s)
{
	return gcra_take(
		u->shared->cell, USAGE_CELLS, rate_tag(u, person, rule), limit, now_us, retry_s);
}

bool usage_rate_spent(const struct usage *u, struct span person, struct span rule,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s)
{
	return gcra_spent(
		u->shared->cell, USAGE_CELLS, rate_tag(u, person, rule), limit, now_us, retry_s);
}
