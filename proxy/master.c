/*
 * The master's life: check, open, start children, supervise, reload, stop. One event loop, no
 * threads but the one of its journal.
 */
#include "master.h"

#include "bundle.h"
#include "child.h"
#include "chronicle.h"
#include "clock.h"
#include "control.h"
#include "counters.h"
#include "digest.h"
#include "file.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "notify.h"
#include "observe.h"
#include "scrape.h"
#include "ship.h"
#include "space.h"
#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS	      200
#define VOTE_MS	      10000 /* a worker that takes longer to check a bundle hangs */
#define STOP_SLACK_MS 10000 /* beyond the drain time children have this long to end */

struct master {
	const char *config;
	struct loop *loop;
	struct loop_ev hup, usr1, term, interrupt, chld, tick;
	struct loop_ev heard[USAGE_WORKERS_MAX + 1];
	struct bundle *bundle;
	int bundle_fd, shipper_fd; /* shipper_fd: its credentials */
	uint8_t login_key[32];
	char node_id[33];
	int root_fd, usage_fd, logins_fd;
	int folders[USAGE_WORKERS_MAX], shipper_folder, own_folder;
	int sockets[USAGE_WORKERS_MAX][SETTINGS_LISTEN];
	unsigned workers;
	struct child children[USAGE_WORKERS_MAX + 1]; /* the last one is the shipper */
	size_t n_children;
	struct chronicle *chronicle;
	bool announced, json; /* json: the log */

	/* what administrators see and ask */
	struct control *control;   /* NULL: none */
	struct scrape *scrape;	   /* NULL: none */
	struct counters *counters; /* of each worker, shared */
	int counters_fd;
	struct observe observe;
	struct space space;
	int64_t started_ms, in_force_ms; /* wall */
	uint64_t reloads_ok, reloads_failed;
	struct ship_figures ship; /* as the shipper told last */
	char ship_text[300];
	char notes[400]; /* on the reload under way */

	/* a reload under way */
	uint32_t generation;
	int next_fd, next_shipper_fd; /* -1: none */
	struct bundle *next;
	uint64_t vote_until_ms;
	bool again; /* asked for meanwhile */

	bool stopping, shipping_last;
	uint64_t kill_at_ms;
	int exit_code;
};

/* --- files
 * ------------------------------------------------------------------------------------------- */

/* A log of JSON lines holds nothing else. */
static void log_problems(const struct master *m, struct problems *p)
{
	if (!m->json) {
		problems_print(p, stderr);
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		log_error("config", "%s:%u: %s", p->v[i].file, p->v[i].line, p->v[i].text);
}

int master_check(const char *config)
{
	struct problems p = {0};
	uint8_t key[32] = {0};
	int shipper, fd = bundle_make(config, key, &shipper, &p);
	struct err e = {""};
	struct bundle *b = fd >= 0 ? bundle_open(fd, &e) : NULL;

	problems_print(&p, stderr);
	if (fd >= 0 && !b)
		fprintf(stderr, "%s: %s\n", config, e.text);
	if (b)
		printf("%s: fine: %zu rules, %zu roles, %zu services%s\n", config,
			snapshot_rules(b->policy), snapshot_roles(b->policy),
			snapshot_services(b->policy), b->accounts ? "" : ", no login");
	problems_free(&p);
	bundle_unref(b);
	if (fd >= 0) {
		close(fd);
		close(shipper);
	}
	return b ? 0 : EXIT_CONFIG;
}

static bool load(struct master *m, int *fd, int *shipper, struct bundle **out, struct problems *p)
{
	struct err e = {""};

	*out = NULL;
	*fd = bundle_make(m->config, m->login_key, shipper, p);
	if (*fd >= 0)
		*out = bundle_open(*fd, &e);
	if (*fd >= 0 && !*out) {
		problem_error(p, m->config, 0, "%s", e.text);
		close(*fd);
		close(*shipper);
		*fd = *shipper = -1;
	}
	log_problems(m, p);
	return *out != NULL;
}

/* Standard error becomes the log's file, for this process and for those that it starts. */
static bool open_log(struct master *m, struct err *e)
{
	const char *path = m->bundle->settings->log_file;
	struct ipc_message msg = {.type = IPC_LOG};
	int fd;

	if (!*path)
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "log_file: %s", path);
	log_onto(fd);
	for (size_t i = 0; i < m->n_children; i++)
		if (m->children[i].pid)
			ipc_send(m->children[i].fd, &msg, &fd, 1);
	close(fd);
	return true;
}

