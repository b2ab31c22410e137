/*
 * The journal: a loop that adds and a thread that writes.
 *
 * Bodies go end to end into the batch being filled; handing over swaps it with the one that waits
 * for the thread (or joins it), and the thread takes all that waits at once. So there are three
 * batches whose memory is used again and again, and the lock is held for moments only. What could
 * not be recorded is kept as a loss until a gap mark that tells of it is in the journal itself.
 */
#include "journal.h"
#include "clock.h"
#include "journal_repair.h"
#include "log.h"
#include "segment_write.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SYNC_MS	      1000
#define SEGMENT_BYTES ((size_t)16 << 20)
#define QUEUE_BYTES   ((size_t)16 << 20)
#define BATCH_KEEP    (1 << 20) /* a larger buffer is given back after use */
#define TICKET_COST   64	/* what a record costs the queue beside its body */
#define SLAB_TICKETS  256

struct journal_ticket {
	journal_done_fn *done;
	void *arg;
	struct journal_ticket *next;
	size_t len; /* of the body */
	bool ok;
};

struct slab {
	struct slab *next;
	struct journal_ticket v[SLAB_TICKETS];
};

struct batch {
	struct buf bodies; /* end to end, in the tickets' order */
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

struct journal {
	/* of the loop's thread */
	struct journal_options o;
	int lock_fd, event_fd;
	char chain[CHAIN_NAME_LEN + 1];
	struct batch filling;
	bool stuck; /* there was no memory to hand `filling` over */
	struct journal_ticket *unused;
	struct slab *slabs;

	/* shared under the lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct batch handed;
	struct journal_ticket *finished, *finished_tail;
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
	uint64_t unsynced; /* records committed since the last sync */
	uint64_t sync_due, retry_due;
	bool write_failed, sync_failed;
	char mark[RECORD_MAX + 1];
};

/* --- batches ------------------------------------------------------------------------------- */

static void batch_push(struct batch *b, struct journal_ticket *t)
{
	t->next = NULL;
	if (b->tail)
		b->tail->next = t;
	else
		b->head = t;
	b->tail = t;
	b->n++;
}

static void batch_clear(struct batch *b)
{
	b->head = b->tail = NULL;
	b->n = 0;
	if (b->bodies.cap > BATCH_KEEP)
		buf_free(&b->bodies);
	else
		buf_reset(&b->bodies);
}

static void batch_swap(struct batch *a, struct batch *b)
{
	struct batch t = *a;

	*a = *b;
	*b = t;
}

/* Appends b to a and empties b; false: out of memory, nothing moved. */
static bool batch_join(struct batch *a, struct batch *b)
{
	if (!buf_reserve(&a->bodies, b->bodies.n)) {
		a->bodies.failed = false;
		return false;
	}
	buf_span(&a->bodies, buf_spanof(&b->bodies));
	if (a->tail)
		a->tail->next = b->head;
	else
		a->head = b->head;
	a->tail = b->tail;
	a->n += b->n;
	batch_clear(b);
	return true;
}

static size_t cost(size_t len)
{
	return len + TICKET_COST;
}

/* --- marks --------------------------------------------------------------------------------- */

static void utc_day(int64_t ms, char out[11])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(out, 11, "%Y-%m-%d", &tm) != 10)
		out[0] = 0;
}

static void moment_take(const struct journal_options *o, struct moment *m)
{
	int64_t ms = clock_wall_ms();
	char day[11] = "";
	const char *said = day;

	/* The day of a minute is one; asking for it may cost the caller something. */
	if (m->day[0] && m->ms / 60000 == ms / 60000) {
		m->ms = ms;
		return;
	}
	m->ms = ms;
	m->day[0] = 0;
	if (o->day)
		said = o->day(o->day_arg, ms, day);
	else
		utc_day(ms, day);
	if (said)
		snprintf(m->day, sizeof m->day, "%s", said);
}

static void mark_init(struct record *r, const char *what, const struct moment *m)
{
	record_init(r, RECORD_MARK);
	record_num(r, FIELD_T, m->ms > 0 ? (uint64_t)m->ms : 0);
	record_str(r, FIELD_DAY, span_str(m->day));
	record_str(r, FIELD_WHAT, span_str(what));
}

