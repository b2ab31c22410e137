/*
 * The master's life: check, open, start children, supervise, reload, stop. One event loop, no
 * threads but the one of its journal.
 */
#include "master.h"

#include "master_state.h"

#include "clock.h"
#include "digest.h"
#include "log.h"
#include "notify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_MS	      200
#define STOP_SLACK_MS 10000 /* beyond the drain time children have this long to end */

static void on_child(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	crew_reap(arg);
}

/* --- stopping
 * ------------------------------------------------------------------------------------------------------
 */

void master_stop(struct master *m, bool drain)
{
	uint64_t drain_ms = drain ? (uint64_t)m->bundle->settings->drain_ms : 0;

	notify_stopping();
	log_info("stop", drain && !m->stopping ? "draining" : "ending now");
	m->stopping = true;
	m->kill_at_ms = clock_mono_ms() + drain_ms + STOP_SLACK_MS;
	for (unsigned i = 0; i < m->workers; i++)
		crew_tell(&m->children[i], drain ? IPC_DRAIN : IPC_STOP);
	/* the kernel must not queue clients at sockets that nobody accepts from */
	for (unsigned k = 0; k < m->workers; k++)
		for (size_t i = 0; i < m->bundle->settings->listen.n; i++)
			if (m->sockets[k][i] >= 0) {
				close(m->sockets[k][i]);
				m->sockets[k][i] = -1;
			}
}

/* A worker that had died and was not succeeded left records: a last successor, that hears nobody,
 * writes them. */
static void inherit_last(struct master *m)
{
	for (unsigned i = 0; i < m->workers; i++) {
		struct child *c = &m->children[i];

		if (c->pid || c->inherited || !outbox_left(m->outboxes[i]))
			continue;
		c->inherited = true;
		if (crew_start(m, c))
			crew_tell(c, IPC_STOP);
	}
}

/* Workers first, then the node's own chain, then the shipper's last look at all of it. */
static void go_on_stopping(struct master *m)
{
	bool killing = clock_mono_ms() >= m->kill_at_ms;

	for (size_t i = 0; killing && i < m->n_children; i++)
		if (m->children[i].pid)
			kill(m->children[i].pid, SIGKILL);
	if (!killing && !m->shipping_last)
		inherit_last(m);
	if (crew_workers_alive(m))
		return;
	if (!m->shipping_last) {
		m->shipping_last = true;
		observe_end(&m->observe, m->chronicle, "stopped");
		chronicle_close(m->chronicle);
		m->chronicle = NULL;
		m->kill_at_ms = clock_mono_ms() + STOP_SLACK_MS;
		for (size_t i = m->workers; i < m->n_children; i++)
			crew_tell(&m->children[i], IPC_STOP);
	}
	for (size_t i = m->workers; i < m->n_children; i++)
		if (m->children[i].pid)
			return;
	loop_stop(m->loop);
}

static void on_usr1(int fd, short what, void *arg)
{
	struct err e = {""};

	(void)fd, (void)what;
	if (!operations_open_log(arg, &e))
		log_error("log", "%s", e.text);
	else
		log_info("log", "opened anew");
}

static void on_hup(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	reload_begin(arg);
}

static void on_term(int fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd, (void)what;
	master_stop(m, !m->stopping); /* a second one does not wait */
}

static void on_interrupt(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	master_stop(arg, false);
}

static void on_tick(int fd, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now = clock_mono_ms();

	(void)fd, (void)what;
	notify_alive(now, &m->alive_due_ms);
	crew_reap(m);
	if (m->stopping && m->exit_code && !m->kill_at_ms)
		master_stop(m, false);
	if (m->next)
		reload_count(m);
	if (m->stopping) {
		go_on_stopping(m);
	} else {
		for (size_t i = 0; i < m->n_children; i++)
			if (!m->children[i].pid && now >= m->children[i].again_at_ms)
				crew_start(m, &m->children[i]);
	}
	if (observe_over(&m->observe) && m->chronicle) {
		observe_end(&m->observe, m->chronicle, "expired");
		operations_tell_observe(m);
	}
	operations_watch_space(m, now);
	if (m->chronicle)
		chronicle_tick(m->chronicle, m->children, m->n_children);
	loop_add(&m->tick, TICK_MS);
}

