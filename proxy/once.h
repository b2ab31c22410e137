/*
 * Equal things once: blocks of bytes found by their contents, counted by their users. An owner may
 * have room of its own in each block.
 */
#ifndef STILE_ONCE_H
#define STILE_ONCE_H

#include <stddef.h>
#include <stdint.h>

struct once {
	struct once *next; /* in its bucket */
	uint32_t hash, refs;
	uint16_t n, room; /* bytes of contents and, before them, of the owner's own */
	_Alignas(8) char mem[];
};

struct onces {
	struct once **bucket;
	size_t buckets, used;
};

/* The block with these contents (at most 64 KiB), with one more user; made, and its room zeroed,
 * where there is none. All of a table have the same room. NULL: no memory. */
struct once *once_take(struct onces *t, const void *p, size_t n, size_t room);
void once_drop(struct onces *t, struct once *o);
/* Frees the table; nothing is in it any more. */
void onces_free(struct onces *t);

static inline void *once_room(struct once *o)
{
	return o->mem;
}
static inline const void *once_contents(const struct once *o)
{
	return o->mem + o->room;
}

#endif
