/*
 * The tally's answers: rows by one dimension, from a walk over the ledger, and the folding of those
 * that hold too few people.
 */
#include "tally_inside.h"

#include <stdlib.h>

#define TOTAL DIM_COUNT /* in place of a dimension */

struct row {
	struct figures f;
	uint32_t person; /* last counted, + 1 */
	uint64_t minute; /* serial of the last counted */
	bool active;	 /* which that was */
};

/* What one minute of one person with one service brings, before it is attributed. */
struct piece {
	uint32_t service, value;
	uint64_t up, down;
};

/* A walk over the ledger toward rows. */
struct walk {
	const struct tally *t;
	unsigned by;		/* enum dim or TOTAL */
	const uint32_t *row_of; /* by name; NULL for the total, which is row 0 */
	struct row *rows;
	struct piece *pieces; /* room for the largest minute */
	uint64_t minute;
};

/* --- walking ---------------------------------------------------------------------------------- */

static uint32_t name_of(const struct walk *w, const struct entry *e)
{
	struct combination c; /* the pool's bytes need not be aligned */
	if (w->by == TOTAL)
		return NOBODY;
	memcpy(&c, w->t->combinations.v[e->combination].p, sizeof c);
	return c.name[w->by];
}

static uint32_t service_of(const struct walk *w, const struct entry *e)
{
	struct combination c;
	memcpy(&c, w->t->combinations.v[e->combination].p, sizeof c);
	return c.name[DIM_SERVICE];
}

static struct row *row_for(const struct walk *w, uint32_t name, uint32_t person)
{
	struct row *r = &w->rows[w->row_of ? w->row_of[name] : 0];
	if (person != NOBODY && r->person != person + 1) {
		r->person = person + 1;
		r->f.people++;
	}
	return r;
}

static void walk_counter(const struct walk *w, const struct entry *e)
{
	struct figures *f = &row_for(w, name_of(w, e), e->person)->f;
	switch ((enum slot)e->slot) {
	case SLOT_ALLOW:
		f->accesses += e->a;
		break;
	case SLOT_DENY:
		f->refused += e->a;
		break;
	case SLOT_LIMIT:
		f->limited += e->a;
		break;
	case SLOT_CHALLENGE:
		f->challenges += e->a;
		break;
	case SLOT_BYTES:
		f->up += e->a;
		f->down += e->b;
		break;
	case SLOT_ACK:
		f->accepted += e->a;
		break;
	case SLOT_ATTEMPT:
		f->attempts += e->a;
		break;
	case SLOT_COUNTERS:
	case SLOT_FIRST_MINUTE:
		break;
	}
}

/* Counts the person's minute in a row once: as active as soon as one service made it so. */
static void count_minute(const struct walk *w, struct row *r, bool active)
{
	bool first = r->minute != w->minute;
	if (!first && (r->active || !active))
		return;
	if (!first)
		r->f.idle--;
	if (active)
		r->f.active++;
	else
		r->f.idle++;
	r->minute = w->minute;
	r->active = active;
}

static int by_name(const struct intern *names, uint32_t a, uint32_t b)
{
	struct span x = names->v[a], y = names->v[b];
	int c = a == b ? 0 : memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
	return c ? c : (x.n > y.n) - (x.n < y.n);
}