static void mark_add(struct segment_writer *w, const struct record *r, char *mem, size_t cap)
{
	struct buf out;

	buf_init_fixed(&out, mem, cap);
	if (record_encode(r, &out))
		segment_writer_add(w, buf_spanof(&out));
	else
		log_error("journal", "a mark does not fit into a record");
}

static void add_start(struct journal *j, const struct journal_before *b)
{
	char text[320], hash[2 * SHA256_LEN + 1], torn[64] = "", bad[64] = "";
	struct record r;

	mark_init(&r, "start", &j->now);
	if (b->any) {
		hex_encode(b->tip.hash, SHA256_LEN, hash);
		record_str(&r, FIELD_CHAIN, span_str(b->chain));
		record_num(&r, FIELD_SEQ, b->tip.seq);
		record_str(&r, FIELD_HASH, span_str(hash));
	}
	if (b->cut_bytes)
		snprintf(torn, sizeof torn, "; %" PRIu64 " bytes of a torn record cut off",
			b->cut_bytes);
	if (b->bad_lines)
		snprintf(bad, sizeof bad, "; %" PRIu64 " unreadable lines", b->bad_lines);
	snprintf(text, sizeof text, "node %.64s, stile " STILE_VERSION "%s%s%s",
		j->o.node ? j->o.node : "unnamed",
		b->any && !b->clean ? "; the writer before ended without a stop" : "", torn, bad);
	record_str(&r, FIELD_TEXT, span_str(text));
	mark_add(j->writer, &r, j->mark, sizeof j->mark);
}

static void add_gap(struct journal *j, const struct loss *l, const struct moment *m)
{
	char text[400], since[32] = "", doubt[96] = "";
	time_t s = (time_t)(l->since / 1000);
	struct record r;
	struct tm tm;

	if (gmtime_r(&s, &tm))
		strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (l->doubtful)
		snprintf(doubt, sizeof doubt,
			", %" PRIu64 " more would not outlive a loss of power", l->doubtful);
	snprintf(text, sizeof text, "%" PRIu64 " records lost since %s%s: %s", l->lost, since,
		doubt, l->why);
	mark_init(&r, "gap", m);
	record_str(&r, FIELD_CHAIN, span_str(j->chain));
	record_num(&r, FIELD_N, l->lost);
	record_str(&r, FIELD_TEXT, span_str(text));
	mark_add(j->writer, &r, j->mark, sizeof j->mark);
}

static void add_stop(struct journal *j, const struct moment *m)
{
	struct record r;

	mark_init(&r, "stop", m);
	mark_add(j->writer, &r, j->mark, sizeof j->mark);
}

/* --- losses (under the lock) --------------------------------------------------------------- */

static bool loss_any(const struct loss *l)
{
	return l->lost || l->doubtful;
}

static void loss_note(struct journal *j, uint64_t lost, uint64_t doubtful, const char *why)
{
	struct loss *l = &j->untold;

	if (!lost && !doubtful)
		return;
	if (!loss_any(l)) {
		l->since = clock_wall_ms();
		snprintf(l->why, sizeof l->why, "%s", why);
	}
	l->lost += lost;
	l->doubtful += doubtful;
	atomic_fetch_add(&j->lost, lost + doubtful);
}

static void loss_told(struct journal *j, const struct loss *told)
{
	j->untold.lost -= told->lost;
	j->untold.doubtful -= told->doubtful;
}

/* --- the thread ---------------------------------------------------------------------------- */

struct turn {
	struct moment now;
	struct loss loss; /* to be told */
	bool closing, stop;
	size_t whole; /* tickets of `working` that are in the journal */
	bool told;    /* the gap mark is, too */
	bool synced;
	struct err err;
};

/* True: it changed. */
static bool failing_set(struct journal *j, const struct err *e)
{
	bool was = atomic_load(&j->failing), is = j->write_failed || j->sync_failed;

	if (is == was)
		return false;
	atomic_store(&j->failing, is);
	if (is)
		log_error("journal", "recording fails: %s", e->text);
	else
		log_info("journal", "recording works again");
	return true;
}

