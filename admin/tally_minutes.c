/*
 * The tally's minutes: what moved in one minute of one person becomes a minute of figures. Most
 * hold one combination and are counted with it. Where there are several, each dimension has its own
 * answer to "whose minute is it?": per service the value with most bytes. These answers are few, so
 * they are kept, each with its number of minutes, and rows are made of them when they are asked
 * for.
 */
#include "tally_inside.h"

#include <stdlib.h>

/* What one minute of one person with one service brings, before it is attributed. */
struct piece {
	uint32_t service, value;
	uint64_t up, down;
};

int tally_by_name(const struct tally *t, uint32_t a, uint32_t b)
{
	struct span x = t->names.v[a], y = t->names.v[b];
	int c = a == b ? 0 : memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
	return c ? c : (x.n > y.n) - (x.n < y.n);
}

static int by_service_and_value(const void *a, const void *b, void *t)
{
	const struct piece *x = a, *y = b;
	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return tally_by_name(t, x->value, y->value);
}

/* The pieces of one service, ordered by value: the value with most bytes gets the minute, the first
 * by name where several have as many. */
static uint32_t attribute(const struct piece *p, size_t n, uint64_t *up, uint64_t *all)
{
	uint64_t most = 0, sum = 0;
	uint32_t best = p[0].value;
	*up = *all = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = p[i].up + p[i].down;
		sum = i && p[i].value == p[i - 1].value ? sum + bytes : bytes;
		if (sum > most) {
			most = sum;
			best = p[i].value;
		}
		*up += p[i].up;
		*all += bytes;
	}
	return best;
}

static int by_number(const void *a, const void *b)
{
	const struct mixed_value *x = a, *y = b;
	return (x->name > y->name) - (x->name < y->name);
}

/* In order and each name once: active as soon as one service made it so. Returns how many. */
static size_t unite(struct mixed_value *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof *v, by_number);
	for (size_t i = 0; i < n; i++)
		if (kept && v[kept - 1].name == v[i].name)
			v[kept - 1].active |= v[i].active;
		else
			v[kept++] = v[i];
	return kept;
}

static bool count_mixed(struct mixed *m, const struct mixed_value *v, size_t n)
{
	uint32_t id = intern_id(&m->values, span_of(v, n * sizeof *v));

	if (id == INTERN_NONE)
		return false;
	if (id >= m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 64;
		uint64_t *more = realloc(m->minutes, cap * sizeof *more);
		if (!more)
			return false;
		memset(more + m->cap, 0, (cap - m->cap) * sizeof *more);
		m->minutes = more;
		m->cap = cap;
	}
	m->minutes[id]++;
	return true;
}

/* Where the pieces and values of one minute are laid out. */
struct desk {
	struct piece *pieces;
	struct mixed_value *values;
	size_t cap;
};

static bool desk_room(struct desk *d, size_t n)
{
	if (n <= d->cap)
		return true;
	free(d->pieces);
	free(d->values);
	d->pieces = malloc(2 * n * sizeof *d->pieces);
	d->values = malloc(2 * n * sizeof *d->values);
	d->cap = d->pieces && d->values ? 2 * n : 0;
	return d->cap > 0;
}

/* A minute of one person with several combinations, for one dimension. */
static bool mix(struct tally *t, enum dim by, const struct entry *e, size_t n, struct desk *d)
{
	size_t values = 0;

	for (size_t i = 0; i < n; i++) {
		struct combination c;
		combination_of(t, e[i].combination, &c);
		d->pieces[i] = (struct piece){c.name[DIM_SERVICE], c.name[by], e[i].up, e[i].down};
	}
	qsort_r(d->pieces, n, sizeof *d->pieces, by_service_and_value, t);
	for (size_t i = 0, k; i < n; i = k) {
		uint64_t up, all;
		for (k = i + 1; k < n && d->pieces[k].service == d->pieces[i].service; k++)
			;
		uint32_t name = attribute(&d->pieces[i], k - i, &up, &all);
		d->values[values++] = (struct mixed_value){name, minute_is_active(all, up)};
	}
	return count_mixed(&t->mixed[by], d->values, unite(d->values, values));
}

static bool one_minute(struct tally *t, const struct entry *e, size_t n, struct desk *d)
{
	if (n == 1) {
		struct sums *s = &t->sums[e->combination];
		if (minute_is_active(e->up + e->down, e->up))
			s->active++;
		else
			s->idle++;
		return true;
	}
	if (!desk_room(d, n))
		return false;
	for (unsigned by = 0; by < DIM_COUNT; by++)
		if (!mix(t, (enum dim)by, e, n, d))
			return false;
	return true;
}

/* How many entries from v[i] on belong to one minute of one person. */
static size_t run_length(const struct ledger *l, size_t i, size_t end)
{
	size_t k = i + 1;
	while (k < end && l->v[k].person == l->v[i].person && l->v[k].minute == l->v[i].minute)
		k++;
	return k - i;
}

void tally_minutes(struct tally *t, uint64_t until)
{
	struct ledger *l = &t->ledger;
	struct desk d = {0};
	size_t end = ledger_settle(l, until);

	for (size_t i = 0, n; i < end && !t->failed; i += n) {
		n = run_length(l, i, end);
		t->failed = !one_minute(t, &l->v[i], n, &d);
	}
	ledger_drop(l, end);
	if (until > t->done)
		t->done = until;
	free(d.pieces);
	free(d.values);
}
