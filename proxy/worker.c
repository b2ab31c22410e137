/*
 * A worker's life: set up from the master's message, serve, take new bundles, drain, leave nothing
 * unwritten.
 */
#include "worker_inside.h"

#include "clock.h"
#include "conn.h"
#include "counters.h"
#include "crowd.h"
#include "descriptors.h"
#include "interfaces.h"
#include "listener.h"
#include "listing.h"
#include "log.h"
#include "pseudonyms.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS	     1000
#define HAND_OVER_MS 20 /* how long records may wait in the outbox for others */
#define CHECKPOINT   15 /* ticks between two tips told to the master */

/* --- small services for connections
 * ---------------------------------------------------------------- */

void worker_note_record(struct worker *w)
{
	w->hands_over = true; /* a time that is set would take the deferral back */
	loop_defer(&w->hand_over_ev);
}

void worker_kept_record(struct worker *w)
{
	if (journal_pressed(w->journal)) {
		worker_note_record(w);
	} else if (!w->hands_over) {
		w->hands_over = true;
		loop_add(&w->hand_over_ev, HAND_OVER_MS);
	}
}

bool worker_is_self(
	const struct worker *w, const struct addr *a, uint16_t port, const struct addr *local)
{
	static const struct addr any4 = {.b = {[10] = 0xff, [11] = 0xff}, .v4 = true},
				 any6 = {{0}, false};
	struct addr plain = policy_plain_address(a); /* [::ffff:127.0.0.1] leads to 127.0.0.1 */

	if (w->metrics.port && w->metrics.port == port && addr_eq(&w->metrics.addr, &plain))
		return true;
	for (size_t i = 0; i < w->n_listeners; i++) {
		const struct settings_address *at = &w->listener[i].at;
		bool any = addr_eq(&at->addr, &any4) || addr_eq(&at->addr, &any6);
		const char *class = NULL;

		if (at->port != port)
			continue;
		if (addr_eq(&at->addr, &plain))
			return true;
		if (!any)
			continue;
		if (addr_eq(local, &plain) || interfaces_has(w->bundle->pack, &plain))
			return true;
		if (address_class(&plain, &class) == CLASS_SPECIAL && class &&
			(strcmp(class, "loopback") == 0 || strcmp(class, "unspecified") == 0))
			return true;
	}
	return false;
}

bool worker_observes(const struct worker *w)
{
	return w->observe_until_ms && clock_mono_ms() < w->observe_until_ms;
}

bool worker_crowded(const struct worker *w)
{
	uint64_t limit = w->bundle->settings->connections, open = 0;

	for (unsigned i = 0; limit && i < w->workers; i++)
		open += count_get(&w->all_counters[i].connections);
	return limit && open >= limit;
}

uint64_t worker_per_client(const struct worker *w)
{
	uint64_t limit = w->bundle->settings->per_client, room = descriptors_connections();

	/* nobody alone may take what lets all others in */
	if (room / 2 < limit && room / 2 * w->workers < limit)
		limit = room / 2 * w->workers;
	return limit;
}

const struct local_day *worker_today(struct worker *w, int64_t now_s)
{
	if (now_s < w->day.from_s || now_s >= w->day.to_s)
		snapshot_local_day(w->bundle->policy, now_s, &w->day);
	return &w->day;
}

void worker_usage_day(void *arg, int64_t unix_s, char out[11])
{
	const struct worker *w = arg;

	snapshot_day(w->bundle->policy, unix_s, out);
}

/* --- events
 * ------------------------------------------------------------------------------------------- */

static void on_hand_over(int fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->hands_over = false;
	journal_hand_over(w->journal);
}

static void on_journal(int fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	journal_poll(w->journal);
}

static void tell_tip(struct worker *w)
{
	struct ipc_message m = {.type = IPC_TIP, .index = w->index};

	snprintf(m.chain, sizeof m.chain, "%s", journal_chain(w->journal));
	journal_tip(w->journal, &m.tip);
	ipc_send(IPC_CHILD_FD, &m, NULL, 0);
}

static uint64_t first_certificate_end(const struct worker *w)
{
	uint64_t first = 0;

	for (size_t i = 0; i < w->n_listeners; i++) {
		const struct tls_server *tls = w->listener[i].tls;
		uint64_t end = tls ? (uint64_t)tls_server_expires(tls) : 0;

		if (end && (!first || end < first))
			first = end;
	}
	return first;
}

