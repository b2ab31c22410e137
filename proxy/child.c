/*
 * Starting children: the same program anew, so that nothing of the master's memory and no
 * descriptor but the ones it was sent are with it.
 */
#include "child.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SELF	     "/proc/self/exe"
#define QUICK_MS     10000 /* a death sooner than this counts as one in succession */
#define PAUSE_MAX_MS 1000 /* what is queued at its sockets waits meanwhile */

extern char **environ;

static int spawn(const char *role, int fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	char name[] = "stile-proxy", what[32];
	char *argv[] = {name, what, NULL};
	int r;

	snprintf(what, sizeof what, "%s", role);
	posix_spawn_file_actions_init(&actions);
	/* a descriptor onto itself would keep close-on-exec: the socket is never 3 (see
	 * child_start) */
	posix_spawn_file_actions_adddup2(&actions, fd, IPC_CHILD_FD);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(pid, SELF, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return r;
}

bool child_start(
	struct child *c, const struct ipc_message *setup, const int *fds, size_t n, struct err *e)
{
	int pair[2], high, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return err_sys(e, "no socket for a %s", c->role);
	high = fcntl(pair[1], F_DUPFD_CLOEXEC, IPC_CHILD_FD + 1);
	close(pair[1]);
	r = high < 0 ? EMFILE : spawn(c->role, high, &c->pid);
	if (high >= 0)
		close(high);
	if (r != 0) {
		close(pair[0]);
		return err_set(e, "a %s cannot be started: %s", c->role, strerror(r));
	}
	c->fd = pair[0];
	c->ready = false;
	c->vote = VOTE_NONE;
	c->started_ms = clock_mono_ms();
	c->again_at_ms = 0;
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (!ipc_send(c->fd, setup, fds, n))
		return err_sys(e, "a %s does not take its set-up", c->role);
	return true;
}

void child_gone(struct child *c)
{
	uint64_t now = clock_mono_ms(), pause = 0;

	c->deaths = now - c->started_ms < QUICK_MS ? c->deaths + 1 : 0;
	if (c->deaths > 1)
		pause = 100ull << (c->deaths < 8 ? c->deaths : 8);
	if (pause > PAUSE_MAX_MS)
		pause = PAUSE_MAX_MS;
	c->again_at_ms = now + pause + 1;
	c->pid = 0;
	c->restarts++;
	c->ready = false;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}
