/* What must outlive a worker: the journal's folders, listening sockets, shared memory. */
#include "master_state.h"

#include "clock.h"
#include "crowd.h"
#include "file.h"
#include "listener.h"
#include "log.h"
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define USUAL_ACCOUNT "stile" /* the packages make it */
#define INHERIT_MS    10000   /* a start waits for heirs */

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

/* Root runs nothing that hears strangers: children and the journal belong to another account. */
static bool choose_account(struct master *m, struct err *e)
{
	const char *named = m->bundle->settings->user;
	const struct passwd *p;
	char what[128];

	sandbox_describe(what, sizeof what);
	m->uid = geteuid(), m->gid = getegid();
	p = m->uid == 0 ? getpwnam(*named ? named : USUAL_ACCOUNT) : NULL;
	if (p)
		m->uid = p->pw_uid, m->gid = p->pw_gid;
	else if (m->uid == 0 && *named)
		return err_set(e, "user: there is no account \"%s\"", named);
	else if (m->uid == 0)
		log_warn("start",
			"started as root, and there is no account \"" USUAL_ACCOUNT
			"\": workers and shipper stay root, without its capabilities; the "
			"setting user names another");
	log_info("start", "workers and shipper are confined: user %u, %s", m->uid, what);
	return true;
}

/* Descriptors, as a name may be exchanged under us; a second name may be that of a file elsewhere.
 */
static bool give_file(const struct master *m, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) ||
		(S_ISREG(st.st_mode) && st.st_nlink != 1) ||
		(st.st_uid == m->uid && st.st_gid == m->gid))
		return true;
	return fchown(fd, m->uid, m->gid) == 0 ||
	       err_sys(e, "the journal cannot be given to user %u", m->uid);
}

/* The folder and what is in it, two levels deep: files of a start under another account, too. */
static bool give_folder(const struct master *m, int fd, unsigned levels, struct err *e)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again >= 0 ? fdopendir(again) : NULL;
	bool ok = d ? give_file(m, fd, e) : err_sys(e, "reading the journal's folder");

	if (!d && again >= 0)
		close(again);
	for (const struct dirent *f; ok && (f = readdir(d));) {
		int one;

		if (f->d_name[0] == '.' || (f->d_type != DT_REG && f->d_type != DT_DIR))
			continue;
		one = openat(fd, f->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (one < 0)
			continue;
		ok = f->d_type == DT_REG ? give_file(m, one, e)
					 : !levels || give_folder(m, one, levels - 1, e);
		close(one);
	}
	if (d)
		closedir(d);
	return ok;
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
	return m->own_folder >= 0 && m->shipper_folder >= 0 &&
	       (geteuid() != 0 || give_folder(m, m->root_fd, 1, e));
}

static bool open_sockets(struct master *m, struct err *e)
{
	const struct settings *s = m->bundle->settings;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->listen.n; i++) {
		struct settings_address at = s->listen.v[i].at;

		errno = listener_try(&at);
		addr_format(&at.addr, text);
		if (errno)
			return err_sys(e, "cannot listen on %s port %u", text, at.port);
		for (unsigned k = 0; k < m->workers; k++) {
			m->sockets[k][i] = listener_open(&at, e);
			if (m->sockets[k][i] < 0)
				return false;
		}
		log_info("start", at.addr.v4 ? "listening on %s:%u" : "listening on [%s]:%u", text,
			at.port);
	}
	return true;
}

/* Sealed in its size: children may write into it, but take away nothing that others have mapped. */
static int shared_memory(const char *name, size_t size, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	err_sys(e, "no memory for %s", name);
	return -1;
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

static bool open_standing(struct master *m, struct err *e)
{
	m->standing_fd = shared_memory("stile-standing", standing_size(m->workers), e);
	if (m->standing_fd < 0)
		return false;
	m->standing = standing_map(m->standing_fd, m->workers, e);
	return m->standing != NULL;
}

/* The shipper must be able to tell what was counted before this start. */
static bool open_usage(struct master *m, struct err *e)
{
	size_t size = usage_size(m->workers);
	void *p;

	m->usage_fd = shared_memory("stile-usage", size, e);
	if (m->usage_fd < 0)
		return false;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->usage_fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, "no memory for stile-usage");
	m->boot = usage_boot(p);
	munmap(p, size);
	return true;
}

/* The outbox goes with what was in it. Without that nothing is lost: it stays for the next start.
 */
static void inherit(struct master *m, unsigned index, const char *path, uint64_t until_ms)
{
	struct err e = {""};
	char name[16];
	int outbox = outbox_make(path, &e), folder = -1;

	snprintf(name, sizeof name, "%u", index);
	if (outbox >= 0)
		folder = open_folder(m->bundle->settings->journal, name, &e);
	if (folder < 0)
		log_error("start", "%s", e.text);
	if (folder >= 0 && geteuid() == 0 && !give_folder(m, folder, 0, &e))
		log_error("start", "%s", e.text);
	if (folder >= 0 && crew_inherit(m, index, folder, outbox, until_ms))
		unlink(path);
	else
		log_warn("start",
			"%s still holds records of a worker that there was: the next start tries "
			"again, one with workers = %u journals them, too",
			path, index + 1);
	if (folder >= 0)
		close(folder);
	if (outbox >= 0)
		close(outbox);
}

/* Workers that there are no longer have no successor. */
static void inherit_outboxes(struct master *m, const char *control)
{
	const uint64_t until_ms = clock_mono_ms() + INHERIT_MS;
	char path[SETTINGS_PATH_MAX + 32];

	for (unsigned i = m->workers; *control && i < USAGE_WORKERS_MAX; i++) {
		snprintf(path, sizeof path, "%s.outbox-%u", control, i);
		if (outbox_holds(path))
			inherit(m, i, path, until_ms);
	}
}

/* Beside the control socket, where a folder lies in memory as a rule (/run) and outlives all
 * processes; without one, in memory that does not outlive the master. */
static bool open_outboxes(struct master *m, struct err *e)
{
	const char *control = m->bundle->settings->control;
	char path[SETTINGS_PATH_MAX + 32];

	for (unsigned i = 0; i < m->workers; i++) {
		snprintf(path, sizeof path, "%s.outbox-%u", control, i);
		m->outboxes[i] = *control ? outbox_make(path, e) : outbox_make_unnamed(e);
		if (m->outboxes[i] < 0)
			return false;
	}
	inherit_outboxes(m, control);
	return true;
}

bool premises_open(struct master *m, struct err *e)
{
	if (!choose_account(m, e) || !open_folders(m, e) || !open_outboxes(m, e))
		return false;
	m->logins_fd = shared_memory("stile-logins", identity_cache_size(), e);
	m->crowd_fd = shared_memory("stile-crowd", crowd_size(m->workers), e);
	return m->logins_fd >= 0 && m->crowd_fd >= 0 && open_usage(m, e) && open_standing(m, e) &&
	       open_counters(m, e) && open_sockets(m, e);
}