static int open_folder(const char *root, const char *name, struct err *e)
{
	char path[SETTINGS_PATH_MAX + 32];
	bool made;
	int fd;

	snprintf(path, sizeof path, "%s/%s", root, name);
	if (!dir_make(path, 0700, &made, e))
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, "%s", path);
	return fd;
}

static bool open_folders(struct master *m, struct err *e)
{
	const char *root = m->bundle->settings->journal;
	char name[16];
	bool made = false;

	if (!dir_make(root, 0700, &made, e) || !ship_node_id(root, m->node_id, e))
		return false;
	if (made)
		log_info("start", "made the journal folder %s", root);
	m->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->root_fd < 0)
		return err_sys(e, "%s", root);
	for (unsigned i = 0; i < m->workers; i++) {
		snprintf(name, sizeof name, "%u", i);
		m->folders[i] = open_folder(root, name, e);
		if (m->folders[i] < 0)
			return false;
	}
	m->own_folder = open_folder(root, "master", e);
	m->shipper_folder = open_folder(root, "shipper", e);
	return m->own_folder >= 0 && m->shipper_folder >= 0;
}

/* --- sockets and memory
 * ---------------------------------------------------------------------------------- */

/* SO_REUSEPORT would let a second stile share the port silently: a plain bind finds that out. */
static bool port_is_free(struct settings_address *at, struct err *e)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(&at->addr, at->port, &sa);
	int on = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT_MAX];
	struct addr same;
	bool ok;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!at->addr.v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, 1) == 0;
	addr_format(&at->addr, text);
	if (!ok)
		err_sys(e, "cannot listen on %s port %u", text, at->port);
	else if (getsockname(fd, (struct sockaddr *)&sa, &n) == 0) /* port 0: the system chose */
		addr_from_sockaddr((struct sockaddr *)&sa, &same, &at->port);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool open_sockets(struct master *m, struct err *e)
{
	const struct settings *s = m->bundle->settings;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->listen.n; i++) {
		struct settings_address at = s->listen.v[i].at;

		if (!port_is_free(&at, e))
			return false;
		for (unsigned k = 0; k < m->workers; k++) {
			m->sockets[k][i] = listener_open(&at, e);
			if (m->sockets[k][i] < 0)
				return false;
		}
		addr_format(&at.addr, text);
		log_info("start", at.addr.v4 ? "listening on %s:%u" : "listening on [%s]:%u", text,
			at.port);
	}
	return true;
}

static int shared_memory(const char *name, size_t size, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	err_sys(e, "no memory for %s", name);
	return -1;
}

/* --- children
 * --------------------------------------------------------------------------------------------- */

static bool is_shipper(const struct child *c)
{
	return strcmp(c->role, "shipper") == 0;
}

static void on_heard(int fd, short what, void *arg);
static void ask_vote(struct master *m, struct child *c);

