/* Moving bytes: read into the worker's buffer or a pipe, write on, keep only what was not taken. */
#include "flow.h"

#include "conn.h"
#include "pace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void flow_init(struct flow *f, int from)
{
	*f = (struct flow){.from = (uint8_t)from};
}

/* Nothing is pending any more, or it is given up. */
static void drop_rest(struct flow *f)
{
	if (f->piped)
		pipes_take_back(f->pipe, !flow_pending(f));
	else
		free(f->rest);
	f->rest = NULL;
	f->piped = false;
	f->at = f->n = 0;
}

void flow_free(struct flow *f)
{
	drop_rest(f);
	flow_init(f, f->from);
}

bool flow_put(struct flow *f, const void *p, size_t n)
{
	char *grown;

	if (n == 0)
		return true;
	assert(!f->piped); /* what is put goes before a body or a tunnel */
	if (f->at && f->at == f->n)
		f->at = f->n = 0;
	grown = realloc(f->rest, f->n + n);
	if (!grown)
		return false;
	f->rest = grown;
	memcpy(f->rest + f->n, p, n);
	f->n += (uint32_t)n;
	return true;
}

static void count(struct conn *c, const struct flow *f, size_t n)
{
	if (f->from == CLIENT)
		ledger_bytes(c, n, 0);
	else
		ledger_bytes(c, 0, n);
}

/* The receiver's answer to bytes: how many it took, 0 for none now, -1 if it failed. */
static ssize_t taken(struct conn *c, struct flow *f, ssize_t sent)
{
	if (sent > 0) {
		count(c, f, (size_t)sent);
		c->active_ms = loop_mono_ms(c->w->loop);
	}
	return sent;
}

static ssize_t give(struct conn *c, struct flow *f, const char *p, size_t n)
{
	return taken(c, f, endpoint_write(c, !f->from, p, n));
}

bool flow_send(struct conn *c, struct flow *f, const void *p, size_t n)
{
	ssize_t sent = n && !flow_pending(f) ? give(c, f, p, n) : 0;
	size_t took = sent > 0 ? (size_t)sent : 0;

	return flow_put(f, (const char *)p + took, n - took);
}

static ssize_t give_rest(struct conn *c, struct flow *f)
{
	size_t n = f->n - f->at;

	if (f->piped)
		return taken(c, f, endpoint_drain(c, !f->from, f->pipe->out, n));
	return give(c, f, f->rest + f->at, n);
}

enum flow_answer flow_flush(struct conn *c, struct flow *f)
{
	ssize_t sent;

	if (!flow_pending(f))
		return FLOW_ENDED;
	sent = give_rest(c, f);
	if (sent < 0)
		return FLOW_SINK;
	f->at += (uint32_t)sent;
	if (flow_pending(f))
		return FLOW_WAIT;
	drop_rest(f);
	return FLOW_ENDED;
}

/* The end of what the source says, in the terms of the body. */
static enum flow_answer source_ended(struct flow *f)
{
	f->ended = true;
	if (f->body && !body_done(f->body) && f->body->framing != BODY_UNTIL_CLOSE)
		return FLOW_SHORT;
	return FLOW_ENDED;
}

/* What reading nothing means: the end, nothing now, or a failure. */
static enum flow_answer nothing_came(struct flow *f, ssize_t n)
{
	if (n == 0)
		return source_ended(f);
	return n == ENDPOINT_AGAIN ? FLOW_WAIT : FLOW_SOURCE;
}

/* How much may be read: never past a body of known length, so that what follows it stays in the
 * socket. */
static size_t wanted(const struct flow *f)
{
	if (f->body && f->body->framing == BODY_LENGTH && f->body->left < FLOW_BUFFER)
		return (size_t)f->body->left;
	return FLOW_BUFFER;
}

/* What of the bytes read belongs to the flow's body. *give: how many at p are for the receiver;
 * *behind: how many at *rest lie behind the body. */
static bool follow(struct flow *f, char *p, size_t n, size_t *give, char **rest, size_t *behind)
{
	enum body_answer a;
	size_t used;

	if (f->decode) {
		a = body_take_content(f->body, p, n, &used, give);
	} else {
		a = body_take(f->body, span_of(p, n), &used);
		*give = used;
	}
	f->ended = a == BODY_DONE;
	*rest = p + used;
	*behind = n - used;
	return a != BODY_BAD;
}