/* What the master reads of a worker besides what is counted where it happens. */
static void show(struct worker *w)
{
	count_set(&w->counters->connections, w->n_conns);
	count_set(&w->counters->lost, w->lost_before + journal_lost(w->journal));
	count_set(&w->counters->failing, journal_failing(w->journal));
	count_set(&w->counters->certificate_end, first_certificate_end(w));
}

/* What was let through does not outlive the time in which it was. */
static void enforce_again(struct worker *w)
{
	w->observe_until_ms = 0;
	for (struct conn *c = w->conns, *next; c; c = next) {
		next = c->next;
		if (c->access.bundle && c->access.let_through)
			conn_end(c, END_OBSERVED);
	}
}

/* Under on_failure = "deny" what is open may outlive a failing journal for a stated time only. */
static void watch_journal(struct worker *w, uint64_t now_ms)
{
	const struct settings *s = w->bundle->settings;

	if (!journal_failing(w->journal) || s->on_failure_allow) {
		w->failing_since_ms = 0;
		return;
	}
	if (!w->failing_since_ms)
		w->failing_since_ms = now_ms;
	if (now_ms - w->failing_since_ms < (uint64_t)s->unrecorded_ms)
		return;
	for (struct conn *c = w->conns, *next; c; c = next) {
		next = c->next;
		if (c->access.bundle)
			conn_end(c, END_UNRECORDED);
	}
}

static void observe(struct worker *w, uint64_t until_ms)
{
	if (until_ms)
		w->observe_until_ms = until_ms;
	else
		enforce_again(w);
}

static void on_tick(int fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t now_ms = loop_mono_ms(w->loop);

	(void)fd, (void)what;
	usage_tick(w->usage, w->journal, clock_wall_ms(), false, worker_usage_day, w);
	if (journal_waiting(w->journal))
		worker_note_record(w);
	if (w->observe_until_ms && !worker_observes(w))
		enforce_again(w);
	rejudge_tick(w->rejudge);
	watch_journal(w, now_ms);
	show(w);
	if (w->ticks++ % CHECKPOINT == 0)
		tell_tip(w);
	if (w->draining && (w->n_conns == 0 || now_ms >= w->drained_by_ms))
		loop_stop(w->loop);
	loop_add(&w->tick_ev, w->draining ? TICK_MS / 20 : TICK_MS);
}

static void begin_drain(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	w->drained_by_ms = clock_mono_ms() + (uint64_t)w->bundle->settings->drain_ms;
	for (size_t i = 0; i < w->n_listeners; i++)
		listener_stop(&w->listener[i]);
	for (struct conn *c = w->conns, *next; c; c = next) {
		next = c->next;
		conn_drain(c);
	}
	log_info("drain", "%zu connections are open and may go on for %lld s", w->n_conns,
		(long long)w->bundle->settings->drain_ms / 1000);
	loop_add(&w->tick_ev, 0);
}

/* --- the master
 * ------------------------------------------------------------------------------------------ */

static void answer(
	const struct worker *w, enum ipc_type type, uint32_t generation, const char *text)
{
	struct ipc_message m = {.type = type, .index = w->index, .generation = generation};

	snprintf(m.text, sizeof m.text, "%.*s", (int)sizeof m.text - 1, text);
	ipc_send(IPC_CHILD_FD, &m, NULL, 0);
}

/* Without its descriptor (the table of files is full) a bundle is refused, not forgotten. */
static void take_bundle(struct worker *w, const struct ipc_message *m, const int *fds, size_t n)
{
	struct err e = {"the bundle's descriptor did not arrive: are descriptors short?"};
	bool fine = n == 1 && worker_prepare(w, fds[0], m->generation, &e);

	if (!fine)
		worker_drop_next(w);
	answer(w, fine ? IPC_READY : IPC_FAILED, m->generation, fine ? "" : e.text);
}

