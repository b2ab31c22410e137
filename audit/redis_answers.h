/*
 * Answers of Redis, taken apart by hiredis into our words. What belongs to one answer lies in a few
 * blocks of memory that the next one uses again: a page of a scan has thousands of strings.
 */
#ifndef STILE_REDIS_ANSWERS_H
#define STILE_REDIS_ANSWERS_H

#include "redis.h"

struct answers;

/* NULL: out of memory. */
struct answers *answers_new(void);
void answers_free(struct answers *a);
/* Bytes as they came. False with *e: no memory. */
bool answers_feed(struct answers *a, const void *p, size_t n, struct err *e);
/* Forgets the answer given before, and gives the next one in *out: NULL, where it is not whole yet.
 * False with *e: what came is no answer, or memory is short. */
bool answers_next(struct answers *a, const struct redis_reply **out, struct err *e);
/* The answer that comes is taken as pairs of strings, each given as soon as it is there (its spans
 * live as long as the call), and is left without elements. Holds for one answer. */
void answers_pairs(struct answers *a, redis_pair_fn *fn, void *arg);
/* How many pairs were given of it so far. */
size_t answers_given(const struct answers *a);
/* Forgets the answer given. */
void answers_drop(struct answers *a);

#endif
