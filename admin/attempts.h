/*
 * Attempts: what people tried and were refused, with retries as one. Browsers ask several times for
 * one click, and apps ask all day; refusals alone would count machines.
 */
#ifndef STILE_ATTEMPTS_H
#define STILE_ATTEMPTS_H

#include "record.h"
#include "tally.h"

/* Refusals of the same person, destination, rule and reason are one attempt as long as each comes
 * within this time of the one before. A record may stand for several refusals of its minute. */
#define ATTEMPT_GAP_MS 120000

struct attempts;

struct attempts *attempts_new(void);
void attempts_free(struct attempts *a);
/* An access record; others than refusals are passed over. `arg` is the struct attempts. */
void attempts_take(void *arg, const struct record *r);
uint64_t attempts_refusals(const struct attempts *a);
/* Puts refusals together and hands the attempts to the tally. False: memory ran out, now or before.
 */
bool attempts_give(struct attempts *a, struct tally *t);

#endif