static bool start_child(struct master *m, struct child *c)
{
	struct ipc_message setup = {.type = IPC_SETUP,
		.index = c->index,
		.generation = m->generation,
		.observe_until_ms = m->observe.until_ms};
	int fds[IPC_FDS_MAX];
	size_t n = 0, at = (size_t)(c - m->children);
	struct err e = {""};

	fds[n++] = m->bundle_fd;
	if (is_shipper(c)) {
		fds[n++] = m->root_fd;
		fds[n++] = m->shipper_folder;
		fds[n++] = m->shipper_fd;
		memcpy(setup.text, m->node_id, sizeof m->node_id);
	} else {
		fds[n++] = m->usage_fd;
		fds[n++] = m->logins_fd;
		fds[n++] = m->folders[c->index];
		fds[n++] = m->counters_fd;
		setup.workers = m->workers;
		setup.n_listen = (uint32_t)m->bundle->settings->listen.n;
		for (size_t i = 0; i < setup.n_listen; i++)
			fds[n++] = m->sockets[c->index][i];
	}
	if (!child_start(c, &setup, fds, n, &e)) {
		log_error("start", "%s", e.text);
		return false;
	}
	loop_init(&m->heard[at], m->loop, c->fd, LOOP_READ | LOOP_PERSIST, on_heard, m);
	loop_add(&m->heard[at], -1);
	ask_vote(m, c);
	return true;
}

static void announce(struct master *m)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (!m->children[i].ready)
			return;
	if (!m->announced) {
		log_info("start", "ready: %u worker%s, policy %.12s", m->workers,
			m->workers == 1 ? "" : "s", m->bundle->digest);
		notify_ready();
	}
	m->announced = true;
}

/* --- reload
 * --------------------------------------------------------------------------------------------------
 */

static void tell_workers(struct master *m, enum ipc_type type)
{
	struct ipc_message msg = {.type = type, .generation = m->generation};

	for (unsigned i = 0; i < m->workers; i++)
		if (m->children[i].pid)
			ipc_send(m->children[i].fd, &msg, NULL, 0);
}

/* Also a worker that was started while a reload is under way has a vote: its set-up brought it the
 * bundle in force, and it must not be the only one that keeps that. */
static void ask_vote(struct master *m, struct child *c)
{
	struct ipc_message msg = {.type = IPC_BUNDLE, .generation = m->generation};

	if (!m->next || !c->pid || is_shipper(c))
		return;
	c->vote = VOTE_AWAITED;
	ipc_send(c->fd, &msg, &m->next_fd, 1); /* unsent means no answer: the deadline tells */
}

/* It needs no vote: what it takes was checked when it was read. */
static void tell_shipper(struct master *m)
{
	struct ipc_message msg = {.type = IPC_BUNDLE, .generation = m->generation};
	const int fds[] = {m->bundle_fd, m->shipper_fd};

	for (size_t i = m->workers; i < m->n_children; i++)
		if (m->children[i].pid)
			ipc_send(m->children[i].fd, &msg, fds, 2);
}

static void begin_reload(struct master *m);

static void reloaded(struct master *m, bool ok, const char *text, const struct problems *p)
{
	*(ok ? &m->reloads_ok : &m->reloads_failed) += 1;
	if (m->again) { /* who asked meanwhile may have changed a file since */
		m->again = false;
		begin_reload(m);
		return;
	}
	control_reloaded(m->control, ok, text, m->bundle->digest, m->notes, p);
	m->notes[0] = 0;
	notify_ready();
}

static void end_reload(struct master *m, bool commit, const char *why)
{
	char text[400];

	snprintf(
		text, sizeof text, "refused: %.300s: the configuration before stays in force", why);

	tell_workers(m, commit ? IPC_COMMIT : IPC_ABORT);
	if (commit) {
		chronicle_policy(m->chronicle, m->next);
		if (strcmp(m->bundle->digest, m->next->digest) != 0)
			m->in_force_ms = clock_wall_ms();
		close(m->bundle_fd);
		bundle_unref(m->bundle);
		close(m->shipper_fd);
		m->bundle_fd = m->next_fd;
		m->shipper_fd = m->next_shipper_fd;
		m->bundle = m->next;
		tell_shipper(m);
		snprintf(text, sizeof text, "in force: policy %.12s, %zu rules", m->bundle->digest,
			snapshot_rules(m->bundle->policy));
		log_info("reload", "%s", text);
	} else {
		close(m->next_fd);
		close(m->next_shipper_fd);
		bundle_unref(m->next);
		log_error("reload", "%s", text);
	}
	m->next_fd = m->next_shipper_fd = -1;
	m->next = NULL;
	reloaded(m, commit, text, NULL);
}

