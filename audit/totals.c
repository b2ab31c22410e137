/*
 * The text is written and read in one order, so that it can be compared as text. The sums live in
 * one growing array with an index of open addressing; the figures of each node hang on a pair as a
 * chain, as most people come through one or two nodes.
 */
#include "totals.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define KEYS_DEFAULT 65536
#define KEYS_FIRST   256
#define NONE	     UINT32_MAX
#define DAY_MS	     (24 * 60 * 60 * 1000LL)
#define ACK_MAX_MS   (7 * DAY_MS) /* the longest that a policy can let one hold */

/* --- text: writing ---------------------------------------------------------------------------- */

void total_field(const struct total *t, struct buf *out)
{
	buf_printf(out, "%s|%s", t->person, t->rule);
}

void total_value(const struct total *t, struct buf *out)
{
	buf_printf(out,
		"1 %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64
		" %" PRIu32,
		t->start, t->bytes, t->more_minutes, t->more_bytes, t->acked_at_ms,
		t->acked_until_ms, t->purpose);
	for (unsigned i = 0; i < TOTAL_WORDS; i++)
		if (t->minutes[i])
			buf_printf(out, " %u:%" PRIx64, i, t->minutes[i]);
}

/* --- text: reading ---------------------------------------------------------------------------- */

static bool hex_digit(char c, unsigned *v)
{
	if (c >= '0' && c <= '9')
		*v = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*v = (unsigned)(c - 'a') + 10;
	else
		return false;
	return true;
}

static bool rule_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

static bool person_ok(struct span s)
{
	unsigned digit;
	if (span_is(s, "-"))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (!hex_digit(s.p[i], &digit))
			return false;
	return s.n == TOTAL_PERSON;
}

static bool parse_field(struct span rule, struct total *out)
{
	struct span person = span_cut(&rule, '|');
	if (!person_ok(person) || rule.n == 0 || rule.n > TOTAL_RULE)
		return false;
	for (size_t i = 0; i < rule.n; i++)
		if (!rule_byte(rule.p[i]))
			return false;
	return span_copy(person, out->person, sizeof out->person) &&
	       span_copy(rule, out->rule, sizeof out->rule);
}

/* Decimal without leading zeros: one text for each number. */
static bool number(struct span *rest, uint64_t max, uint64_t *out)
{
	if (!rest->p)
		return false;
	const struct span s = span_cut(rest, ' ');
	return !(s.n > 1 && s.p[0] == '0') && span_u64(s, max, out);
}

static bool bits(struct span s, uint64_t *out)
{
	uint64_t v = 0;
	unsigned digit;
	if (s.n == 0 || s.n > 16 || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!hex_digit(s.p[i], &digit))
			return false;
		v = v << 4 | digit;
	}
	*out = v;
	return true;
}

static bool parse_minutes(struct span rest, struct total *out)
{
	uint64_t at, least = 0;
	while (rest.p) {
		struct span set = span_cut(&rest, ' '), word = span_cut(&set, ':');
		if (!set.p || !number(&word, TOTAL_WORDS - 1, &at) || at < least ||
			!bits(set, &out->minutes[at]))
			return false;
		least = at + 1;
	}
	return true;
}

/* Times of an acknowledgement lie near the day, or are both nothing: a wild one would hold for ever
 * as the latest. */
static bool ack_fits(const struct total *t)
{
	const int64_t at = t->acked_at_ms, until = t->acked_until_ms;
	const int64_t start = (int64_t)t->start * 60000;
	if (at == 0)
		return until == 0 && t->purpose == 0;
	return at > start - ACK_MAX_MS && at < start + 2 * DAY_MS && until > at &&
	       until <= at + ACK_MAX_MS;
}

bool total_parse(struct span field, struct span value, struct total *out)
{
	uint64_t version, start, at, until, purpose;
	*out = (struct total){.start = 0};
	if (!parse_field(field, out) || !number(&value, 1, &version) || version != 1 ||
		!number(&value, UINT32_MAX / 2, &start) ||
		!number(&value, TOTAL_BYTES, &out->bytes) ||
		!number(&value, TOTAL_BYTES, &out->more_minutes) ||
		!number(&value, TOTAL_BYTES, &out->more_bytes) ||
		!number(&value, INT64_MAX / 2, &at) || !number(&value, INT64_MAX / 2, &until) ||
		!number(&value, UINT16_MAX, &purpose))
		return false;
	out->start = (uint32_t)start;
	out->purpose = (uint32_t)purpose;
	out->acked_at_ms = (int64_t)at;
	out->acked_until_ms = (int64_t)until;
	return ack_fits(out) && parse_minutes(value, out);
}

