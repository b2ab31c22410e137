/*
 * The sandbox, entered by a forked child that then tries what it must not be able to do. Each trial
 * is a row: what is tried, and what becomes of it in a worker and in the shipper.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "landlock.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FINE   0
#define KILLED 1000 /* by SIGSYS */
#define DENIED 1001 /* EACCES or EPERM */
#define ABSENT 1002 /* ENOENT: chroot(2) hides it, Landlock would have denied it */

static int folder; /* below it "inside", beside it "outside" */

static int answer(long r)
{
	return r >= 0 ? FINE : errno;
}

static int open_etc(void)
{
	return answer(open("/etc/passwd", O_RDONLY));
}

static int open_absolute(void)
{
	return answer(openat(folder, "/etc/shadow", O_RDONLY));
}

static int open_above(void)
{
	return answer(openat(folder, "../outside", O_RDONLY));
}

static int open_link(void)
{
	return answer(openat(folder, "link", O_RDONLY));
}

static int open_inside(void)
{
	return answer(openat(folder, "inside", O_RDWR));
}

static int make_inside(void)
{
	return answer(openat(folder, "made", O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0600));
}

static int list_inside(void)
{
	char mem[4096];
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY);

	return fd < 0 ? errno : answer(syscall(SYS_getdents64, fd, mem, sizeof mem));
}

static int remove_inside(void)
{
	return answer(unlinkat(folder, "inside", 0));
}

static int make_above(void)
{
	return answer(openat(folder, "../made", O_WRONLY | O_CREAT, 0600));
}

static int start_program(void)
{
	char *argv[] = {(char[]){"true"}, NULL};

	return answer(execv("/bin/true", argv));
}

static int make_process(void)
{
	pid_t p = fork();

	if (p == 0)
		_exit(0);
	return answer(p);
}

static void *nothing(void *arg)
{
	return arg;
}

static int make_thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, nothing, NULL);

	return r ? r : pthread_join(t, NULL);
}

static int map_code(void)
{
	void *p = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : FINE;
}

