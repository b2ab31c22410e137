/*
 * The way to the origin: a kept connection if it leads to an address that was just judged,
 * otherwise a new one to the candidates that may be dialled.
 */
#include "conn.h"

#include <errno.h>

void open_close_origin(struct conn *c)
{
	endpoint_close(c, ORIGIN);
	c->origin_kept = false;
}

bool open_origin_waits(struct conn *c)
{
	char byte;

	c->side[ORIGIN].ready = true; /* it is asked, whatever the loop has told */
	return endpoint_peek(c, ORIGIN, &byte, 1) == ENDPOINT_AGAIN;
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
	open_close_origin(c);
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