static void warn_start_only(struct master *m)
{
	const char *names[8];
	size_t n = settings_changed_at_start(m->bundle->settings, m->next->settings, names, 8);
	struct buf b;

	buf_init_fixed(&b, m->notes, sizeof m->notes);
	for (size_t i = 0; i < n; i++) {
		log_warn("reload", "%s has changed: that takes effect at the next start only",
			names[i]);
		buf_printf(&b, "%s%s", i ? ", " : "at the next start only: ", names[i]);
	}
}

static void begin_reload(struct master *m)
{
	struct problems p = {0};
	bool loaded;

	if (m->stopping) {
		log_warn("reload", "not now: stopping");
		control_reloaded(
			m->control, false, "not now: stopping", m->bundle->digest, NULL, NULL);
		return;
	}
	if (m->next) {
		log_info("reload", "one is under way: another follows");
		m->again = true;
		return;
	}
	notify_reloading();
	loaded = load(m, &m->next_fd, &m->next_shipper_fd, &m->next, &p);
	if (!loaded) {
		log_error("reload", "refused: the configuration before stays in force");
		reloaded(m, false, "refused: the configuration before stays in force", &p);
	}
	problems_free(&p);
	if (!loaded)
		return;
	warn_start_only(m);
	m->generation++;
	m->vote_until_ms = clock_mono_ms() + VOTE_MS;
	for (unsigned i = 0; i < m->workers; i++)
		ask_vote(m, &m->children[i]);
}

/* In force once every worker that lives says so and one does; a bundle that none survives is none.
 */
static void count_votes(struct master *m)
{
	unsigned fine = 0, awaited = 0;

	for (unsigned i = 0; i < m->workers; i++) {
		fine += m->children[i].vote == VOTE_FINE;
		awaited += m->children[i].vote == VOTE_AWAITED;
	}
	if (fine && !awaited)
		end_reload(m, true, "");
	else if (clock_mono_ms() >= m->vote_until_ms)
		end_reload(m, false, "a worker did not answer in time");
}

/* --- what children say
 * ------------------------------------------------------------------------------------------ */

static void reload_answer(struct master *m, struct child *c, const struct ipc_message *msg)
{
	char why[sizeof msg->text + 32];

	if (!m->next || msg->generation != m->generation || c->vote != VOTE_AWAITED)
		return;
	c->vote = VOTE_FINE;
	if (msg->type == IPC_READY) {
		count_votes(m);
		return;
	}
	snprintf(why, sizeof why, "worker %u: %s", c->index, msg->text);
	end_reload(m, false, why);
}

static void heard_from(
	struct master *m, struct child *c, const struct ipc_message *msg, const int *fds, size_t n)
{
	switch (msg->type) {
	case IPC_READY:
	case IPC_FAILED:
		if (c->ready) {
			reload_answer(m, c, msg);
		} else if (msg->type == IPC_READY) {
			c->ready = true;
			announce(m);
		} else if (!m->announced) { /* wrong from the start: trying again would not help */
			m->exit_code = 1;
			m->stopping = true;
		}
		break;
	case IPC_TIP:
		memcpy(c->chain, msg->chain, sizeof c->chain);
		c->tip = msg->tip;
		break;
	case IPC_SHIP:
		m->ship = msg->ship;
		memcpy(m->ship_text, msg->text, sizeof m->ship_text);
		break;
	case IPC_LISTING:
		control_listed(m->control, msg->generation, n ? fds[0] : -1);
		break;
	case IPC_OBSERVE:
	case IPC_LIST:
	case IPC_LOG:
	case IPC_SETUP:
	case IPC_BUNDLE:
	case IPC_COMMIT:
	case IPC_ABORT:
	case IPC_DRAIN:
	case IPC_STOP:
		break;
	}
}

