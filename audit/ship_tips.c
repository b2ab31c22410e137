/* What Redis says of this node: its script, whose the name is, how far each chain has come. */
#include "ship_inside.h"

#include "clock.h"
#include "schema.h"
#include "ship_script.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 1000

bool ship_strange(struct shipper *s, const char *what, struct err *e)
{
	s->why = CAUSE_PROTOCOL;
	return err_set(e, "Redis: %s", what);
}

bool ship_refused_by(const struct redis_reply *a, struct err *e)
{
	if (a->type == REDIS_ERROR)
		err_set(e, "Redis: %.*s", (int)(a->str.n > 300 ? 300 : a->str.n), a->str.p);
	return a->type == REDIS_ERROR;
}

bool ship_load_script(struct shipper *s, struct err *e)
{
	const struct span load[] = {SPAN("SCRIPT"), SPAN("LOAD"), ship_script()};
	const struct redis_reply *a = redis_command(s->redis, load, 3, e);
	if (!a || ship_refused_by(a, e))
		return false;
	return (a->type == REDIS_STRING && span_copy(a->str, s->sha, sizeof s->sha)) ||
	       ship_strange(s, "SCRIPT LOAD gave no digest", e);
}

/* A name that was not in the list: Redis is new to us, or was emptied. */
static bool list_node(struct shipper *s, struct err *e)
{
	const struct redis_reply *a = redis_words(s->redis, e, "SADD", KEY_NODES, s->node, NULL);
	if (!a || ship_refused_by(a, e))
		return false;
	if (a->type == REDIS_INT && a->num == 1 && s->totals)
		ship_totals_lost(s->totals);
	return true;
}

bool ship_send_batch(struct shipper *s, struct err *e)
{
	size_t n;
	const struct span *argv = ship_batch_command(
		s->batch, span_str(s->sha), span_str(s->node), span_str(s->o.node_id), &n);
	return argv ? redis_send(s->redis, argv, n, e) : err_set(e, "out of memory");
}

bool ship_word_is(const struct redis_reply *a, const char *word, size_t n)
{
	return a->type == REDIS_ARRAY && a->n >= n && a->v[0].type == REDIS_STRING &&
	       span_is(a->v[0].str, word);
}

void ship_note_other(struct shipper *s, const struct redis_reply *a)
{
	struct span id = a->v[1].str;
	s->refused = true;
	snprintf(s->trouble, sizeof s->trouble,
		"Redis: the name %s belongs to node id %.*s, this journal has %s. Give this node "
		"another audit.node; or, if the other is gone for good, delete stile:{%s}:id",
		s->node, id.n > 40 ? 40 : (int)id.n, id.p, s->o.node_id, s->node);
}

/* The name is bound to this node's id, or is found to be another's. */
static bool bind_name(struct shipper *s, struct err *e)
{
	const struct chain_tip none = {.seq = 0};
	ship_batch_begin(s->batch, "", &none, false);
	if (!ship_send_batch(s, e))
		return false;
	const struct redis_reply *a = redis_receive(s->redis, e);
	if (!a)
		return false;
	if (a->type == REDIS_ERROR && span_starts(a->str, SPAN("NOSCRIPT"))) {
		if (!ship_load_script(s, e) || !ship_send_batch(s, e) ||
			!(a = redis_receive(s->redis, e)))
			return false;
	}
	if (ship_refused_by(a, e))
		return false;
	s->refused = false;
	if (ship_word_is(a, "other", 2))
		ship_note_other(s, a);
	else if (!ship_word_is(a, "bound", 1))
		return ship_strange(s, "an answer of the script is not understood", e);
	return true;
}

/* "seq:hash". */
static bool tip_parse(struct span s, struct chain_tip *out)
{
	struct span hash = s, seq = span_cut(&hash, ':');
	return span_u64(seq, UINT64_MAX - 1, &out->seq) && hash.p &&
	       hex_decode(hash, out->hash, sizeof out->hash);
}

/* What Redis says now is what counts: another tip than the one known puts the chain back to it. */
static void note_tip(struct shipper *s, struct ship_chain *c, const struct redis_reply *a)
{
	struct chain_tip tip = {.seq = 0};
	const bool known = a->type == REDIS_STRING;
	const bool clear = !known || tip_parse(a->str, &tip);
	if (c->asked && c->known == known && memcmp(&c->tip, &tip, sizeof tip) == 0)
		return;
	c->asked = true;
	c->known = known;
	c->tip = tip;
	c->placed = false;
	c->aside = SET_NOT;
	if (!clear)
		ship_set_aside(s, c, SET_DIFFERS, NULL);
}

static bool ask_tips(struct shipper *s, struct err *e)
{
	char key[KEY_MAX];
	if (s->view.n_chains == 0)
		return true;
	struct span *argv = malloc((s->view.n_chains + 2) * sizeof *argv);
	if (!argv)
		return err_set(e, "out of memory");
	size_t n = 2, i = 0;
	key_node(key, span_str(s->node), "tips");
	argv[0] = SPAN("HMGET");
	argv[1] = span_str(key);
	for (struct ship_chain *c = s->view.chains; c; c = c->next)
		argv[n++] = span_str(c->name);
	const struct redis_reply *a = redis_command(s->redis, argv, n, e);
	free(argv);
	if (!a || ship_refused_by(a, e))
		return false;
	if (a->type != REDIS_ARRAY || a->n != s->view.n_chains)
		return ship_strange(s, "HMGET gave no list of tips", e);
	for (struct ship_chain *c = s->view.chains; c; c = c->next)
		note_tip(s, c, &a->v[i++]);
	return true;
}

static void chain_gone(void *arg, struct ship_chain *c)
{
	struct shipper *s = arg;
	if (c->aside == SET_NOT)
		ship_set_aside(s, c, SET_GONE, NULL);
}

bool ship_scan(struct shipper *s, struct err *e)
{
	s->scanned = clock_mono_ms();
	return ship_view_scan(&s->view, chain_gone, s, e);
}

bool ship_look_due(const struct shipper *s)
{
	if (s->refused || s->looked == 0 || clock_mono_ms() - s->looked >= LOOK_MS)
		return true;
	for (const struct ship_chain *c = s->view.chains; c; c = c->next)
		if (!c->asked)
			return true;
	return false;
}

bool ship_look(struct shipper *s, struct err *e)
{
	if (!s->sha[0] && !ship_load_script(s, e))
		return false;
	if (!bind_name(s, e))
		return false;
	if (s->refused)
		return true;
	if (!list_node(s, e) || !ask_tips(s, e) || !ship_scan(s, e))
		return false;
	s->looked = clock_mono_ms();
	return true;
}
