/*
 * The slots of the open minute in shared memory. A slot is made completely before its state says
 * so, and freed by one store; every figure is an atomic of its own. So the owner may be killed
 * between any two instructions and a successor finds whole slots only.
 */
#ifndef STILE_USAGE_TABLE_H
#define STILE_USAGE_TABLE_H

#include "chain.h"
#include "gcra.h"
#include "usage.h"

#define USAGE_SPARE  4 /* slots for what has no room, of a worker */
#define USAGE_ALL    (USAGE_SLOTS + USAGE_SPARE)
#define USAGE_PROBES 32
#define USAGE_NONE   UINT32_MAX

enum slot_state {
	SLOT_FREE, /* zeroed memory */
	SLOT_OPEN
};

/* What a search looks at, apart from the rest: four marks are a cache line. */
struct usage_mark {
	_Atomic uint32_t state, minute;
	_Atomic uint64_t key; /* keyed hash of the fixed part, by which alone it is found */
};

struct usage_slot {
	_Atomic uint64_t number; /* of its emission; 0: not begun, more may be added */
	_Atomic uint64_t up, down, core_up, core_down;
	_Atomic uint64_t n; /* tunnels, or refusals after the first */
	/* Where its record stands if it was written: set before `number`. */
	uint64_t after; /* behind this sequence number */
	char chain[CHAIN_NAME_LEN + 1];
	uint16_t len;
	char fixed[USAGE_FIXED_MAX]; /* the template as a record's JSON */
};

struct usage_range { /* of one worker */
	struct usage_mark mark[USAGE_ALL];
	struct usage_slot slot[USAGE_ALL];
};

struct usage_shared {
	_Atomic uint64_t layout;
	_Atomic uint64_t boot; /* random: tells this memory's numbers from another's */
	_Atomic uint64_t numbers;
	uint64_t pad[5];
	struct gcra_cell cell[USAGE_CELLS];
	struct usage_range range[];
};

bool slot_open(struct usage_range *r, uint32_t i);
/* Open, and no emission of it has begun. */
bool slot_takes(struct usage_range *r, uint32_t i, uint64_t key, uint32_t minute);
/* The slot of (key, minute) that still takes figures, or USAGE_NONE. */
uint32_t slot_find(struct usage_range *r, uint64_t key, uint32_t minute);
/* A new one; USAGE_NONE: no room near the key, or `fixed` is too long. */
uint32_t slot_make(struct usage_range *r, uint64_t key, uint32_t minute, struct span fixed);
/* One of the spare slots: an open one of that minute, a new one, or any that still takes figures.
 */
uint32_t slot_spare(struct usage_range *r, uint64_t key, uint32_t minute, struct span fixed);
void slot_free(struct usage_range *r, uint32_t i);

#endif
