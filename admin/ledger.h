/*
 * The ledger under the tally: sums by (person, slot, combination). Entries are appended and merged
 * by sorting whenever the memory is full, so that it stays near the number of distinct sums,
 * however many records there were.
 */
#ifndef STILE_LEDGER_H
#define STILE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
	uint32_t person, slot, combination;
	uint64_t a, b;
};

struct ledger {
	struct entry *v;
	size_t n, cap, settled; /* the first `settled` are sorted and distinct */
};

/* {0} is an empty ledger. */
void ledger_free(struct ledger *l);
/* Sums that would pass 64 bits stay at the top. False: out of memory. */
bool ledger_add(struct ledger *l, const struct entry *e);
/* Sorts and merges: afterwards v[0 … n) is in order, each key once. */
void ledger_settle(struct ledger *l);

#endif
