/*
 * Where figures come from. Both sources hand the tally the entries of rollup.h: the journal makes
 * them from its records, Redis keeps them; so the two cannot differ. Raw records are in the journal
 * and in the streams of Redis, each as long as it is told to keep them.
 */
#ifndef STILE_SOURCE_H
#define STILE_SOURCE_H

#include "record.h"
#include "redis.h"
#include "tally.h"

/* Who wants the access records of the period themselves, beside the sums. Spans of the record live
 * until the next. */
struct raw_taker {
	void (*take)(void *arg, const struct record *r);
	void *arg;
};

/* `progress`: tell on stderr how far it is. False with *e: the tally is of no use. */
/* `raw` may be NULL. */
bool source_journal_read(const char *root, struct tally *t, const struct raw_taker *raw,
	bool progress, struct err *e);
bool source_redis_read(const struct redis_options *o, struct tally *t, const struct raw_taker *raw,
	bool progress, struct err *e);

/* The URL as reports may show it: without the password. */
void source_redis_name(const char *url, char *out, size_t cap);

#endif