static void list(const struct worker *w, uint32_t number)
{
	struct ipc_message m = {.type = IPC_LISTING, .index = w->index, .generation = number};
	int fd = listing_make(w);

	if (fd < 0)
		log_error("list", "%s", strerror(errno));
	ipc_send(IPC_CHILD_FD, &m, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
}

static void on_ipc(int fd, short what, void *arg)
{
	struct worker *w = arg;
	struct ipc_message m;
	int fds[IPC_FDS_MAX], got;
	size_t n;

	(void)what;
	while ((got = ipc_receive(fd, &m, fds, &n)) > 0) {
		if (m.type == IPC_BUNDLE)
			take_bundle(w, &m, fds, n);
		else if (m.type == IPC_COMMIT && w->next.bundle &&
			 m.generation == w->next.generation)
			worker_put_in_force(w);
		else if (m.type == IPC_ABORT)
			worker_drop_next(w);
		else if (m.type == IPC_DRAIN)
			begin_drain(w);
		else if (m.type == IPC_STOP)
			loop_stop(w->loop);
		else if (m.type == IPC_OBSERVE)
			observe(w, m.observe_until_ms);
		else if (m.type == IPC_SPACE)
			w->full = m.full;
		else if (m.type == IPC_LIST)
			list(w, m.generation);
		else if (m.type == IPC_LOG && n == 1)
			log_onto(fds[0]);
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
	}
	if (got < 0) { /* without a master nobody supervises, reloads or checkpoints */
		log_warn("worker", "the master is gone: stopping");
		loop_stop(w->loop);
	}
}

/* --- begin and end
 * ------------------------------------------------------------------------------------- */

static void set_events(struct worker *w)
{
	loop_init(&w->ipc_ev, w->loop, IPC_CHILD_FD, LOOP_READ | LOOP_PERSIST, on_ipc, w);
	loop_init(&w->journal_ev, w->loop, journal_fd(w->journal), LOOP_READ | LOOP_PERSIST,
		on_journal, w);
	loop_init(&w->hand_over_ev, w->loop, -1, 0, on_hand_over, w);
	loop_init(&w->tick_ev, w->loop, -1, 0, on_tick, w);
	loop_add(&w->ipc_ev, -1);
	loop_add(&w->journal_ev, -1);
	loop_add(&w->tick_ev, 0);
}

/* Ends what is open with its record, writes the open minute, seals the journal. */
static void finish(struct worker *w)
{
	for (size_t i = 0; i < w->n_listeners; i++)
		listener_stop(&w->listener[i]);
	while (w->conns)
		conn_end(w->conns, END_STOPPED);
	for (size_t i = 0; i < w->n_listeners; i++)
		tls_server_free(w->listener[i].tls);
	journal_hand_over(w->journal);
	usage_tick(w->usage, w->journal, clock_wall_ms(), true, worker_usage_day, w);
	journal_close(w->journal, true);
	outbox_close(w->outbox);
	identity_free(w->identity);
	resolver_free(w->resolver);
	usage_close(w->usage);
	crowd_close(w->crowd);
	standing_close(w->standing);
	hello_free(w->hello);
	tls_shared_free(w->tls_shared);
	rejudge_free(w->rejudge);
	pace_free_pool(w->paces);
	pipes_free(&w->pipes);
	spares_free(w->spares);
	pseudonyms_free(w->pseudonyms);
	digest_free(w->digest);
	worker_drop_next(w);
	bundle_unref(w->bundle);
	conn_free_pool(w);
	free(w->scratch);
	free(w->listener);
	loop_free(w->loop);
}

int worker_main(void)
{
	struct worker *w = calloc(1, sizeof *w);
	struct ipc_message m;
	int fds[IPC_FDS_MAX];
	size_t n;
	struct err e = {""};
	char who[32];

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* the master decides */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (!w || ipc_receive(IPC_CHILD_FD, &m, fds, &n) != 1)
		return 1;
	snprintf(who, sizeof who, "worker %u", m.index);
	log_open(who, LOG_LEVEL_INFO);
	if (!worker_set_up(w, &m, fds, n, &e)) {
		log_error("start", "%s", e.text);
		answer(w, IPC_FAILED, m.generation, e.text);
		return 1;
	}
	close(fds[0]), close(fds[1]), close(fds[2]), close(fds[4]), close(fds[5]), close(fds[6]),
		close(fds[7]);
	fcntl(IPC_CHILD_FD, F_SETFL, O_NONBLOCK);
	set_events(w);
	answer(w, IPC_READY, m.generation, "");
	loop_run(w->loop);
	finish(w);
	free(w);
	return 0;
}
