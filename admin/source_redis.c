/*
 * Redis as a source: the nodes, and for each node and day the two hashes of rollup.h. A hash of
 * usual size is fetched whole, which costs Redis half of what a scan does and nobody else more than
 * some milliseconds; its fields are counted as they come, so neither side of us holds it. Larger
 * ones are scanned; a scan may give a field twice, which the tally is told. Raw records, where they
 * are wanted, are in a stream per node and day, read in pages. What comes next is asked for before
 * this is counted, so that Redis and we work at once.
 */
#include "source.h"

#include "intern.h"
#include "redis.h"
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>

#define SCAN_COUNT    "1000"
#define PAGE_COUNT    "1000" /* records of a stream at once */
#define WHOLE_COUNTS  16384  /* fields: a larger hash of counters is scanned */
#define WHOLE_MINUTES 4096   /* the same of minutes, whose values are long */
#define LENGTHS	      1024   /* asked for at once */
#define AHEAD	      3	     /* keys asked for and not read */

/* All that is read has a number: the parts of the first node on the first day, of the next node, …
 */
enum part { PART_COUNTS, PART_MINUTES, PART_RECORDS, PARTS };

/* How it is read. */
enum way { WAY_NONE, WAY_WHOLE, WAY_SCAN, WAY_PAGES };

