/* A table of few rows, looked through; the ages are looked at by one timer. */
#include "spares.h"

#include "clock.h"

#include <stdlib.h>
#include <unistd.h>

struct spare {
	struct loop_watch watch; /* fd -1: the row is free */
	struct spares *pool;
	struct addr to;
	uint16_t port;
	uint64_t since_ms, turn; /* rises: the largest came last */
};

struct spares {
	struct loop *loop;
	struct loop_ev look;
	size_t most, n;
	uint64_t turn;
	struct spare v[SPARES_MOST];
};

static void drop(struct spare *one)
{
	int fd = one->watch.fd;

	loop_unwatch(one->pool->loop, &one->watch);
	close(fd);
	one->pool->n--;
}

/* Nothing may come on a connection without a request; room to write is no news. */
static void on_spare(int fd, short what, void *arg)
{
	(void)fd;
	if (what & (LOOP_READ | LOOP_HANGUP))
		drop(arg);
}

static void on_look(int fd, short what, void *arg)
{
	struct spares *s = arg;
	uint64_t now = clock_mono_ms();

	(void)fd, (void)what;
	for (size_t i = 0; i < s->most; i++)
		if (s->v[i].watch.fd >= 0 && now - s->v[i].since_ms >= SPARES_MS)
			drop(&s->v[i]);
	if (s->n)
		loop_add(&s->look, SPARES_MS / 3);
}

struct spares *spares_new(struct loop *l, size_t most)
{
	struct spares *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->loop = l;
	s->most = most < SPARES_MOST ? most : SPARES_MOST;
	loop_init(&s->look, l, -1, 0, on_look, s);
	for (size_t i = 0; i < SPARES_MOST; i++) {
		s->v[i].pool = s;
		s->v[i].watch.fd = -1;
	}
	return s;
}

void spares_free(struct spares *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->most; i++)
		if (s->v[i].watch.fd >= 0)
			drop(&s->v[i]);
	loop_del(&s->look);
	free(s);
}

/* A free row, or that of the oldest. */
static struct spare *room(struct spares *s)
{
	struct spare *oldest = &s->v[0];

	for (size_t i = 0; i < s->most; i++) {
		if (s->v[i].watch.fd < 0)
			return &s->v[i];
		if (s->v[i].turn < oldest->turn)
			oldest = &s->v[i];
	}
	drop(oldest);
	return oldest;
}

void spares_put(struct spares *s, struct loop_watch *w, const struct addr *to, uint16_t port)
{
	struct spare *one;

	if (s->most == 0) {
		int fd = w->fd;

		loop_unwatch(s->loop, w);
		close(fd);
		return;
	}
	one = room(s);
	one->to = *to;
	one->port = port;
	one->since_ms = loop_mono_ms(s->loop);
	one->turn = ++s->turn;
	loop_watch_move(s->loop, w, &one->watch, on_spare, one);
	if (s->n++ == 0)
		loop_add(&s->look, SPARES_MS / 3);
}

struct loop_watch *spares_take(struct spares *s, const struct addr *to, uint16_t port)
{
	struct spare *found = NULL;

	for (size_t i = 0; s->n && i < s->most; i++) {
		struct spare *one = &s->v[i];

		if (one->watch.fd >= 0 && one->port == port && addr_eq(&one->to, to) &&
			(!found || one->turn > found->turn))
			found = one;
	}
	if (!found)
		return NULL;
	s->n--;
	return &found->watch;
}

size_t spares_count(const struct spares *s)
{
	return s->n;
}
