/*
 * The tally's answers: rows by one dimension, made of sums, and the folding of those that hold too
 * few people.
 */
#include "tally_inside.h"

#include <stdlib.h>

struct row {
	struct figures f;
	uint64_t serial; /* of the mixed minutes last counted */
	bool active;	 /* which those were */
};

/* The names that a dimension takes, each with its own row; row 0 is the fold. */
struct breakdown {
	enum dim by;
	uint32_t *row_of; /* by name; 0: not of this dimension, or folded */
	uint32_t *name;	  /* by row; name[0] is not used */
	struct row *rows;
	size_t n, folded; /* rows with row 0; names in the fold */
};

/* --- counting --------------------------------------------------------------------------------- */

static void add_sums(struct figures *f, const struct sums *s)
{
	f->accesses += s->counter[COUNTER_ALLOW];
	f->refused += s->counter[COUNTER_DENY];
	f->limited += s->counter[COUNTER_LIMIT];
	f->challenges += s->counter[COUNTER_CHALLENGE];
	f->accepted += s->counter[COUNTER_ACK];
	f->attempts += s->counter[COUNTER_ATTEMPT];
	f->up += s->counter[COUNTER_UP];
	f->down += s->counter[COUNTER_DOWN];
	f->active += s->active;
	f->idle += s->idle;
}

/* Minutes that have the same values count in a row once: as active as soon as one value of it is.
 */
static void add_minutes(struct row *r, uint64_t serial, bool active, uint64_t minutes)
{
	bool first = r->serial != serial;
	if (!first && (r->active || !active))
		return;
	if (!first)
		r->f.idle -= minutes;
	if (active)
		r->f.active += minutes;
	else
		r->f.idle += minutes;
	r->serial = serial;
	r->active = active;
}

static void add_mixed(struct breakdown *b, const struct mixed *m)
{
	for (size_t i = 0; i < m->values.n; i++) {
		struct span all = m->values.v[i];
		for (size_t at = 0; at + sizeof(struct mixed_value) <= all.n;) {
			struct mixed_value v;
			memcpy(&v, all.p + at, sizeof v);
			at += sizeof v;
			add_minutes(&b->rows[b->row_of[v.name]], i + 1, v.active, m->minutes[i]);
		}
	}
}

/* Each row has those behind its name; the fold those behind any of its names, each once. */
static bool add_people(struct breakdown *b, const struct tally *t)
{
	const struct behind *all = &t->behind[b->by];
	struct people fold = {0};
	bool ok = true;

	for (size_t name = 0; name < all->n && name < t->names.n; name++) {
		size_t row = b->row_of[name];
		if (row)
			b->rows[row].f.people = people_count(&all->name[name]);
		else
			ok = ok && people_join(&fold, &all->name[name]);
	}
	b->rows[0].f.people = people_count(&fold);
	people_free(&fold);
	return ok;
}

static bool recount(struct breakdown *b, const struct tally *t)
{
	memset(b->rows, 0, b->n * sizeof *b->rows);
	for (size_t i = 0; i < t->combinations.n; i++) {
		struct combination c;
		combination_of(t, (uint32_t)i, &c);
		add_sums(&b->rows[b->row_of[c.name[b->by]]].f, &t->sums[i]);
	}
	add_mixed(b, &t->mixed[b->by]);
	return add_people(b, t);
}

/* All names in row 0: any dimension will do. */
void tally_total(struct tally *t, struct figures *out)
{
	struct row row = {0};
	struct breakdown b = {.rows = &row, .n = 1};

	tally_minutes(t, UINT64_MAX);
	b.row_of = calloc(t->names.n, sizeof *b.row_of);
	t->failed = t->failed || !b.row_of || !recount(&b, t);
	free(b.row_of);
	*out = row.f;
}

/* --- rows and folding ------------------------------------------------------------------------- */

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
		combination_of(t, (uint32_t)i, &c);
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
				    : tally_by_name(t, b->name[i], b->name[best]) < 0;
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
	struct breakdown b = {0};

	tally_minutes(t, UINT64_MAX);
	bool ok = !t->failed && breakdown_init(&b, t, by) && recount(&b, t) &&
		  fold_small(&b, t, fold_below) && give(&b, t, rows, n);
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
		combination_of(t, (uint32_t)i, &c);
		struct span day = t->names.v[c.name[DIM_DAY]];
		if (c.name[d] == id && day.n == 10 && (!last.n || memcmp(day.p, last.p, 10) > 0))
			last = day;
	}
	return last.n && span_copy(last, out, 11);
}
