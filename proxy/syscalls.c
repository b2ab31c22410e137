/* The filter of system calls, made by libseccomp from syscalls.def and the few that depend on
 * arguments. */
#include "syscalls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum who { BOTH, WORKER, SHIPPER, NOBODY };

static const struct {
	int number;
	enum who who;
} calls[] = {
#define CALL(name, who) {SCMP_SYS(name), who},
#include "syscalls.def"
#undef CALL
};

/* A call that this machine's kernel does not know needs no rule. */
static bool fine(int answer)
{
	return answer == 0 || answer == -EDOM;
}

static bool add_calls(scmp_filter_ctx f, enum who me)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		enum who who = calls[i].who;

		if (who != NOBODY && who != BOTH && who != me)
			continue;
		if (!fine(seccomp_rule_add(f,
			    who == NOBODY ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW, calls[i].number,
			    0)))
			return false;
	}
	return true;
}

/* Of an int the kernel looks at the lower half only. */
static struct scmp_arg_cmp is(unsigned arg, int value)
{
	return (struct scmp_arg_cmp){arg, SCMP_CMP_MASKED_EQ, 0xffffffff, (unsigned)value};
}

static struct scmp_arg_cmp bits(unsigned arg, scmp_datum_t mask, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){arg, SCMP_CMP_MASKED_EQ, mask, value};
}

static bool allow_if(scmp_filter_ctx f, int call, struct scmp_arg_cmp arg)
{
	return fine(seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1, arg));
}

static bool add_sockets(scmp_filter_ctx f, enum who me)
{
	return allow_if(f, SCMP_SYS(socket), is(0, AF_INET)) &&
	       allow_if(f, SCMP_SYS(socket), is(0, AF_INET6)) &&
	       (me == WORKER || allow_if(f, SCMP_SYS(socket), is(0, AF_UNIX)));
}

/* Threads, but no processes. clone3's flags are out of the filter's sight: ENOSYS makes the C
 * library use clone. Signals go to ourselves only, as abort(3) does. */
static bool add_threads(scmp_filter_ctx f)
{
#ifdef __s390__
	struct scmp_arg_cmp flags = bits(1, CLONE_THREAD, CLONE_THREAD);
#else
	struct scmp_arg_cmp flags = bits(0, CLONE_THREAD, CLONE_THREAD);
#endif

	return allow_if(f, SCMP_SYS(clone), flags) &&
	       allow_if(f, SCMP_SYS(tgkill), is(0, getpid()));
}

/* A worker maps nothing that can be run, and opens only what is in its folder. The kernel passes a
 * path that is absolute, too: that it leads nowhere is Landlock's part, and that of chroot(2). */
static bool add_worker(scmp_filter_ctx f, int folder)
{
	struct scmp_arg_cmp no_code = bits(2, PROT_EXEC, 0);

	return allow_if(f, SCMP_SYS(mmap), no_code) && allow_if(f, SCMP_SYS(mmap2), no_code) &&
	       allow_if(f, SCMP_SYS(mprotect), no_code) &&
	       allow_if(f, SCMP_SYS(ioctl), is(1, FIONREAD)) &&
	       allow_if(f, SCMP_SYS(openat), is(0, folder));
}

bool syscalls_confine(int folder, struct err *e)
{
	enum who me = folder >= 0 ? WORKER : SHIPPER;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = -ENOMEM;
	bool ok = f && add_calls(f, me) && add_sockets(f, me) && add_threads(f) &&
		  (me == SHIPPER || add_worker(f, folder));

	if (ok) {
		/* a tree instead of a list, where libseccomp knows how: each call pays for it */
		seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		r = seccomp_load(f);
	}
	if (f)
		seccomp_release(f);
	return r == 0 ||
	       err_set(e, "the filter of system calls cannot be loaded: %s", strerror(-r));
}