static int by_service_and_value(const void *a, const void *b, void *names)
{
	const struct piece *x = a, *y = b;
	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return by_name(names, x->value, y->value);
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

static void walk_minute(struct walk *w, const struct entry *e, size_t n)
{
	w->minute++;
	for (size_t i = 0; i < n; i++)
		w->pieces[i] =
			(struct piece){service_of(w, &e[i]), name_of(w, &e[i]), e[i].a, e[i].b};
	if (n > 1)
		qsort_r(w->pieces, n, sizeof *w->pieces, by_service_and_value,
			(void *)(uintptr_t)&w->t->names);
	for (size_t i = 0, k; i < n; i = k) {
		uint64_t up, all;
		for (k = i + 1; k < n && w->pieces[k].service == w->pieces[i].service; k++)
			;
		uint32_t name = attribute(&w->pieces[i], k - i, &up, &all);
		count_minute(w, row_for(w, name, e->person),
			minute_is_active(all, up));
	}
}

/* How many entries from v[i] on belong to one minute of one person. */
static size_t run_length(const struct ledger *l, size_t i)
{
	size_t k = i + 1;
	while (k < l->n && l->v[k].person == l->v[i].person && l->v[k].slot == l->v[i].slot)
		k++;
	return k - i;
}

static size_t longest_run(const struct ledger *l)
{
	size_t longest = 1;
	for (size_t i = 0, n; i < l->n; i += n) {
		n = run_length(l, i);
		if (n > longest)
			longest = n;
	}
	return longest;
}

/* Fills rows, of which there must be as many as row_of has values. */
static bool walk(struct tally *t, unsigned by, const uint32_t *row_of, struct row *rows)
{
	struct walk w = {.t = t, .by = by, .row_of = row_of, .rows = rows};
	const struct ledger *l = &t->ledger;
	ledger_settle(&t->ledger);
	w.pieces = malloc(longest_run(l) * sizeof *w.pieces);
	if (!w.pieces)
		return false;
	for (size_t i = 0, n; i < l->n; i += n) {
		n = run_length(l, i);
		if (l->v[i].slot >= SLOT_FIRST_MINUTE) {
			if (l->v[i].person != NOBODY)
				walk_minute(&w, &l->v[i], n);
			continue;
		}
		for (size_t k = 0; k < n; k++)
			walk_counter(&w, &l->v[i + k]);
	}
	free(w.pieces);
	return true;
}

void tally_total(struct tally *t, struct figures *out)
{
	struct row row = {0};
	if (t->failed || !walk(t, TOTAL, NULL, &row))
		t->failed = true;
	*out = row.f;
}

/* --- rows and folding ------------------------------------------------------------------------- */

/* The names that a dimension takes, each with its own row; row 0 is the fold. */
struct breakdown {
	enum dim by;
	uint32_t *row_of; /* by name; 0: not of this dimension, or folded */
	uint32_t *name;	  /* by row; name[0] is not used */
	struct row *rows;
	size_t n, folded; /* rows with row 0; names in the fold */
};

static void add_name(struct breakdown *b, uint32_t name)
{
	if (b->row_of[name])
		return;
	b->row_of[name] = (uint32_t)b->n;
	b->name[b->n++] = name;
}

/* A day without a record is shown as such: it would otherwise be missed. */
static bool add_days(struct tally *t)
{
	for (size_t i = 0; i < t->period.days; i++) {
		char day[11];
		period_day(&t->period, i, day);
		if (intern_id(&t->names, span_str(day)) == INTERN_NONE)
			return false;
	}
	return true;
}

static bool breakdown_init(struct breakdown *b, struct tally *t, enum dim by)
{
	*b = (struct breakdown){.by = by, .n = 1};
	if (by == DIM_DAY && !add_days(t))
		return false;
	b->row_of = calloc(t->names.n, sizeof *b->row_of);
	b->name = calloc(t->names.n + 1, sizeof *b->name);
	b->rows = calloc(t->names.n + 1, sizeof *b->rows);
	if (!b->row_of || !b->name || !b->rows)
		return false;
	for (size_t i = 0; i < t->combinations.n; i++) {
		struct combination c;
		memcpy(&c, t->combinations.v[i].p, sizeof c);
		add_name(b, c.name[by]);
	}
	for (size_t i = 0; by == DIM_DAY && i < t->period.days; i++) {
		char day[11];
		period_day(&t->period, i, day);
		add_name(b, intern_id(&t->names, span_str(day)));
	}
	return true;
}

static void breakdown_free(struct breakdown *b)
{
	free(b->row_of);
	free(b->name);
	free(b->rows);
}

static bool recount(struct breakdown *b, struct tally *t)
{
	memset(b->rows, 0, b->n * sizeof *b->rows);
	return walk(t, b->by, b->row_of, b->rows);
}

static bool is_folded(const struct breakdown *b, size_t row)
{
	return b->row_of[b->name[row]] != row;
}

static void fold(struct breakdown *b, size_t row)
{
	b->row_of[b->name[row]] = 0;
	b->folded++;
}

/* How often the row was met: a tally holds accesses or attempts. */
static uint64_t times(const struct figures *f)
{
	return f->accesses + f->attempts;
}

/* The row of fewest people, then fewest accesses, then the first by name. 0: none is left. */
static size_t smallest(const struct breakdown *b, const struct tally *t)
{
	size_t best = 0;
	for (size_t i = 1; i < b->n; i++) {
		const struct figures *f = &b->rows[i].f, *g = &b->rows[best].f;
		if (f->people == 0 || is_folded(b, i))
			continue;
		bool less = f->people != g->people ? f->people < g->people
			    : times(f) != times(g)
				    ? times(f) < times(g)
				    : by_name(&t->names, b->name[i], b->name[best]) < 0;
		if (best == 0 || less)
			best = i;
	}
	return best;
}

/* The figures of a fold are not the sum of its rows (a person may be in several), so they are
 * counted again after each step; there are few. */
static bool fold_small(struct breakdown *b, struct tally *t, uint64_t below)
{
	for (size_t i = 1; i < b->n; i++)
		if (b->rows[i].f.people > 0 && b->rows[i].f.people < below)
			fold(b, i);
	if (b->folded == 0)
		return true;
	if (!recount(b, t))
		return false;
	for (size_t i;
		(b->folded < 2 || b->rows[0].f.people < below) && (i = smallest(b, t)) != 0;) {
		fold(b, i);
		if (!recount(b, t))
			return false;
	}
	return true;
}

static int in_report_order(const void *a, const void *b, void *by)
{
	const struct tally_row *x = a, *y = b;
	const struct figures *f = &x->f, *g = &y->f;
	if (x->fold != y->fold)
		return x->fold ? 1 : -1;
	if (*(enum dim *)by != DIM_DAY && *(enum dim *)by != DIM_DAY_SERVICE) {
		if ((x->key.n == 0) != (y->key.n == 0))
			return x->key.n == 0 ? 1 : -1;
		if (f->active != g->active)
			return f->active > g->active ? -1 : 1;
		if (times(f) != times(g))
			return times(f) > times(g) ? -1 : 1;
	}
	int c = memcmp(x->key.p, y->key.p, x->key.n < y->key.n ? x->key.n : y->key.n);
	return c ? c : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

static bool give(
	const struct breakdown *b, const struct tally *t, struct tally_row **rows, size_t *n)
{
	*n = 0;
	*rows = calloc(b->n, sizeof **rows);
	if (!*rows)
		return false;
	for (size_t i = 1; i < b->n; i++)
		if (!is_folded(b, i))
			(*rows)[(*n)++] =
				(struct tally_row){t->names.v[b->name[i]], false, 1, b->rows[i].f};
	if (b->folded)
		(*rows)[(*n)++] = (struct tally_row){SPAN(""), true, b->folded, b->rows[0].f};
	enum dim by = b->by;
	qsort_r(*rows, *n, sizeof **rows, in_report_order, &by);
	return true;
}

bool tally_rows(
	struct tally *t, enum dim by, uint64_t fold_below, struct tally_row **rows, size_t *n)
{
	struct breakdown b;
	bool ok = !t->failed && breakdown_init(&b, t, by) && recount(&b, t) &&
		  fold_small(&b, t, fold_below) && give(&b, t, rows, n);
	if (!t->failed)
		breakdown_free(&b);
	t->failed |= !ok;
	return ok;
}

bool tally_last_day(const struct tally *t, enum dim d, struct span name, char out[11])
{
	struct span last = SPAN("");
	uint32_t id = intern_find(&t->names, name);
	for (size_t i = 0; id != INTERN_NONE && i < t->combinations.n; i++) {
		struct combination c;
		memcpy(&c, t->combinations.v[i].p, sizeof c);
		struct span day = t->names.v[c.name[DIM_DAY]];
		if (c.name[d] == id && day.n == 10 && (!last.n || memcmp(day.p, last.p, 10) > 0))
			last = day;
	}
	return last.n && span_copy(last, out, 11);
}
