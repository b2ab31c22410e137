/* Refusals are kept with their names as numbers, sorted by what makes them one attempt, then by
 * time. */
#include "attempts.h"

#include "intern.h"

#include <stdlib.h>

struct refusal {
	uint32_t person, name[DIM_COUNT];
	uint64_t t, refused, limited;
};

struct attempts {
	struct intern names;
	struct refusal *v;
	size_t n, cap;
	uint64_t refusals;
	bool failed;
};

struct attempts *attempts_new(void)
{
	return calloc(1, sizeof(struct attempts));
}

void attempts_free(struct attempts *a)
{
	if (!a)
		return;
	intern_free(&a->names);
	free(a->v);
	free(a);
}

uint64_t attempts_refusals(const struct attempts *a)
{
	return a->refusals;
}

/* --- taking ----------------------------------------------------------------------------------- */

static bool make_room(struct attempts *a)
{
	size_t cap = a->cap ? a->cap * 2 : 1024;
	if (a->n < a->cap)
		return true;
	struct refusal *more = realloc(a->v, cap * sizeof *more);
	if (!more)
		return false;
	a->v = more;
	a->cap = cap;
	return true;
}

static uint32_t number(struct attempts *a, struct span s)
{
	uint32_t id = intern_id(&a->names, s);
	a->failed |= id == INTERN_NONE;
	return id;
}

static void fill(struct attempts *a, struct refusal *f, const struct record *r)
{
	static const enum field fields[DIM_COUNT] = {[DIM_ROLE] = FIELD_ROLE,
		[DIM_SERVICE] = FIELD_SERVICE,
		[DIM_ZONE] = FIELD_ZONE,
		[DIM_RULE] = FIELD_RULE,
		[DIM_PURPOSE] = FIELD_PURPOSE,
		[DIM_DAY] = FIELD_DAY,
		[DIM_DESTINATION] = FIELD_TO,
		[DIM_REASON] = FIELD_REASON};
	for (int d = 0; d < DIM_DAY_SERVICE; d++)
		f->name[d] = number(a, record_get(r, fields[d]));
	f->name[DIM_DAY_SERVICE] = number(a, SPAN(""));
	f->person = number(a, record_get(r, FIELD_USER));
	f->t = record_getnum(r, FIELD_T);
}

void attempts_take(void *arg, const struct record *r)
{
	struct attempts *a = arg;
	uint64_t n = record_has(r, FIELD_N) ? record_getnum(r, FIELD_N) : 1;
	if (a->failed || r->kind != RECORD_ACCESS ||
		!span_is(record_get(r, FIELD_VERDICT), "deny") || n == 0)
		return;
	if (!make_room(a)) {
		a->failed = true;
		return;
	}
	struct refusal *f = &a->v[a->n++];
	*f = (struct refusal){.t = 0};
	fill(a, f, r);
	if (rollup_limited(record_get(r, FIELD_REASON)))
		f->limited = n;
	else
		f->refused = n;
	a->refusals += n;
}

/* --- putting together ------------------------------------------------------------------------- */

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

static int same_attempt(const struct refusal *x, const struct refusal *y)
{
	int c = compare(x->person, y->person);
	c = c ? c : compare(x->name[DIM_DESTINATION], y->name[DIM_DESTINATION]);
	c = c ? c : compare(x->name[DIM_RULE], y->name[DIM_RULE]);
	return c ? c : compare(x->name[DIM_REASON], y->name[DIM_REASON]);
}

static int in_order(const void *a, const void *b)
{
	const struct refusal *x = a, *y = b;
	int c = same_attempt(x, y);
	c = c ? c : compare(x->t, y->t);
	/* where all that matters is equal, the rest decides, so that every source gives the same */
	c = c ? c : compare(x->refused + x->limited, y->refused + y->limited);
	return c ? c : memcmp(x->name, y->name, sizeof x->name);
}

/* How many from v[i] on are one attempt. */
static size_t run_length(const struct attempts *a, size_t i)
{
	size_t k = i + 1;
	while (k < a->n && same_attempt(&a->v[k - 1], &a->v[k]) == 0 &&
		a->v[k].t - a->v[k - 1].t <= ATTEMPT_GAP_MS)
		k++;
	return k - i;
}

/* The attempt has the day, role and so on of its first refusal. */
static void give_one(const struct attempts *a, const struct refusal *v, size_t n, struct tally *t)
{
	struct attempt out = {.person = a->names.v[v->person]};
	for (int d = 0; d < DIM_COUNT; d++)
		out.name[d] = a->names.v[v->name[d]];
	for (size_t i = 0; i < n; i++) {
		out.refused += v[i].refused;
		out.limited += v[i].limited;
	}
	tally_attempt(t, &out);
}

bool attempts_give(struct attempts *a, struct tally *t)
{
	if (a->failed)
		return false;
	if (a->n)
		qsort(a->v, a->n, sizeof *a->v, in_order);
	for (size_t i = 0, n; i < a->n; i += n) {
		n = run_length(a, i);
		give_one(a, &a->v[i], n, t);
	}
	return !tally_failed(t);
}
