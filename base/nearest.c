/* Words that are a slip of the pen apart, by edit distance (optimal string alignment: a letter
 * more, less or other, or two neighbours swapped). */
#include "nearest.h"

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(struct span a, struct span b)
{
	unsigned row[3][WORD_MAX + 1];

	for (unsigned j = 0; j <= b.n; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned other = a.p[i - 1] != b.p[j - 1];

			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + other);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[a.n % 3][b.n];
}

struct nearest nearest_to(struct span wanted)
{
	/* Short words need more likeness: every two-letter word is two letters from every other. */
	return (struct nearest){.wanted = wanted,
		.distance = wanted.n < 4   ? 2
			    : wanted.n < 9 ? 3
					   : 4};
}

void nearest_try(struct nearest *n, struct span known)
{
	if (known.n > WORD_MAX || n->wanted.n > WORD_MAX || known.n == 0)
		return;
	unsigned d = distance(n->wanted, known);
	if (d >= n->distance)
		return;
	n->distance = d;
	n->found = known;
}
