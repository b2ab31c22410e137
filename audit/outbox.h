/*
 * The outbox of a journal: records that a writer has taken over and not yet put into a segment, in
 * memory that outlives the writer. A record is safe with one copy and without a system call: it is
 * as safe as in a file that was written and not synced, except that the machine's end takes it
 * where a file may be lucky. The thread that writes segments empties it, some milliseconds later;
 * what a dead writer left, its successor journals before it does anything else.
 *
 * Each entry carries the number under which the loop added it. Before a commit the thread notes
 * which number will be which sequence number of which chain, and behind it how far the outbox is
 * empty; so whoever died between the two leaves enough to tell what is in the journal already.
 *
 * One thread puts, one thread notes and drops.
 */
#ifndef STILE_OUTBOX_H
#define STILE_OUTBOX_H

#include "chain.h"
#include "err.h"

#include <stddef.h>

#define OUTBOX_SIZE ((size_t)1048576) /* bytes of the file */

struct outbox;

struct outbox_entry {
	struct span body; /* in the outbox, until dropped */
	uint64_t number;
	uint64_t end; /* the place behind it */
};

/* The file `path`, made if it is not there; emptied if it is of an earlier start of the machine
 * (then nothing in it can be relied on) or of another format. Returns a descriptor, which keeps
 * others from it, or -1 with *e: it is not a plain file of this account or of its folder's owner,
 * or another process has it. Root gives it to that owner. */
int outbox_make(const char *path, struct err *e);
/* There is such a file, of this start of the machine, and something was left in it. */
bool outbox_holds(const char *path);
/* Something is in the outbox that was made; for whoever knows that nobody uses it now. */
bool outbox_left(int fd);
/* The same as outbox_make without a name: it outlives a writer, and not whoever holds the
 * descriptor. */
int outbox_make_unnamed(struct err *e);
/* Makes the file as long as it must be, all of it in being, and says what it is, whatever its last
 * user did to it. What else stands there stays. */
bool outbox_mend(int fd, struct err *e);

/* Maps it; fd stays the caller's. NULL with *e: no memory, or not an outbox. */
struct outbox *outbox_open(int fd, struct err *e);
/* NULL is fine. */
void outbox_close(struct outbox *o);

/* Copies a body of 1 to RECORD_MAX bytes. `number` is higher than all before. False: no room. */
bool outbox_put(struct outbox *o, uint64_t number, struct span body, struct outbox_entry *out);
/* More than half of it is taken. */
bool outbox_crowded(const struct outbox *o);

/* The next commit writes record `number` as `seq` of `chain`, what follows it in order. */
void outbox_intend(
	struct outbox *o, const char chain[CHAIN_NAME_LEN + 1], uint64_t number, uint64_t seq);
/* What lies before `end` is in a segment. */
void outbox_drop(struct outbox *o, uint64_t end);

/* What a writer left, in order; begin with {.end = 0}. False: no more. Entries that nobody can have
 * put there end it, and set *damaged. */
bool outbox_next(const struct outbox *o, struct outbox_entry *at, bool *damaged);
/* The entry is in a segment, given the last chain of the journal and the last sequence number in
 * it. */
bool outbox_written(
	const struct outbox *o, const struct outbox_entry *x, const char *chain, uint64_t seq);
/* Empties it. */
void outbox_clear(struct outbox *o);

#endif
