/*
 * Why records do not reach Redis, as a word for machines and an advice for people. The table is
 * causes.def.
 */
#ifndef STILE_CAUSE_H
#define STILE_CAUSE_H

#include "err.h"
#include "span.h"

enum cause {
#define CAUSE(name, word, prefixes, advice) CAUSE_##name,
#include "causes.def"
#undef CAUSE
	CAUSES
};

const char *cause_word(enum cause c);
/* What to do about it; "" where the text of the error says all. */
const char *cause_advice(enum cause c);
/* What an error answer of Redis means; CAUSE_REFUSED for those that are in no row. */
enum cause cause_of_answer(struct span answer);
/* The error with ": " and the advice behind. */
void cause_advise(enum cause c, struct err *e);

#endif