static void on_heard(int fd, short what, void *arg)
{
	struct master *m = arg;
	struct child *c = m->children;
	struct ipc_message msg;
	int fds[IPC_FDS_MAX], got;
	size_t n;

	(void)what;
	while (c->fd != fd)
		c++;
	while ((got = ipc_receive(fd, &msg, fds, &n)) > 0) {
		msg.text[sizeof msg.text - 1] = 0;
		msg.chain[CHAIN_NAME_LEN] = 0;
		heard_from(m, c, &msg, fds, n);
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
	}
	if (got < 0) /* its death is told by SIGCHLD */
		loop_del(&m->heard[c - m->children]);
}

static void say_death(const struct child *c, int status)
{
	char who[32] = "the shipper";

	if (!is_shipper(c))
		snprintf(who, sizeof who, "worker %u", c->index);
	if (WIFSIGNALED(status))
		log_error("supervise", "%s was ended by signal %d; a successor follows", who,
			WTERMSIG(status));
	else
		log_error("supervise", "%s ended with status %d; a successor follows", who,
			WEXITSTATUS(status));
}

static void reap(struct master *m)
{
	for (size_t i = 0; i < m->n_children; i++) {
		struct child *c = &m->children[i];
		int status;

		if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		if (!m->stopping)
			say_death(c, status);
		on_heard(c->fd, LOOP_READ, m); /* its last words */
		loop_del(&m->heard[i]);
		child_gone(c);
		c->vote = VOTE_NONE;
	}
}

static void on_child(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	reap(arg);
}

/* --- stopping
 * ------------------------------------------------------------------------------------------------------
 */

static void tell(const struct child *c, enum ipc_type type)
{
	struct ipc_message msg = {.type = type};

	if (c->pid)
		ipc_send(c->fd, &msg, NULL, 0);
}

static void begin_stop(struct master *m, bool drain)
{
	uint64_t drain_ms = drain ? (uint64_t)m->bundle->settings->drain_ms : 0;

	notify_stopping();
	log_info("stop", drain && !m->stopping ? "draining" : "ending now");
	m->stopping = true;
	m->kill_at_ms = clock_mono_ms() + drain_ms + STOP_SLACK_MS;
	for (unsigned i = 0; i < m->workers; i++)
		tell(&m->children[i], drain ? IPC_DRAIN : IPC_STOP);
	/* the kernel must not queue clients at sockets that nobody accepts from */
	for (unsigned k = 0; k < m->workers; k++)
		for (size_t i = 0; i < m->bundle->settings->listen.n; i++)
			if (m->sockets[k][i] >= 0) {
				close(m->sockets[k][i]);
				m->sockets[k][i] = -1;
			}
}

static unsigned workers_alive(const struct master *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->workers; i++)
		n += m->children[i].pid != 0;
	return n;
}

/* Workers first, then the node's own chain, then the shipper's last look at all of it. */
static void go_on_stopping(struct master *m)
{
	bool killing = clock_mono_ms() >= m->kill_at_ms;

	for (size_t i = 0; killing && i < m->n_children; i++)
		if (m->children[i].pid)
			kill(m->children[i].pid, SIGKILL);
	if (workers_alive(m))
		return;
	if (!m->shipping_last) {
		m->shipping_last = true;
		observe_end(&m->observe, m->chronicle, "stopped");
		chronicle_close(m->chronicle);
		m->chronicle = NULL;
		m->kill_at_ms = clock_mono_ms() + STOP_SLACK_MS;
		for (size_t i = m->workers; i < m->n_children; i++)
			tell(&m->children[i], IPC_STOP);
	}
	for (size_t i = m->workers; i < m->n_children; i++)
		if (m->children[i].pid)
			return;
	loop_stop(m->loop);
}

/* --- operations
 * ------------------------------------------------------------------------------------------------------
 */

