/*
 * One chain being written, segment after segment. Records are put into a buffer and committed with
 * one write; when that fails half-way, the whole records that reached the file stay and the torn
 * rest is cut off, so that the file always ends with a whole record and the chain goes on from it.
 * For one thread.
 */
#ifndef STILE_SEGMENT_WRITE_H
#define STILE_SEGMENT_WRITE_H

#include "chain.h"
#include "err.h"

struct segment_writer;

/* `dir` stays the caller's; no file is made before the first begin. NULL: out of memory. */
struct segment_writer *segment_writer_new(
	int dir, unsigned long number_before, size_t segment_bytes);
/* Closes without syncing. */
void segment_writer_free(struct segment_writer *w);
const char *segment_writer_chain(const struct segment_writer *w);

/* Starts a commit: goes on to a new segment where the present one is full. False: there is no file
 * to write to; nothing may be added then. */
bool segment_writer_begin(struct segment_writer *w, struct err *e);
void segment_writer_add(struct segment_writer *w, struct span body);
/* How many of the added records are whole in the file; fewer than added: *e says why. */
size_t segment_writer_commit(struct segment_writer *w, struct err *e);
/* Puts on the disk what was committed. After a failure the next begin goes on in another segment.
 */
bool segment_writer_sync(struct segment_writer *w, struct err *e);
/* Something was committed and not synced since. */
bool segment_writer_dirty(const struct segment_writer *w);
/* The tip of what is committed. */
void segment_writer_tip(const struct segment_writer *w, struct chain_tip *out);

#endif
