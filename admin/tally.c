/*
 * The tally. Names become numbers; the names beside a figure (role, service, …, day) become one
 * number too, a combination. Sums lie in a ledger ordered by person and slot, where a slot is a
 * counter or a UTC minute: walking it once meets each person and each of their minutes in one
 * piece, which is all that "distinct" and "once" need.
 */
#include "tally.h"

#include "intern.h"
#include "ledger.h"

#include <stdlib.h>

enum slot {
	SLOT_ALLOW,
	SLOT_DENY,
	SLOT_LIMIT,
	SLOT_CHALLENGE,
	SLOT_BYTES,
	SLOT_COUNTERS, /* how many */
	SLOT_FIRST_MINUTE = 16
};

#define NOBODY	   0	/* the number of "", which is interned first */
#define FIELD_ROOM 2048 /* of a field name's parts */
#define TOTAL	   DIM_COUNT

struct combination {
	uint32_t name[DIM_COUNT];
};

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

/* The names of a field, as numbers; the day is not among them. */
struct known {
	uint32_t person, name[DIM_DAY];
};

/* Fields come again and again: what stands behind the metric is read as JSON once. */
struct tally {
	struct period period;
	struct intern names, combinations, fields;
	struct known *known; /* by number of field */
	size_t nknown, capknown;
	struct ledger ledger;
	struct tally_node *node;
	size_t nodes;
	uint64_t bad;
	bool failed;
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

static const char *const words[] = {
#define DIM(name, word, title, none) [DIM_##name] = word,
#include "dims.def"
#undef DIM
};
static const char *const titles[] = {
#define DIM(name, word, title, none) [DIM_##name] = title,
#include "dims.def"
#undef DIM
};
static const char *const nones[] = {
#define DIM(name, word, title, none) [DIM_##name] = none,
#include "dims.def"
#undef DIM
};

const char *dim_word(enum dim d)
{
	return words[d];
}

const char *dim_title(enum dim d)
{
	return titles[d];
}

const char *dim_none(enum dim d)
{
	return nones[d];
}

/* --- life ------------------------------------------------------------------------------------- */

struct tally *tally_new(const struct period *p)
{
	struct tally *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->period = *p;
	t->failed = intern_id(&t->names, SPAN("")) != NOBODY;
	return t;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nodes; i++)
		free(t->node[i].name);
	free(t->node);
	intern_free(&t->names);
	intern_free(&t->combinations);
	intern_free(&t->fields);
	free(t->known);
	ledger_free(&t->ledger);
	free(t);
}

const struct period *tally_period(const struct tally *t)
{
	return &t->period;
}

size_t tally_node_open(struct tally *t, struct span name)
{
	struct tally_node *more = realloc(t->node, (t->nodes + 1) * sizeof *more);
	if (!more) {
		t->failed = true;
		return SIZE_MAX;
	}
	t->node = more;
	t->node[t->nodes++] = (struct tally_node){0};
	tally_node_name(t, t->nodes - 1, name);
	return t->nodes - 1;
}

void tally_node_name(struct tally *t, size_t node, struct span name)
{
	if (node >= t->nodes)
		return;
	char *copy = strndup(name.p, name.n);
	free(t->node[node].name);
	t->node[node].name = copy;
	t->failed |= !copy;
}

size_t tally_nodes(const struct tally *t)
{
	return t->nodes;
}

const struct tally_node *tally_node(const struct tally *t, size_t i)
{
	return &t->node[i];
}

void tally_bad(struct tally *t, uint64_t n)
{
	t->bad += n;
}

uint64_t tally_bad_lines(const struct tally *t)
{
	return t->bad;
}

bool tally_failed(const struct tally *t)
{
	return t->failed;
}

/* --- intake ----------------------------------------------------------------------------------- */

static bool in_period(const struct tally *t, struct span day)
{
	return day.n == 10 && memcmp(day.p, t->period.from, 10) >= 0 &&
	       memcmp(day.p, t->period.to, 10) <= 0;
}

static bool number_names(struct tally *t, const struct rollup_key *k, struct known *out)
{
	const struct span name[DIM_DAY] = {[DIM_ROLE] = k->role,
		[DIM_SERVICE] = k->service,
		[DIM_ZONE] = k->zone,
		[DIM_RULE] = k->rule,
		[DIM_PURPOSE] = k->purpose};
	out->person = intern_id(&t->names, k->user);
	bool ok = out->person != INTERN_NONE;
	for (int d = 0; d < DIM_DAY; d++) {
		out->name[d] = intern_id(&t->names, name[d]);
		ok = ok && out->name[d] != INTERN_NONE;
	}
	t->failed |= !ok;
	return ok;
}

/* Splits ["metric","user",…] behind the metric. Metrics are plain words. */
static bool split_metric(struct span field, struct span *metric, struct span *rest)
{
	size_t n = 2;
	if (field.n < 2 || memcmp(field.p, "[\"", 2) != 0)
		return false;
	while (n < field.n && field.p[n] >= 'a' && field.p[n] <= 'z')
		n++;
	if (field.n - n < 2 || memcmp(field.p + n, "\",", 2) != 0)
		return false;
	*metric = span_of(field.p + 2, n - 2);
	*rest = span_of(field.p + n + 2, field.n - n - 2);
	return true;
}