static void tell_observe(struct master *m)
{
	struct ipc_message msg = {.type = IPC_OBSERVE, .observe_until_ms = m->observe.until_ms};

	for (unsigned i = 0; i < m->workers; i++)
		if (m->children[i].pid)
			ipc_send(m->children[i].fd, &msg, NULL, 0);
}

static bool ask_observe(void *arg, uint64_t seconds, const char *reason, struct err *e)
{
	struct master *m = arg;

	if (m->stopping)
		return err_set(e, "not now: stopping");
	if (!observe_begin(&m->observe, m->chronicle, seconds, reason, e))
		return false;
	tell_observe(m);
	return true;
}

static bool ask_enforce(void *arg, struct err *e)
{
	struct master *m = arg;

	if (!m->observe.until_ms)
		return err_set(e, "refusals are enforced as it is");
	observe_end(&m->observe, m->chronicle, "by hand");
	tell_observe(m);
	return true;
}

static void ask_reload(void *arg)
{
	begin_reload(arg);
}

static void ask_drain(void *arg)
{
	begin_stop(arg, true);
}

static unsigned ask_list(void *arg, uint32_t number)
{
	struct master *m = arg;
	struct ipc_message msg = {.type = IPC_LIST, .generation = number};
	unsigned asked = 0;

	for (unsigned i = 0; i < m->workers; i++)
		asked += m->children[i].ready && ipc_send(m->children[i].fd, &msg, NULL, 0);
	return asked;
}

static void worker_lines(const struct master *m, struct status *s)
{
	for (unsigned i = 0; i < m->workers; i++) {
		const struct child *c = &m->children[i];

		s->worker[i] = (struct worker_status){.index = i,
			.pid = c->pid,
			.ready = c->ready,
			.restarts = c->restarts,
			.counters = &m->counters[i]};
		s->ready &= c->ready;
		s->journal_lost += count_get(&m->counters[i].lost);
		s->journal_failing |= count_get(&m->counters[i].failing) != 0;
		if (!s->certificate_end_s)
			s->certificate_end_s = count_get(&m->counters[i].certificate_end);
	}
	s->workers = m->workers;
}

static void journal_lines(struct master *m, struct status *s)
{
	s->journal_bytes = m->space.bytes;
	s->space_left_s = space_left_s(&m->space, m->bundle->settings->space, status_backlog(s));
	s->journal_lost += m->ship.lost;
	s->journal_failing |= m->ship.failing;
	if (!m->chronicle)
		return;
	s->journal_lost += chronicle_lost(m->chronicle);
	s->journal_failing |= chronicle_failing(m->chronicle);
	chronicle_coverage(m->chronicle, &s->recorded, &s->passed);
}

static void tell_status(void *arg, struct status *s)
{
	struct master *m = arg;

	*s = (struct status){.node = m->bundle->settings->node,
		.now_ms = clock_wall_ms(),
		.started_ms = m->started_ms,
		.ready = m->announced,
		.draining = m->stopping,
		.digest = m->bundle->digest,
		.rules = snapshot_rules(m->bundle->policy),
		.in_force_ms = m->in_force_ms,
		.reloads_ok = m->reloads_ok,
		.reloads_failed = m->reloads_failed,
		.shipping = m->n_children > m->workers,
		.ship = m->ship,
		.ship_text = m->ship_text,
		.observe_left_ms = observe_left_ms(&m->observe),
		.observe_reason = m->observe.reason};
	if (s->shipping)
		s->shipper_restarts = m->children[m->workers].restarts;
	worker_lines(m, s);
	journal_lines(m, s);
}

static void write_metrics(void *arg, struct buf *page)
{
	struct status *s = calloc(1, sizeof *s);

	if (!s) {
		page->failed = true;
		return;
	}
	tell_status(arg, s);
	metrics_write(s, page);
	free(s);
}

