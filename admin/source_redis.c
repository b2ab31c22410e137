/*
 * Redis as a source: the nodes, and for each node and day the two hashes of rollup.h. Hashes are
 * scanned, not fetched whole, so that neither side holds a large one at once; a scan may give a
 * field twice, which the tally is told. Raw records, where they are wanted, are in a stream
 * per node and day, read in pages.
 */
#include "source.h"

#include "intern.h"
#include "redis.h"
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>

#define SCAN_COUNT "1000"
#define PAGE_COUNT "1000" /* records of a stream at once */

struct reading {
	struct redis *redis;
	struct tally *t;
	const struct raw_taker *raw; /* or NULL */
	struct record_decoder *decoder;
	size_t node;
	bool progress;
};

static bool reply_wrong(const struct redis_reply *a, const char *what, struct err *e)
{
	if (a && a->type == REDIS_ERROR)
		err_set(e, "Redis refuses %s: %.*s", what, a->str.n > 300 ? 300 : (int)a->str.n,
			a->str.p);
	if (a && a->type == REDIS_ERROR)
		cause_advise(cause_of_answer(a->str), e);
	else if (a)
		err_set(e, "Redis answers %s with something else", what);
	return false; /* no answer: *e is set already */
}

/* --- one hash --------------------------------------------------------------------------------- */

static void take(const struct reading *r, enum rollup_hash hash, struct span day,
	const struct redis_reply *pairs)
{
	for (size_t i = 0; i + 1 < pairs->n; i += 2) {
		struct span field = pairs->v[i].str, value = pairs->v[i + 1].str;
		uint64_t add = 0;
		if (hash == ROLLUP_DAY && !span_u64(value, UINT64_MAX, &add))
			tally_bad(r->t, 1);
		else
			tally_add(r->t, r->node, hash, day, field, add, value);
	}
}

static bool ask_page(struct redis *r, const char *key, const char *cursor, struct err *e)
{
	const struct span argv[] = {
		SPAN("HSCAN"), span_str(key), span_str(cursor), SPAN("COUNT"), SPAN(SCAN_COUNT)};
	return redis_send(r, argv, sizeof argv / sizeof *argv, e) && redis_flush(r, e);
}

/* The next page is asked for before this one is counted, so that Redis does not wait for us. */
static bool read_hash(const struct reading *r, enum rollup_hash hash, struct span node,
	struct span day, struct err *e)
{
	char key[KEY_MAX], cursor[24] = "0";
	bool more;
	key_day(key, node, hash == ROLLUP_DAY ? "day" : "min", day);
	tally_hash(r->t);
	if (!ask_page(r->redis, key, cursor, e))
		return false;
	do {
		const struct redis_reply *a = redis_receive(r->redis, e);
		if (!a || a->type != REDIS_ARRAY || a->n != 2 || a->v[1].type != REDIS_ARRAY ||
			!span_copy(a->v[0].str, cursor, sizeof cursor))
			return reply_wrong(a, "HSCAN", e);
		more = strcmp(cursor, "0") != 0;
		if (more && !ask_page(r->redis, key, cursor, e))
			return false;
		take(r, hash, day, &a->v[1]);
	} while (more);
	return true;
}

/* --- one stream ------------------------------------------------------------------------------- */

/* The "b" of [id, [name, value, …]]; empty where there is none. */
static struct span body_of(const struct redis_reply *entry)
{
	if (entry->type != REDIS_ARRAY || entry->n != 2 || entry->v[1].type != REDIS_ARRAY)
		return SPAN("");
	const struct redis_reply *f = &entry->v[1];
	for (size_t i = 0; i + 1 < f->n; i += 2)
		if (span_is(f->v[i].str, "b"))
			return f->v[i + 1].str;
	return SPAN("");
}

/* Bodies under retention are empty; other kinds are no business of the taker. */
static void take_entry(const struct reading *r, const struct redis_reply *entry)
{
	struct record rec;
	struct span body = body_of(entry);
	if (!body.n || !span_starts(body, SPAN("{\"k\":\"access\"")))
		return;
	if (record_decode(r->decoder, body, &rec, NULL))
		r->raw->take(r->raw->arg, &rec);
	else
		tally_bad(r->t, 1);
}