static bool remember(struct tally *t, enum rollup_hash hash, struct span field, struct known *out)
{
	char store[FIELD_ROOM];
	struct rollup_key k;
	if (!rollup_key_parse(hash, field, store, sizeof store, &k)) {
		t->bad++;
		return false;
	}
	return number_names(t, &k, out);
}

static bool room_for_known(struct tally *t)
{
	if (t->nknown < t->capknown)
		return true;
	size_t cap = t->capknown ? t->capknown * 2 : 1024;
	struct known *more = realloc(t->known, cap * sizeof *more);
	t->failed |= !more;
	if (!more)
		return false;
	t->known = more;
	t->capknown = cap;
	return true;
}

/* What the field means; *metric is empty in the hash of minutes. NULL: unreadable, or no memory. */
static const struct known *read_field(
	struct tally *t, enum rollup_hash hash, struct span field, struct span *metric)
{
	struct span rest = field.n ? span_of(field.p + 1, field.n - 1) : field;
	*metric = SPAN("");
	if (hash == ROLLUP_DAY ? !split_metric(field, metric, &rest)
			       : !span_starts(field, SPAN("["))) {
		t->bad++;
		return NULL;
	}
	struct known fresh;
	uint32_t id = intern_find(&t->fields, rest);
	if (id != INTERN_NONE)
		return &t->known[id];
	if (!remember(t, hash, field, &fresh) || !room_for_known(t))
		return NULL;
	id = intern_id(&t->fields, rest);
	t->failed |= id == INTERN_NONE;
	if (id == INTERN_NONE)
		return NULL;
	t->known[id] = fresh;
	t->nknown = id + 1;
	return &t->known[id];
}

static void enter(
	struct tally *t, const struct known *k, uint32_t day, uint32_t slot, uint64_t a, uint64_t b)
{
	struct combination c;
	struct entry e = {.person = k->person, .slot = slot, .a = a, .b = b};
	memcpy(c.name, k->name, sizeof k->name);
	c.name[DIM_DAY] = day;
	e.combination = intern_id(&t->combinations, span_of(&c, sizeof c));
	if (e.combination == INTERN_NONE || !ledger_add(&t->ledger, &e))
		t->failed = true;
}

static void count(struct tally *t, struct tally_node *node, const struct known *k,
	struct span metric, uint32_t day, uint64_t add)
{
	static const char *const counters[] = {[SLOT_ALLOW] = "allow",
		[SLOT_DENY] = "deny",
		[SLOT_LIMIT] = "limit",
		[SLOT_CHALLENGE] = "challenge"};
	if (span_is(metric, "checkpoint"))
		node->checkpoints += add;
	else if (span_is(metric, "lost"))
		node->lost += add;
	else if (span_is(metric, "up"))
		enter(t, k, day, SLOT_BYTES, add, 0);
	else if (span_is(metric, "down"))
		enter(t, k, day, SLOT_BYTES, 0, add);
	for (uint32_t s = SLOT_ALLOW; s <= SLOT_CHALLENGE; s++)
		if (span_is(metric, counters[s]))
			enter(t, k, day, s, add, 0);
}

/* "minute,up,down" */
static bool minute(struct tally *t, const struct known *k, uint32_t day, struct span one)
{
	uint64_t at, up, down;
	struct span first = span_cut(&one, ','), second = span_cut(&one, ',');
	if (!span_u64(first, UINT32_MAX, &at) || at < SLOT_FIRST_MINUTE ||
		!span_u64(second, INT64_MAX, &up) || !span_u64(one, INT64_MAX, &down))
		return false;
	if (up > 0 || down > 0)
		enter(t, k, day, (uint32_t)at, up, down);
	return true;
}

void tally_add(struct tally *t, size_t node, enum rollup_hash hash, struct span day,
	struct span field, uint64_t add, struct span text)
{
	struct span metric;
	if (!in_period(t, day) || t->failed)
		return;
	const struct known *k = read_field(t, hash, field, &metric);
	uint32_t day_id = intern_id(&t->names, day);
	if (!k || day_id == INTERN_NONE)
		return;
	if (hash == ROLLUP_DAY)
		count(t, &t->node[node], k, metric, day_id, add);
	while (hash == ROLLUP_MIN && text.n > 0) {
		struct span one = span_cut(&text, ' ');
		if (one.n > 0 && !minute(t, k, day_id, one))
			t->bad++;
	}
}

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
			all >= ACTIVE_BYTES && up >= ACTIVE_BYTES_UP);
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

/* The row of fewest people, then fewest accesses, then the first by name. 0: none is left. */
static size_t smallest(const struct breakdown *b, const struct tally *t)
{
	size_t best = 0;
	for (size_t i = 1; i < b->n; i++) {
		const struct figures *f = &b->rows[i].f, *g = &b->rows[best].f;
		if (f->people == 0 || is_folded(b, i))
			continue;
		bool less = f->people != g->people ? f->people < g->people
			    : f->accesses != g->accesses
				    ? f->accesses < g->accesses
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
	if (*(enum dim *)by != DIM_DAY) {
		if ((x->key.n == 0) != (y->key.n == 0))
			return x->key.n == 0 ? 1 : -1;
		if (f->active != g->active)
			return f->active > g->active ? -1 : 1;
		if (f->accesses != g->accesses)
			return f->accesses > g->accesses ? -1 : 1;
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
