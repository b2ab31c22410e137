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
/* A policy came into force. */
void chronicle_policy(struct chronicle *c, const struct bundle *b);
/* Call every second: checkpoints when a minute is over, marks a clock that stepped. */
void chronicle_tick(struct chronicle *c, const struct child *children, size_t n);
/* With a stop mark. */
void chronicle_close(struct chronicle *c);

#endif