struct reading {
	struct redis *redis;
	struct tally *t;
	const struct raw_taker *raw; /* or NULL */
	struct record_decoder *decoder;
	struct intern nodes;
	bool progress;
	unsigned char *way; /* by number, an enum way */
	size_t n, next;	    /* how many; the first that was not asked for */
	size_t asked[AHEAD];
	unsigned nasked;
	/* what is read now */
	size_t node, day_number;
	enum rollup_hash hash;
	char day_text[11];
	struct span day; /* of it; empty before the first */
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

/* --- asking ----------------------------------------------------------------------------------- */

static enum part part_of(size_t number)
{
	return (enum part)(number % PARTS);
}

static size_t node_of(const struct reading *r, size_t number)
{
	return number / PARTS % r->nodes.n;
}

static size_t day_of(const struct reading *r, size_t number)
{
	return number / PARTS / r->nodes.n;
}

static void key_of(const struct reading *r, size_t number, char key[KEY_MAX])
{
	static const char *const what[PARTS] = {"day", "min", "log"};
	char day[11];
	period_day(tally_period(r->t), day_of(r, number), day);
	key_day(key, r->nodes.v[node_of(r, number)], what[part_of(number)], span_str(day));
}

/* From the beginning where `from` is NULL, else the next page. */
static bool ask(const struct reading *r, size_t number, const char *from, struct err *e)
{
	char key[KEY_MAX];
	key_of(r, number, key);
	const struct span whole[] = {SPAN("HGETALL"), span_str(key)};
	const struct span scan[] = {SPAN("HSCAN"), span_str(key), span_str(from ? from : "0"),
		SPAN("COUNT"), SPAN(SCAN_COUNT)};
	const struct span page[] = {SPAN("XRANGE"), span_str(key), span_str(from ? from : "-"),
		SPAN("+"), SPAN("COUNT"), SPAN(PAGE_COUNT)};
	if (r->way[number] == WAY_WHOLE)
		return redis_send(r->redis, whole, sizeof whole / sizeof *whole, e);
	if (r->way[number] == WAY_SCAN)
		return redis_send(r->redis, scan, sizeof scan / sizeof *scan, e);
	return redis_send(r->redis, page, sizeof page / sizeof *page, e);
}

/* Answers come in the order of the questions: nothing is asked for behind what may have pages. */
static bool ask_ahead(struct reading *r, struct err *e)
{
	while (r->nasked < AHEAD && (!r->nasked || r->way[r->asked[r->nasked - 1]] == WAY_WHOLE)) {
		while (r->next < r->n && r->way[r->next] == WAY_NONE)
			r->next++;
		if (r->next == r->n)
			break;
		if (!ask(r, r->next, NULL, e))
			return false;
		r->asked[r->nasked++] = r->next++;
	}
	return redis_flush(r->redis, e);
}

static bool ask_page(struct reading *r, const char *from, struct err *e)
{
	return ask(r, r->asked[0], from, e) && redis_flush(r->redis, e);
}

/* The first was answered to its end. */
static bool ask_next(struct reading *r, struct err *e)
{
	r->nasked--;
	memmove(r->asked, r->asked + 1, r->nasked * sizeof *r->asked);
	return ask_ahead(r, e);
}

/* --- one hash --------------------------------------------------------------------------------- */

static void take(void *arg, struct span field, struct span value)
{
	const struct reading *r = arg;
	uint64_t add = 0;
	if (r->hash == ROLLUP_DAY && span_u64(value, UINT64_MAX, &add))
		value = SPAN("");
	else if (!value.n)
		tally_bad(r->t, r->hash == ROLLUP_DAY);
	tally_add(r->t, r->node, r->hash, r->day, field, add, value);
}

static bool read_whole(struct reading *r, struct err *e)
{
	const struct redis_reply *a = redis_receive_pairs(r->redis, take, r, e);
	if (!a || a->type != REDIS_ARRAY)
		return reply_wrong(a, "HGETALL", e);
	return ask_next(r, e);
}

static bool read_scan(struct reading *r, struct err *e)
{
	char cursor[24];
	bool more;
	do {
		const struct redis_reply *a = redis_receive(r->redis, e);
		if (!a || a->type != REDIS_ARRAY || a->n != 2 || a->v[1].type != REDIS_ARRAY ||
			!span_copy(a->v[0].str, cursor, sizeof cursor))
			return reply_wrong(a, "HSCAN", e);
		more = strcmp(cursor, "0") != 0;
		if (!(more ? ask_page(r, cursor, e) : ask_next(r, e)))
			return false;
		const struct redis_reply *pairs = &a->v[1];
		for (size_t i = 0; i + 1 < pairs->n; i += 2)
			take(r, pairs->v[i].str, pairs->v[i + 1].str);
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

static bool read_pages(struct reading *r, struct err *e)
{
	char from[64];
	bool more;
	do {
		const struct redis_reply *a = redis_receive(r->redis, e);
		if (!a || a->type != REDIS_ARRAY || (a->n > 0 && !page_next(a, from, sizeof from)))
			return reply_wrong(a, "XRANGE", e);
		more = a->n > 0;
		if (!(more ? ask_page(r, from, e) : ask_next(r, e)))
			return false;
		if (more)
			tally_raw_day(r->t, r->node, r->day);
		for (size_t i = 0; i < a->n; i++)
			take_entry(r, &a->v[i]);
	} while (more);
	return true;
}

/* --- lengths ---------------------------------------------------------------------------------- */

static bool is_hash(size_t number)
{
	return part_of(number) != PART_RECORDS;
}

static enum way way_by_length(enum part part, int64_t fields)
{
	if (fields == 0)
		return WAY_NONE;
	return fields <= (part == PART_COUNTS ? WHOLE_COUNTS : WHOLE_MINUTES) ? WAY_WHOLE
									      : WAY_SCAN;
}

static bool send_lengths(const struct reading *r, size_t from, size_t to, struct err *e)
{
	for (size_t i = from; i < to; i++) {
		char key[KEY_MAX];
		key_of(r, i, key);
		const struct span argv[] = {SPAN("HLEN"), span_str(key)};
		if (is_hash(i) && !redis_send(r->redis, argv, 2, e))
			return false;
	}
	return true;
}

/* *refused: this user may not ask. */
static bool hear_lengths(struct reading *r, size_t from, size_t to, bool *refused, struct err *e)
{
	for (size_t i = from; i < to; i++) {
		if (!is_hash(i))
			continue;
		const struct redis_reply *a = redis_receive(r->redis, e);
		if (a && a->type == REDIS_ERROR && cause_of_answer(a->str) == CAUSE_ACL)
			*refused = true;
		else if (a && a->type == REDIS_INT)
			r->way[i] = (unsigned char)way_by_length(part_of(i), a->num);
		else
			return reply_wrong(a, "HLEN", e);
	}
	return true;
}

/* A user of Redis made for an earlier version may scan, but not ask for lengths nor fetch hashes
 * whole. The first day of the first node tells, so that Redis need not refuse, and log, it more
 * than once or twice. */
static bool find_ways(struct reading *r, struct err *e)
{
	bool refused = false;
	for (size_t from = 0, to; from < r->n && !refused; from = to) {
		to = from ? from + LENGTHS : PARTS;
		to = to < r->n ? to : r->n;
		if (!send_lengths(r, from, to, e) || !hear_lengths(r, from, to, &refused, e))
			return false;
	}
	for (size_t i = 0; i < r->n; i++)
		if (!is_hash(i))
			r->way[i] = r->raw ? WAY_PAGES : WAY_NONE;
		else if (refused)
			r->way[i] = WAY_SCAN;
	return true;
}

/* --- nodes and days --------------------------------------------------------------------------- */

/* A day of all nodes after the other, so that its minutes are complete and need not wait. */
static void begin(struct reading *r, size_t number)
{
	if (!r->day.n || r->day_number != day_of(r, number)) {
		if (r->day.n)
			tally_day_done(r->t, r->day);
		r->day_number = day_of(r, number);
		period_day(tally_period(r->t), r->day_number, r->day_text);
		r->day = span_str(r->day_text);
		if (r->progress)
			fprintf(stderr, "\rreading %s", r->day_text);
	}
	r->node = node_of(r, number);
	r->hash = part_of(number) == PART_COUNTS ? ROLLUP_DAY : ROLLUP_MIN;
	if (is_hash(number))
		tally_hash(r->t);
}

static bool read_one(struct reading *r, struct err *e)
{
	static bool (*const read[])(struct reading * r, struct err * e) = {
		[WAY_WHOLE] = read_whole, [WAY_SCAN] = read_scan, [WAY_PAGES] = read_pages};
	begin(r, r->asked[0]);
	return read[r->way[r->asked[0]]](r, e);
}

static bool read_days(struct reading *r, struct err *e)
{
	r->n = tally_period(r->t)->days * r->nodes.n * PARTS;
	r->way = calloc(r->n ? r->n : 1, sizeof *r->way);
	if (!r->way)
		return err_set(e, "out of memory");
	if (!find_ways(r, e) || !ask_ahead(r, e))
		return false;
	while (r->nasked) {
		if (!read_one(r, e))
			return false;
		if (tally_failed(r->t))
			return err_set(e, "out of memory");
	}
	if (r->day.n)
		tally_day_done(r->t, r->day);
	return true;
}

static int by_text(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return c ? c : (x->n > y->n) - (x->n < y->n);
}

/* Names are copied: an answer lives only until the next command. */
static bool list_nodes(struct reading *r, struct err *e)
{
	struct intern *names = &r->nodes;
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
	bool ok = list_nodes(r, e);
	for (size_t i = 0; ok && i < r->nodes.n; i++)
		tally_node_open(r->t, r->nodes.v[i]);
	ok = ok && read_days(r, e);
	free(r->way);
	intern_free(&r->nodes);
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