static void turn_sync(struct journal *j, struct turn *t)
{
	t->synced = segment_writer_sync(j->writer, &t->err);
	j->sync_failed = !t->synced;
	j->sync_due = 0;
	if (t->synced)
		j->unsynced = 0;
}

/* What stands first in the commit is whole first. */
static void turn_write(struct journal *j, struct turn *t)
{
	bool gap = loss_any(&t->loss);
	size_t want = j->working.n + gap + t->stop, whole;
	const char *p = j->working.bodies.p;

	j->write_failed = !segment_writer_begin(j->writer, &t->err);
	if (j->write_failed)
		return;
	if (gap)
		add_gap(j, &t->loss, &t->now);
	for (const struct journal_ticket *k = j->working.head; k; p += k->len, k = k->next)
		segment_writer_add(j->writer, span_of(p, k->len));
	if (t->stop)
		add_stop(j, &t->now);
	whole = segment_writer_commit(j->writer, &t->err);
	j->write_failed = whole < want;
	t->told = gap && whole > 0;
	whole -= t->told;
	t->whole = whole < j->working.n ? whole : j->working.n;
	j->unsynced += t->whole;
}

static void event_signal(struct journal *j)
{
	const uint64_t one = 1;

	/* Full means signalled already; nothing else can fail here. */
	if (write(j->event_fd, &one, sizeof one) < 0)
		assert(errno == EAGAIN);
}

/* The tickets go back in their order, each with its own answer: the first `whole` records of the
 * batch are recorded, whatever became of the others. */
static void turn_answer(struct journal *j, struct turn *t)
{
	size_t lost = j->working.n - t->whole, i = 0, paid = 0;

	for (struct journal_ticket *k = j->working.head; k; k = k->next, i++) {
		k->ok = i < t->whole && (t->synced || j->o.sync == JOURNAL_SYNC_PROCESS);
		paid += cost(k->len);
	}
	pthread_mutex_lock(&j->lock);
	if (t->told)
		loss_told(j, &t->loss);
	loss_note(j, lost, 0, t->err.text);
	segment_writer_tip(j->writer, &j->tip);
	if (j->working.n) {
		if (j->finished_tail)
			j->finished_tail->next = j->working.head;
		else
			j->finished = j->working.head;
		j->finished_tail = j->working.tail;
	}
	pthread_mutex_unlock(&j->lock);
	atomic_fetch_sub(&j->waiting, paid);
	batch_clear(&j->working);
}

/* What a failed sync leaves in doubt. */
static void turn_doubt(struct journal *j, const struct turn *t)
{
	uint64_t doubtful = t->synced ? 0 : j->unsynced;

	if (!doubtful)
		return;
	j->unsynced = 0;
	pthread_mutex_lock(&j->lock);
	loss_note(j, 0, doubtful, t->err.text);
	pthread_mutex_unlock(&j->lock);
}

/* Under PROCESS nobody waits for the disk: the answers go out before it is asked. */
static void turn_do(struct journal *j, struct turn *t)
{
	uint64_t now = clock_mono_ms();
	bool retry = (loss_any(&t->loss) || j->sync_failed) && now >= j->retry_due;
	bool early = j->o.sync == JOURNAL_SYNC_PROCESS && j->working.n;
	bool news = j->working.n || loss_any(&t->loss);

	t->synced = true;
	if (j->working.n || retry || t->closing)
		turn_write(j, t);
	if (segment_writer_dirty(j->writer) && !j->sync_due)
		j->sync_due = now + j->o.sync_ms;
	if (early) {
		failing_set(j, &t->err); /* whoever hears "no" may ask why */
		turn_answer(j, t);
		event_signal(j);
		news = false;
	}
	if (j->o.sync == JOURNAL_SYNC_DISK || t->closing || (j->sync_due && now >= j->sync_due))
		turn_sync(j, t);
	if (j->write_failed || j->sync_failed)
		j->retry_due = now + j->o.sync_ms;
	news = failing_set(j, &t->err) || news;
	if (!early)
		turn_answer(j, t);
	turn_doubt(j, t);
	if (news)
		event_signal(j);
}

