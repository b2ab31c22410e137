/*
 * Reload: build anew, ask every worker, put in force or drop. A bad file changes nothing, and no
 * two workers ever hold different policies for longer than a message takes.
 */
#include "master_state.h"

#include "clock.h"
#include "log.h"
#include "notify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VOTE_MS 10000 /* a worker that takes longer to check a bundle hangs */

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

bool reload_load(struct master *m, int *fd, int *shipper, struct bundle **out, struct problems *p)
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

static void tell_workers(struct master *m, enum ipc_type type)
{
	struct ipc_message msg = {.type = type, .generation = m->generation};

	for (unsigned i = 0; i < m->workers; i++)
		if (m->children[i].pid)
			ipc_send(m->children[i].fd, &msg, NULL, 0);
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

/* Also a worker that was started while a reload is under way has a vote: its set-up brought it the
 * bundle in force, and it must not be the only one that keeps that. */
void reload_ask(struct master *m, struct child *c)
{
	struct ipc_message msg = {.type = IPC_BUNDLE, .generation = m->generation};

	if (!m->next || !c->pid || crew_is_shipper(c))
		return;
	c->vote = VOTE_AWAITED;
	ipc_send(c->fd, &msg, &m->next_fd, 1); /* unsent means no answer: the deadline tells */
}

static void reloaded(struct master *m, bool ok, const char *text, const struct problems *p)
{
	*(ok ? &m->reloads_ok : &m->reloads_failed) += 1;
	if (m->again) { /* who asked meanwhile may have changed a file since */
		m->again = false;
		reload_begin(m);
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

void reload_begin(struct master *m)
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
	loaded = reload_load(m, &m->next_fd, &m->next_shipper_fd, &m->next, &p);
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
		reload_ask(m, &m->children[i]);
}

/* In force once every worker that lives says so and one does; a bundle that none survives is none.
 */
void reload_count(struct master *m)
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

void reload_answer(struct master *m, struct child *c, const struct ipc_message *msg)
{
	char why[sizeof msg->text + 32];

	if (!m->next || msg->generation != m->generation || c->vote != VOTE_AWAITED)
		return;
	c->vote = VOTE_FINE;
	if (msg->type == IPC_READY) {
		reload_count(m);
		return;
	}
	snprintf(why, sizeof why, "worker %u: %s", c->index, msg->text);
	end_reload(m, false, why);
}
