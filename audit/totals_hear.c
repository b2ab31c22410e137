/*
 * Everything here comes from Redis and is taken for what anyone may have put there: what does not
 * parse is counted and passed over, and nothing grows with it but the table of sums, which is
 * bounded.
 */
#include "totals_hear.h"

#include "clock.h"
#include "schema.h"

#include <stdio.h>

#define ENTRIES	  "50" /* of a stream in one answer */
#define ENTRIES_N 50
#define HASH_STEP 20   /* pieces of hashes in one round */
#define DAY_MOST  1560 /* minutes: the longest day, and the clocks of nodes differ */
#define DAY_LEAST 1320

bool hear_start(struct totals_hear *h, const struct totals_door *door, const char *self,
	struct totals_figures *figures)
{
	*h = (struct totals_hear){.door = door, .figures = figures};
	snprintf(h->self, sizeof h->self, "%s", self);
	h->all = totals_new(0);
	return h->all != NULL;
}

void hear_free(struct totals_hear *h)
{
	totals_free(h->all);
}

void hear_anew(struct totals_hear *h)
{
	for (unsigned i = 0; i < h->n; i++) {
		h->node[i].last[0] = h->node[i].cursor[0] = 0;
		h->node[i].any = false;
		h->node[i].gap = true;
	}
}

/* --- what is heard ---------------------------------------------------------------------------- */

/* A day that is over is of no interest; one that begins soon is kept until it does. */
static bool day_fits(const struct totals_hear *h, uint32_t start)
{
	return start == h->today ||
	       (start > h->today && start - h->today <= DAY_MOST && start - h->today >= DAY_LEAST);
}

static bool day_over(const struct totals_hear *h, uint32_t start)
{
	return start < h->today && h->today - start >= DAY_LEAST;
}

static void take_pair(struct totals_hear *h, unsigned node, const struct redis_reply *field,
	const struct redis_reply *value)
{
	struct total said;
	if (field->type != REDIS_STRING || value->type != REDIS_STRING ||
		!total_parse(field->str, value->str, &said)) {
		h->figures->strange++;
		return;
	}
	if (day_over(h, said.start))
		return;
	if (!day_fits(h, said.start))
		h->figures->strange++;
	else if (!totals_take(h->all, node, &said))
		h->figures->crowded++;
	else
		h->figures->heard++;
}

static bool hex64(struct span s, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.n; i++) {
		const char c = s.p[i];
		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
		*out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return s.n == 16;
}

/* "ms-number" */
static bool id_ok(struct span id)
{
	uint64_t v;
	struct span number = id, ms = span_cut(&number, '-');
	return id.n < 48 && span_u64(ms, UINT64_MAX, &v) && number.p &&
	       span_u64(number, UINT64_MAX, &v);
}

/* The entry says where in its run it stands: one that does not follow the last one says that some
 * are missing. `first`: there is none before it that was read. */
static bool note_place(struct hear_node *d, const struct redis_reply *fields)
{
	uint64_t run, n;
	if (fields->type != REDIS_ARRAY || fields->n < 4 || fields->n % 2 ||
		!span_is(fields->v[0].str, "r") || !hex64(fields->v[1].str, &run) ||
		!span_is(fields->v[2].str, "n") || !span_u64(fields->v[3].str, UINT64_MAX - 1, &n))
		return false;
	if (!d->any || run != d->run || n != d->n + 1) {
		d->gap = true;
		d->cursor[0] = 0;
	}
	d->any = true;
	d->run = run;
	d->n = n;
	return true;
}

/* [id, [r, RUN, n, N, field, value, …]]. False: what follows cannot be asked for. */
static bool take_entry(struct totals_hear *h, unsigned node, const struct redis_reply *a)
{
	struct hear_node *d = &h->node[node];
	if (a->type != REDIS_ARRAY || a->n != 2 || !id_ok(a->v[0].str))
		return false;
	span_copy(a->v[0].str, d->last, sizeof d->last);
	d->heard_ms = clock_mono_ms();
	const struct redis_reply *fields = &a->v[1];
	if (!note_place(d, fields)) {
		h->figures->strange++;
		return true;
	}
	for (size_t i = 4; i + 1 < fields->n; i += 2)
		take_pair(h, node, &fields->v[i], &fields->v[i + 1]);
	return true;
}

/* --- streams ---------------------------------------------------------------------------------- */

/* A stream that is new to us is read from its end on: what was told before stands in the hash. */
static bool ask_stream(const struct hear_node *d, struct redis *r, struct err *e)
{
	char key[KEY_MAX];
	key_node(key, span_str(d->name), "standing");
	const struct span k = span_str(key);
	const struct span end[] = {
		SPAN("XREVRANGE"), k, SPAN("+"), SPAN("-"), SPAN("COUNT"), SPAN("1")};
	const struct span more[] = {
		SPAN("XREAD"), SPAN("COUNT"), SPAN(ENTRIES), SPAN("STREAMS"), k, span_str(d->last)};
	return redis_send(r, d->last[0] ? more : end, 6, e);
}

static void take_end(struct totals_hear *h, unsigned node, const struct redis_reply *a)
{
	struct hear_node *d = &h->node[node];
	d->gap = true;
	d->cursor[0] = 0;
	memcpy(d->last, "0-0", 4);
	if (a->n > 0 && !take_entry(h, node, &a->v[0]))
		h->figures->strange++;
}

static void take_more(struct totals_hear *h, unsigned node, const struct redis_reply *a)
{
	struct hear_node *d = &h->node[node];
	d->behind = false;
	if (a->n != 1 || a->v[0].type != REDIS_ARRAY || a->v[0].n != 2 ||
		a->v[0].v[1].type != REDIS_ARRAY) {
		h->figures->strange++;
		return;
	}
	const struct redis_reply *entries = &a->v[0].v[1];
	for (size_t i = 0; i < entries->n; i++)
		if (!take_entry(h, node, &entries->v[i])) {
			h->figures->strange++;
			return;
		}
	d->behind = entries->n >= ENTRIES_N;
}

