/*
 * How a worker begins: what the master gave by descriptor is mapped and opened, the process
 * confines itself, the bundle is taken, and what a predecessor left goes into the journal.
 */
#include "worker_inside.h"

#include "clock.h"
#include "conn.h"
#include "counters.h"
#include "crowd.h"
#include "descriptors.h"
#include "listener.h"
#include "log.h"
#include "pseudonyms.h"
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* bundle, usage, logins, journal folder, counters, standing, crowd, outbox; then listeners */
#define SETUP_FDS 8

static const char *mark_day(void *arg, int64_t wall_ms, char out[11])
{
	worker_usage_day(arg, wall_ms / 1000, out);
	return out;
}

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
	left = usage_inherit(w->usage, w->journal, dir, worker_usage_day, w);
	if (left)
		log_info(
			"journal", "%zu open figures of the worker before were written down", left);
	journal_hand_over(w->journal);
	return true;
}

bool worker_set_up(
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
	if (!worker_prepare(w, fds[0], m->generation, e) ||
		!open_identity(w, w->next.bundle, fds[2], e))
		return false;
	worker_put_in_force(w);
	for (size_t i = 0, at; i < w->n_listeners; i++) {
		const struct settings_listen *l =
			worker_listen_setting(w, i, w->bundle->settings, &at);

		if (l)
			w->listener[i].balancers = l->balancers;
	}
	log_json(w->bundle->settings->log_json);
	w->observe_until_ms = m->observe_until_ms;
	w->metrics = w->bundle->settings->metrics;
	return open_standing(w, m, fds[5], e) && open_counters(w, m, fds[4], e) &&
	       open_crowd(w, fds[6], e) && open_journal(w, fds[3], fds[7], e);
}