unsigned total_minutes(const struct total *t)
{
	unsigned n = 0;
	for (unsigned i = 0; i < TOTAL_WORDS; i++)
		n += (unsigned)__builtin_popcountll(t->minutes[i]);
	return n;
}

/* --- merged: the memory ----------------------------------------------------------------------- */

struct part { /* the largest seen of a node */
	uint32_t next;
	uint32_t node;
	uint64_t bytes, more_minutes, more_bytes;
};

struct pair {
	struct total sum;
	uint32_t parts; /* first in the chain, or NONE */
	bool changed;
};

struct totals {
	size_t most;
	struct pair *pair;
	size_t n, cap;
	struct part *part;
	size_t n_parts, cap_parts;
	uint32_t spare;	 /* chain of parts that are free again */
	uint32_t *index; /* of pairs, 2 × cap places: a power of two */
	size_t cursor;	 /* of totals_changed */
	size_t waiting;	 /* pairs that have changed */
};

struct totals *totals_new(size_t most)
{
	struct totals *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->most = most ? most : KEYS_DEFAULT;
	t->spare = NONE;
	assert(t->most < NONE / TOTAL_NODES);
	return t;
}

void totals_free(struct totals *t)
{
	if (!t)
		return;
	free(t->pair);
	free(t->part);
	free(t->index);
	free(t);
}

size_t totals_count(const struct totals *t)
{
	return t->n;
}