/* Under the lock: how long there is nothing to do; UINT64_MAX: until somebody wakes us. */
static uint64_t idle_until(const struct journal *j)
{
	uint64_t until = j->sync_due ? j->sync_due : UINT64_MAX;

	if ((loss_any(&j->untold) || j->sync_failed) && j->retry_due < until)
		until = j->retry_due;
	return until;
}

static void wait_until(struct journal *j, uint64_t mono_ms)
{
	uint64_t now = clock_mono_ms(), ms;
	struct timespec at;

	if (mono_ms == UINT64_MAX) {
		pthread_cond_wait(&j->wake, &j->lock);
		return;
	}
	ms = mono_ms > now ? mono_ms - now : 0;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&j->wake, &j->lock, &at);
}

static void turn_take(struct journal *j, struct turn *t)
{
	*t = (struct turn){0};
	pthread_mutex_lock(&j->lock);
	while (!j->handed.n && !j->closing && clock_mono_ms() < idle_until(j))
		wait_until(j, idle_until(j));
	batch_swap(&j->handed, &j->working);
	t->now = j->now;
	t->loss = j->untold;
	t->closing = j->closing;
	t->stop = j->closing && j->stop;
	pthread_mutex_unlock(&j->lock);
}

static void *thread_main(void *arg)
{
	struct journal *j = arg;
	struct turn t;

	do {
		turn_take(j, &t);
		turn_do(j, &t);
	} while (!t.closing);
	return NULL;
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

static bool write_start(struct journal *j, const struct journal_before *before, struct err *e)
{
	if (!segment_writer_begin(j->writer, e))
		return false;
	add_start(j, before);
	if (segment_writer_commit(j->writer, e) != 1 || !segment_writer_sync(j->writer, e))
		return false;
	segment_writer_tip(j->writer, &j->tip);
	return true;
}

static bool start_thread(struct journal *j, struct err *e)
{
	sigset_t all, old;
	int rc;

	/* Signals belong to the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&j->thread, NULL, thread_main, j);
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

	if (!take_lock(j, e) || !journal_repair(j->o.dir, before, &last, e))
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

static struct journal_ticket *ticket_take(struct journal *j)
{
	struct journal_ticket *t = j->unused;

	if (!t) {
		struct slab *s = malloc(sizeof *s);

		if (!s)
			return NULL;
		s->next = j->slabs;
		j->slabs = s;
		for (size_t i = 0; i < SLAB_TICKETS; i++) {
			s->v[i].next = j->unused;
			j->unused = &s->v[i];
		}
		t = j->unused;
	}
	j->unused = t->next;
	return t;
}

static void ticket_give(struct journal *j, struct journal_ticket *t)
{
	t->next = j->unused;
	j->unused = t;
}

static struct journal_ticket *refuse(struct journal *j, const char *why)
{
	pthread_mutex_lock(&j->lock);
	loss_note(j, 1, 0, why);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

struct journal_ticket *journal_add(
	struct journal *j, struct span body, journal_done_fn *done, void *arg)
{
	struct journal_ticket *t;

	assert(body.n && body.n <= RECORD_MAX && !memchr(body.p, '\n', body.n));
	if (atomic_load(&j->waiting) + cost(body.n) > j->o.queue_bytes)
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
	t->done = done;
	t->arg = arg;
	t->len = body.n;
	t->ok = false;
	batch_push(&j->filling, t);
	atomic_fetch_add(&j->waiting, cost(body.n));
	return t;
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

static struct journal_ticket *take_finished(struct journal *j)
{
	struct journal_ticket *t;
	uint64_t times;

	if (read(j->event_fd, &times, sizeof times) < 0 && errno != EAGAIN)
		log_error("journal", "eventfd: %m");
	pthread_mutex_lock(&j->lock);
	t = j->finished;
	j->finished = j->finished_tail = NULL;
	moment_take(&j->o, &j->now);
	pthread_mutex_unlock(&j->lock);
	return t;
}

void journal_poll(struct journal *j)
{
	struct journal_ticket *next;

	for (struct journal_ticket *t = take_finished(j); t; t = next) {
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
