/*
 * Retention of segments. Age is judged by the wall clock, which may jump: after a jump nothing goes
 * by age for a day, so that a clock set wrong and right again deletes nothing.
 */
#include "ship_keep.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <unistd.h>

#define JUMP_MS (10 * 60 * 1000)
#define HOLD_MS (24 * 60 * 60 * 1000ULL)
#define SAY_MS	(60 * 1000)

/* The first segment of a chain, when all its records are below the tip. Only the first may go: a
 * chain never gets a hole. */
static bool may_go(const struct ship_chain *c)
{
	if (c->n == 0 || !c->placed || c->aside != SET_NOT || c->holding)
		return false;
	if (c->seg[0].name.number == c->folder->newest)
		return false;
	if (c->n > 1)
		return c->known && c->at > c->seg[0].name.number &&
		       c->seg[1].name.first_seq - 1 <= c->tip.seq;
	if (!ship_chain_finished(c))
		return false;
	return c->known ? c->tip.seq == c->read.seq : c->read.seq == 0;
}

static bool delete_first(struct ship_view *v, struct ship_chain *c)
{
	char file[96];
	segment_name_format(&c->seg[0].name, file);
	if (unlinkat(c->folder->fd, file, 0) != 0 && errno != ENOENT) {
		log_warn("journal", "cannot delete %s: %s", file, strerror(errno));
		return false;
	}
	v->bytes -= c->seg[0].size;
	memmove(&c->seg[0], &c->seg[1], --c->n * sizeof c->seg[0]);
	return true;
}

static void by_age(struct ship_keep *k, struct ship_view *v)
{
	const int64_t before = clock_wall_ms() - k->keep_ms;
	for (struct ship_chain *c = v->chains; c; c = c->next)
		while (may_go(c) && c->seg[0].mtime_ms < before)
			if (!delete_first(v, c))
				return;
}

static struct ship_chain *oldest_that_may_go(struct ship_view *v)
{
	struct ship_chain *oldest = NULL;
	for (struct ship_chain *c = v->chains; c; c = c->next)
		if (may_go(c) && (!oldest || c->seg[0].mtime_ms < oldest->seg[0].mtime_ms))
			oldest = c;
	return oldest;
}

static void by_space(struct ship_keep *k, struct ship_view *v)
{
	while (v->bytes > k->space) {
		struct ship_chain *c = oldest_that_may_go(v);
		if (!c || !delete_first(v, c))
			break;
	}
	k->over = v->bytes > k->space;
	if (!k->over || (k->said && clock_mono_ms() - k->said < SAY_MS))
		return;
	k->said = clock_mono_ms();
	log_warn("journal", "the segments take %llu bytes of %llu, and none of them may go yet",
		(unsigned long long)v->bytes, (unsigned long long)k->space);
}

static bool clock_steady(struct ship_keep *k)
{
	const uint64_t mono = clock_mono_ms();
	const int64_t drift = clock_wall_ms() - (int64_t)mono;
	const int64_t moved = k->looked ? drift - k->drift : 0;
	k->drift = drift;
	k->looked = true;
	if (moved > JUMP_MS || moved < -JUMP_MS) {
		k->hold_until = mono + HOLD_MS;
		log_warn("journal", "the clock was moved: nothing is deleted by age for a day");
	}
	return mono >= k->hold_until;
}

bool ship_keep_clock_steady(const struct ship_keep *k)
{
	return k->looked && clock_mono_ms() >= k->hold_until;
}

void ship_keep_run(struct ship_keep *k, struct ship_view *v)
{
	const bool steady = clock_steady(k);
	if (k->keep_ms > 0 && steady)
		by_age(k, v);
	if (k->space > 0)
		by_space(k, v);
}
