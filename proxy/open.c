/*
 * The way to the origin: a kept connection if it leads to an address that was just judged,
 * otherwise a new one to the candidates that may be dialled.
 */
#include "conn.h"

#include <errno.h>

void open_close_origin(struct conn *c)
{
	endpoint_close(c, ORIGIN);
	c->origin_kept = c->origin_own = false;
}

bool open_origin_waits(struct conn *c)
{
	char byte;

	c->side[ORIGIN].ready = true; /* it is asked, whatever the loop has told */
	return endpoint_peek(c, ORIGIN, &byte, 1) == ENDPOINT_AGAIN;
}

void open_spare_origin(struct conn *c)
{
	const struct endpoint *end = &c->side[ORIGIN];
	struct loop_watch watch;

	if (end->fd >= 0 && c->origin_kept && !c->origin_own && !c->draining && !end->hung_up &&
		(!end->ready || open_origin_waits(c))) {
		endpoint_give(c, ORIGIN, &watch);
		spares_put(c->w->spares, &watch, &c->origin, c->origin_port);
	}
	open_close_origin(c);
}

/* One that waits for whoever asks; only for what does no harm if it is asked twice, since the
 * origin may be closing it right now. */
static bool take_spare(struct conn *c)
{
	const struct request *rq = c->rq;
	bool fit = forward_repeatable(rq) && !rq->head.upgrade;
	struct loop_watch *waiting = NULL;

	for (size_t i = 0; fit && !waiting && i < rq->n_addrs; i++) {
		waiting = spares_take(c->w->spares, &rq->addrs[i], rq->head.port);
		if (waiting)
			c->origin = rq->addrs[i];
	}
	if (!waiting)
		return false;
	endpoint_take(c, ORIGIN, waiting);
	c->origin_port = rq->head.port;
	return true;
}

/* A kept connection belongs to an address and port; the request's candidates decide whether it may
 * be used again. */
static bool kept_fits(struct conn *c)
{
	const struct request *rq = c->rq;

	if (!c->origin_kept || c->side[ORIGIN].fd < 0 || c->origin_port != rq->head.port ||
		rq->head.form != FORM_ABSOLUTE || (c->side[ORIGIN].ready && !open_origin_waits(c)))
		return false;
	for (size_t i = 0; i < rq->n_addrs; i++)
		if (addr_eq(&rq->addrs[i], &c->origin))
			return true;
	return false;
}

static enum step opened(struct conn *c)
{
	c->origin_kept = false;
	if (c->rq->head.form == FORM_AUTHORITY)
		return tunnel_start(c);
	return forward_start(c);
}

static void on_dialled(void *arg, struct loop_watch *won, const struct addr *addr, int error)
{
	struct conn *c = arg;

	c->rq->dial = NULL;
	c->rq->dial_error = error;
	c->rq->noted = won ? NOTED_OK : NOTED_FAILED;
	if (won) {
		endpoint_take(c, ORIGIN, won);
		c->origin = *addr;
		c->origin_port = c->rq->head.port;
	}
	conn_step(c);
}

enum step open_origin(struct conn *c)
{
	struct request *rq = c->rq;

	rq->reused = kept_fits(c);
	if (rq->reused)
		return opened(c);
	open_spare_origin(c);
	rq->reused = take_spare(c);
	if (rq->reused)
		return opened(c);
	rq->noted = NOTED_NOTHING;
	rq->dial = dial_start(c->w->loop, rq->addrs, rq->n_addrs, rq->head.port,
		(unsigned)rq->bundle->settings->connect_ms, on_dialled, c);
	if (!rq->dial)
		return reply_failure(c, 503, END_NO_MEMORY);
	return conn_move(c, STATE_CONNECT);
}

enum step open_connected(struct conn *c)
{
	struct request *rq = c->rq;

	if (rq->noted != NOTED_NOTHING)
		ledger_lap(c, LAP_CONNECT);
	switch (rq->noted) {
	case NOTED_NOTHING:
		return STEP_WAIT;
	case NOTED_OK:
		return opened(c);
	case NOTED_FAILED:
		break;
	}
	if (rq->dial_error == ETIMEDOUT)
		return reply_failure(c, 504, END_CONNECT_TIMEOUT);
	if (rq->dial_error == EMFILE || rq->dial_error == ENFILE)
		return reply_failure(c, 503, END_NO_DESCRIPTOR);
	return reply_failure(c, 502, END_UNREACHABLE);
}
