#include "people.h"

#include <stdlib.h>
#include <string.h>

void people_free(struct people *p)
{
	free(p->bits);
	*p = (struct people){0};
}

static bool make_room(struct people *p, size_t words)
{
	size_t want = p->words * 2 > words ? p->words * 2 : words;

	if (words <= p->words)
		return true;
	uint64_t *more = realloc(p->bits, want * sizeof *more);
	if (!more)
		return false;
	memset(more + p->words, 0, (want - p->words) * sizeof *more);
	p->bits = more;
	p->words = want;
	return true;
}

bool people_add(struct people *p, uint32_t person)
{
	if (!make_room(p, person / 64 + 1))
		return false;
	p->bits[person / 64] |= UINT64_C(1) << person % 64;
	return true;
}

bool people_join(struct people *to, const struct people *from)
{
	if (!make_room(to, from->words))
		return false;
	for (size_t i = 0; i < from->words; i++)
		to->bits[i] |= from->bits[i];
	return true;
}

uint64_t people_count(const struct people *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->words; i++)
		n += (uint64_t)__builtin_popcountll(p->bits[i]);
	return n;
}
