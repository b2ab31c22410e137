/*
 * What the journal's parts share: journal.c is the loop's side, journal_write.c the thread,
 * journal_marks.c what the journal says itself. For these three only.
 */
#ifndef STILE_JOURNAL_INSIDE_H
#define STILE_JOURNAL_INSIDE_H

#include "journal.h"
#include "segment_write.h"

#include <pthread.h>
#include <stdatomic.h>

struct journal_ticket {
	journal_done_fn *done;
	void *arg;
	struct journal_ticket *next;
	uint64_t number;  /* as added, from 1 */
	const char *kept; /* its body in the outbox; NULL: in the bodies of its batch */
	uint64_t kept_end;
	size_t len; /* of the body */
	bool ok;
};

struct batch {
	struct buf bodies; /* end to end, in the tickets' order; without those that are kept */
	struct journal_ticket *head, *tail;
	size_t n;
};

/* When marks say they happened; the day comes from the caller, on the caller's thread. */
struct moment {
	int64_t ms;
	char day[11]; /* "" unknown */
};

struct loss {
	uint64_t lost;	   /* records that are not in the journal */
	uint64_t doubtful; /* in the journal, but a sync of them failed */
	int64_t since;
	char why[160];
};

struct slab;

struct journal {
	/* of the loop's thread */
	struct journal_options o;
	int lock_fd, event_fd;
	char chain[CHAIN_NAME_LEN + 1];
	struct batch filling;
	bool stuck; /* there was no memory to hand `filling` over; set under the lock */
	struct journal_ticket *unused;
	struct slab *slabs;
	uint64_t number; /* of the record added last */

	/* shared under the lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct batch handed;
	struct batch answered; /* to be told to the loop */
	struct batch spent;    /* nobody waits for them */
	struct moment now;
	struct loss untold;
	struct chain_tip tip;
	bool closing, stop;

	/* shared, each for itself */
	atomic_size_t waiting; /* cost of all that is not yet finished */
	atomic_uint_fast64_t lost;
	atomic_bool failing;

	/* of the journal's thread */
	pthread_t thread;
	struct segment_writer *writer;
	struct batch working;
	struct batch left; /* kept, and could not be written yet */
	uint64_t taken;	   /* number of the record taken last */
	uint64_t unsynced; /* records committed since the last sync */
	uint64_t sync_due, retry_due;
	uint64_t probe_due; /* a batch is not tried before, while writing fails */
	struct err failure; /* of the last write that failed */
	bool write_failed, sync_failed;
	char mark[RECORD_MAX + 1];
};

void batch_push(struct batch *b, struct journal_ticket *t);
/* Appends b to a and empties b; false: out of memory, nothing moved. */
bool batch_join(struct batch *a, struct batch *b);
void batch_clear(struct batch *b);
void batch_swap(struct batch *a, struct batch *b);
/* What a record costs the queue. */
size_t journal_cost(size_t len);

void moment_take(const struct journal_options *o, struct moment *m);
void add_start(struct journal *j, const struct journal_before *b);
void add_gap(struct journal *j, const struct loss *l, const struct moment *m);
void add_stop(struct journal *j, const struct moment *m);

bool loss_any(const struct loss *l);
/* Under the lock. */
void loss_note(struct journal *j, uint64_t lost, uint64_t doubtful, const char *why);

/* Writes the records of `working`; before there is a thread. */
bool journal_write_now(struct journal *j, struct err *e);
void *journal_thread(void *arg);

#endif
