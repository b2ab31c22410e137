/* Accepting connections; without descriptors it pauses instead of spinning. */
#include "listener.h"

#include "clock.h"
#include "conn.h"
#include "descriptors.h"
#include "log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG	    1024
#define ACCEPT_TURN 64	  /* connections taken before others have their turn */
#define SAY_MS	    10000 /* between two lines about one shortage */
#define PAUSE_MS    100

/* between peers: silence before the first question, between questions, and how many stay unanswered
 */
#define KEEPALIVE_S	 300
#define KEEPALIVE_NEXT_S 60
#define KEEPALIVE_TRIES	 5

/* Accepted sockets inherit it: a client that went without a word (asleep, unplugged) is noticed by
 * the kernel, at no cost to us, long before a tunnel's idle time is over. */
static bool watch_peers(int fd)
{
	static const int on = 1, first = KEEPALIVE_S, next = KEEPALIVE_NEXT_S,
			 tries = KEEPALIVE_TRIES;

	return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &first, sizeof first) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &next, sizeof next) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries) == 0;
}

/* SO_REUSEPORT would let a second stile share the port silently: a plain bind finds that out. */
int listener_try(struct settings_address *at)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(&at->addr, at->port, &sa);
	int on = 1, why = 0, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct addr same;

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!at->addr.v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, 1) != 0)
		why = errno;
	else if (getsockname(fd, (struct sockaddr *)&sa, &n) == 0)
		addr_from_sockaddr((struct sockaddr *)&sa, &same, &at->port);
	close(fd);
	return why;
}

int listener_open(const struct settings_address *at, struct err *e)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(&at->addr, at->port, &sa);
	int on = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT_MAX];

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 && watch_peers(fd) &&
		(at->addr.v4 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
		/* those that are accepted have it from here */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
		bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	addr_format(&at->addr, text);
	err_sys(e, "cannot listen on %s port %u", text, at->port);
	if (fd >= 0)
		close(fd);
	return -1;
}

static void on_resume(int fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	loop_watch_again(l->w->loop, &l->watch, LOOP_READ);
}

static bool say_again(uint64_t *said_ms)
{
	uint64_t now = clock_mono_ms();

	if (*said_ms && now - *said_ms < SAY_MS)
		return false;
	*said_ms = now;
	return true;
}

/* Whoever connects meanwhile waits in the kernel's queue. */
static void pause_accepting(struct listener *l, const char *why)
{
	if (say_again(&l->said_ms))
		log_warn("accept",
			"descriptors are short (%s): with %zu connections open, accepting pauses "
			"for %d ms at a time",
			why, l->w->n_conns, PAUSE_MS);
	count_add(&l->w->counters->pauses, 1);
	loop_add(&l->pause, PAUSE_MS);
}

void listener_dropped(struct listener *l, enum drop why)
{
	static const char *const texts[] = {
#define DROP(name, word, text) text,
#include "drops.def"
#undef DROP
	};

	count_add(&l->w->counters->drop[why], 1);
	if (say_again(&l->said_drop_ms[why]))
		log_warn(
			"accept", "connections to port %u are dropped: %s", l->at.port, texts[why]);
}

/* What the client has sent by now is taken, for a close with unread bytes would take the answer
 * back. */
void listener_refuse(struct listener *l, int fd, enum drop why)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
				     "Retry-After: 5\r\n"
				     "Proxy-Status: stile; error=connection_limit_reached\r\n"
				     "Content-Length: 0\r\nConnection: close\r\n\r\n";

	listener_dropped(l, why);
	if (l->tls)
		return;
	(void)!recv(fd, l->w->scratch, FLOW_BUFFER, MSG_DONTWAIT);
	(void)!send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
}

/* Own address of a connection: the listener's, unless that is any. */
static struct addr own_address(const struct listener *l, int fd)
{
	struct addr own = l->at.addr;
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	uint16_t port;

	if (addr_is_any(&own) && getsockname(fd, (struct sockaddr *)&sa, &n) == 0)
		addr_from_sockaddr((struct sockaddr *)&sa, &own, &port);
	return own;
}

/* After accept has failed. What is queued is told of once, so all that is left there needs a pause
 * to be asked for again. Errors of the one connection come as accept's, too: accept(2). */
static bool may_go_on(struct listener *l, int why)
{
	switch (why) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		pause_accepting(l, strerror(why));
		return false;
	default:
		return true;
	}
}

static bool take_one(struct listener *l)
{
	struct sockaddr_storage peer;
	socklen_t peer_n = sizeof peer;
	struct addr client, local;
	uint16_t port;
	int fd;

	if (l->w->n_conns >= descriptors_connections() && !l->w->draining) {
		pause_accepting(l, "RLIMIT_NOFILE");
		return false;
	}
	fd = accept4(l->fd, (struct sockaddr *)&peer, &peer_n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return may_go_on(l, errno);
	if (!addr_from_sockaddr((struct sockaddr *)&peer, &client, &port)) {
		close(fd);
		return true;
	}
	if (worker_crowded(l->w)) {
		listener_refuse(l, fd, DROP_CONNECTIONS);
		close(fd);
		return true;
	}
	local = own_address(l, fd);
	conn_accept(l, fd, &client, &local);
	return true;
}

static void on_accept(int fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	if (loop_pending(&l->pause))
		return;
	for (int i = 0; i < ACCEPT_TURN; i++)
		if (!take_one(l))
			return;
	loop_watch_again(l->w->loop, &l->watch, LOOP_READ);
}

bool listener_start(struct listener *l, struct worker *w, int fd)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;

	l->w = w;
	l->fd = fd;
	if (getsockname(fd, (struct sockaddr *)&sa, &n) != 0 ||
		!addr_from_sockaddr((struct sockaddr *)&sa, &l->at.addr, &l->at.port))
		return false;
	loop_init(&l->pause, w->loop, -1, 0, on_resume, l);
	return loop_watch(w->loop, &l->watch, fd, LOOP_READ, on_accept, l);
}

bool listener_balancer(const struct listener *l, const struct addr *peer)
{
	for (size_t i = 0; i < l->balancers.n; i++)
		if (prefix_has(&l->balancers.v[i], peer))
			return true;
	return false;
}

void listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	for (int i = 0; i < BACKLOG && take_one(l); i++)
		;
	loop_unwatch_shared(l->w->loop, &l->watch);
	loop_del(&l->pause);
	close(l->fd); /* the master keeps it */
	l->fd = -1;
}
