/*
 * The node's own chain, written by the master: which policy is in force, each minute a checkpoint
 * of all chains (the base of coverage), steps of the clock.
 */
#ifndef STILE_CHRONICLE_H
#define STILE_CHRONICLE_H

#include "bundle.h"
#include "child.h"
#include "err.h"

struct chronicle;

/* `dir`: descriptor of the master's journal folder; stays the caller's. `b` must outlive the
 * chronicle or be replaced through chronicle_policy. */
struct chronicle *chronicle_open(int dir, const struct bundle *b, struct err *e);
/* The node's own chain, that of this start. */
const char *chronicle_chain(const struct chronicle *c);
/* A policy came into force. */
void chronicle_policy(struct chronicle *c, const struct bundle *b);
/* Call every second: checkpoints when a minute is over, marks a clock that stepped. */
void chronicle_tick(struct chronicle *c, const struct child *children, size_t n);
/* Break-glass begins or ends: a mark with the reason and for how long. */
void chronicle_observe(struct chronicle *c, const char *text, uint64_t seconds);
/* Extra for the day is about to be given; `rule` "": under each rule that limits it. */
void chronicle_grant(struct chronicle *c, const char *person, const char *rule, const char *limit,
	uint64_t n, const char *reason);
/* Minutes of the local day so far, and those of them with a checkpoint, by whichever master. */
void chronicle_coverage(const struct chronicle *c, uint64_t *recorded, uint64_t *passed);
/* Of the node's own chain. */
uint64_t chronicle_lost(const struct chronicle *c);
bool chronicle_failing(const struct chronicle *c);
/* With a stop mark. */
void chronicle_close(struct chronicle *c);

#endif
