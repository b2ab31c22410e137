/* Strings kept once and known by small numbers, in the order in which they came. */
#ifndef STILE_INTERN_H
#define STILE_INTERN_H

#include "span.h"

struct intern {
	struct span *v; /* v[id]; the bytes live as long as the pool */
	size_t n, cap;
	struct intern_slot {
		uint32_t id1, tag; /* id + 1, or 0: free; the hash's upper half */
	} * slot;		   /* open addressing */
	size_t slots;		   /* a power of two */
	struct intern_block *blocks;
};

#define INTERN_NONE UINT32_MAX

/* {0} is an empty pool. */
void intern_free(struct intern *p);
/* The number of these bytes, new or known. INTERN_NONE: out of memory. */
uint32_t intern_id(struct intern *p, struct span s);
/* The number of bytes that are known, or INTERN_NONE. */
uint32_t intern_find(const struct intern *p, struct span s);

#endif