/* Where the next page begins: behind the last entry. */
static bool page_next(const struct redis_reply *a, char *from, size_t cap)
{
	const struct redis_reply *last = &a->v[a->n - 1];
	from[0] = '(';
	return last->type == REDIS_ARRAY && last->n == 2 &&
	       span_copy(last->v[0].str, from + 1, cap - 1);
}

static bool read_stream(const struct reading *r, struct span node, struct span day, struct err *e)
{
	char key[KEY_MAX], from[64] = "-";
	key_day(key, node, "log", day);
	for (;;) {
		const struct redis_reply *a = redis_words(
			r->redis, e, "XRANGE", key, from, "+", "COUNT", PAGE_COUNT, (char *)NULL);
		if (!a || a->type != REDIS_ARRAY)
			return reply_wrong(a, "XRANGE", e);
		if (a->n == 0)
			return true;
		tally_raw_day(r->t, r->node, day);
		for (size_t i = 0; i < a->n; i++)
			take_entry(r, &a->v[i]);
		if (!page_next(a, from, sizeof from))
			return reply_wrong(a, "XRANGE", e);
	}
}

/* --- nodes and days --------------------------------------------------------------------------- */

static bool read_node_day(struct reading *r, struct span node, struct span day, struct err *e)
{
	return read_hash(r, ROLLUP_DAY, node, day, e) && read_hash(r, ROLLUP_MIN, node, day, e) &&
	       (!r->raw || read_stream(r, node, day, e));
}

/* A day of all nodes after the other, so that its minutes are complete and need not wait. */
static bool read_days(struct reading *r, const struct intern *nodes, struct err *e)
{
	const struct period *p = tally_period(r->t);
	for (size_t i = 0; i < p->days; i++) {
		char day[11];
		period_day(p, i, day);
		if (r->progress)
			fprintf(stderr, "\rreading %s", day);
		for (r->node = 0; r->node < nodes->n; r->node++)
			if (!read_node_day(r, nodes->v[r->node], span_str(day), e))
				return false;
		tally_day_done(r->t, span_str(day));
		if (tally_failed(r->t))
			return err_set(e, "out of memory");
	}
	return true;
}

static int by_text(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return c ? c : (x->n > y->n) - (x->n < y->n);
}

/* Names are copied: an answer lives only until the next command. */
static bool list_nodes(const struct reading *r, struct intern *names, struct err *e)
{
	const struct redis_reply *a = redis_words(r->redis, e, "SMEMBERS", KEY_NODES, (char *)NULL);
	if (!a || a->type != REDIS_ARRAY)
		return reply_wrong(a, "SMEMBERS", e);
	for (size_t i = 0; i < a->n; i++)
		if (!node_name_ok(a->v[i].str))
			tally_bad(r->t, 1);
		else if (intern_id(names, a->v[i].str) == INTERN_NONE)
			return err_set(e, "out of memory");
	if (names->n)
		qsort(names->v, names->n, sizeof *names->v, by_text);
	return true;
}

static bool read_all(struct reading *r, struct err *e)
{
	struct intern names = {0};
	bool ok = list_nodes(r, &names, e);
	for (size_t i = 0; ok && i < names.n; i++)
		tally_node_open(r->t, names.v[i]);
	ok = ok && read_days(r, &names, e);
	intern_free(&names);
	if (r->progress)
		fputs("\r\033[K", stderr);
	return ok;
}

bool source_redis_read(const struct redis_options *o, struct tally *t, const struct raw_taker *raw,
	bool progress, struct err *e)
{
	struct reading r = {.t = t, .raw = raw, .progress = progress};
	r.redis = redis_connect(o, e);
	if (!r.redis)
		return false;
	r.decoder = record_decoder_new();
	bool ok = r.decoder ? read_all(&r, e) : err_set(e, "out of memory");
	record_decoder_free(r.decoder);
	redis_free(r.redis);
	return ok;
}

void source_redis_name(const char *url, char *out, size_t cap)
{
	struct redis_options o;
	if (!redis_url(url, &o, NULL))
		snprintf(out, cap, "Redis");
	else if (o.host[0] == '/')
		snprintf(out, cap, "Redis at %s, database %u", o.host, o.db);
	else
		snprintf(out, cap, "Redis at %s:%u, database %u", o.host, o.port, o.db);
}
