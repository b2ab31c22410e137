/* Pieces are kept as offsets while the text grows and become spans once, at the end. */
#include "ship_batch.h"

#include "rollup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES   (256U << 10) /* bodies in a batch; the last one may pass it */
#define DAYS_MAX     8		  /* a batch across midnight has two */
#define SLOT_NONE    UINT32_MAX
#define RECORD_WIDTH 4 /* arguments of a record, and of an increment */

struct piece {
	size_t at, n;
};

struct stored {
	unsigned day;
	struct piece seq, hash, body;
};

struct increment {
	unsigned day;
	enum rollup_hash hash;
	struct piece field, text;
	uint64_t add;
	uint64_t sum; /* hash of day and field, to find it again */
};

struct ship_batch {
	unsigned max, slots; /* slots: a power of two */
	char chain[CHAIN_NAME_LEN + 1];
	struct chain_tip before;
	bool oldest;
	struct buf mem;
	size_t body_bytes;
	unsigned n, n_inc, days;
	char day[DAYS_MAX][11];
	struct stored *record; /* max of them */
	struct increment *inc; /* max * ROLLUP_PER_RECORD */
	uint32_t *slot;	       /* increment by `sum`, open addressing */
	struct span *argv;
	char key[3 + 3 * DAYS_MAX][KEY_MAX];
	char number[2][24];
};

static size_t argv_max(const struct ship_batch *b)
{
	return 3 + sizeof b->key / sizeof b->key[0] + 5 +
	       (size_t)b->max * RECORD_WIDTH * (1 + ROLLUP_PER_RECORD);
}

struct ship_batch *ship_batch_new(unsigned records)
{
	struct ship_batch *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->max = records;
	b->slots = 64;
	while (b->slots < 2 * records * ROLLUP_PER_RECORD)
		b->slots *= 2;
	b->record = malloc(records * sizeof *b->record);
	b->inc = malloc((size_t)records * ROLLUP_PER_RECORD * sizeof *b->inc);
	b->slot = malloc(b->slots * sizeof *b->slot);
	b->argv = malloc(argv_max(b) * sizeof *b->argv);
	if (b->record && b->inc && b->slot && b->argv)
		return b;
	ship_batch_free(b);
	return NULL;
}

void ship_batch_free(struct ship_batch *b)
{
	if (!b)
		return;
	buf_free(&b->mem);
	free(b->record);
	free(b->inc);
	free(b->slot);
	free(b->argv);
	free(b);
}

void ship_batch_begin(
	struct ship_batch *b, const char *chain, const struct chain_tip *before, bool oldest)
{
	snprintf(b->chain, sizeof b->chain, "%s", chain);
	b->before = *before;
	b->oldest = oldest;
	buf_reset(&b->mem);
	b->body_bytes = 0;
	b->n = b->n_inc = b->days = 0;
	memset(b->slot, 0xff, b->slots * sizeof *b->slot);
}

bool ship_batch_full(const struct ship_batch *b)
{
	return b->n >= b->max || b->body_bytes >= BODY_BYTES || b->days >= DAYS_MAX;
}

unsigned ship_batch_records(const struct ship_batch *b)
{
	return b->n;
}

uint64_t ship_batch_last(const struct ship_batch *b)
{
	return b->before.seq + b->n;
}

static struct piece keep(struct ship_batch *b, struct span s)
{
	struct piece p = {b->mem.n, s.n};
	buf_span(&b->mem, s);
	return p;
}

static struct span piece_span(const struct ship_batch *b, struct piece p)
{
	return span_of(b->mem.p + p.at, p.n);
}

/* 1 is the first, as in the script. */
static unsigned day_number(struct ship_batch *b, struct span day)
{
	for (unsigned i = 0; i < b->days; i++)
		if (span_is(day, b->day[i]))
			return i + 1;
	assert(b->days < DAYS_MAX);
	span_copy(day, b->day[b->days], sizeof b->day[0]);
	return ++b->days;
}

static struct increment *new_increment(struct ship_batch *b, unsigned day, const struct rollup *u)
{
	struct increment *i = &b->inc[b->n_inc++];
	*i = (struct increment){.day = day, .hash = u->hash};
	i->field = keep(b, span_str(u->field));
	return i;
}

static void add_text(struct ship_batch *b, unsigned day, const struct rollup *u)
{
	struct increment *i = new_increment(b, day, u);
	i->text = keep(b, span_str(u->text));
}

