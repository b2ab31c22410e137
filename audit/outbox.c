/*
 * The outbox: a page with two notes of what is being written and two places, and a ring of entries.
 * Places count bytes and never go back; an entry lies in one piece, so one that does not fit before
 * the end of the ring leaves a filler there and begins at its start.
 */
#include "outbox.h"
#include "log.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAGIC	 "stile outbox 1\n"
#define PAGE	 4096
#define RING	 (OUTBOX_SIZE - PAGE)
#define STEP	 16 /* entries begin at multiples of it */
#define FILLER	 UINT32_MAX
#define BOOT_MAX 40
#define BOOT_ID	 "/proc/sys/kernel/random/boot_id"

struct note {
	char chain[CHAIN_NAME_LEN + 1];
	uint64_t number, seq;
};

struct head {
	char magic[16];
	char boot[BOOT_MAX]; /* of the machine; empty where memory does not outlive it anyway */
	struct note note[2];
	_Atomic uint32_t which; /* note is in force */
	_Atomic uint64_t first; /* entries between these two places */
	_Atomic uint64_t last;
};

struct entry {
	uint32_t len; /* or FILLER */
	uint32_t unused;
	uint64_t number;
};

struct outbox {
	struct head *head;
	char *ring;
};

_Static_assert(sizeof(struct head) <= PAGE, "the head fits its page");
_Static_assert(sizeof(struct entry) == STEP, "a filler always finds room");

/* --- files ---------------------------------------------------------------------------------- */

static bool in_memory(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 && (s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC);
}

/* What tells this start of the machine from others; false: nothing does. */
static bool boot_of(int fd, char out[BOOT_MAX])
{
	ssize_t n;
	int id;

	memset(out, 0, BOOT_MAX);
	if (in_memory(fd))
		return true;
	id = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	if (id < 0)
		return false;
	n = read(id, out, BOOT_MAX - 1);
	close(id);
	return n > 0;
}

static bool lay_out(int fd, struct err *e)
{
	if (ftruncate(fd, 0) != 0)
		return err_sys(e, "emptying an outbox");
	return outbox_mend(fd, e);
}

/* Whose folder it lies in: who may put another file there anyway. */
static uid_t folder_owner(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;

	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
		slash ? path : ".");
	return stat(folder, &st) == 0 ? st.st_uid : geteuid();
}

/* What root makes in the folder of another account is that account's, which may start later. */
static bool is_ours(int fd, const char *path, struct err *e)
{
	const uid_t owner = folder_owner(path);
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_sys(e, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
		(st.st_uid != geteuid() && st.st_uid != owner))
		return err_set(e, "%s: not a plain file of this account; remove it", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_sys(e, "%s: another live proxy has it", path);
	if (geteuid() == 0 && st.st_uid != owner && fchown(fd, owner, (gid_t)-1) != 0)
		return err_sys(e, "%s: giving it to user %u", path, owner);
	return true;
}

static bool head_read(int fd, struct head *h)
{
	return pread(fd, h, sizeof *h, 0) == (ssize_t)sizeof *h &&
	       memcmp(h->magic, MAGIC, sizeof h->magic) == 0;
}

/* Of this start of the machine, as far as anything tells. */
static bool believed(int fd, const struct head *h)
{
	char boot[BOOT_MAX];

	return boot_of(fd, boot) && memcmp(h->boot, boot, BOOT_MAX) == 0;
}

static bool holds(const struct head *h)
{
	return atomic_load(&h->first) != atomic_load(&h->last);
}

static bool take_over(int fd, const char *path, struct err *e)
{
	struct head h;

	if (!head_read(fd, &h))
		return lay_out(fd, e);
	if (believed(fd, &h))
		return outbox_mend(fd, e);
	if (holds(&h))
		log_warn("journal",
			"%s: records are dropped, as the machine was started since, or may have "
			"been",
			path);
	return lay_out(fd, e);
}

bool outbox_left(int fd)
{
	struct head h;

	return head_read(fd, &h) && holds(&h);
}

bool outbox_holds(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct head h;
	bool is = fd >= 0 && head_read(fd, &h) && believed(fd, &h) && holds(&h);

	if (fd >= 0)
		close(fd);
	return is;
}

int outbox_make(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0) {
		err_sys(e, "%s", path);
		return -1;
	}
	if (is_ours(fd, path, e) && take_over(fd, path, e))
		return fd;
	close(fd);
	return -1;
}

int outbox_make_unnamed(struct err *e)
{
	int fd = memfd_create("stile-outbox", MFD_CLOEXEC);

	if (fd < 0) {
		err_sys(e, "no memory for an outbox");
		return -1;
	}
	if (lay_out(fd, e))
		return fd;
	close(fd);
	return -1;
}

/* A page that cannot be had would end the writer by SIGBUS; so all are had beforehand. */
bool outbox_mend(int fd, struct err *e)
{
	char name[sizeof(struct head)] = MAGIC;
	const size_t n = offsetof(struct head, note);

	boot_of(fd, name + offsetof(struct head, boot));
	errno = posix_fallocate(fd, 0, (off_t)OUTBOX_SIZE);
	if (errno)
		return err_sys(e, "room for an outbox of %zu bytes", OUTBOX_SIZE);
	return pwrite(fd, name, n, 0) == (ssize_t)n || err_sys(e, "mending an outbox");
}

