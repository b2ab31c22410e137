/*
 * The open minute, in memory that all workers of a host share: who moved how much under which rule,
 * refusals told together, and rates.
 *
 * Each worker owns a range of slots, so that it needs no lock; a slot carries the part of its record
 * that does not change already encoded as JSON, so that a successor can journal a dead worker's
 * slots without the policy they were made under. The owner makes a slot's record when the minute
 * is over: it first marks the slot with an emission number, then journals a record carrying that
 * number, then frees the slot once the record is written. A successor journals what it finds, but
 * for slots whose emission number stands in the dead chain already: nothing is lost, nothing is
 * counted twice.
 *
 * Rates (GCRA) are one table for all workers: a cell per person and rule, changed by compare and
 * swap.
 */
#ifndef STILE_USAGE_H
#define STILE_USAGE_H

#include "err.h"
#include "journal.h"
#include "policy.h"
#include "record.h"

#define USAGE_WORKERS_MAX 64
#define USAGE_SLOTS       8192  /* of one worker */
#define USAGE_CELLS       65536 /* rate cells of a host */
#define USAGE_FIXED_MAX   1024  /* bytes of the encoded part of a slot */

/* Bytes of the shared memory for so many workers; zeroed memory is an empty table. */
size_t usage_size(unsigned workers);

struct usage; /* one worker's view */
struct usage *usage_open(void *shared, size_t size, unsigned worker, struct err *e);
void usage_close(struct usage *u);

/* --- bytes -------------------------------------------------------------------------------------- */

/* What does not change while a tunnel or request moves bytes: the record template, with user, role,
 * service, zone, rule, purpose set. kind USAGE. */
struct usage_ref {
	uint32_t slot;   /* index, or UINT32_MAX: none yet */
	uint32_t minute; /* that it was taken for */
	uint64_t key;    /* hash of the fixed part */
};

/* Adds bytes to the slot of (template, minute), taking one if needed: found by ref at once, or by key.
 * `now_ms` is wall time. `fresh`: count this access in `tunnels` of the minute. Never fails: when the
 * range is full the oldest slot is emitted early (the sums stay right) through the flush of
 * usage_tick. */
void usage_add(struct usage *u, struct usage_ref *ref, const struct record *fixed, bool core,
	uint64_t up, uint64_t down, int64_t now_ms);

/* --- refusals ------------------------------------------------------------------------------------ */

/* Refusals and challenges of one kind (fixed: record ACCESS without t, day, id, n): true for the first
 * in a minute, which the caller records at once; false when it was only counted. */
bool usage_refusal(struct usage *u, const struct record *fixed, int64_t now_ms);

/* --- the minute is over -------------------------------------------------------------------------- */

/* Journals the slots of past minutes (all of them when `all`), through journal_add; frees each when its
 * record is written. Call every second; bounded work in each call. `day` gives the local day. */
void usage_tick(struct usage *u, struct journal *j, int64_t now_ms, bool all,
	void (*day)(void *arg, int64_t unix_s, char out[11]), void *arg);
/* What a dead worker left: journals its slots, leaving out those whose emission number stands at the
 * end of the dead chain (found by reading the last segments of the folder `dir`). Before the
 * successor serves. Returns the number of slots journaled. */
size_t usage_inherit(struct usage *u, struct journal *j, int dir,
	void (*day)(void *arg, int64_t unix_s, char out[11]), void *arg);

/* --- rates ---------------------------------------------------------------------------------------- */

/* Takes one from the rate of (person, rule): GCRA. true: within; false: spent, *retry_s (at least 1)
 * tells when one will be there. When the table is full the coldest cell near the hash is reused: its
 * person starts anew, which errs on the side of allowing (stated in docs/limits). */
bool usage_rate_take(struct usage *u, struct span person, struct span rule,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s);

#endif
