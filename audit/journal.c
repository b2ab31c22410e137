/*
 * The journal: a loop that adds and a thread that writes (journal_write.c).
 *
 * Bodies go end to end into the batch being filled, or into the outbox; handing over swaps the
 * batch with the one that waits for the thread (or joins it), and the thread takes all that waits
 * at once. So there are three batches whose memory is used again and again, and the lock is held
 * for moments only. What could not be recorded is kept as a loss until a gap mark that tells of it
 * is in the journal itself.
 */
#include "journal_inside.h"
#include "journal_repair.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#define SYNC_MS	      1000
#define SEGMENT_BYTES ((size_t)16 << 20)
#define QUEUE_BYTES   ((size_t)16 << 20)
#define BATCH_KEEP    (1 << 20) /* a larger buffer is given back after use */
#define TICKET_COST   64	/* what a record costs the queue beside its body */
#define SLAB_TICKETS  256

struct slab {
	struct slab *next;
	struct journal_ticket v[SLAB_TICKETS];
};

/* --- batches ------------------------------------------------------------------------------- */

void batch_push(struct batch *b, struct journal_ticket *t)
{
	t->next = NULL;
	if (b->tail)
		b->tail->next = t;
	else
		b->head = t;
	b->tail = t;
	b->n++;
}

void batch_clear(struct batch *b)
{
	b->head = b->tail = NULL;
	b->n = 0;
	if (b->bodies.cap > BATCH_KEEP)
		buf_free(&b->bodies);
	else
		buf_reset(&b->bodies);
}

void batch_swap(struct batch *a, struct batch *b)
{
	struct batch t = *a;

	*a = *b;
	*b = t;
}

bool batch_join(struct batch *a, struct batch *b)
{
	if (b->bodies.n && !buf_reserve(&a->bodies, b->bodies.n)) {
		a->bodies.failed = false;
		return false;
	}
	if (b->bodies.n)
		buf_span(&a->bodies, buf_spanof(&b->bodies));
	if (a->tail)
		a->tail->next = b->head;
	else
		a->head = b->head;
	a->tail = b->tail ? b->tail : a->tail;
	a->n += b->n;
	batch_clear(b);
	return true;
}

size_t journal_cost(size_t len)
{
	return len + TICKET_COST;
}

/* --- tickets ------------------------------------------------------------------------------- */

static void take_spent(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->unused = j->spent.head;
	batch_clear(&j->spent);
	pthread_mutex_unlock(&j->lock);
}

static void make_tickets(struct journal *j)
{
	struct slab *s = malloc(sizeof *s);

	if (!s)
		return;
	s->next = j->slabs;
	j->slabs = s;
	for (size_t i = 0; i < SLAB_TICKETS; i++) {
		s->v[i].next = j->unused;
		j->unused = &s->v[i];
	}
}

static struct journal_ticket *ticket_take(struct journal *j)
{
	struct journal_ticket *t;

	if (!j->unused)
		take_spent(j);
	if (!j->unused)
		make_tickets(j);
	t = j->unused;
	if (t)
		j->unused = t->next;
	return t;
}

static void ticket_give(struct journal *j, struct journal_ticket *t)
{
	t->next = j->unused;
	j->unused = t;
}

/* --- opening and closing ------------------------------------------------------------------- */

