/* Sort and merge. Growing only where merging won less than half keeps the cost per entry bounded.
 */
#include "ledger.h"

#include <stdlib.h>

#define FIRST 65536

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->person != y->person)
		return x->person < y->person ? -1 : 1;
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->combination != y->combination)
		return x->combination < y->combination ? -1 : 1;
	return 0;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void ledger_settle(struct ledger *l)
{
	size_t kept = 0;
	if (l->settled == l->n)
		return;
	qsort(l->v, l->n, sizeof *l->v, by_key);
	for (size_t i = 0; i < l->n; i++) {
		struct entry *last = kept ? &l->v[kept - 1] : NULL;
		if (last && by_key(last, &l->v[i]) == 0) {
			last->a = sum(last->a, l->v[i].a);
			last->b = sum(last->b, l->v[i].b);
		} else {
			l->v[kept++] = l->v[i];
		}
	}
	l->n = l->settled = kept;
}

static bool make_room(struct ledger *l)
{
	ledger_settle(l);
	if (l->n < l->cap / 2)
		return true;
	size_t cap = l->cap ? l->cap * 2 : FIRST;
	struct entry *more = realloc(l->v, cap * sizeof *more);
	if (!more)
		return false;
	l->v = more;
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

void ledger_free(struct ledger *l)
{
	free(l->v);
	*l = (struct ledger){0};
}
