/* Causes of trouble with Redis: all that is known about them stands in causes.def. */
#include "cause.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *word, *prefixes, *advice;
} rows[] = {
#define CAUSE(name, word, prefixes, advice) {word, prefixes, advice},
#include "causes.def"
#undef CAUSE
};

const char *cause_word(enum cause c)
{
	assert(c < CAUSES);
	return rows[c].word;
}

const char *cause_advice(enum cause c)
{
	assert(c < CAUSES);
	return rows[c].advice;
}

enum cause cause_of_answer(struct span answer)
{
	for (size_t i = 0; i < CAUSES; i++) {
		struct span rest = span_str(rows[i].prefixes);
		while (rest.p && rest.n)
			if (span_starts(answer, span_cut(&rest, '|')))
				return (enum cause)i;
	}
	return CAUSE_REFUSED;
}

void cause_advise(enum cause c, struct err *e)
{
	const size_t n = e ? strlen(e->text) : 0;
	if (e && *cause_advice(c))
		snprintf(e->text + n, sizeof e->text - n, ": %s", cause_advice(c));
}
