/*
 * Connecting within a time: names are looked up in a thread, because getaddrinfo has no deadline,
 * and each address found is tried until one takes us.
 */
#include "redis_dial.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool redis_wait(int fd, short what, uint64_t until)
{
	for (;;) {
		uint64_t now = clock_mono_ms();
		struct pollfd p = {.fd = fd, .events = what};
		int n = poll(&p, 1, now >= until ? 0 : (int)(until - now));
		if (n > 0)
			return true;
		if (n == 0 && now >= until)
			return false;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

/* --- names ------------------------------------------------------------------------------------ */

/* getaddrinfo has no deadline, so it runs in a thread that outlives an impatient caller; the last
 * of the two frees. */
struct lookup {
	pthread_mutex_t lock;
	bool left, done; /* the caller is gone; the answer is there */
	int wake;
	int error;
	struct addrinfo *found;
	char host[256], port[8];
};

static void lookup_free(struct lookup *l)
{
	if (l->found)
		freeaddrinfo(l->found);
	close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void *lookup_run(void *arg)
{
	struct lookup *l = arg;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(l->host, l->port, &hints, &found);

	pthread_mutex_lock(&l->lock);
	l->found = found;
	l->error = error;
	l->done = true;
	bool left = l->left;
	if (!left)
		(void)!write(l->wake, &(uint64_t){1}, sizeof(uint64_t));
	pthread_mutex_unlock(&l->lock);
	if (left)
		lookup_free(l);
	return NULL;
}

static struct lookup *lookup_start(const struct redis_options *o)
{
	struct lookup *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	snprintf(l->host, sizeof l->host, "%s", o->host);
	snprintf(l->port, sizeof l->port, "%u", o->port);
	l->wake = eventfd(0, EFD_CLOEXEC);

	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	bool ok = l->wake >= 0 && pthread_create(&thread, &attr, lookup_run, l) == 0;
	pthread_attr_destroy(&attr);
	if (ok)
		return l;
	lookup_free(l);
	return NULL;
}

/* The caller frees with freeaddrinfo. */
static struct addrinfo *lookup(const struct redis_options *o, uint64_t until, struct err *e)
{
	struct addrinfo *found = NULL;
	char port[8];
	snprintf(port, sizeof port, "%u", o->port);
	const struct addrinfo literal = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	if (getaddrinfo(o->host, port, &literal, &found) == 0)
		return found;

	struct lookup *l = lookup_start(o);
	if (!l) {
		err_sys(e, "Redis: cannot look up %s", o->host);
		return NULL;
	}
	redis_wait(l->wake, POLLIN, until);
	pthread_mutex_lock(&l->lock);
	bool done = l->done;
	found = l->found;
	l->found = NULL;
	l->left = true;
	int error = l->error;
	pthread_mutex_unlock(&l->lock);
	if (!found)
		err_set(e, "Redis: cannot look up %s: %s", o->host,
			done ? gai_strerror(error) : "no answer in time");
	if (done)
		lookup_free(l);
	return found;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int dial(const struct sockaddr *sa, socklen_t len, uint64_t until)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int error = 0;
	if (connect(fd, sa, len) != 0) {
		error = errno;
		if (error == EINPROGRESS) {
			socklen_t n = sizeof error;
			if (!redis_wait(fd, POLLOUT, until))
				error = ETIMEDOUT;
			else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
				error = errno;
		}
	}
	if (error == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

static int dial_unix(const struct redis_options *o, uint64_t until)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (!span_copy(span_str(o->host), un.sun_path, sizeof un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return dial((const struct sockaddr *)&un, sizeof un, until);
}

static int dial_any(const struct addrinfo *found, uint64_t until)
{
	int fd = -1;
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		fd = dial(a->ai_addr, a->ai_addrlen, until);
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

int redis_dial(const struct redis_options *o, uint64_t until, struct err *e)
{
	int fd;
	if (o->host[0] == '/') {
		fd = dial_unix(o, until);
	} else {
		struct addrinfo *found = lookup(o, until, e);
		if (!found)
			return -1;
		fd = dial_any(found, until);
		freeaddrinfo(found);
	}
	if (fd < 0 && o->host[0] == '/')
		err_sys(e, "Redis: cannot connect to %s", o->host);
	else if (fd < 0)
		err_sys(e, "Redis: cannot connect to %s port %u", o->host, o->port);
	return fd;
}
