/*
 * The journal of one writer: append-only segments in one folder, written by a thread of its own.
 *
 * Records added in one turn of the loop, or in several, are handed over as one batch; the thread
 * numbers and hashes them, writes them with one call, syncs if asked to, and signals once if
 * somebody waits. With an outbox nobody needs to: a record is safe as soon as it is there. Every
 * opening repairs the folder (cuts a torn tail off the last segment) and begins a new chain, whose
 * `start` mark names the chain before it with its last sequence number and hash; behind it stands
 * what the writer before left in its outbox.
 *
 * Folder: NNNNNNNN-<chain>-<first seq>.jnl, NNNNNNNN rising over all chains.
 * Segment: first line "stile-journal 1 <chain> <first seq> <hash before>", then a line a record:
 * "<seq> <hash> <body>". Numbers are decimal, hashes 64 hex digits.
 */
#ifndef STILE_JOURNAL_H
#define STILE_JOURNAL_H

#include "chain.h"
#include "err.h"
#include "outbox.h"
#include "record.h"

struct journal;
struct journal_ticket;

enum journal_sync {
	JOURNAL_SYNC_PROCESS, /* done: in the kernel; synced within sync_ms */
	JOURNAL_SYNC_DISK     /* done: on the disk (fdatasync) */
};

struct journal_options {
	int dir; /* descriptor of the writer's folder; stays the caller's */
	enum journal_sync sync;
	unsigned sync_ms;     /* for PROCESS: fdatasync at least so often while dirty; 0: 1000 */
	size_t segment_bytes; /* a new segment begins past this; 0: 16 MiB */
	size_t queue_bytes;   /* what may wait for the thread; 0: 16 MiB */
	const char *node;     /* said in the start mark's text */
	/* Where records are safe before they are written; NULL: nowhere. Stays the caller's, and
	 * outlives the journal; what a dead writer left in it is written by the open. */
	struct outbox *outbox;
	/* The local day for marks; NULL: the day in UTC. Called on the thread that calls the
	 * journal, from inside its functions, so it must not call them. */
	const char *(*day)(void *arg, int64_t wall_ms, char out[11]);
	void *day_arg;
};

/* What the last open found, for a successor of a dead writer. */
struct journal_before {
	bool any;   /* there was an earlier chain */
	bool clean; /* it ended with a stop mark */
	char chain[CHAIN_NAME_LEN + 1];
	struct chain_tip tip;
	uint64_t cut_bytes; /* of a torn tail */
	uint64_t bad_lines; /* unreadable lines in the middle of the last segment */
	uint64_t kept;	    /* records that stood in the outbox only, and are written now */
	bool damaged;	    /* something in the outbox was no record */
};

/* Called on the loop's thread, from journal_poll, in the order of adding. ok: recorded as the sync
 * setting promises. Of a batch that fails half-way the whole records that reached the file stay and
 * are ok; the others are not, and a gap mark tells how many and since when as soon as writing works
 * again. That is tried every sync_ms, and with a batch ten times a second at most: until then it is
 * not ok at once. A callback may add records, but not close the journal. */
typedef void journal_done_fn(void *arg, bool ok);

/* NULL with *e, also when another live writer has the folder. `before` may be NULL. */
struct journal *journal_open(
	const struct journal_options *o, struct journal_before *before, struct err *e);
/* Adds a body (copied; 1 to RECORD_MAX bytes, no newline) to the batch of this turn. `done` may be
 * NULL. Returns a ticket that is valid until done was called, or NULL if the queue is full or
 * memory short (then done is not called; the loss is counted and told by a gap mark when writing
 * works again). */
struct journal_ticket *journal_add(
	struct journal *j, struct span body, journal_done_fn *done, void *arg);
/* Adds a body as above and is done with it: true means that it is as safe as JOURNAL_SYNC_PROCESS
 * promises, in the outbox. It comes into a segment with a later hand-over, in the order of adding;
 * while writing fails, it stays in the outbox until that works again. False: nothing was added, for
 * want of an outbox, of room in it or of memory, or because the setting promises a disk. */
bool journal_keep(struct journal *j, struct span body);
/* The outbox fills: the next hand-over should not wait. Not while writing fails. */
bool journal_pressed(const struct journal *j);
/* done will not be called any more; the record is written all the same. */
void journal_forget(struct journal_ticket *t);
/* Something was added since the last hand-over. */
bool journal_waiting(const struct journal *j);
/* Hands the batch to the thread: once a turn, after everything else. Never blocks. */
void journal_hand_over(struct journal *j);
/* Becomes readable when batches were finished. */
int journal_fd(const struct journal *j);
/* Calls done for what was finished. */
void journal_poll(struct journal *j);

const char *journal_chain(const struct journal *j);
/* The tip of what is written (not only added). */
void journal_tip(struct journal *j, struct chain_tip *out);
uint64_t journal_lost(const struct journal *j); /* records refused or failed so far */
bool journal_failing(const struct journal *j);	/* the last write failed */
/* Writes everything added, a stop mark if `stop`, syncs, ends the thread. done is not called any
 * more: who needs the answers polls until they have come. */
void journal_close(struct journal *j, bool stop);

#endif
