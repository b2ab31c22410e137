/*
 * Named blobs in one block of bytes: what the master passes to workers as one sealed descriptor.
 * Layout: magic, count, then per blob name, offset, length; blobs aligned to 16. A pack is read in
 * place; opening checks every offset.
 */
#ifndef STILE_PACK_H
#define STILE_PACK_H

#include "buf.h"
#include "err.h"

#define PACK_NAME_MAX 31

struct pack_writer {
	struct buf out;
	unsigned n;
	struct {
		char name[PACK_NAME_MAX + 1];
		struct buf data;
	} v[32];
};

void pack_start(struct pack_writer *w);
/* Copies. */
void pack_add(struct pack_writer *w, const char *name, struct span data);
/* The finished pack; stays the writer's until pack_drop. False: out of memory. */
bool pack_finish(struct pack_writer *w, struct span *out);
void pack_drop(struct pack_writer *w);

bool pack_check(struct span pack, struct err *e);
/* False if there is none of that name. The pack must have passed pack_check. Data is 16-aligned
 * when the pack is. */
bool pack_get(struct span pack, const char *name, struct span *out);

#endif