/* All of it is there from the start: no page of it is asked for while records wait. */
struct outbox *outbox_open(int fd, struct err *e)
{
	struct outbox *o = calloc(1, sizeof *o);
	void *p = o ? mmap(NULL, OUTBOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			      0)
		    : MAP_FAILED;

	if (p == MAP_FAILED) {
		err_sys(e, "no memory for the outbox");
		free(o);
		return NULL;
	}
	o->head = p;
	o->ring = (char *)p + PAGE;
	if (memcmp(o->head->magic, MAGIC, sizeof o->head->magic) == 0)
		return o;
	outbox_close(o);
	err_set(e, "the outbox that was handed over is none");
	return NULL;
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	munmap(o->head, OUTBOX_SIZE);
	free(o);
}

/* --- entries -------------------------------------------------------------------------------- */

/* In the ring, whatever the place. */
static struct entry *entry_at(const struct outbox *o, uint64_t place)
{
	return (struct entry *)(void *)(o->ring + place % RING / STEP * STEP);
}

static size_t room_for(size_t len)
{
	return sizeof(struct entry) + (len + STEP - 1) / STEP * STEP;
}

bool outbox_put(struct outbox *o, uint64_t number, struct span body, struct outbox_entry *out)
{
	uint64_t first = atomic_load_explicit(&o->head->first, memory_order_acquire);
	uint64_t at = atomic_load_explicit(&o->head->last, memory_order_relaxed);
	size_t need = room_for(body.n), to_end = RING - at % RING;
	struct entry *x;

	if (at - first + need + (to_end < need ? to_end : 0) > RING)
		return false;
	if (to_end < need) {
		*entry_at(o, at) = (struct entry){.len = FILLER};
		at += to_end;
	}
	x = entry_at(o, at);
	*x = (struct entry){.len = (uint32_t)body.n, .number = number};
	memcpy(x + 1, body.p, body.n);
	*out = (struct outbox_entry){span_of((char *)(x + 1), body.n), number, at + need};
	atomic_store_explicit(&o->head->last, out->end, memory_order_release);
	return true;
}

bool outbox_crowded(const struct outbox *o)
{
	return atomic_load_explicit(&o->head->last, memory_order_relaxed) -
		       atomic_load_explicit(&o->head->first, memory_order_relaxed) >
	       RING / 2;
}

void outbox_intend(
	struct outbox *o, const char chain[CHAIN_NAME_LEN + 1], uint64_t number, uint64_t seq)
{
	uint32_t next = !atomic_load_explicit(&o->head->which, memory_order_relaxed);
	struct note *n = &o->head->note[next];

	memcpy(n->chain, chain, sizeof n->chain);
	n->number = number;
	n->seq = seq;
	atomic_store_explicit(&o->head->which, next, memory_order_release);
}

void outbox_drop(struct outbox *o, uint64_t end)
{
	atomic_store_explicit(&o->head->first, end, memory_order_release);
}

/* Places that no writer can have left are no good to go on from. */
void outbox_clear(struct outbox *o)
{
	uint64_t last = atomic_load(&o->head->last);

	outbox_drop(o, last);
	if (last % STEP == 0 && last < INT64_MAX)
		return;
	atomic_store(&o->head->last, 0);
	outbox_drop(o, 0);
}

/* --- what was left: anything may stand there ------------------------------------------------ */

static bool plausible(
	const struct outbox *o, const struct entry *x, uint64_t place, uint64_t number)
{
	uint64_t first = atomic_load(&o->head->first), last = atomic_load(&o->head->last);

	if (place % STEP || last % STEP || last <= place || place < first || last - first > RING)
		return false;
	return x->len && x->len <= RECORD_MAX && room_for(x->len) <= RING - place % RING &&
	       room_for(x->len) <= last - place && x->number > number && x->number <= INT64_MAX &&
	       !memchr(x + 1, '\n', x->len);
}

bool outbox_next(const struct outbox *o, struct outbox_entry *at, bool *damaged)
{
	uint64_t first = atomic_load(&o->head->first), last = atomic_load(&o->head->last);
	uint64_t place = at->end ? at->end : first;
	const struct entry *x = entry_at(o, place);

	if (place == last)
		return false;
	if (place % STEP == 0 && x->len == FILLER) {
		place += RING - place % RING;
		x = entry_at(o, place);
	}
	if (!plausible(o, x, place, at->number)) {
		*damaged = true;
		return false;
	}
	*at = (struct outbox_entry){
		span_of((const char *)(x + 1), x->len), x->number, place + room_for(x->len)};
	return true;
}

bool outbox_written(
	const struct outbox *o, const struct outbox_entry *x, const char *chain, uint64_t seq)
{
	const struct note *n = &o->head->note[atomic_load(&o->head->which) & 1];

	if (strncmp(n->chain, chain, sizeof n->chain) != 0 || !n->seq)
		return false;
	/* What lies before was written before the note was, also if nothing was since. */
	return x->number < n->number || (n->seq <= seq && x->number - n->number <= seq - n->seq);
}
