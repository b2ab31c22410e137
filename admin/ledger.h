/*
 * The ledger under the tally: bytes by (minute, person, combination). Entries are appended, and
 * merged by sorting when they are asked for or the memory is full, so that it stays near the number
 * of distinct sums, however many records there were.
 */
#ifndef STILE_LEDGER_H
#define STILE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
	uint32_t minute, person, combination;
	uint64_t up, down;
};

struct ledger {
	struct entry *v;
	size_t n, cap;
	struct entry *spare; /* of the same size, to sort into */
};

/* Sums that would pass 64 bits stay at the top. */
static inline uint64_t sum_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* {0} is an empty ledger. */
void ledger_free(struct ledger *l);
/* False: out of memory. */
bool ledger_add(struct ledger *l, const struct entry *e);
/* Sorts and merges the minutes before `until`: afterwards they are the first entries, in order,
 * each key once. Returns how many. */
size_t ledger_settle(struct ledger *l, uint64_t until);
/* Takes the first n away. */
void ledger_drop(struct ledger *l, size_t n);

#endif
