/*
 * The shared memory behind standing.h: places for entries, and cells in which the core bytes of a
 * person with a service add up over a minute. Only standing*.c include this.
 *
 * Words of a day carry its number in their upper 16 bits, so that one compare and swap both begins
 * a new day and adds to it.
 */
#ifndef STILE_STANDING_TABLE_H
#define STILE_STANDING_TABLE_H

#include "standing.h"

#include <assert.h>

#define STANDING_WAYS  64 /* places of a set */
#define STANDING_SETS  (STANDING_ENTRIES / STANDING_WAYS)
#define STANDING_CELLS 65536
#define NAME_WORDS     ((STANDING_PERSON_MAX + POLICY_NAME_MAX) / 8)
#define MINUTE_BITS    48 /* of a word of the bitmap */
#define MINUTE_WORDS   (STANDING_MINUTES_MAX / MINUTE_BITS)

struct standing_column { /* of one worker */
	_Atomic uint32_t held, tunnels;
};

struct standing_entry {
	_Atomic uint64_t name[NAME_WORDS];  /* person, rule; padded with zeros */
	_Atomic uint64_t day;		    /* number; when it was last held */
	_Atomic uint64_t changed;	    /* since it was published */
	_Atomic uint64_t ack_until, ack_at; /* until: seconds << 8 | purpose */
	_Atomic uint64_t spent_at[STANDING_GRANTS];
	_Atomic uint64_t bytes[2], other_bytes;
	_Atomic uint64_t granted[STANDING_GRANTS], other_granted[STANDING_GRANTS];
	_Atomic uint64_t earlier_bytes, earlier_granted[STANDING_GRANTS]; /* before the start */
	_Atomic uint64_t paid_ns[2]; /* bandwidth, by way: until then all is paid for */
	_Atomic uint64_t minutes[MINUTE_WORDS], other_minutes[MINUTE_WORDS];
	struct standing_column column[];
};

/* Core bytes of a person with a service in a minute. */
struct standing_cell {
	_Atomic uint64_t tag;	/* minute (16 bits), hash */
	_Atomic uint64_t sum;	/* minute (32), capped: both ways (18), up (14) */
	_Atomic uint64_t users; /* minute (16), three entries (16 each) that the minute goes to */
};

struct standing_set {
	_Atomic uint64_t
		lock; /* 0: free; else the monotonic ms at which it was taken, and a hash */
	_Atomic uint64_t tag[STANDING_WAYS]; /* 0: empty; 1: being made; else the name's hash */
};

struct standing_shared {
	_Atomic uint64_t layout;
	_Atomic uint64_t turns, refused, known_until_ms, restored;
	uint64_t pad[3];
	struct standing_set set[STANDING_SETS];
	struct standing_cell cell[STANDING_CELLS];
	_Alignas(8) char entries[];
};

/* Where things lie is each process's own knowledge: whoever takes over a worker may write what he
 * likes into the shared memory, and leads nobody out of it. */
struct standing {
	struct standing_shared *shared;
	size_t size, columns, stride; /* bytes; workers and others, bytes of an entry */
};

static inline uint64_t word_tag(const struct local_day *day)
{
	return (uint64_t)(day->number & 0xffff) << 48;
}

#define WORD_VALUE ((UINT64_C(1) << 48) - 1)

/* What a word holds of that day. */
static inline uint64_t word_of_day(const _Atomic uint64_t *word, const struct local_day *day)
{
	uint64_t v = atomic_load_explicit(word, memory_order_acquire);

	return (v & ~WORD_VALUE) == word_tag(day) ? v & WORD_VALUE : 0;
}

static inline struct standing_entry *entry_at(const struct standing *t, uint32_t i)
{
	return (struct standing_entry *)(t->shared->entries + (size_t)i * t->stride);
}

static inline uint32_t entry_index(const struct standing *t, const struct standing_entry *e)
{
	return (uint32_t)((size_t)((const char *)e - t->shared->entries) / t->stride);
}

/* Sets bits of the day's word; true: some were new. */
bool word_set_bits(_Atomic uint64_t *word, const struct local_day *day, uint64_t bits);
/* The minute belongs to the entry's day; true: it did not before. */
bool entry_mark(struct standing_entry *e, const struct local_day *day, uint32_t minute);
void entry_changed(struct standing_entry *e);
uint64_t mix(uint64_t a, uint64_t b);

/* standing_minute.c */
bool minute_add(struct standing *t, struct standing_entry *e, struct standing_use *use, uint64_t up,
	uint64_t down, const struct local_day *day, uint32_t minute);
/* Minutes of this day, of the last few, whose floor was reached are marked in all entries that they
 * go to. */
void minute_settle(struct standing *t, const struct local_day *day, int64_t now_s);

#endif
