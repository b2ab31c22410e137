/*
 * Sort and merge. Minutes and persons are small numbers, so they are sorted by their bytes, the
 * last first; bytes that all entries share, most of them, cost nothing. A person has few
 * combinations in a minute: these are put in order while merging. Growing only where merging won
 * less than half keeps the cost per entry bounded.
 */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#define FIRST	  65536
#define KEY_BYTES 8

/* Byte i of the key, the least significant first: person, minute. */
static inline unsigned key_byte(const struct entry *e, unsigned i)
{
	uint32_t part = i < 4 ? e->person : e->minute;

	return part >> 8 * (i % 4) & 0xff;
}

/* How many entries have each value in each byte of the key. */
struct counts {
	uint32_t of[KEY_BYTES][256];
};

static void count_bytes(const struct entry *v, size_t n, struct counts *c)
{
	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < n; i++)
		for (unsigned byte = 0; byte < KEY_BYTES; byte++)
			c->of[byte][key_byte(&v[i], byte)]++;
}

/* Stable. */
static void sort_by_byte(const struct entry *from, struct entry *to, size_t n, unsigned byte,
	const uint32_t count[256])
{
	size_t at[256] = {0};

	for (unsigned i = 1; i < 256; i++)
		at[i] = at[i - 1] + count[i - 1];
	for (size_t i = 0; i < n; i++)
		to[at[key_byte(&from[i], byte)]++] = from[i];
}

/* The first n, to and fro between them and l->spare. */
static void sort(struct ledger *l, size_t n)
{
	struct entry *from = l->v, *to = l->spare;
	struct counts c;

	count_bytes(l->v, n, &c);
	for (unsigned byte = 0; n && byte < KEY_BYTES; byte++) {
		if (c.of[byte][key_byte(from, byte)] == n)
			continue; /* the same everywhere */
		sort_by_byte(from, to, n, byte, c.of[byte]);
		struct entry *sorted = to;
		to = from;
		from = sorted;
	}
	if (from != l->v)
		memcpy(l->v, from, n * sizeof *from);
}

/* Minutes before `until` first, in the order they are in, and so the others. Returns how many. */
static size_t divide(struct ledger *l, uint64_t until)
{
	size_t front = 0, others = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].minute < until)
			l->v[front++] = l->v[i];
		else
			l->spare[others++] = l->v[i];
	if (others)
		memcpy(l->v + front, l->spare, others * sizeof *l->v);
	return front;
}

static bool same_minute(const struct entry *a, const struct entry *b)
{
	return a->minute == b->minute && a->person == b->person;
}

/* Into v[0 … *n), whose last entries are the same minute's with smaller combinations first. */
static void merge(struct entry *v, size_t *n, const struct entry *e)
{
	size_t at = *n;

	while (at > 0 && same_minute(&v[at - 1], e) && v[at - 1].combination > e->combination)
		at--;
	if (at > 0 && same_minute(&v[at - 1], e) && v[at - 1].combination == e->combination) {
		v[at - 1].up = sum_capped(v[at - 1].up, e->up);
		v[at - 1].down = sum_capped(v[at - 1].down, e->down);
		return;
	}
	struct entry fresh = *e;
	memmove(&v[at + 1], &v[at], (*n - at) * sizeof *v);
	v[at] = fresh;
	++*n;
}

size_t ledger_settle(struct ledger *l, uint64_t until)
{
	size_t kept = 0, n = divide(l, until);

	sort(l, n);
	for (size_t i = 0; i < n; i++)
		merge(l->v, &kept, &l->v[i]);
	if (kept < n)
		memmove(l->v + kept, l->v + n, (l->n - n) * sizeof *l->v);
	l->n -= n - kept;
	return kept;
}

static bool grow(struct entry **v, size_t cap)
{
	struct entry *more = realloc(*v, cap * sizeof *more);

	if (more)
		*v = more;
	return more;
}

static bool make_room(struct ledger *l)
{
	size_t cap = l->cap ? l->cap * 2 : FIRST;

	ledger_settle(l, UINT64_MAX);
	if (l->n < l->cap / 2)
		return true;
	if (!grow(&l->v, cap) || !grow(&l->spare, cap))
		return false;
	l->cap = cap;
	return true;
}

bool ledger_add(struct ledger *l, const struct entry *e)
{
	if (l->n == l->cap && !make_room(l))
		return false;
	l->v[l->n++] = *e;
	return true;
}

void ledger_drop(struct ledger *l, size_t n)
{
	if (n)
		memmove(l->v, l->v + n, (l->n - n) * sizeof *l->v);
	l->n -= n;
}

void ledger_free(struct ledger *l)
{
	free(l->v);
	free(l->spare);
	*l = (struct ledger){0};
}
