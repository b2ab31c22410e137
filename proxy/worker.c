/*
 * A worker's life: set up from the master's message, serve, take new bundles, drain, leave nothing
 * unwritten.
 */
#include "worker.h"

#include "certificates.h"
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
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_MS	     1000
#define HAND_OVER_MS 20 /* how long records may wait in the outbox for others */
/* bundle, usage, logins, journal folder, counters, standing, crowd, outbox; then listeners */
#define SETUP_FDS  8
#define CHECKPOINT 15 /* ticks between two tips told to the master */

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

/* Of any moment, by the policy in force. */
static void usage_day(void *arg, int64_t unix_s, char out[11])
{
	const struct worker *w = arg;

	snapshot_day(w->bundle->policy, unix_s, out);
}

static const char *mark_day(void *arg, int64_t wall_ms, char out[11])
{
	usage_day(arg, wall_ms / 1000, out);
	return out;
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
	usage_tick(w->usage, w->journal, clock_wall_ms(), false, usage_day, w);
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

/* --- bundles
 * ------------------------------------------------------------------------------------------ */

static struct resolver *make_resolver(struct worker *w, const struct bundle *b, struct err *e)
{
	const struct settings *s = b->settings;
	struct addr servers[SETTINGS_SERVERS];
	uint16_t ports[SETTINGS_SERVERS];
	const char *search[SETTINGS_NAMES];
	struct resolver_options o = {.hosts = b->hosts,
		.servers = servers,
		.ports = ports,
		.n_servers = s->servers.n,
		.search = search,
		.n_search = s->search.n,
		.timeout_ms = (unsigned)s->resolve_ms,
		.sockets = descriptors_lookups()};

	for (size_t i = 0; i < s->servers.n; i++) {
		servers[i] = s->servers.v[i].addr;
		ports[i] = s->servers.v[i].port;
	}
	for (size_t i = 0; i < s->search.n; i++)
		search[i] = s->search.v[i];
	return resolver_new(w->loop, &o, e);
}

static bool same_resolver(const struct bundle *a, const struct bundle *b)
{
	const struct settings *x = a->settings, *y = b->settings;

	return span_eq(a->hosts, b->hosts) && x->resolve_ms == y->resolve_ms &&
	       memcmp(&x->servers, &y->servers, sizeof x->servers) == 0 &&
	       memcmp(&x->search, &y->search, sizeof x->search) == 0;
}

/* The setting that a listener was started by: reloads may name others, which wait for a start. */
static const struct settings_listen *listen_setting(
	const struct worker *w, size_t listener, const struct settings *s, size_t *index)
{
	const struct settings_address *at = &w->listener[listener].at;

	for (size_t i = 0; i < s->listen.n; i++) {
		const struct settings_listen *l = &s->listen.v[i];

		*index = i;
		if (addr_eq(&l->at.addr, &at->addr) &&
			(l->at.port == at->port || (l->at.port == 0 && i == listener)))
			return l;
	}
	return NULL;
}

static bool make_tls(const struct worker *w, const struct bundle *b, size_t listener,
	struct tls_server **out, struct err *e)
{
	struct span chain, key;
	size_t at;

	*out = NULL;
	if (!listen_setting(w, listener, b->settings, &at) ||
		!certificates_get(b->pack, at, &chain, &key))
		return true;
	*out = tls_server_new(chain, key, b->login_key, e);
	return *out != NULL;
}

static void drop_next(struct worker *w)
{
	for (size_t i = 0; i < SETTINGS_LISTEN; i++)
		tls_server_free(w->next.tls[i]);
	resolver_free(w->next.resolver);
	bundle_unref(w->next.bundle);
	w->next = (struct worker_next){0};
}

/* All that can fail about a bundle happens here, before anybody says that it is fine. */
static bool prepare(struct worker *w, int fd, uint32_t generation, struct err *e)
{
	struct bundle *b;

	drop_next(w);
	b = w->next.bundle = bundle_open(fd, e);
	w->next.generation = generation;
	if (!b)
		return false;
	if (!w->bundle || !same_resolver(w->bundle, b)) {
		w->next.resolver = make_resolver(w, b, e);
		if (!w->next.resolver)
			return false;
	}
	for (size_t i = 0; i < w->n_listeners; i++)
		if (!make_tls(w, b, i, &w->next.tls[i], e))
			return false;
	return true;
}

/* New connections meet the new certificate; those that are open keep theirs. */
static void put_in_force(struct worker *w)
{
	struct worker_next *n = &w->next;

	if (n->resolver) {
		resolver_retire(w->resolver);
		w->resolver = n->resolver;
	}
	for (size_t i = 0; i < w->n_listeners; i++)
		if (n->tls[i]) {
			tls_server_free(w->listener[i].tls);
			w->listener[i].tls = n->tls[i];
		}
	identity_use(w->identity, n->bundle->accounts);
	identity_remember(w->identity, (unsigned)n->bundle->settings->remember_ms);
	bundle_unref(w->bundle);
	w->bundle = n->bundle;
	w->day = (struct local_day){0}; /* its zone may be another */
	w->minutes_limited = quota_in_minutes(w->bundle->policy);
	rejudge_policy(w->rejudge);
	*n = (struct worker_next){0};
}

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
	bool fine = n == 1 && prepare(w, fds[0], m->generation, &e);

	if (!fine)
		drop_next(w);
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
			put_in_force(w);
		else if (m.type == IPC_ABORT)
			drop_next(w);
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

/* --- set-up and end
 * ------------------------------------------------------------------------------------- */

static void *map_shared(int fd, size_t size, struct err *e)
{
	struct stat st;
	void *p = MAP_FAILED;

	if (fstat(fd, &st) == 0 && (size_t)st.st_size >= size)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		return p;
	err_sys(e, "shared memory cannot be mapped");
	return NULL;
}

static bool open_usage(struct worker *w, const struct ipc_message *m, int fd, struct err *e)
{
	size_t size = usage_size(m->workers);
	void *p = map_shared(fd, size, e);

	w->usage = p ? usage_open(p, size, w->index, e) : NULL;
	return w->usage != NULL;
}

const struct local_day *worker_today(struct worker *w, int64_t now_s)
{
	if (now_s < w->day.from_s || now_s >= w->day.to_s)
		snapshot_local_day(w->bundle->policy, now_s, &w->day);
	return &w->day;
}

static bool open_standing(struct worker *w, const struct ipc_message *m, int fd, struct err *e)
{
	int64_t now_s = clock_wall_ms() / 1000;

	w->standing = standing_map(fd, m->workers, e);
	if (w->standing)
		standing_inherit(w->standing, w->index, worker_today(w, now_s), now_s);
	return w->standing != NULL;
}

static bool open_counters(struct worker *w, const struct ipc_message *m, int fd, struct err *e)
{
	struct counters *all = map_shared(fd, m->workers * sizeof *all, e);

	if (!all)
		return false;
	w->all_counters = all;
	w->counters = &all[w->index];
	counters_begin(w->counters);
	w->lost_before = count_get(&w->counters->lost);
	return true;
}

static bool open_crowd(struct worker *w, int fd, struct err *e)
{
	size_t size = crowd_size(w->workers);
	void *p = map_shared(fd, size, e);

	w->crowd = p ? crowd_open(p, size, w->workers, w->index, e) : NULL;
	return w->crowd != NULL;
}

static bool open_identity(struct worker *w, const struct bundle *b, int fd, struct err *e)
{
	struct identity_options o = {.loop = w->loop,
		.cache_ms = (unsigned)b->settings->remember_ms,
		.may_hash = decide_may_hash};

	o.cache = map_shared(fd, identity_cache_size(), e);
	memcpy(o.key, b->login_key, sizeof o.key);
	w->identity = o.cache ? identity_new(&o, e) : NULL;
	explicit_bzero(o.key, sizeof o.key);
	return w->identity != NULL;
}

/* The journal first, then what a predecessor left, then the world. */
static bool open_journal(struct worker *w, int dir, int outbox, struct err *e)
{
	const struct settings *s = w->bundle->settings;
	struct journal_before before;
	struct journal_options o = {.dir = dir,
		.sync = s->sync_disk ? JOURNAL_SYNC_DISK : JOURNAL_SYNC_PROCESS,
		.node = s->node,
		.day = mark_day,
		.day_arg = w};
	size_t left;

	o.outbox = w->outbox = outbox_open(outbox, e);
	w->journal = w->outbox ? journal_open(&o, &before, e) : NULL;
	if (!w->journal)
		return false;
	if (before.any && !before.clean)
		log_warn("journal",
			"the chain before ended without a stop mark: %llu bytes of a torn record "
			"cut off",
			(unsigned long long)before.cut_bytes);
	if (before.kept || before.damaged)
		log_warn("journal", "%llu records from the outbox of the worker before%s",
			(unsigned long long)before.kept,
			before.damaged ? "; the rest of it is unreadable" : "");
	left = usage_inherit(w->usage, w->journal, dir, usage_day, w);
	if (left)
		log_info(
			"journal", "%zu open figures of the worker before were written down", left);
	journal_hand_over(w->journal);
	return true;
}

static bool set_up(
	struct worker *w, const struct ipc_message *m, const int *fds, size_t n, struct err *e)
{
	if (m->type != IPC_SETUP || n != SETUP_FDS + m->n_listen)
		return err_set(e, "the master's set-up message is malformed");
	struct sandbox box = {.uid = m->uid, .gid = m->gid, .folder = fds[3]};

	w->index = m->index;
	w->workers = m->workers;
	descriptors_plan();
	w->loop = loop_new();
	w->rejudge = w->loop ? rejudge_new(w) : NULL;
	w->digest = digest_new();
	w->pseudonyms = pseudonyms_new();
	w->hello = hello_new();
	w->tls_shared = tls_shared_new();
	w->scratch = aligned_alloc(FLOW_ALIGN, FLOW_BUFFER);
	w->pipes.most = descriptors_pipes();
	w->spares = w->loop ? spares_new(w->loop, descriptors_spares()) : NULL;
	w->listener = calloc(m->n_listen, sizeof *w->listener);
	if (!w->rejudge || !w->digest || !w->pseudonyms || !w->hello || !w->tls_shared ||
		!w->scratch || !w->spares || !w->listener)
		return err_set(e, "out of memory");
	/* libraries have read their configuration; what is hostile is still to come */
	if (!open_usage(w, m, fds[1], e) || !sandbox_enter(&box, e))
		return false;
	for (; w->n_listeners < m->n_listen; w->n_listeners++)
		if (!listener_start(
			    &w->listener[w->n_listeners], w, fds[SETUP_FDS + w->n_listeners]))
			return err_set(e, "a listening socket cannot be used");
	if (!prepare(w, fds[0], m->generation, e) || !open_identity(w, w->next.bundle, fds[2], e))
		return false;
	put_in_force(w);
	for (size_t i = 0, at; i < w->n_listeners; i++) {
		const struct settings_listen *l = listen_setting(w, i, w->bundle->settings, &at);

		if (l)
			w->listener[i].balancers = l->balancers;
	}
	log_json(w->bundle->settings->log_json);
	w->observe_until_ms = m->observe_until_ms;
	w->metrics = w->bundle->settings->metrics;
	return open_standing(w, m, fds[5], e) && open_counters(w, m, fds[4], e) &&
	       open_crowd(w, fds[6], e) && open_journal(w, fds[3], fds[7], e);
}

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
	usage_tick(w->usage, w->journal, clock_wall_ms(), true, usage_day, w);
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
	drop_next(w);
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
	if (!set_up(w, &m, fds, n, &e)) {
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