static uint64_t hash(const struct total *k)
{
	uint64_t h = (14695981039346656037ULL ^ k->start) * 1099511628211ULL;
	for (const char *p = k->person; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	for (const char *p = k->rule; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	return h ^ h >> 29;
}

static bool same_pair(const struct total *a, const struct total *b)
{
	return a->start == b->start && strcmp(a->person, b->person) == 0 &&
	       strcmp(a->rule, b->rule) == 0;
}

/* The place of the pair in the index, or the free one where it belongs. */
static uint32_t *place(const struct totals *t, const struct total *k)
{
	const size_t mask = 2 * t->cap - 1;
	size_t i = hash(k) & mask;
	while (t->index[i] != NONE && !same_pair(&t->pair[t->index[i]].sum, k))
		i = (i + 1) & mask;
	return &t->index[i];
}

static void index_again(struct totals *t)
{
	memset(t->index, 0xff, 2 * t->cap * sizeof *t->index);
	for (size_t i = 0; i < t->n; i++)
		*place(t, &t->pair[i].sum) = (uint32_t)i;
}

static bool grow_pairs(struct totals *t)
{
	const size_t cap = t->cap ? 2 * t->cap : KEYS_FIRST;
	uint32_t *index = malloc(2 * cap * sizeof *index);
	struct pair *pair = index ? realloc(t->pair, cap * sizeof *pair) : NULL;
	if (!pair) {
		free(index);
		return false;
	}
	free(t->index);
	t->index = index;
	t->pair = pair;
	t->cap = cap;
	index_again(t);
	return true;
}

static struct pair *pair_of(struct totals *t, const struct total *k)
{
	if (t->cap) {
		const uint32_t at = *place(t, k);
		if (at != NONE)
			return &t->pair[at];
	}
	if (t->n == t->most || (t->n == t->cap && !grow_pairs(t)))
		return NULL;
	struct pair *p = &t->pair[t->n];
	*p = (struct pair){.parts = NONE};
	memcpy(p->sum.person, k->person, sizeof k->person);
	memcpy(p->sum.rule, k->rule, sizeof k->rule);
	p->sum.start = k->start;
	*place(t, k) = (uint32_t)t->n++;
	return p;
}

static struct part *new_part(struct totals *t, struct pair *p, unsigned node)
{
	uint32_t at = t->spare;
	if (at != NONE) {
		t->spare = t->part[at].next;
	} else {
		if (t->n_parts == t->cap_parts) {
			const size_t cap = t->cap_parts ? 2 * t->cap_parts : KEYS_FIRST;
			struct part *grown = realloc(t->part, cap * sizeof *grown);
			if (!grown)
				return NULL;
			t->part = grown;
			t->cap_parts = cap;
		}
		at = (uint32_t)t->n_parts++;
	}
	t->part[at] = (struct part){.next = p->parts, .node = node};
	p->parts = at;
	return &t->part[at];
}

static struct part *part_of(struct totals *t, struct pair *p, unsigned node)
{
	for (uint32_t i = p->parts; i != NONE; i = t->part[i].next)
		if (t->part[i].node == node)
			return &t->part[i];
	return new_part(t, p, node);
}

/* --- merged: the rules ------------------------------------------------------------------------ */

/* True: the node's figure rose, and with it the sum. */
static bool rise(uint64_t *seen, uint64_t said, uint64_t *sum)
{
	if (said <= *seen)
		return false;
	*sum += said - *seen;
	*seen = said;
	return true;
}

static bool merge_minutes(struct total *sum, const struct total *said)
{
	bool changed = false;
	for (unsigned i = 0; i < TOTAL_WORDS; i++) {
		changed |= (said->minutes[i] & ~sum->minutes[i]) != 0;
		sum->minutes[i] |= said->minutes[i];
	}
	return changed;
}

/* The order in which they are heard does not matter. */
static bool merge_ack(struct total *sum, const struct total *said)
{
	if (said->acked_until_ms <= sum->acked_until_ms)
		return false;
	sum->acked_at_ms = said->acked_at_ms;
	sum->acked_until_ms = said->acked_until_ms;
	sum->purpose = said->purpose;
	return true;
}

bool totals_take(struct totals *t, unsigned node, const struct total *said)
{
	assert(node < TOTAL_NODES);
	struct pair *p = pair_of(t, said);
	struct part *part = p ? part_of(t, p, node) : NULL;
	if (!part)
		return false;
	bool changed = rise(&part->bytes, said->bytes, &p->sum.bytes);
	changed |= rise(&part->more_minutes, said->more_minutes, &p->sum.more_minutes);
	changed |= rise(&part->more_bytes, said->more_bytes, &p->sum.more_bytes);
	changed |= merge_minutes(&p->sum, said);
	changed |= merge_ack(&p->sum, said);
	t->waiting += changed && !p->changed;
	p->changed |= changed;
	return true;
}

bool totals_at(struct totals *t, const struct total *key, uint32_t *number)
{
	const struct pair *p = pair_of(t, key);
	if (p)
		*number = (uint32_t)(p - t->pair);
	return p != NULL;
}

struct total *totals_sum(struct totals *t, uint32_t number)
{
	struct pair *p = &t->pair[number];
	t->waiting += !p->changed;
	p->changed = true;
	return &p->sum;
}

bool totals_changed(struct totals *t, uint32_t start, struct total *sum)
{
	for (size_t looked = 0; t->waiting && looked < t->n; looked++) {
		if (t->cursor >= t->n)
			t->cursor = 0;
		struct pair *p = &t->pair[t->cursor++];
		if (!p->changed || p->sum.start != start)
			continue;
		p->changed = false;
		t->waiting--;
		*sum = p->sum;
		return true;
	}
	return false;
}

void totals_again(struct totals *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->pair[i].changed = true;
	t->waiting = t->n;
}

static void drop_parts(struct totals *t, const struct pair *p)
{
	for (uint32_t i = p->parts; i != NONE;) {
		const uint32_t next = t->part[i].next;
		t->part[i].next = t->spare;
		t->spare = i;
		i = next;
	}
}

void totals_forget(struct totals *t, uint32_t start)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (t->pair[i].sum.start < start) {
			drop_parts(t, &t->pair[i]);
			t->waiting -= t->pair[i].changed;
		} else {
			t->pair[kept++] = t->pair[i];
		}
	}
	if (kept == t->n)
		return;
	t->n = kept;
	t->cursor = 0;
	index_again(t);
}
