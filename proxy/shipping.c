/*
 * The shipper process around audit/ship: wait, step, say what changed. It may block on Redis;
 * nobody waits for it. Where there is no Redis it has one task only: to restore after a start how
 * people stand today.
 */
#include "shipping.h"

#include "bundle.h"
#include "clock.h"
#include "credentials.h"
#include "ipc.h"
#include "log.h"
#include "sandbox.h"
#include "sharing.h"
#include "ship.h"
#include "standing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAST_MS                                                                                    \
	3000 /* at a stop: what is written by then is shipped if Redis takes it in this time */

#define TELL_MS	 1000
#define TURN_MS	 200
#define ALONE_MS 1000 /* without Redis there is nothing to do but to hear the master */

struct shipping {
	struct bundle *bundle;
	struct credentials *credentials;
	struct journal *journal; /* its own: alarms and gaps; NULL without Redis, */
	struct shipper *shipper; /* and so is this */
	struct standing *standing;
	struct sharing *sharing;
	enum ship_state state;
	char said[480];	       /* the last trouble that was logged, */
	char said_totals[300]; /* and the last with totals */
	bool said_strange;
	uint64_t shipped_ms;  /* when the last step ended */
	uint64_t stop_by_ms;  /* 0: not stopping */
	enum ship_state told; /* to the master, */
	uint64_t told_ms;     /* and when */
};

static const char *mark_day(void *arg, int64_t wall_ms, char out[11])
{
	const struct shipping *s = arg;

	snapshot_day(s->bundle->policy, wall_ms / 1000, out);
	return out;
}

/* Trouble with Redis is said once when it begins or changes, and once when it is over; alarms about
 * chains are said by ship.c. */
static void say(struct shipping *s)
{
	const struct ship_status *st = ship_status(s->shipper);
	const char *text = s->state == SHIP_AWAY || s->state == SHIP_REFUSED ? st->text : "";

	if (strcmp(text, s->said) == 0)
		return;
	if (*text)
		log_warn("ship", "%s", text);
	else
		log_info("ship", "Redis takes records again; %llu bytes of journal to go",
			(unsigned long long)st->backlog_bytes);
	memcpy(s->said, text, strlen(text) + 1);
}

static void say_totals(struct shipping *s)
{
	const struct totals_figures *f = ship_totals_status(s->shipper);

	if (strcmp(f->text, s->said_totals) != 0) {
		if (*f->text)
			log_warn("limits", "totals of other nodes are not exchanged: Redis: %s",
				f->text);
		else
			log_info("limits", "totals of other nodes are exchanged again");
		memcpy(s->said_totals, f->text, sizeof s->said_totals);
	}
	if (f->strange && !s->said_strange)
		log_warn("limits", "totals in Redis are not understood: is there a node of another "
				   "version, or "
				   "with a policy of another zone? They are not added");
	s->said_strange = f->strange != 0;
}

static void totals_figures(const struct shipping *s, struct ship_figures *out)
{
	const struct totals_figures *f = ship_totals_status(s->shipper);

	out->totals_heard_ms = f->heard_ms;
	out->totals_told = f->told;
	out->totals_heard = f->heard;
	out->totals_strange = f->strange;
	out->totals_crowded = f->crowded;
	out->nodes = f->nodes;
	out->nodes_seen = f->seen;
	out->totals_cause = f->cause;
}

/* The master shows it to administrators: when it changes, and each second. */
static void tell(struct shipping *s)
{
	const struct ship_status *st = ship_status(s->shipper);
	struct ipc_message m = {.type = IPC_SHIP,
		.ship = {.state = s->state,
			.failures = st->failures,
			.shipped = st->shipped,
			.already = st->already,
			.backlog_bytes = st->backlog_bytes,
			.alarms = st->alarms,
			.cause = st->cause,
			.expired = st->expired,
			.deleted = st->deleted,
			.lost = journal_lost(s->journal),
			.failing = journal_failing(s->journal),
			.known = true}};

	if (s->told_ms && s->told == s->state && clock_mono_ms() - s->told_ms < TELL_MS)
		return;
	totals_figures(s, &m.ship);
	memcpy(m.ship.troubles, st->troubles, sizeof m.ship.troubles);
	snprintf(m.text, sizeof m.text, "%.*s", (int)sizeof m.text - 1, st->text);
	ipc_send(IPC_CHILD_FD, &m, NULL, 0);
	s->told = s->state;
	s->told_ms = clock_mono_ms();
}

static void take_settings(const struct shipping *s, struct ship_options *o)
{
	o->redis = s->credentials->redis;
	o->keep_raw_ms = s->bundle->settings->keep_raw_ms;
	o->keep_rollups_ms = s->bundle->settings->keep_rollups_ms;
}

/* A reload: another login and other times to keep hold at once, and the zone of the new policy. */
static void take_bundle(struct shipping *s, const int *fds, size_t n)
{
	struct err e = {""};
	struct ship_options o = {.root = NULL};
	struct bundle *b = n == 2 ? bundle_open(fds[0], &e) : NULL;
	struct credentials *c = b ? credentials_open(fds[1], &e) : NULL;

	if (!c) {
		log_error("reload", "the shipper goes on as before: %s", e.text);
		bundle_unref(b);
		return;
	}
	struct credentials *before = s->credentials;
	bundle_unref(s->bundle);
	s->bundle = b;
	s->credentials = c;
	sharing_policy(s->sharing, b->policy);
	take_settings(s, &o);
	if (s->shipper)
		ship_change(s->shipper, &o);
	explicit_bzero(&o, sizeof o);
	credentials_free(before);
}

