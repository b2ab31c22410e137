/*
 * The life of a connection, in one screen:
 *
 *   (PROXY_HEADER →) (TLS →) HEAD
 *   HEAD → DECIDE ⇄ { IDENTIFY, RESOLVE } → RECORD → CONNECT → HELLO → RELAY   (CONNECT)
 *                                                    CONNECT → FORWARD → HEAD  (http requests)
 *          DECIDE → FORM → ACK → REPLY                                         (the portal)
 *   any of them → REPLY → HEAD or LINGER                                       (refused, failed)
 *   any of them → CLOSED, through conn_leave and with a reason
 *
 * Callbacks of libraries note their result and call conn_step; conn_step runs the step of the
 * present state until one has to wait.
 */
#include "conn.h"

#include "crowd.h"
#include "listener.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum step conn_nothing(struct conn *c)
{
	(void)c;
	return STEP_WAIT;
}

static const struct {
	enum step (*run)(struct conn *);
	enum step (*late)(struct conn *);
	size_t bound; /* offset of an int64_t in struct settings; 0: none */
} states[] = {
#define STATE(name, step, bound, late, text) [STATE_##name] = {step, late, bound},
#define NO_BOUND			     0
#define BOUND(member)			     offsetof(struct settings, member)
#include "states.def"
#undef STATE
};

const char *end_word(enum end_reason r)
{
	static const char *const words[] = {
#define END(name, word, text) word,
#include "ends.def"
#undef END
	};
	return words[r];
}

void conn_step(struct conn *c)
{
	if (c->stepping) {
		c->woken = true;
		return;
	}
	c->stepping = true;
	do {
		c->woken = false;
		if (c->late && c->state != STATE_CLOSED) {
			c->late = false;
			if (states[c->state].late && states[c->state].late(c) == STEP_WAIT)
				continue;
		}
		while (states[c->state].run(c) == STEP_ON)
			;
	} while (c->woken && c->state != STATE_CLOSED);
	c->stepping = false;
	if (c->state == STATE_CLOSED)
		free(c);
}

static void on_timer(int fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	c->late = true;
	conn_step(c);
}

enum step conn_move(struct conn *c, enum conn_state to)
{
	size_t bound = states[to].bound;
	const struct bundle *b = c->rq && c->rq->bundle ? c->rq->bundle : c->w->bundle;

	c->state = (uint8_t)to;
	c->late = false;
	loop_deadline_set(
		&c->timer, bound ? *(const int64_t *)((const char *)b->settings + bound) : -1);
	return STEP_ON;
}

void conn_accept(struct listener *l, int fd, const struct addr *client, const struct addr *local)
{
	struct worker *w = l->w;
	/* not calloc, which passes over the blocks that were freed last; nor a memset, of which
	 * compilers make calloc */
	struct conn *c = malloc(sizeof *c);
	enum end_reason why;
	bool watched;

	if (!c) {
		close(fd);
		return;
	}
	*c = (struct conn){.w = w,
		.since_ms = loop_mono_ms(w->loop),
		.listener = (uint8_t)(l - w->listener),
		.client = *client,
		.local = *local};
	flow_init(&c->up, CLIENT);
	flow_init(&c->down, ORIGIN);
	c->side[ORIGIN].fd = -1;
	watched = endpoint_open(c, CLIENT, fd);
	loop_deadline_init(&c->timer, w->loop, on_timer, c);
	c->next = w->conns;
	if (c->next)
		c->next->prev = c;
	w->conns = c;
	count_set(&w->counters->connections, ++w->n_conns);
	if (!watched)
		conn_end(c, END_NO_MEMORY);
	else if (listener_balancer(l, client))
		conn_move(c, STATE_PROXY_HEADER);
	else if ((why = greet_begin(c)) != END_DONE)
		conn_end(c, why);
}

static void unlink_conn(struct conn *c)
{
	struct worker *w = c->w;

	*(c->prev ? &c->prev->next : &w->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	count_set(&w->counters->connections, --w->n_conns);
	if (c->counted)
		crowd_leave(w->crowd, &c->client);
}

enum step conn_leave(struct conn *c, enum end_reason why)
{
	if (c->state == STATE_FORWARD && why != END_DONE)
		forward_break(c);
	ledger_close(c, why);
	conn_drop_request(c);
	endpoint_close(c, CLIENT);
	open_spare_origin(c);
	flow_free(&c->up);
	flow_free(&c->down);
	unlink_conn(c);
	conn_move(c, STATE_CLOSED);
	loop_deadline_drop(&c->timer);
	return STEP_WAIT;
}

void conn_end(struct conn *c, enum end_reason why)
{
	conn_leave(c, why);
	if (!c->stepping)
		free(c);
}

bool conn_idle(const struct conn *c)
{
	return c->state == STATE_HEAD && (!c->rq || c->rq->n == 0);
}

#define FIRST_REQUEST_MS 1000

void conn_drain(struct conn *c)
{
	c->draining = true;
	if (!conn_idle(c))
		return;
	if (c->served)
		conn_end(c, END_STOPPED);
	else /* who has just connected may still ask once */
		loop_deadline_set(&c->timer, FIRST_REQUEST_MS);
}

#define POOL_MAX 64

bool conn_take_request(struct conn *c)
{
	struct worker *w = c->w;
	struct request *rq = w->pool;

	if (rq) {
		w->pool = rq->next;
		w->pool_n--;
	} else {
		rq = calloc(1, sizeof *rq);
		if (!rq)
			return false;
	}
	memset(&rq->parsed, 0, sizeof *rq - offsetof(struct request, parsed));
	rq->next = NULL;
	rq->n = rq->written = rq->answer_n = 0;
	c->rq = rq;
	return true;
}

/* What is under way is cancelled: no callback comes after this. */
static void cancel(struct request *rq)
{
	if (rq->resolve)
		resolve_cancel(rq->resolve);
	if (rq->check)
		identity_cancel(rq->check);
	if (rq->ticket)
		journal_forget(rq->ticket);
	if (rq->dial)
		dial_cancel(rq->dial);
	rq->resolve = NULL, rq->check = NULL, rq->ticket = NULL, rq->dial = NULL;
}

static void free_request(struct request *rq)
{
	free(rq->bytes);
	free(rq->answer);
	free(rq);
}

void conn_drop_request(struct conn *c)
{
	struct request *rq = c->rq;
	struct worker *w = c->w;

	if (!rq)
		return;
	c->rq = NULL;
	cancel(rq);
	quota_drop(w, rq);
	bundle_unref(rq->bundle);
	rq->bundle = NULL;
	free(rq->form);
	rq->form = NULL;
	explicit_bzero(rq->user, sizeof rq->user);
	if (rq->written) /* it held credentials, also behind what n still counts */
		explicit_bzero(rq->bytes, rq->written);
	if (w->pool_n < POOL_MAX && rq->cap + rq->answer_cap <= 16384) {
		rq->next = w->pool;
		w->pool = rq;
		w->pool_n++;
		return;
	}
	free_request(rq);
}

void conn_free_pool(struct worker *w)
{
	while (w->pool) {
		struct request *rq = w->pool;

		w->pool = rq->next;
		free_request(rq);
	}
}