/* --- start
 * ------------------------------------------------------------------------------------------------------------
 */

static void raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static unsigned count_workers(const struct settings *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = s->workers ? (unsigned)s->workers : cores > 0 ? (unsigned)cores : 1;

	return n < USAGE_WORKERS_MAX ? n : USAGE_WORKERS_MAX;
}

static bool open_all(struct master *m, struct err *e)
{
	m->loop = loop_new();
	if (!m->loop)
		return err_set(e, "no event loop");
	if (!premises_open(m, e))
		return false;
	/* files of the node's own chain are the journal's account's as well: the thread that makes
	 * them is started under its name for files, which the master then takes off again */
	setfsuid(m->uid), setfsgid(m->gid);
	m->chronicle = chronicle_open(m->own_folder, m->bundle, e);
	setfsuid(geteuid()), setfsgid(getegid());
	return m->chronicle && operations_open(m, e);
}

static void set_events(struct master *m)
{
	loop_init_signal(&m->hup, m->loop, SIGHUP, on_hup, m);
	loop_init_signal(&m->term, m->loop, SIGTERM, on_term, m);
	loop_init_signal(&m->interrupt, m->loop, SIGINT, on_interrupt, m);
	loop_init_signal(&m->chld, m->loop, SIGCHLD, on_child, m);
	loop_init(&m->tick, m->loop, -1, 0, on_tick, m);
	loop_init_signal(&m->usr1, m->loop, SIGUSR1, on_usr1, m);
	loop_add(&m->usr1, -1);
	loop_add(&m->hup, -1);
	loop_add(&m->term, -1);
	loop_add(&m->interrupt, -1);
	loop_add(&m->chld, -1);
	loop_add(&m->tick, TICK_MS);
}

static void close_all(struct master *m)
{
	control_close(m->control);
	scrape_close(m->scrape);
	chronicle_close(m->chronicle);
	standing_close(m->standing);
	bundle_unref(m->bundle);
	bundle_unref(m->next);
	if (m->loop)
		loop_free(m->loop);
	explicit_bzero(m->login_key, sizeof m->login_key);
}

/* Before anything else is said: lines of two kinds in one log would suit nobody. */
static void choose_format(struct master *m)
{
	struct settings *s = calloc(1, sizeof *s);
	struct problems p = {0};

	m->json = s && settings_load(m->config, s, &p) && s->log_json;
	log_json(m->json);
	problems_free(&p);
	free(s);
}

int master_main(const char *config)
{
	struct master *m = calloc(1, sizeof *m);
	struct problems p = {0};
	struct err e = {""};
	int code;

	if (!m)
		return 1;
	log_open("master", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	m->config = config;
	m->next_fd = m->next_shipper_fd = -1;
	choose_format(m);
	random_bytes(m->login_key, sizeof m->login_key);
	code = reload_load(m, &m->bundle_fd, &m->shipper_fd, &m->bundle, &p) ? 0 : EXIT_CONFIG;
	problems_free(&p);
	if (code) {
		free(m);
		return code;
	}
	m->workers = count_workers(m->bundle->settings);
	m->started_ms = m->in_force_ms = clock_wall_ms();
	if (!operations_open_log(m, &e) || !open_all(m, &e)) {
		log_error("start", "%s", e.text);
		close_all(m);
		free(m);
		return 1;
	}
	crew_plan(m);
	set_events(m);
	for (size_t i = 0; i < m->n_children; i++)
		crew_start(m, &m->children[i]);
	loop_run(m->loop);
	code = m->exit_code;
	close_all(m);
	log_info("stop", "ended");
	free(m);
	return code;
}
