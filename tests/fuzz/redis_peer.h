/*
 * A Redis server that says what it was told to, whatever it is asked: a thread behind a socket in
 * the folder of the run.
 */
#ifndef FUZZ_REDIS_PEER_H
#define FUZZ_REDIS_PEER_H

#include "fuzz.h"
#include "redis.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct span peer_says;
static int peer_listens = -1;
static sem_t peer_heard;

/* One conversation after the other; what is asked is read to its end, so that nobody is reset. */
static void *peer_run(void *arg)
{
	char asked[4096];

	(void)arg;
	for (;;) {
		int fd = accept(peer_listens, NULL, NULL);
		size_t at = 0;

		while (fd >= 0 && at < peer_says.n) {
			ssize_t n = send(fd, peer_says.p + at, peer_says.n - at, MSG_NOSIGNAL);
			if (n <= 0)
				break;
			at += (size_t)n;
		}
		shutdown(fd, SHUT_WR);
		while (read(fd, asked, sizeof asked) > 0)
			;
		close(fd);
		sem_post(&peer_heard);
	}
	return NULL;
}

static void peer_start(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "redis.sock"};
	pthread_t thread;

	unlink(un.sun_path);
	peer_listens = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(peer_listens >= 0 && bind(peer_listens, (struct sockaddr *)&un, sizeof un) == 0);
	must(listen(peer_listens, 1) == 0 && sem_init(&peer_heard, 0, 0) == 0);
	must(pthread_create(&thread, NULL, peer_run, NULL) == 0);
}

/* `says` must stay until peer_end. */
static struct redis_options peer_begin(struct span says)
{
	struct redis_options o = {.timeout_ms = 5000};

	if (peer_listens < 0)
		peer_start();
	peer_says = says;
	must(getcwd(o.host, sizeof o.host - 16) != NULL);
	strcat(o.host, "/redis.sock");
	return o;
}

/* The client has closed. */
static void peer_end(void)
{
	while (sem_wait(&peer_heard) != 0)
		;
}

#endif
