/*
 * The door to the table. A walk over it finds what has changed; what was handed out stays marked
 * here until Redis has it, as the table's own mark is gone by then. A successor of a dead shipper
 * hands out everything once.
 */
#include "sharing_inside.h"

#include "clock.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void sharing_day(const struct sharing *s, int64_t wall_ms, struct local_day *out)
{
	snapshot_local_day(s->o.policy, wall_ms / 1000, out);
}

/* --- bits: bytes of the table, words of totals ------------------------------------------------ */

static_assert(STANDING_MINUTES_MAX <= TOTAL_MINUTES, "a day fits");

static void words_of(const uint8_t in[STANDING_BITMAP], uint64_t out[TOTAL_WORDS])
{
	for (size_t i = 0; i < STANDING_BITMAP; i++)
		out[i / 8] |= (uint64_t)in[i] << (8 * (i % 8));
}

static void bytes_of(const uint64_t in[TOTAL_WORDS], uint8_t out[STANDING_BITMAP])
{
	for (size_t i = 0; i < STANDING_BITMAP; i++)
		out[i] = (uint8_t)(in[i / 8] >> (8 * (i % 8)));
}

struct standing_totals sharing_figures(const struct total *t)
{
	struct standing_totals f = {.up = t->bytes};

	f.granted[STANDING_MINUTES] = t->more_minutes;
	f.granted[STANDING_BYTES] = t->more_bytes;
	bytes_of(t->minutes, f.minutes);
	return f;
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool marked(const struct sharing *s, uint32_t slot)
{
	return s->waiting[slot / 8] >> (slot % 8) & 1;
}

static uint64_t bounded(uint64_t v)
{
	return v < TOTAL_BYTES ? v : TOTAL_BYTES;
}

static void ack_of(const struct standing_entry *e, int64_t now_ms, struct total *out)
{
	struct standing_ack ack;

	standing_ack(e, &ack);
	if (ack.until_s * 1000 <= now_ms)
		return;
	out->acked_at_ms = ack.at_s * 1000;
	out->acked_until_ms = ack.until_s * 1000;
	out->purpose = ack.purpose;
}

/* False: there is nothing of today, or the place got another name meanwhile. */
static bool own_total(const struct sharing *s, const struct standing_entry *e, struct total *out)
{
	struct standing_totals f;
	struct standing_name name, still;

	*out = (struct total){.start = (uint32_t)(s->day.from_s / 60)};
	standing_name(e, &name);
	standing_totals(e, &s->day, &f);
	ack_of(e, clock_wall_ms(), out);
	standing_name(e, &still);
	if (memcmp(&name, &still, sizeof name) != 0)
		return false;
	memcpy(out->person, name.person, sizeof out->person);
	memcpy(out->rule, name.rule, sizeof out->rule);
	out->bytes = bounded(f.up + f.down);
	out->more_minutes = bounded(f.granted[STANDING_MINUTES]);
	out->more_bytes = bounded(f.granted[STANDING_BYTES]);
	words_of(f.minutes, out->minutes);
	return out->bytes || out->more_minutes || out->more_bytes || out->acked_until_ms ||
	       total_minutes(out) > 0;
}

static void mark_all(void *arg)
{
	struct sharing *s = arg;

	memset(s->waiting, 0xff, sizeof s->waiting);
}

/* A new day tells what holds of the day before: acknowledgements. */
static void begin_walk(struct sharing *s)
{
	const uint32_t before = s->day.number;

	sharing_day(s, clock_wall_ms(), &s->day);
	if (s->day.number != before)
		mark_all(s);
}

static bool next(void *arg, struct total *own, uint32_t *slot)
{
	struct sharing *s = arg;
	struct standing_entry *e;

	if (!standing_restored(s->o.standing))
		return false; /* less would be told than was told before the start */
	if (s->cursor == 0)
		begin_walk(s);
	while ((e = standing_next(s->o.standing, &s->cursor)) != NULL) {
		const uint32_t at = s->cursor - 1;

		if (standing_take_changed(e))
			s->waiting[at / 8] |= (uint8_t)(1 << (at % 8));
		if (!marked(s, at))
			continue;
		if (own_total(s, e, own)) {
			*slot = at;
			return true;
		}
		s->waiting[at / 8] &= (uint8_t) ~(1 << (at % 8));
	}
	s->cursor = 0;
	return false;
}

static void told(void *arg, uint32_t slot)
{
	struct sharing *s = arg;

	s->waiting[slot / 8] &= (uint8_t) ~(1 << (slot % 8));
}

/* --- hearing ---------------------------------------------------------------------------------- */

static uint32_t start_of(void *arg, int64_t wall_ms, char day[11])
{
	const struct sharing *s = arg;
	struct local_day d;

	sharing_day(s, wall_ms, &d);
	snapshot_day(s->o.policy, wall_ms / 1000, day);
	return (uint32_t)(d.from_s / 60);
}

void sharing_acknowledge(struct sharing *s, struct standing_entry *e, const struct total *t)
{
	const struct standing_ack ack = {.at_s = t->acked_at_ms / 1000,
		.until_s = t->acked_until_ms / 1000,
		.purpose = (uint8_t)t->purpose};

	if (t->acked_until_ms)
		standing_acknowledge(s->o.standing, e, &ack);
}

struct standing_entry *sharing_hold(
	struct sharing *s, const struct total *t, const struct local_day *day)
{
	return standing_hold(s->o.standing, STANDING_SHIPPER(s->o.workers), span_str(t->person),
		span_str(t->rule), day);
}

void sharing_release(const struct sharing *s, struct standing_entry *e)
{
	standing_release(e, STANDING_SHIPPER(s->o.workers));
}

static bool take(void *arg, const struct total *others)
{
	struct sharing *s = arg;
	const struct standing_totals f = sharing_figures(others);
	struct local_day day;
	struct standing_entry *e;

	sharing_day(s, others->start * INT64_C(60000), &day);
	e = sharing_hold(s, others, &day);
	if (!e)
		return false;
	standing_set_others(s->o.standing, e, &day, &f);
	sharing_acknowledge(s, e, others);
	sharing_release(s, e);
	return true;
}

static void known(void *arg, uint64_t until_ms)
{
	struct sharing *s = arg;

	if (standing_restored(s->o.standing))
		standing_known_until(s->o.standing, until_ms);
}

/* --- life ------------------------------------------------------------------------------------- */

struct sharing *sharing_new(const struct sharing_options *o, struct err *e)
{
	struct sharing *s = calloc(1, sizeof *s);
	const int64_t now_ms = clock_wall_ms();

	if (!s) {
		err_set(e, "out of memory");
		return NULL;
	}
	s->o = *o;
	snprintf(s->chain, sizeof s->chain, "%s", o->chain);
	s->door = (struct totals_door){s, start_of, next, told, mark_all, take, known};
	s->began_ms = clock_mono_ms();
	sharing_day(s, now_ms, &s->day);
	mark_all(s);
	/* what a predecessor held when it died is held no longer */
	standing_inherit(s->o.standing, STANDING_SHIPPER(s->o.workers), &s->day, now_ms / 1000);
	if (!standing_restored(s->o.standing))
		log_info("limits",
			"today's figures are restored from the journal; until then limits hold as "
			"their without_redis says");
	else if (s->o.alone)
		standing_known_until(s->o.standing, UINT64_MAX);
	return s;
}

void sharing_free(struct sharing *s)
{
	if (!s)
		return;
	today_free(s->today);
	free(s);
}

void sharing_policy(struct sharing *s, const struct snapshot *policy)
{
	s->o.policy = policy;
}

const struct totals_door *sharing_door(struct sharing *s)
{
	return &s->door;
}
