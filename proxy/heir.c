/* Opening a journal with an outbox writes what is left in it: that is all there is to do. */
#include "heir.h"

#include "bundle.h"
#include "ipc.h"
#include "journal.h"
#include "log.h"
#include "sandbox.h"

#include <signal.h>
#include <stdio.h>

static const char *day_of(void *arg, int64_t wall_ms, char out[11])
{
	const struct bundle *b = arg;

	snapshot_day(b->policy, wall_ms / 1000, out);
	return out;
}

static bool inherit(struct bundle *b, int folder, struct outbox *outbox, struct err *e)
{
	struct journal_before before;
	struct journal_options o = {.dir = folder,
		.outbox = outbox,
		.node = b->settings->node,
		.day = day_of,
		.day_arg = b};
	struct journal *j = journal_open(&o, &before, e);

	if (!j)
		return false;
	log_warn("journal", "%llu records from the outbox of a worker that there was%s",
		(unsigned long long)before.kept,
		before.damaged ? "; the rest of it is unreadable" : "");
	journal_close(j, true);
	return true;
}

static bool work(const struct ipc_message *m, const int *fds, size_t n, struct err *e)
{
	struct sandbox box = {.uid = m->uid, .gid = m->gid};
	struct outbox *outbox;
	struct bundle *b;
	bool ok;

	if (m->type != IPC_SETUP || n != HEIR_FDS)
		return err_set(e, "the master's set-up message is malformed");
	box.folder = fds[HEIR_FOLDER];
	if (!sandbox_enter(&box, e))
		return false;
	b = bundle_open(fds[HEIR_BUNDLE], e);
	outbox = b ? outbox_open(fds[HEIR_OUTBOX], e) : NULL;
	ok = outbox && inherit(b, fds[HEIR_FOLDER], outbox, e);
	outbox_close(outbox);
	bundle_unref(b);
	return ok;
}

int heir_main(void)
{
	struct ipc_message m;
	int fds[IPC_FDS_MAX];
	struct err e = {""};
	char who[32];
	size_t n;

	signal(SIGPIPE, SIG_IGN);
	if (ipc_receive(IPC_CHILD_FD, &m, fds, &n) != 1)
		return 1;
	snprintf(who, sizeof who, "heir %u", m.index);
	log_open(who, LOG_LEVEL_INFO);
	if (work(&m, fds, n, &e))
		return 0;
	log_error("start", "%s", e.text);
	return 1;
}
