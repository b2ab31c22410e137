/*
 * A real redis-server for a test: its own folder, a free port of loopback, and its end with the
 * test whatever happens to it. Data is kept by an append-only file synced at each write, so that a
 * killed server comes back with what it had answered for.
 */
#ifndef TEST_REDIS_SERVER_H
#define TEST_REDIS_SERVER_H

#include "clock.h"
#include "redis.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct redis_server {
	pid_t pid;
	uint16_t port;
	char dir[64];
	const char *more[24]; /* further options and values, NULL behind the last */
};

static inline uint16_t free_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof in;
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&in, n) == 0 &&
		  getsockname(fd, (struct sockaddr *)&in, &n) == 0;
	close(fd);
	return ok ? ntohs(in.sin_port) : 0;
}

static inline struct redis_options redis_server_options(const struct redis_server *s)
{
	struct redis_options o = {.host = "127.0.0.1", .port = s->port, .timeout_ms = 3000};
	return o;
}

static inline bool redis_server_answers(const struct redis_server *s)
{
	struct redis_options o = redis_server_options(s);
	struct redis *r = redis_connect(&o, NULL);
	const struct redis_reply *a = r ? redis_words(r, NULL, "PING", NULL) : NULL;
	bool ok = a && a->type == REDIS_STRING;
	redis_free(r);
	return ok;
}

/* Starts again on the same port and folder when it ran before. `more` is one option and its value,
 * or NULL. */
static inline bool redis_server_start(struct redis_server *s, const char *more, const char *value)
{
	static unsigned made;
	if (!s->port) {
		s->port = free_port();
		snprintf(s->dir, sizeof s->dir, "redis-%u", made++);
		mkdir(s->dir, 0700);
	}
	char port[8];
	snprintf(port, sizeof port, "%u", s->port);
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(log, 1);
		dup2(log, 2);
		const char *argv[48] = {"redis-server", "--bind", "127.0.0.1", "--port", port,
			"--dir", s->dir, "--appendonly", "yes", "--appendfsync", "always", "--save",
			"", "--unixsocket", "s.sock", more, value};
		size_t n = more ? 17 : 15;
		for (size_t i = 0; s->more[i]; i++)
			argv[n++] = s->more[i];
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	for (uint64_t end = clock_mono_ms() + 10000; clock_mono_ms() < end; usleep(20000))
		if (redis_server_answers(s))
			return true;
	return false;
}

static inline void redis_server_kill(struct redis_server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
}

#endif