/* True: go on. */
static bool messages(struct shipping *s)
{
	struct ipc_message m;
	int fds[IPC_FDS_MAX], got;
	size_t n;

	while ((got = ipc_receive(IPC_CHILD_FD, &m, fds, &n)) > 0) {
		if (m.type == IPC_LOG && n == 1)
			log_onto(fds[0]);
		if (m.type == IPC_BUNDLE)
			take_bundle(s, fds, n);
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
		if (m.type == IPC_STOP || m.type == IPC_DRAIN)
			s->stop_by_ms = clock_mono_ms() + LAST_MS;
	}
	return got == 0;
}

static bool ship(struct shipping *s)
{
	s->state = ship_step(s->shipper);
	s->shipped_ms = clock_mono_ms();
	journal_hand_over(s->journal);
	say(s);
	say_totals(s);
	tell(s);
	return !s->stop_by_ms || (clock_mono_ms() < s->stop_by_ms && s->state == SHIP_BUSY);
}

/* Restoring has to go on: meanwhile Redis gets its turns, but is not waited for when it is away. */
static bool may_wait(const struct shipping *s, bool hurry)
{
	return !hurry || s->stop_by_ms ||
	       (s->state != SHIP_AWAY && clock_mono_ms() - s->shipped_ms >= TURN_MS);
}

static bool serve(struct shipping *s, bool hurry)
{
	struct pollfd fds[2] = {{.fd = IPC_CHILD_FD, .events = POLLIN},
		{.fd = s->journal ? journal_fd(s->journal) : -1, .events = POLLIN}};
	unsigned pause = s->shipper ? ship_pause(s->shipper) : ALONE_MS;

	if (s->stop_by_ms)
		pause = 20;
	if (poll(fds, 2, hurry ? 0 : (int)pause) < 0 && errno != EINTR)
		return false;
	if (fds[1].revents)
		journal_poll(s->journal);
	if (!messages(s))
		return false;
	if (!s->shipper)
		return !s->stop_by_ms;
	return may_wait(s, hurry) ? ship(s) : true;
}

static bool open_shipper(
	struct shipping *s, const struct ipc_message *m, const int *fds, struct err *e)
{
	struct journal_options jo = {.dir = fds[2], .day = mark_day, .day_arg = s};
	struct ship_options so = {.root_fd = fds[1], .day = mark_day, .day_arg = s};

	take_settings(s, &so);
	jo.node = so.node = s->bundle->settings->node;
	s->journal = journal_open(&jo, NULL, e);
	if (!s->journal)
		return false;
	memcpy(so.node_id, m->text, sizeof so.node_id);
	so.keep_ms = s->bundle->settings->keep_ms;
	so.space = s->bundle->settings->space;
	so.marks = s->journal;
	so.totals = sharing_door(s->sharing);
	s->shipper = ship_new(&so, e);
	explicit_bzero(&so.redis, sizeof so.redis);
	return s->shipper != NULL;
}

static bool set_up(
	struct shipping *s, const struct ipc_message *m, const int *fds, size_t n, struct err *e)
{
	struct sharing_options share = {.workers = m->workers, .boot = m->boot, .chain = m->chain};

	if (m->type != IPC_SETUP || n != 5)
		return err_set(e, "the master's set-up message is malformed");
	struct sandbox box = {.is_shipper = true, .uid = m->uid, .gid = m->gid, .folder = fds[1]};

	if (!sandbox_enter(&box, e))
		return false;
	s->bundle = bundle_open(fds[0], e);
	s->credentials = s->bundle ? credentials_open(fds[3], e) : NULL;
	if (!s->credentials)
		return false;
	log_json(s->bundle->settings->log_json);
	share.root = fds[1];
	share.alone = !*s->bundle->settings->redis;
	share.policy = s->bundle->policy;
	share.standing = s->standing = standing_map(fds[4], m->workers, e);
	s->sharing = share.standing ? sharing_new(&share, e) : NULL;
	return s->sharing && (share.alone || open_shipper(s, m, fds, e));
}

static void take_down(struct shipping *s)
{
	ship_free(s->shipper);
	if (s->journal)
		journal_close(s->journal, true);
	sharing_free(s->sharing);
	standing_close(s->standing);
	bundle_unref(s->bundle);
	credentials_free(s->credentials);
}

int shipping_main(void)
{
	struct shipping s = {0};
	struct ipc_message m;
	int fds[IPC_FDS_MAX];
	size_t n;
	struct err e = {""};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	log_open("shipper", LOG_LEVEL_INFO);
	if (ipc_receive(IPC_CHILD_FD, &m, fds, &n) != 1)
		return 1;
	if (!set_up(&s, &m, fds, n, &e)) {
		log_error("start", "%s", e.text);
		m = (struct ipc_message){.type = IPC_FAILED};
		memcpy(m.text, e.text, sizeof m.text - 1);
		ipc_send(IPC_CHILD_FD, &m, NULL, 0);
		take_down(&s);
		return 1;
	}
	fcntl(IPC_CHILD_FD, F_SETFL, O_NONBLOCK);
	m = (struct ipc_message){.type = IPC_READY};
	ipc_send(IPC_CHILD_FD, &m, NULL, 0);
	while (serve(&s, sharing_step(s.sharing)))
		;
	take_down(&s);
	return 0;
}