static bool open_operations(struct master *m, struct err *e)
{
	const struct settings *s = m->bundle->settings;
	struct control_hooks hooks = {.arg = m,
		.status = tell_status,
		.reload = ask_reload,
		.drain = ask_drain,
		.observe = ask_observe,
		.enforce = ask_enforce,
		.list = ask_list};

	if (*s->control && !(m->control = control_open(m->loop, s->control, &hooks, e)))
		return false;
	if (s->metrics.port &&
		!(m->scrape = scrape_open(m->loop, &s->metrics, write_metrics, m, e)))
		return false;
	return true;
}

static void on_usr1(int fd, short what, void *arg)
{
	struct err e = {""};

	(void)fd, (void)what;
	if (!open_log(arg, &e))
		log_error("log", "%s", e.text);
	else
		log_info("log", "opened anew");
}

static void on_hup(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	begin_reload(arg);
}

static void on_term(int fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd, (void)what;
	begin_stop(m, !m->stopping); /* a second one does not wait */
}

static void on_interrupt(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	begin_stop(arg, false);
}

static void on_tick(int fd, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now = clock_mono_ms();

	(void)fd, (void)what;
	reap(m);
	if (m->stopping && m->exit_code && !m->kill_at_ms)
		begin_stop(m, false);
	if (m->next)
		count_votes(m);
	if (m->stopping) {
		go_on_stopping(m);
	} else {
		for (size_t i = 0; i < m->n_children; i++)
			if (!m->children[i].pid && now >= m->children[i].again_at_ms)
				start_child(m, &m->children[i]);
	}
	if (observe_over(&m->observe) && m->chronicle) {
		observe_end(&m->observe, m->chronicle, "expired");
		tell_observe(m);
	}
	space_look(&m->space, m->root_fd, now);
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

static bool open_counters(struct master *m, struct err *e)
{
	size_t size = m->workers * sizeof *m->counters;
	void *p = MAP_FAILED;

	m->counters_fd = shared_memory("stile-counters", size, e);
	if (m->counters_fd < 0)
		return false;
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, m->counters_fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, "no memory for stile-counters");
	m->counters = p;
	return true;
}

static bool open_all(struct master *m, struct err *e)
{
	m->loop = loop_new();
	if (!m->loop)
		return err_set(e, "no event loop");
	if (!open_folders(m, e))
		return false;
	m->usage_fd = shared_memory("stile-usage", usage_size(m->workers), e);
	m->logins_fd = shared_memory("stile-logins", identity_cache_size(), e);
	if (m->usage_fd < 0 || m->logins_fd < 0 || !open_counters(m, e) || !open_sockets(m, e))
		return false;
	m->chronicle = chronicle_open(m->own_folder, m->bundle, e);
	return m->chronicle && open_operations(m, e);
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

static void plan_children(struct master *m)
{
	for (unsigned i = 0; i < m->workers; i++)
		m->children[i] = (struct child){.role = "worker", .index = i, .fd = -1};
	m->n_children = m->workers;
	if (*m->bundle->settings->redis)
		m->children[m->n_children++] = (struct child){.role = "shipper", .fd = -1};
	else
		log_warn("start", "audit.redis is empty: records stay in the journal only");
}

static void close_all(struct master *m)
{
	control_close(m->control);
	scrape_close(m->scrape);
	chronicle_close(m->chronicle);
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
	code = load(m, &m->bundle_fd, &m->shipper_fd, &m->bundle, &p) ? 0 : EXIT_CONFIG;
	problems_free(&p);
	if (code) {
		free(m);
		return code;
	}
	m->workers = count_workers(m->bundle->settings);
	m->started_ms = m->in_force_ms = clock_wall_ms();
	if (!open_log(m, &e) || !open_all(m, &e)) {
		log_error("start", "%s", e.text);
		close_all(m);
		free(m);
		return 1;
	}
	plan_children(m);
	set_events(m);
	for (size_t i = 0; i < m->n_children; i++)
		start_child(m, &m->children[i]);
	loop_run(m->loop);
	code = m->exit_code;
	close_all(m);
	log_info("stop", "ended");
	free(m);
	return code;
}
