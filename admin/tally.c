/* The tally itself: its life, its nodes, and whose figures stand under which names. */
#include "tally_inside.h"

#include <stdio.h>
#include <stdlib.h>

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
	t->recorded = calloc(p->days ? p->days : 1, sizeof *t->recorded);
	t->failed = intern_id(&t->names, SPAN("")) != NOBODY || !t->recorded;
	return t;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nodes; i++) {
		free(t->node[i].name);
		free(t->node[i].raw);
	}
	free(t->node);
	free(t->recorded);
	intern_free(&t->names);
	intern_free(&t->combinations);
	intern_free(&t->fields);
	for (size_t d = 0; d < DIM_COUNT; d++) {
		for (size_t i = 0; i < t->behind[d].n; i++)
			people_free(&t->behind[d].name[i]);
		free(t->behind[d].name);
		intern_free(&t->mixed[d].values);
		free(t->mixed[d].minutes);
	}
	free(t->sums);
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

void tally_only(struct tally *t, struct span person)
{
	t->only = intern_id(&t->names, person);
	t->failed |= t->only == INTERN_NONE;
}

void tally_raw_day(struct tally *t, size_t node, struct span day)
{
	struct tally_node *n = &t->node[node];
	size_t i;
	if (!period_index(&t->period, day, &i))
		return;
	if (!n->raw)
		n->raw = calloc(t->period.days, sizeof *n->raw);
	t->failed |= !n->raw;
	if (!n->raw || n->raw[i])
		return;
	n->raw[i] = true;
	n->raw_days++;
}

uint64_t tally_day_recorded(const struct tally *t, size_t i)
{
	return t->recorded[i];
}

bool tally_failed(const struct tally *t)
{
	return t->failed;
}

/* --- who and what ----------------------------------------------------------------------------- */

static bool room_for_sums(struct tally *t)
{
	if (t->combinations.n <= t->capsums)
		return true;
	size_t cap = t->capsums ? t->capsums * 2 : 256;
	struct sums *more = realloc(t->sums, cap * sizeof *more);
	if (!more)
		return false;
	memset(more + t->capsums, 0, (cap - t->capsums) * sizeof *more);
	t->sums = more;
	t->capsums = cap;
	return true;
}

/* The number of a combination, which has its sums. */
static uint32_t number_combination(struct tally *t, const struct combination *c)
{
	uint32_t id = intern_id(&t->combinations, span_of(c, sizeof *c));

	if (id != INTERN_NONE && room_for_sums(t))
		return id;
	t->failed = true;
	return INTERN_NONE;
}

static bool room_for_name(struct behind *b, uint32_t name)
{
	if (name < b->n)
		return true;
	size_t n = name + 1 > 2 * b->n ? name + 1 : 2 * b->n;
	struct people *more = realloc(b->name, n * sizeof *more);
	if (!more)
		return false;
	memset(more + b->n, 0, (n - b->n) * sizeof *more);
	b->name = more;
	b->n = n;
	return true;
}

static void stand_behind(struct tally *t, uint32_t person, const struct combination *c)
{
	for (size_t d = 0; d < DIM_COUNT && person != NOBODY; d++) {
		struct behind *b = &t->behind[d];
		if (!room_for_name(b, c->name[d]) || !people_add(&b->name[c->name[d]], person))
			t->failed = true;
	}
}

uint32_t tally_enter(struct tally *t, uint32_t person, const struct combination *c)
{
	uint32_t id = number_combination(t, c);

	if (id != INTERN_NONE)
		stand_behind(t, person, c);
	return id;
}

void tally_count(struct tally *t, uint32_t combination, enum counter which, uint64_t add)
{
	uint64_t *sum = &t->sums[combination].counter[which];

	*sum = sum_capped(*sum, add);
}

void tally_attempt(struct tally *t, const struct attempt *a)
{
	struct combination c;
	uint32_t person = intern_id(&t->names, a->person), id;
	bool ok = person != INTERN_NONE && !t->failed;
	for (int d = 0; ok && d < DIM_COUNT; d++) {
		c.name[d] = intern_id(&t->names, a->name[d]);
		ok = c.name[d] != INTERN_NONE;
	}
	t->failed |= !ok;
	if (!ok || (id = tally_enter(t, person, &c)) == INTERN_NONE)
		return;
	tally_count(t, id, COUNTER_ATTEMPT, 1);
	tally_count(t, id, COUNTER_DENY, a->refused);
	tally_count(t, id, COUNTER_LIMIT, a->limited);
}