static int make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? EFAULT : answer(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int trace(void)
{
	return answer(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int signal_parent(void)
{
	return answer(kill(getppid(), 0));
}

static int open_unix(void)
{
	return answer(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int open_raw(void)
{
	return answer(socket(AF_PACKET, SOCK_RAW, 0));
}

static int open_inet(void)
{
	return answer(socket(AF_INET, SOCK_STREAM, 0));
}

static int listen_too(void)
{
	return answer(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int become_root(void)
{
	return answer(setuid(0));
}

static int dump(void)
{
	struct rlimit r;

	/* what it was before the filter: asking is a call that is not there any more */
	if (getrlimit(RLIMIT_CORE, &r) == 0)
		return EEXIST;
	return errno;
}

static int allocate(void)
{
	void *p[64];

	for (size_t i = 0; i < 64; i++)
		if (!(p[i] = malloc((size_t)1 << (i % 24))))
			return errno;
	for (size_t i = 0; i < 64; i++)
		free(p[i]);
	return FINE;
}

static const struct {
	const char *what;
	int (*run)(void);
	int worker, shipper;
} trials[] = {
	{"opens /etc/passwd", open_etc, ENOSYS, FINE},
	{"opens an absolute path by its folder", open_absolute, ABSENT, FINE},
	{"opens what is beside its folder", open_above, ABSENT, DENIED},
	{"opens what is beside by a symbolic link", open_link, ABSENT, DENIED},
	{"makes a file beside its folder", make_above, FINE, DENIED},
	{"opens a file of its folder", open_inside, FINE, FINE},
	{"makes a file in its folder", make_inside, FINE, FINE},
	{"lists its folder", list_inside, FINE, FINE},
	{"removes a file of its folder", remove_inside, ENOSYS, FINE},
	{"starts a program", start_program, KILLED, KILLED},
	{"makes a process", make_process, ENOSYS, ENOSYS},
	{"makes a thread", make_thread, FINE, FINE},
	{"maps memory to write and run", map_code, ENOSYS, FINE},
	{"makes memory run", make_code, ENOSYS, FINE},
	{"is traced", trace, KILLED, KILLED},
	{"signals its parent", signal_parent, ENOSYS, ENOSYS},
	{"opens a Unix socket", open_unix, ENOSYS, FINE},
	{"opens a raw socket", open_raw, ENOSYS, ENOSYS},
	{"opens an internet socket", open_inet, FINE, FINE},
	{"listens", listen_too, ENOSYS, ENOSYS},
	{"becomes root", become_root, ENOSYS, ENOSYS},
	{"reads its limits", dump, ENOSYS, ENOSYS},
	{"uses the heap", allocate, FINE, FINE},
};

/* What became of it, as the rows say it; entering must not fail. */
static int try(int (*run)(void), bool shipper)
{
	struct sandbox box = {.is_shipper = shipper, .folder = folder};
	struct err e = {""};
	int status, got[2];
	int r = 0;
	pid_t child;

	assert_int_equal(pipe(got), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		if (!sandbox_enter(&box, &e)) {
			fprintf(stderr, "%s\n", e.text);
			_exit(2);
		}
		r = run();
		_exit(write(got[1], &r, sizeof r) == sizeof r ? 0 : 3);
	}
	close(got[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		r = KILLED;
	else
		assert_int_equal(read(got[0], &r, sizeof r), sizeof r);
	close(got[0]);
	return r;
}

static bool as_said(int expected, int got)
{
	if (expected == ABSENT) /* by an account without chroot(2) it is Landlock that refuses */
		return got == (geteuid() == 0 ? ENOENT : EACCES) || got == EACCES;
	if (expected == DENIED)
		return got == EACCES || got == EPERM;
	return got == expected;
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void fresh_folder(void)
{
	mkdir("box", 0700);
	unlink("box/made");
	unlink("made");
	put("outside");
	put("box/inside");
	if (folder <= 0) {
		assert_int_equal(symlink("../outside", "box/link"), 0);
		folder = open("box", O_RDONLY | O_DIRECTORY);
	}
	assert_true(folder > 0);
}

static void run_all(bool shipper)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
		int expected = shipper ? trials[i].shipper : trials[i].worker, got;

		fresh_folder();
		got = try(trials[i].run, shipper);
		/* whoever may read the file at all may do so where a path leads */
		if (got == EACCES && trials[i].run == open_absolute && geteuid() != 0)
			continue;
		if (trials[i].run == make_above && !shipper && geteuid() != 0)
			expected = DENIED; /* under chroot(2) above is the folder itself */
		if (!as_said(expected, got) && ++wrong)
			fprintf(stderr, "%s that %s: expected %d, got %d\n",
				shipper ? "a shipper" : "a worker", trials[i].what, expected, got);
		assert_int_not_equal(access("made", F_OK), 0); /* never beside the folder */
	}
	assert_int_equal(wrong, 0);
}

static bool possible(void)
{
#ifdef STILE_UNCONFINED
	printf("skipped: a build for sanitizers has no sandbox\n");
	return false;
#else
	if (!landlock_version())
		printf("skipped: this kernel has no Landlock\n");
	return landlock_version() > 0;
#endif
}

static void a_worker_is_confined(void **state)
{
	(void)state;
	if (!possible())
		skip();
	run_all(false);
}

static void the_shipper_is_confined(void **state)
{
	(void)state;
	if (!possible())
		skip();
	run_all(true);
}

/* An older kernel, made of a filter under which Landlock's calls do not exist. */
static void without_landlock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 444, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 446, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(4);
}

/* What is left then: the other layers, root's chroot(2) among them. */
static void a_kernel_without_landlock_is_no_hindrance(void **state)
{
	struct sandbox box = {.is_shipper = false};
	struct err e = {""};
	char said[128];
	int status;
	pid_t child;

	(void)state;
	if (!possible())
		skip();
	fresh_folder();
	box.folder = folder;
	child = fork();
	if (child == 0) {
		bool ok;

		without_landlock();
		sandbox_describe(said, sizeof said);
		ok = landlock_version() == 0 && strstr(said, "no Landlock") &&
		     sandbox_enter(&box, &e) && open_etc() == ENOSYS && open_inside() == FINE &&
		     make_process() == ENOSYS;
		if (geteuid() == 0)
			ok = ok && open_absolute() == ENOENT && open_above() == ENOENT;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* The trials themselves find these things open, or they would prove nothing. */
static void outside_the_sandbox_it_all_works(void **state)
{
	int (*const free_to[])(void) = {open_etc, open_above, open_link, open_inside, make_inside,
		list_inside, remove_inside, make_above, make_process, map_code, make_code,
		open_unix, listen_too};

	(void)state;
	for (size_t i = 0; i < sizeof free_to / sizeof *free_to; i++) {
		fresh_folder();
		assert_int_equal(free_to[i](), FINE);
	}
}

static void an_account_that_may_not_be_taken_is_an_error(void **state)
{
	struct sandbox box = {.uid = 65534, .gid = 65534, .folder = folder};
	struct err e = {""};
	int status;
	pid_t child;

	(void)state;
	if (!possible())
		skip();
	if (geteuid() != 0) {
		printf("skipped: only root has an account to give up\n");
		skip();
	}
	fresh_folder();
	box.folder = folder;
	child = fork();
	if (child == 0) {
		bool ok = sandbox_enter(&box, &e);

		_exit(ok && getuid() == 65534 && geteuid() == 65534 && getgid() == 65534 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	box.folder = -1; /* no folder to be confined to: nothing half done is called done */
	child = fork();
	if (child == 0)
		_exit(sandbox_enter(&box, &e) ? 0 : 7);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outside_the_sandbox_it_all_works),
		cmocka_unit_test(a_worker_is_confined),
		cmocka_unit_test(the_shipper_is_confined),
		cmocka_unit_test(a_kernel_without_landlock_is_no_hindrance),
		cmocka_unit_test(an_account_that_may_not_be_taken_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