static bool hear_streams(
	struct totals_hear *h, struct redis *r, struct totals_trouble *wrong, struct err *e)
{
	for (unsigned i = 0; i < h->n; i++)
		if (!ask_stream(&h->node[i], r, e))
			return false;
	for (unsigned i = 0; i < h->n; i++) {
		const struct redis_reply *a = redis_receive(r, e);
		if (!a)
			return false;
		if (a->type == REDIS_ERROR)
			totals_refused(r, a, wrong);
		else if (a->type == REDIS_ARRAY && !h->node[i].last[0])
			take_end(h, i, a);
		else if (a->type == REDIS_ARRAY)
			take_more(h, i, a);
		else
			h->node[i].behind = false; /* nothing new */
	}
	return true;
}

/* --- hashes ----------------------------------------------------------------------------------- */

/* [cursor, [field, value, …]] */
static bool take_piece(struct totals_hear *h, unsigned node, const struct redis_reply *a)
{
	struct hear_node *d = &h->node[node];
	uint64_t cursor;
	if (a->type != REDIS_ARRAY || a->n != 2 || !span_u64(a->v[0].str, UINT64_MAX, &cursor) ||
		a->v[1].type != REDIS_ARRAY || !span_copy(a->v[0].str, d->cursor, sizeof d->cursor))
		return false;
	for (size_t i = 0; i + 1 < a->v[1].n; i += 2)
		take_pair(h, node, &a->v[1].v[i], &a->v[1].v[i + 1]);
	if (cursor == 0) {
		d->gap = false;
		d->cursor[0] = 0;
	}
	return true;
}

static bool hear_piece(struct totals_hear *h, unsigned node, struct redis *r,
	struct totals_trouble *wrong, struct err *e)
{
	struct hear_node *d = &h->node[node];
	char key[KEY_MAX];
	key_day(key, span_str(d->name), "standing", span_str(h->day));
	const struct redis_reply *a = redis_words(
		r, e, "HSCAN", key, d->cursor[0] ? d->cursor : "0", "COUNT", "500", (char *)NULL);
	if (!a)
		return false;
	if (a->type == REDIS_ERROR)
		totals_refused(r, a, wrong);
	else if (!take_piece(h, node, a))
		err_set(&wrong->said, "HSCAN of %s gave no piece of a hash", key);
	return true;
}

static bool hear_hashes(
	struct totals_hear *h, struct redis *r, struct totals_trouble *wrong, struct err *e)
{
	unsigned pieces = 0;
	for (unsigned i = 0; i < h->n; i++)
		while (h->node[i].gap && !wrong->said.text[0]) {
			if (pieces++ == HASH_STEP)
				return true;
			if (!hear_piece(h, i, r, wrong, e))
				return false;
		}
	return true;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void add_node(struct totals_hear *h, struct span name)
{
	if (!node_name_ok(name) || span_is(name, h->self))
		return;
	for (unsigned i = 0; i < h->n; i++)
		if (span_is(name, h->node[i].name))
			return;
	if (h->n == TOTAL_NODES) {
		h->too_many = true;
		return;
	}
	struct hear_node *d = &h->node[h->n++];
	*d = (struct hear_node){.gap = true};
	span_copy(name, d->name, sizeof d->name);
}

static bool hear_nodes(
	struct totals_hear *h, struct redis *r, struct totals_trouble *wrong, struct err *e)
{
	const struct redis_reply *a = redis_words(r, e, "SMEMBERS", KEY_NODES, (char *)NULL);
	if (!a)
		return false;
	h->too_many = false;
	if (a->type == REDIS_ERROR)
		totals_refused(r, a, wrong);
	for (size_t i = 0; a->type == REDIS_ARRAY && i < a->n; i++)
		add_node(h, a->v[i].str);
	if (h->too_many)
		err_set(&wrong->said,
			"%s lists more than %d nodes: take out those that are no more", KEY_NODES,
			TOTAL_NODES);
	return true;
}

/* --- a round ---------------------------------------------------------------------------------- */

static void begin_day(struct totals_hear *h)
{
	const uint32_t start = h->door->start(h->door->arg, clock_wall_ms(), h->day);
	if (start == h->today)
		return;
	h->today = start;
	totals_forget(h->all, start);
}

static void pass_on(struct totals_hear *h)
{
	struct total sum;
	while (totals_changed(h->all, h->today, &sum))
		if (!h->door->take(h->door->arg, &sum))
			h->figures->crowded++;
}

static bool all_heard(const struct totals_hear *h)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->node[i].gap || h->node[i].behind || !h->node[i].last[0])
			return false;
	return true;
}

static void count_nodes(struct totals_hear *h)
{
	const uint64_t now = clock_mono_ms();
	h->figures->nodes = h->n;
	h->figures->seen = 0;
	for (unsigned i = 0; i < h->n; i++)
		h->figures->seen +=
			h->node[i].heard_ms && now - h->node[i].heard_ms < TOTALS_SEEN_MS;
}

bool hear_round(struct totals_hear *h, struct redis *r, bool *whole, struct totals_trouble *wrong,
	struct err *e)
{
	*whole = false;
	begin_day(h);
	if (!hear_nodes(h, r, wrong, e) || !hear_streams(h, r, wrong, e) ||
		!hear_hashes(h, r, wrong, e))
		return false;
	pass_on(h);
	count_nodes(h);
	*whole = all_heard(h) && !wrong->said.text[0];
	return true;
}
