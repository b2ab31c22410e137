/* The master's children: started, heard, buried and started again. */
#include "master_state.h"

#include "clock.h"
#include "heir.h"
#include "log.h"
#include "notify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED_MS 1000 /* a heir that was killed is waited for */

bool crew_is_shipper(const struct child *c)
{
	return strcmp(c->role, "shipper") == 0;
}

static void on_heard(int fd, short what, void *arg);

bool crew_start(struct master *m, struct child *c)
{
	struct ipc_message setup = {.type = IPC_SETUP,
		.index = c->index,
		.generation = m->generation,
		.workers = m->workers,
		.observe_until_ms = m->observe.until_ms,
		.full = m->full,
		.uid = m->uid,
		.gid = m->gid};
	int fds[IPC_FDS_MAX];
	size_t n = 0, at = (size_t)(c - m->children);
	struct err e = {""};

	fds[n++] = m->bundle_fd;
	if (crew_is_shipper(c)) {
		fds[n++] = m->root_fd;
		fds[n++] = m->shipper_folder;
		fds[n++] = m->shipper_fd;
		fds[n++] = m->standing_fd;
		setup.boot = m->boot;
		if (m->chronicle)
			memcpy(setup.chain, chronicle_chain(m->chronicle), sizeof setup.chain);
		memcpy(setup.text, m->node_id, sizeof m->node_id);
	} else {
		fds[n++] = m->usage_fd;
		fds[n++] = m->logins_fd;
		fds[n++] = m->folders[c->index];
		fds[n++] = m->counters_fd;
		fds[n++] = m->standing_fd;
		fds[n++] = m->crowd_fd;
		fds[n++] = m->outboxes[c->index];
		setup.n_listen = m->stopping ? 0 : (uint32_t)m->bundle->settings->listen.n;
		for (size_t i = 0; i < setup.n_listen; i++)
			fds[n++] = m->sockets[c->index][i];
	}
	if (!crew_is_shipper(c) && !outbox_mend(m->outboxes[c->index], &e)) {
		log_error("start", "%s", e.text);
		return false;
	}
	if (!child_start(c, &setup, fds, n, &e)) {
		log_error("start", "%s", e.text);
		return false;
	}
	loop_init(&m->heard[at], m->loop, c->fd, LOOP_READ | LOOP_PERSIST, on_heard, m);
	loop_add(&m->heard[at], -1);
	reload_ask(m, c);
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
	case IPC_SPACE:
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
		if (ipc_from_child_ok(&msg, crew_is_shipper(c)))
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

	if (!crew_is_shipper(c))
		snprintf(who, sizeof who, "worker %u", c->index);
	if (WIFSIGNALED(status))
		log_error("supervise", "%s was ended by signal %d%s; a successor follows", who,
			WTERMSIG(status),
			WTERMSIG(status) == SIGSYS ? " (a system call that it may not make)" : "");
	else
		log_error("supervise", "%s ended with status %d; a successor follows", who,
			WEXITSTATUS(status));
}

void crew_reap(struct master *m)
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

void crew_tell(const struct child *c, enum ipc_type type)
{
	struct ipc_message msg = {.type = type};

	if (c->pid)
		ipc_send(c->fd, &msg, NULL, 0);
}

unsigned crew_workers_alive(const struct master *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->workers; i++)
		n += m->children[i].pid != 0;
	return n;
}

/* Its end closes its side of the socket; it says nothing before. */
static bool ended(const struct child *c, uint64_t until_ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	uint64_t now;
	int got;

	do {
		now = clock_mono_ms();
		got = now < until_ms ? poll(&p, 1, (int)(until_ms - now)) : 0;
	} while (got < 0 && errno == EINTR);
	return got == 1;
}

/* Even killed it may stay, in a disk that hangs: then nobody waits for it. */
static bool ended_well(const struct child *c, uint64_t until_ms)
{
	int status;

	if (ended(c, until_ms))
		return waitpid(c->pid, &status, 0) == c->pid && WIFEXITED(status) &&
		       WEXITSTATUS(status) == 0;
	log_error("start",
		"what worker %u left is not journalled yet, and the start waits no longer",
		c->index);
	kill(c->pid, SIGKILL);
	if (ended(c, clock_mono_ms() + KILLED_MS))
		waitpid(c->pid, NULL, 0);
	return false;
}

bool crew_inherit(struct master *m, unsigned index, int folder, int outbox, uint64_t until_ms)
{
	struct child heir = {.role = "heir", .index = index, .fd = -1};
	struct ipc_message setup = {
		.type = IPC_SETUP, .index = index, .uid = m->uid, .gid = m->gid};
	const int fds[HEIR_FDS] = {
		[HEIR_BUNDLE] = m->bundle_fd, [HEIR_FOLDER] = folder, [HEIR_OUTBOX] = outbox};
	struct err e;
	bool started = outbox_mend(outbox, &e) && child_start(&heir, &setup, fds, HEIR_FDS, &e);

	if (!started)
		log_error("start", "%s", e.text);
	if (!heir.pid)
		return false;
	started = ended_well(&heir, until_ms) && started;
	child_gone(&heir);
	return started;
}

void crew_plan(struct master *m)
{
	for (unsigned i = 0; i < m->workers; i++)
		m->children[i] = (struct child){.role = "worker", .index = i, .fd = -1};
	m->n_children = m->workers;
	/* without Redis it still restores how people stand today */
	m->children[m->n_children++] = (struct child){.role = "shipper", .fd = -1};
	if (!*m->bundle->settings->redis)
		log_warn("start", "audit.redis is empty: records stay in the journal only");
}
