/*
 * The journal's thread: takes all that waits at once, numbers and hashes it, writes it with one
 * call, syncs, answers. What is kept in the outbox leaves it here, once it stands in a segment.
 */
#include "journal_inside.h"
#include "clock.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PROBE_MS 100 /* between tries of a disk that fails, while records come */

/* --- losses (under the lock) --------------------------------------------------------------- */

bool loss_any(const struct loss *l)
{
	return l->lost || l->doubtful;
}

void loss_note(struct journal *j, uint64_t lost, uint64_t doubtful, const char *why)
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

/* --- turns --------------------------------------------------------------------------------- */

struct turn {
	struct moment now;
	struct loss loss; /* to be told */
	bool closing, stop;
	size_t whole; /* tickets of `working` that are in the journal */
	size_t heard; /* tickets whose answer somebody awaits */
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

/* The outbox hears where what comes next will stand. */
static void intend(const struct journal *j, uint64_t number, bool gap)
{
	struct chain_tip tip;

	if (!j->o.outbox)
		return;
	segment_writer_tip(j->writer, &tip);
	outbox_intend(j->o.outbox, j->chain, number, tip.seq + 1 + gap);
}

/* Adds records whose numbers follow one another; returns how many. */
static size_t add_run(struct journal *j, const struct journal_ticket **k, const char **body)
{
	uint64_t next = *k ? (*k)->number : 0;
	size_t n = 0;

	for (; *k && (*k)->number == next; next++, n++, *k = (*k)->next) {
		segment_writer_add(j->writer, span_of((*k)->kept ? (*k)->kept : *body, (*k)->len));
		if (!(*k)->kept)
			*body += (*k)->len;
	}
	return n;
}

/* One commit. What stands first in it is whole first. */
static bool write_run(
	struct journal *j, struct turn *t, const struct journal_ticket **k, const char **body)
{
	bool gap = loss_any(&t->loss) && !t->told, stop;
	size_t n, whole, wanted;