/* One piece from the source to the receiver. */
static enum flow_answer piece(struct conn *c, struct flow *f, size_t *moved)
{
	char *p = c->w->scratch;
	size_t ask = pace_allows(c, f, wanted(f)), used, behind = 0;
	char *rest = NULL;
	ssize_t n, sent;

	if (ask == 0)
		return f->paused ? FLOW_WAIT : FLOW_MEMORY;
	n = endpoint_read(c, f->from, p, ask);
	pace_moved(c, f, ask, n > 0 ? (size_t)n : 0);
	if (n <= 0)
		return nothing_came(f, n);
	used = (size_t)n;
	if (f->body && !follow(f, p, (size_t)n, &used, &rest, &behind))
		return FLOW_BAD;
	*moved += (size_t)n;
	c->active_ms = loop_mono_ms(c->w->loop);
	sent = used ? give(c, f, p, used) : 0;
	if (sent < 0)
		return FLOW_SINK;
	if (!flow_put(f, p + sent, used - (size_t)sent))
		return FLOW_MEMORY;
	/* a client's next request, or an origin's unasked-for bytes */
	if (behind && f->from == CLIENT && !request_keep(c, rest, behind))
		return FLOW_MEMORY;
	if (behind && f->from == ORIGIN)
		c->rq->keep_origin = false;
	return FLOW_WAIT;
}

/* Is the next piece one for a pipe? Bytes of a body are looked at, those of TLS are changed, and
 * those under a bandwidth are read in small pieces. */
static bool may_splice(const struct conn *c, const struct flow *f, size_t moved)
{
	return (f->large || moved >= FLOW_LARGE) && !f->body && !c->side[CLIENT].tls &&
	       !c->side[ORIGIN].tls && !c->access.quota.bandwidth && !f->paused;
}

/* One piece from the source into a pipe; it is flushed as any rest. */
static enum flow_answer pipe_piece(struct conn *c, struct flow *f, struct pipe *p, size_t *moved)
{
	ssize_t n = endpoint_fill(c, f->from, p->in, FLOW_BUFFER);

	if (n <= 0) {
		pipes_take_back(p, true);
		return nothing_came(f, n);
	}
	f->pipe = p;
	f->piped = true;
	f->at = 0, f->n = (uint32_t)n;
	*moved += f->n;
	c->active_ms = loop_mono_ms(c->w->loop);
	return FLOW_WAIT;
}

static enum flow_answer next_piece(struct conn *c, struct flow *f, size_t *moved)
{
	struct pipe *p = may_splice(c, f, *moved) ? pipes_lend(&c->w->pipes) : NULL;

	return p ? pipe_piece(c, f, p, moved) : piece(c, f, moved);
}

static bool any_tls(const struct conn *c)
{
	return c->side[CLIENT].tls || c->side[ORIGIN].tls;
}

/* A flow of many bytes lets all others go first, and has many turns in succession, which costs less
 * a byte. */
static void end_turn(struct conn *c, struct flow *f, size_t moved)
{
	if (moved)
		f->large = moved >= FLOW_LARGE;
	endpoint_patience(c, c->up.large || c->down.large ? any_tls(c) ? 1 : FLOW_TURNS : 0);
}

/* Bytes that are to be encrypted or decrypted take longer. */
static size_t turn_of(const struct conn *c)
{
	return any_tls(c) ? FLOW_TURN_TLS : FLOW_TURN;
}

static enum flow_answer pump(struct conn *c, struct flow *f, size_t *moved)
{
	size_t turn = turn_of(c);

	for (;;) {
		enum flow_answer a = flow_flush(c, f);

		if (a != FLOW_ENDED)
			return a;
		if (f->ended)
			return FLOW_ENDED;
		if (!c->side[f->from].ready)
			return FLOW_WAIT;
		if (*moved >= turn) {
			endpoint_later(c, f->from);
			return FLOW_WAIT;
		}
		a = next_piece(c, f, moved);
		if (a != FLOW_WAIT || f->paused)
			return a;
	}
}

enum flow_answer flow_pump(struct conn *c, struct flow *f)
{
	size_t moved = 0;
	enum flow_answer a = pump(c, f, &moved);

	end_turn(c, f, moved);
	return a;
}