static void add_count(struct ship_batch *b, unsigned day, const struct rollup *u)
{
	const struct span field = span_str(u->field);
	const uint64_t sum = span_fold(field, day);
	uint32_t *slot = &b->slot[sum & (b->slots - 1)];
	for (; *slot != SLOT_NONE; slot = slot + 1 == b->slot + b->slots ? b->slot : slot + 1) {
		struct increment *i = &b->inc[*slot];
		if (i->sum == sum && i->day == day && !b->mem.failed &&
			span_eq(piece_span(b, i->field), field)) {
			i->add += u->add;
			return;
		}
	}
	*slot = b->n_inc;
	struct increment *i = new_increment(b, day, u);
	i->sum = sum;
	i->add = u->add;
}

void ship_batch_add(struct ship_batch *b, const struct chain_tip *at, struct span body,
	const struct record *r, struct span day, unsigned parts)
{
	assert(!ship_batch_full(b) && at->seq == b->before.seq + b->n + 1);
	const unsigned number = parts ? day_number(b, day) : 0;
	struct stored *s = &b->record[b->n++];
	s->day = parts & PART_RECORD ? number : 0;
	s->seq.at = b->mem.n;
	buf_u64(&b->mem, at->seq);
	s->seq.n = b->mem.n - s->seq.at;
	s->hash.at = b->mem.n;
	buf_hex(&b->mem, at->hash, SHA256_LEN);
	s->hash.n = b->mem.n - s->hash.at;
	s->body = keep(b, parts & PART_RECORD ? body : span_str(""));
	b->body_bytes += s->body.n;
	if (!r || !(parts & PART_FIGURES))
		return;
	struct rollup u[ROLLUP_PER_RECORD];
	const size_t n = rollup_of(r, u);
	for (size_t i = 0; i < n; i++) {
		if (u[i].hash == ROLLUP_DAY)
			add_count(b, number, &u[i]);
		else
			add_text(b, number, &u[i]);
	}
}

static struct span small(unsigned v)
{
	static const char digits[] = "0123456789";
	assert(v <= 9);
	return span_of(digits + v, 1);
}

static size_t put_keys(struct ship_batch *b, struct span node)
{
	size_t n = 0;
	key_node(b->key[n++], node, "id");
	key_node(b->key[n++], node, "tips");
	key_node(b->key[n++], node, "days");
	for (unsigned d = 0; d < b->days; d++) {
		const struct span day = span_str(b->day[d]);
		key_day(b->key[n++], node, "log", day);
		key_day(b->key[n++], node, "day", day);
		key_day(b->key[n++], node, "min", day);
	}
	return n;
}

/* Sums are written behind everything else, when nothing refers to the text by pointer yet. */
static void put_sums(struct ship_batch *b)
{
	for (unsigned i = 0; i < b->n_inc; i++) {
		struct increment *c = &b->inc[i];
		if (c->hash != ROLLUP_DAY)
			continue;
		c->text.at = b->mem.n;
		buf_u64(&b->mem, c->add);
		c->text.n = b->mem.n - c->text.at;
	}
}

const struct span *ship_batch_command(
	struct ship_batch *b, struct span sha, struct span node, struct span node_id, size_t *n)
{
	static const struct span words[] = {[ROLLUP_DAY] = SPAN("day"),
		[ROLLUP_MOVED] = SPAN("moved"),
		[ROLLUP_MIN] = SPAN("min")};
	struct span *v = b->argv;
	struct piece before = {b->mem.n, 2 * SHA256_LEN};
	buf_hex(&b->mem, b->before.hash, SHA256_LEN);
	put_sums(b);
	if (b->mem.failed)
		return NULL;

	const size_t keys = put_keys(b, node);
	snprintf(b->number[0], sizeof b->number[0], "%zu", keys);
	snprintf(b->number[1], sizeof b->number[1], "%u", b->n);
	*v++ = SPAN("EVALSHA");
	*v++ = sha;
	*v++ = span_str(b->number[0]);
	for (size_t i = 0; i < keys; i++)
		*v++ = span_str(b->key[i]);
	*v++ = node_id;
	*v++ = span_str(b->chain);
	*v++ = piece_span(b, before);
	*v++ = b->oldest ? SPAN("1") : SPAN("0");
	*v++ = span_str(b->number[1]);
	for (unsigned i = 0; i < b->n; i++) {
		*v++ = small(b->record[i].day);
		*v++ = piece_span(b, b->record[i].seq);
		*v++ = piece_span(b, b->record[i].hash);
		*v++ = piece_span(b, b->record[i].body);
	}
	for (unsigned i = 0; i < b->n_inc; i++) {
		*v++ = small(b->inc[i].day);
		*v++ = words[b->inc[i].hash];
		*v++ = piece_span(b, b->inc[i].field);
		*v++ = piece_span(b, b->inc[i].text);
	}
	*n = (size_t)(v - b->argv);
	assert(*n <= argv_max(b));
	return b->argv;
}