	if (!segment_writer_begin(j->writer, &t->err))
		return false;
	intend(j, *k ? (*k)->number : j->taken + 1, gap);
	if (gap)
		add_gap(j, &t->loss, &t->now);
	n = add_run(j, k, body);
	stop = t->stop && !*k;
	if (stop)
		add_stop(j, &t->now);
	wanted = gap + n + stop;
	whole = segment_writer_commit(j->writer, &t->err);
	t->told |= gap && whole > 0;
	n = whole - (gap && whole > 0) < n ? whole - (gap && whole > 0) : n;
	t->whole += n;
	j->unsynced += n;
	return whole == wanted;
}

/* All of `working`: one run, but for holes that a failure left. */
static void turn_write(struct journal *j, struct turn *t)
{
	const struct journal_ticket *k = j->working.head;
	const char *body = j->working.bodies.p;

	do
		j->write_failed = !write_run(j, t, &k, &body);
	while (k && !j->write_failed);
	if (j->write_failed) {
		j->probe_due = clock_mono_ms() + PROBE_MS;
		j->failure = t->err;
	}
}

/* What waits in the outbox for a disk is hashed for each try, so these are rare. */
static void turn_try(struct journal *j, struct turn *t, uint64_t now)
{
	if (!j->write_failed || t->closing || now >= j->probe_due)
		turn_write(j, t);
	else
		t->err = j->failure;
}

bool journal_write_now(struct journal *j, struct err *e)
{
	struct turn t = {.now = j->now};

	if (j->working.n)
		turn_write(j, &t);
	if (t.whole == j->working.n)
		return true;
	if (e)
		*e = t.err;
	return false;
}

static void event_signal(struct journal *j)
{
	const uint64_t one = 1;

	/* Full means signalled already; nothing else can fail here. */
	if (write(j->event_fd, &one, sizeof one) < 0)
		assert(errno == EAGAIN);
}

/* Sorts the tickets of `working`, the first `whole` of which are recorded: each has its own answer.
 * What is kept is lost to nobody: it is written with the next turn. Returns what the others cost.
 */
static size_t sort_out(struct journal *j, struct turn *t, struct batch *heard, struct batch *spent)
{
	size_t i = 0, paid = 0;
	uint64_t end = 0;

	for (struct journal_ticket *k = j->working.head, *next; k; k = next, i++) {
		next = k->next;
		k->ok = i < t->whole && (t->synced || j->o.sync == JOURNAL_SYNC_PROCESS);
		if (k->kept && i >= t->whole) {
			batch_push(&j->left, k);
			continue;
		}
		paid += journal_cost(k->len);
		if (k->kept)
			end = k->kept_end;
		batch_push(k->kept ? spent : heard, k);
	}
	if (end)
		outbox_drop(j->o.outbox, end);
	return paid;
}

static void turn_answer(struct journal *j, struct turn *t)
{
	struct batch heard = {0}, spent = {0};
	size_t n = j->working.n, paid = sort_out(j, t, &heard, &spent);

	t->heard = heard.n;
	pthread_mutex_lock(&j->lock);
	if (t->told)
		loss_told(j, &t->loss);
	loss_note(j, n - t->whole - j->left.n, 0, t->err.text);
	segment_writer_tip(j->writer, &j->tip);
	batch_join(&j->answered, &heard);
	batch_join(&j->spent, &spent);
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
	bool news = loss_any(&t->loss);

	t->synced = true;
	if (j->working.n || retry || t->closing)
		turn_try(j, t, now);
	if (segment_writer_dirty(j->writer) && !j->sync_due)
		j->sync_due = now + j->o.sync_ms;
	if (early) {
		news = failing_set(j, &t->err) || news; /* whoever hears "no" may ask why */
		turn_answer(j, t);
		if (t->heard || news)
			event_signal(j);
		news = false;
	}
	if (j->o.sync == JOURNAL_SYNC_DISK || t->closing || (j->sync_due && now >= j->sync_due))
		turn_sync(j, t);
	if (j->write_failed || j->sync_failed)
		j->retry_due = now + j->o.sync_ms;
	news = failing_set(j, &t->err) || news;
	if (!early) {
		turn_answer(j, t);
		news = news || t->heard;
	}
	turn_doubt(j, t);
	if (news)
		event_signal(j);
}

/* Under the lock: how long there is nothing to do; UINT64_MAX: until somebody wakes us. */
static uint64_t idle_until(const struct journal *j)
{
	uint64_t until = j->sync_due ? j->sync_due : UINT64_MAX;

	if ((loss_any(&j->untold) || j->sync_failed || j->left.n) && j->retry_due < until)
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

/* What was left goes first; its bodies are in the outbox. */
static void put_first(struct batch *left, struct batch *b)
{
	if (!left->n)
		return;
	left->tail->next = b->head;
	b->head = left->head;
	b->tail = b->tail ? b->tail : left->tail;
	b->n += left->n;
	batch_clear(left);
}

static void turn_take(struct journal *j, struct turn *t)
{
	*t = (struct turn){0};
	pthread_mutex_lock(&j->lock);
	while (!j->handed.n && !j->closing && clock_mono_ms() < idle_until(j))
		wait_until(j, idle_until(j));
	batch_swap(&j->handed, &j->working);
	if (j->working.n)
		j->taken = j->working.tail->number;
	t->now = j->now;
	t->loss = j->untold;
	t->closing = j->closing;
	t->stop = j->closing && j->stop && !j->stuck;
	pthread_mutex_unlock(&j->lock);
	put_first(&j->left, &j->working);
}

void *journal_thread(void *arg)
{
	struct journal *j = arg;
	struct turn t;

	do {
		turn_take(j, &t);
		turn_do(j, &t);
	} while (!t.closing);
	if (j->left.n)
		log_error("journal",
			"%zu records could not be written and stay in the outbox: a start with a "
			"disk that works journals them",
			j->left.n);
	return NULL;
}
