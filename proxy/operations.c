/* What administrators see and ask: the control socket, metrics, the log's file, break-glass. */
#include "master_state.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Standard error becomes the log's file, for this process and for those that it starts. */
bool operations_open_log(struct master *m, struct err *e)
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

void operations_tell_observe(struct master *m)
{
	struct ipc_message msg = {.type = IPC_OBSERVE, .observe_until_ms = m->observe.until_ms};

	for (unsigned i = 0; i < m->workers; i++)
		if (m->children[i].pid)
			ipc_send(m->children[i].fd, &msg, NULL, 0);
}

void operations_watch_space(struct master *m, uint64_t now_ms)
{
	struct ipc_message msg = {.type = IPC_SPACE};
	const struct settings *s = m->bundle->settings;
	bool full;

	space_look(&m->space, m->root_fd, now_ms);
	full = status_unshipped(*s->redis, &m->ship, m->space.bytes) >= s->space;
	if (full == m->full)
		return;
	m->full = msg.full = full;
	if (full)
		log_error("journal",
			"it has reached audit.space (%llu bytes) and Redis has not taken it: %s; "
			"bring "
			"Redis back or raise audit.space",
			(unsigned long long)s->space,
			s->on_failure_allow ? "it grows on, as on_failure = \"allow\" wants"
					    : "accesses are refused");
	else
		log_info("journal", "there is room again");
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
	operations_tell_observe(m);
	return true;
}

static bool ask_enforce(void *arg, struct err *e)
{
	struct master *m = arg;

	if (!m->observe.until_ms)
		return err_set(e, "refusals are enforced as it is");
	observe_end(&m->observe, m->chronicle, "by hand");
	operations_tell_observe(m);
	return true;
}

static void show_limits(void *arg, const char *who, struct buf *out)
{
	struct master *m = arg;

	grants_show(m->bundle, m->standing, who, out);
}

static bool ask_grant(void *arg, const struct grant *g, struct err *e)
{
	struct master *m = arg;

	if (m->stopping)
		return err_set(e, "not now: stopping");
	return grants_give(m->bundle, m->standing, STANDING_MASTER(m->workers), m->chronicle, g, e);
}

static void ask_reload(void *arg)
{
	reload_begin(arg);
}

static void ask_drain(void *arg)
{
	master_stop(arg, true);
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
		.shipping = *m->bundle->settings->redis,
		.ship = m->ship,
		.ship_text = m->ship_text,
		.totals_restoring = !standing_restored(m->standing),
		.totals_known = standing_known(m->standing, clock_mono_ms()),
		.mono_ms = clock_mono_ms(),
		.standings = standing_used(m->standing),
		.standings_refused = standing_refused(m->standing),
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

bool operations_open(struct master *m, struct err *e)
{
	const struct settings *s = m->bundle->settings;
	struct control_hooks hooks = {.arg = m,
		.status = tell_status,
		.reload = ask_reload,
		.drain = ask_drain,
		.observe = ask_observe,
		.enforce = ask_enforce,
		.limits = show_limits,
		.grant = ask_grant,
		.list = ask_list};

	if (*s->control && !(m->control = control_open(m->loop, s->control, &hooks, e)))
		return false;
	if (s->metrics.port &&
		!(m->scrape = scrape_open(m->loop, &s->metrics, write_metrics, m, e)))
		return false;
	return true;
}