static bool take_lock(struct journal *j, struct err *e)
{
	j->lock_fd = openat(j->o.dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->lock_fd < 0)
		return err_sys(e, "journal: opening its lock file");
	if (flock(j->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return err_set(e, "journal: another live process writes into this folder; one "
				  "folder is for one writer");
	return err_sys(e, "journal: locking its folder");
}

/* An entry that the writer before left, and that stands in no segment. */
static bool take_left(struct journal *j, const struct outbox_entry *x)
{
	struct journal_ticket *t = ticket_take(j);

	if (!t)
		return false;
	*t = (struct journal_ticket){
		.number = x->number, .kept = x->body.p, .kept_end = x->end, .len = x->body.n};
	batch_push(&j->working, t);
	return true;
}

/* What is in the outbox becomes the first batch. */
static bool read_outbox(struct journal *j, struct journal_before *b, struct err *e)
{
	struct outbox_entry x = {.end = 0};
	struct record_decoder *d = j->o.outbox ? record_decoder_new() : NULL;
	struct record r;
	bool ok = true;

	if (!j->o.outbox)
		return true;
	while (ok && d && outbox_next(j->o.outbox, &x, &b->damaged)) {
		if (outbox_written(j->o.outbox, &x, b->chain, b->tip.seq))
			outbox_drop(j->o.outbox, x.end); /* while that chain is the last */
		else if (record_decode(d, x.body, &r, NULL))
			ok = take_left(j, &x);
		else
			b->damaged = true;
	}
	j->number = j->taken = x.number;
	b->kept = j->working.n;
	ok = ok && d;
	record_decoder_free(d);
	return ok || err_set(e, "journal: out of memory");
}

/* The start mark, and behind it what the writer before could not write. */
static bool write_start(struct journal *j, const struct journal_before *before, struct err *e)
{
	if (!segment_writer_begin(j->writer, e))
		return false;
	if (j->o.outbox)
		outbox_intend(j->o.outbox, j->chain,
			j->working.n ? j->working.head->number : j->number + 1, 2);
	add_start(j, before);
	if (segment_writer_commit(j->writer, e) != 1 || !journal_write_now(j, e) ||
		!segment_writer_sync(j->writer, e))
		return false;
	segment_writer_tip(j->writer, &j->tip);
	for (struct journal_ticket *t = j->working.head, *next; t; t = next) {
		next = t->next;
		ticket_give(j, t);
	}
	batch_clear(&j->working);
	if (j->o.outbox) {
		outbox_clear(j->o.outbox);
		j->number = j->taken = 0; /* what stood there may have been the highest of all */
		outbox_intend(j->o.outbox, j->chain, j->number + 1, j->tip.seq + 1);
	}
	return true;
}

static bool start_thread(struct journal *j, struct err *e)
{
	sigset_t all, old;
	int rc;

	/* Signals belong to the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&j->thread, NULL, journal_thread, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc == 0 || err_sys(e, "journal: starting its thread");
}

static void init_shared(struct journal *j)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static void journal_free(struct journal *j)
{
	segment_writer_free(j->writer);
	buf_free(&j->filling.bodies);
	buf_free(&j->handed.bodies);
	buf_free(&j->working.bodies);
	while (j->slabs) {
		struct slab *next = j->slabs->next;

		free(j->slabs);
		j->slabs = next;
	}
	if (j->event_fd >= 0)
		close(j->event_fd);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	pthread_cond_destroy(&j->wake);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

static void take_options(struct journal *j, const struct journal_options *o)
{
	j->o = *o;
	j->o.sync_ms = o->sync_ms ? o->sync_ms : SYNC_MS;
	j->o.segment_bytes = o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES;
	j->o.queue_bytes = o->queue_bytes ? o->queue_bytes : QUEUE_BYTES;
}

static bool journal_begin(struct journal *j, struct journal_before *before, struct err *e)
{
	unsigned long last;

	if (!take_lock(j, e) || !journal_repair(j->o.dir, before, &last, e) ||
		!read_outbox(j, before, e))
		return false;
	j->writer = segment_writer_new(j->o.dir, last, j->o.segment_bytes);
	if (!j->writer)
		return err_set(e, "journal: out of memory");
	memcpy(j->chain, segment_writer_chain(j->writer), sizeof j->chain);
	moment_take(&j->o, &j->now);
	if (!write_start(j, before, e))
		return false;
	j->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (j->event_fd < 0)
		return err_sys(e, "journal: eventfd");
	return start_thread(j, e);
}

struct journal *journal_open(
	const struct journal_options *o, struct journal_before *before, struct err *e)
{
	struct journal *j = calloc(1, sizeof *j);
	struct journal_before found;

	if (!j) {
		err_set(e, "journal: out of memory");
		return NULL;
	}
	j->lock_fd = j->event_fd = -1;
	take_options(j, o);
	init_shared(j);
	if (!journal_begin(j, before ? before : &found, e)) {
		journal_free(j);
		return NULL;
	}
	return j;
}

void journal_close(struct journal *j, bool stop)
{
	if (!j)
		return;
	journal_hand_over(j);
	pthread_mutex_lock(&j->lock);
	moment_take(&j->o, &j->now);
	j->closing = true;
	j->stop = stop;
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	journal_free(j);
}

/* --- the loop's side ----------------------------------------------------------------------- */

static struct journal_ticket *refuse(struct journal *j, const char *why)
{
	pthread_mutex_lock(&j->lock);
	loss_note(j, 1, 0, why);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

static bool fits(struct span body)
{
	return body.n && body.n <= RECORD_MAX && !memchr(body.p, '\n', body.n);
}

static bool queue_full(const struct journal *j, struct span body)
{
	return atomic_load(&j->waiting) + journal_cost(body.n) > j->o.queue_bytes;
}

static void push(struct journal *j, struct journal_ticket *t)
{
	batch_push(&j->filling, t);
	atomic_fetch_add(&j->waiting, journal_cost(t->len));
}

struct journal_ticket *journal_add(
	struct journal *j, struct span body, journal_done_fn *done, void *arg)
{
	struct journal_ticket *t;

	assert(fits(body));
	if (queue_full(j, body))
		return refuse(j, "the queue to the disk was full");
	t = ticket_take(j);
	if (!t)
		return refuse(j, "out of memory");
	if (!buf_reserve(&j->filling.bodies, body.n)) {
		j->filling.bodies.failed = false;
		ticket_give(j, t);
		return refuse(j, "out of memory");
	}
	buf_span(&j->filling.bodies, body);
	*t = (struct journal_ticket){
		.done = done, .arg = arg, .number = ++j->number, .len = body.n};
	push(j, t);
	return t;
}

bool journal_keep(struct journal *j, struct span body)
{
	struct outbox_entry x;
	struct journal_ticket *t;

	assert(fits(body));
	if (!j->o.outbox || j->o.sync == JOURNAL_SYNC_DISK || queue_full(j, body))
		return false;
	t = ticket_take(j);
	if (!t)
		return false;
	if (!outbox_put(j->o.outbox, j->number + 1, body, &x)) {
		ticket_give(j, t);
		return false;
	}
	*t = (struct journal_ticket){
		.number = ++j->number, .kept = x.body.p, .kept_end = x.end, .len = body.n};
	push(j, t);
	return true;
}

bool journal_pressed(const struct journal *j)
{
	return j->o.outbox && !journal_failing(j) && outbox_crowded(j->o.outbox);
}

void journal_forget(struct journal_ticket *t)
{
	t->done = NULL;
}

bool journal_waiting(const struct journal *j)
{
	return j->filling.n > 0;
}

void journal_hand_over(struct journal *j)
{
	if (!j->filling.n)
		return;
	pthread_mutex_lock(&j->lock);
	moment_take(&j->o, &j->now);
	/* Without memory to join the two, it stays until the batch in the way is finished. */
	if (!j->handed.n)
		batch_swap(&j->filling, &j->handed);
	else
		batch_join(&j->handed, &j->filling);
	j->stuck = j->filling.n > 0;
	pthread_mutex_unlock(&j->lock);
	pthread_cond_signal(&j->wake); /* behind the lock, which the thread takes first */
}

int journal_fd(const struct journal *j)
{
	return j->event_fd;
}

static struct journal_ticket *take_answered(struct journal *j)
{
	struct journal_ticket *t;
	uint64_t times;

	if (read(j->event_fd, &times, sizeof times) < 0 && errno != EAGAIN)
		log_error("journal", "eventfd: %m");
	pthread_mutex_lock(&j->lock);
	t = j->answered.head;
	batch_clear(&j->answered);
	moment_take(&j->o, &j->now);
	pthread_mutex_unlock(&j->lock);
	return t;
}

void journal_poll(struct journal *j)
{
	struct journal_ticket *next;

	for (struct journal_ticket *t = take_answered(j); t; t = next) {
		journal_done_fn *done = t->done;
		void *arg = t->arg;
		bool ok = t->ok;

		next = t->next;
		ticket_give(j, t);
		if (done)
			done(arg, ok);
	}
	if (j->stuck)
		journal_hand_over(j);
}

const char *journal_chain(const struct journal *j)
{
	return j->chain;
}

void journal_tip(struct journal *j, struct chain_tip *out)
{
	pthread_mutex_lock(&j->lock);
	*out = j->tip;
	pthread_mutex_unlock(&j->lock);
}

uint64_t journal_lost(const struct journal *j)
{
	return atomic_load(&j->lost);
}

bool journal_failing(const struct journal *j)
{
	return atomic_load(&j->failing);
}
