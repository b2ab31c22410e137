/*
 * The open minute, in memory that all workers of a host share: who moved how much under which rule,
 * refusals told together, and rates.
 *
 * Each worker owns a range of slots, so that it needs no lock; a slot carries the part of its
 * record that does not change, encoded as a record's JSON, so that a successor can journal a dead
 * worker's slots without the policy they were made under. The owner makes a slot's record when the
 * minute is over: it first writes into the slot which chain the record goes to and an emission
 * number, then journals a record carrying that number (field `slot`: "<worker>-<number>-<boot>"),
 * then frees the slot once the record is written. From the number on nothing is added to the slot.
 * A successor journals what it finds, but for slots whose number stands in their chain already:
 * nothing is lost, nothing is counted twice.
 *
 * Rates (gcra.h) are one table for all workers.
 */
#ifndef STILE_USAGE_H
#define STILE_USAGE_H

#include "err.h"
#include "journal.h"
#include "policy.h"
#include "record.h"

#define USAGE_WORKERS_MAX 64
#define USAGE_SLOTS	  8192	/* of one worker */
#define USAGE_CELLS	  65536 /* rate cells of a host */
#define USAGE_FIXED_MAX	  1280	/* bytes of the encoded part of a slot */

/* Bytes of the shared memory for so many workers; zeroed memory is an empty table. */
size_t usage_size(unsigned workers);

/* The number that tells this memory's emissions from another's; made at the first call. */
uint64_t usage_boot(void *shared);

struct usage; /* one worker's view */
struct usage *usage_open(void *shared, size_t size, unsigned worker, struct err *e);
/* After its journal was closed: answers of the journal come to it. */
void usage_close(struct usage *u);

/* --- bytes --------------------------------------------------------------------------------------
 */

/* Where a tunnel's bytes went last; begins as {.slot = UINT32_MAX}. */
struct usage_ref {
	uint32_t slot;	 /* index, or UINT32_MAX: none */
	uint32_t minute; /* in which it was counted among the tunnels */
	uint64_t key;	 /* hash of the fixed part */
};

/* Adds bytes to the slot of the minute, counting the tunnel once in each. `fixed`: a USAGE record
 * with user, role, service, zone, rule and purpose set. `now_ms` is wall time. Never fails: where
 * there is no room near the key (USAGE_SLOTS people × services × rules in a minute), the bytes go
 * to a nameless slot, and usage_tick makes room before the minute is over: sums stay right, names
 * of what was too much are not known. */
void usage_add(struct usage *u, struct usage_ref *ref, const struct record *fixed, bool core,
	uint64_t up, uint64_t down, int64_t now_ms);
/* The same without the template, when the ref's slot still takes bytes. False: nothing was added.
 */
bool usage_add_again(struct usage *u, struct usage_ref *ref, bool core, uint64_t up, uint64_t down,
	int64_t now_ms);

/* --- refusals ------------------------------------------------------------------------------------
 */

/* Refusals and challenges of one kind (fixed: record ACCESS without t, day, id, n): true for the
 * first in a minute, which the caller records at once; false when it was only counted, to be told
 * by one record with n when the minute is over. Without room it is always true: each is recorded.
 */
bool usage_refusal(struct usage *u, const struct record *fixed, int64_t now_ms);

/* --- the minute is over --------------------------------------------------------------------------
 */

/* The local day of a moment. */
typedef void usage_day_fn(void *arg, int64_t unix_s, char out[11]);

/* Journals the slots of other minutes than the present one (all of them when `all`), through
 * journal_add; frees each when its record is written; what could not be written stays and is tried
 * again. Call every second; at most 256 slots in each call, unless `all`. */
void usage_tick(
	struct usage *u, struct journal *j, int64_t now_ms, bool all, usage_day_fn *day, void *arg);
/* What a dead worker left: journals its slots, leaving out those whose emission number stands in
 * the chain that they name (its segments are read in the folder `dir`, which must stay open: it is
 * asked again after a failed sync). Where they cannot be read now, usage_tick asks again. Before
 * the successor serves. Returns the number of slots given to the journal. */
size_t usage_inherit(struct usage *u, struct journal *j, int dir, usage_day_fn *day, void *arg);

/* --- rates
 * ---------------------------------------------------------------------------------------- */

/* Takes one from the rate of (person, rule), as gcra_take. `now_us` may be of either clock, but of
 * one clock for a rule. */
bool usage_rate_take(struct usage *u, struct span person, struct span rule,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s);
/* Would the next one be refused? As gcra_spent. */
bool usage_rate_spent(const struct usage *u, struct span person, struct span rule,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s);

#endif
