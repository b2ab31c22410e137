/* Turns under a bandwidth. */
#include "pace.h"

#include "clock.h"
#include "conn.h"

#include <stdlib.h>

#define NS_PER_MS UINT64_C(1000000)

static enum standing_way way_of(const struct flow *f)
{
	return f->from == CLIENT ? STANDING_UP : STANDING_DOWN;
}

static void on_turn(int fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	c->active_ms = loop_mono_ms(c->w->loop); /* who waits for his turn is not silent */
	conn_step(c);
}

static struct pace *take(struct conn *c)
{
	struct worker *w = c->w;
	struct pace *p = w->paces;

	if (p)
		w->paces = p->next;
	else
		p = malloc(sizeof *p);
	if (!p)
		return NULL;
	*p = (struct pace){.conn = c};
	loop_init(&p->timer, w->loop, -1, 0, on_turn, c);
	return p;
}

static void leave(struct conn *c)
{
	struct pace *p = c->access.quota.pace;

	c->access.quota.pace = NULL;
	loop_del(&p->timer);
	p->next = c->w->paces;
	c->w->paces = p;
}

void pace_free_pool(struct pace *pool)
{
	while (pool) {
		struct pace *p = pool;

		pool = p->next;
		free(p);
	}
}

/* One timer for both ways: it is set for the earlier turn. Timers count milliseconds: what is due
 * within the next one is due. */
static void sleep_on(struct conn *c, uint64_t now)
{
	struct pace *p = c->access.quota.pace;
	uint64_t first = UINT64_MAX;

	for (int way = 0; way < 2; way++)
		if (p->granted[way] && p->at_ns[way] < first)
			first = p->at_ns[way];
	loop_add(&p->timer, first > now ? (int64_t)((first - now) / NS_PER_MS) : 0);
}

static size_t wait_for(struct conn *c, struct flow *f, size_t granted, uint64_t at_ns, uint64_t now)
{
	struct quota_share *l = &c->access.quota;
	enum standing_way way = way_of(f);

	if (!l->pace)
		l->pace = take(c);
	if (!l->pace) {
		standing_give_back(l->entry, way, l->bandwidth, granted);
		return 0;
	}
	l->pace->granted[way] = granted;
	l->pace->at_ns[way] = at_ns;
	f->paused = true;
	sleep_on(c, now);
	return 0;
}

/* The turn that the flow has waited for; 0: none, or it has not come. */
static size_t turn(struct conn *c, struct flow *f, uint64_t now)
{
	struct pace *p = c->access.quota.pace;
	enum standing_way way = way_of(f);
	size_t granted = p->granted[way];

	if (p->at_ns[way] >= now + NS_PER_MS) {
		sleep_on(c, now);
		return 0;
	}
	f->paused = false;
	p->granted[way] = 0;
	if (p->granted[!way])
		sleep_on(c, now);
	else
		leave(c);
	return granted;
}

size_t pace_allows(struct conn *c, struct flow *f, size_t want)
{
	struct quota_share *l = &c->access.quota;
	enum standing_way way = way_of(f);
	size_t granted, there;
	uint64_t now, at;

	if (!l->bandwidth) {
		f->paused = false;
		return want;
	}
	now = clock_mono_ns();
	if (l->pace && l->pace->granted[way]) {
		granted = turn(c, f, now);
		pace_moved(c, f, granted, granted < want ? granted : want);
		return granted < want ? granted : want;
	}
	f->paused = false;
	there = endpoint_readable(c, f->from);
	granted = standing_reserve(
		l->entry, way, l->bandwidth, there < want ? there : want, now, &at);
	return at < now + NS_PER_MS ? granted : wait_for(c, f, granted, at, now);
}

void pace_moved(struct conn *c, const struct flow *f, size_t allowed, size_t moved)
{
	struct quota_share *l = &c->access.quota;

	if (l->bandwidth && moved < allowed)
		standing_give_back(l->entry, way_of(f), l->bandwidth, allowed - moved);
}

void pace_end(struct conn *c)
{
	struct quota_share *l = &c->access.quota;

	if (!l->pace)
		return;
	for (int way = 0; way < 2; way++)
		standing_give_back(
			l->entry, (enum standing_way)way, l->bandwidth, l->pace->granted[way]);
	leave(c);
	c->up.paused = c->down.paused = false;
}
