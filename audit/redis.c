/*
 * A Redis client that never waits longer than it was told. The socket and its deadlines are ours
 * (hiredis 0.14 has no usable ones); hiredis only writes and reads the protocol. Any trouble on the
 * way breaks the connection for good: what was answered and what was not is then for the caller to
 * find out from Redis itself.
 */
#include "redis.h"

#include "buf.h"
#include "clock.h"
#include "digest.h"

#include <assert.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT_MS 5000
#define FLUSH_BYTES	   (64U << 10)
#define WORDS_MAX	   16

#if defined(HIREDIS_MAJOR) && HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count;
#endif

struct redis {
	int fd;
	bool broken;
	unsigned timeout_ms;
	uint64_t until; /* of redis_deadline, or 0 */
	struct buf out; /* formatted, not written yet */
	redisReader *reader;
	redisReplyObjectFunctions fn; /* hiredis's own, with our limit before createArray */
	void *(*create_array)(const redisReadTask *, array_count);
	size_t fed; /* bytes since the last whole answer */
	redisReply *reply;
	struct redis_reply *tree; /* the same in our words; strings stay hiredis's */
};

/* --- addresses in text ------------------------------------------------------------------------ */

static bool percent_decode(struct span s, char *out, size_t cap)
{
	size_t n = 0;
	while (s.n > 0) {
		char c = s.p[0];
		size_t used = 1;
		if (c == '%') {
			if (s.n < 3 || !hex_decode(span_of(s.p + 1, 2), &c, 1))
				return false;
			used = 3;
		}
		if (c == 0 || n + 1 >= cap)
			return false;
		out[n++] = c;
		s = span_of(s.p + used, s.n - used);
	}
	out[n] = 0;
	return true;
}

static bool db_parse(struct span s, unsigned *out)
{
	uint64_t v = 0;
	if (s.n && !span_u64(s, 65535, &v))
		return false;
	*out = (unsigned)v;
	return true;
}

static bool url_login(struct span login, struct redis_options *out)
{
	struct span password = login, user = span_cut(&password, ':');
	if (!percent_decode(user, out->user, sizeof out->user))
		return false;
	return !password.p || percent_decode(password, out->password, sizeof out->password);
}

static bool url_host(struct span where, struct redis_options *out)
{
	struct span host, port;
	if (where.n && where.p[0] == '[') {
		port = span_of(where.p + 1, where.n - 1);
		host = span_cut(&port, ']');
		if (!port.p || (port.n && port.p[0] != ':'))
			return false;
		if (port.n)
			port = span_of(port.p + 1, port.n - 1);
	} else {
		port = where;
		host = span_cut(&port, ':');
	}
	uint64_t v = 6379;
	if (port.n && (!span_u64(port, 65535, &v) || v == 0))
		return false;
	out->port = (uint16_t)v;
	return host.n > 0 && host.p[0] != '/' && span_copy(host, out->host, sizeof out->host);
}

static bool url_tcp(struct span rest, struct redis_options *out)
{
	struct span db = rest, where = span_cut(&db, '/');
	for (size_t i = where.n; i > 0; i--) {
		if (where.p[i - 1] != '@')
			continue;
		if (!url_login(span_of(where.p, i - 1), out))
			return false;
		where = span_of(where.p + i, where.n - i);
		break;
	}
	return url_host(where, out) && db_parse(db, &out->db);
}

static bool url_unix(struct span rest, struct redis_options *out)
{
	struct span query = rest, path = span_cut(&query, '?');
	if (path.n == 0 || path.p[0] != '/' ||
		path.n >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return false;
	if (query.p) {
		if (!span_starts(query, SPAN("db=")))
			return false;
		query = span_of(query.p + 3, query.n - 3);
	}
	return span_copy(path, out->host, sizeof out->host) && db_parse(query, &out->db);
}

/* The URL may hold a password, so the error never repeats it. */
bool redis_url(const char *url, struct redis_options *out, struct err *e)
{
	struct span s = span_str(url);
	const struct span tcp = SPAN("redis://"), local = SPAN("unix:");
	*out = (struct redis_options){.timeout_ms = 0};
	if (span_starts(s, SPAN("rediss://")))
		return err_set(e, "rediss:// (TLS) is not supported: use redis:// or unix:");
	bool ok = false;
	if (span_starts(s, tcp))
		ok = url_tcp(span_of(s.p + tcp.n, s.n - tcp.n), out);
	else if (span_starts(s, local))
		ok = url_unix(span_of(s.p + local.n, s.n - local.n), out);
	return ok ||
	       err_set(e, "not a Redis address: expected redis://[user[:password]@]host[:port]"
			  "[/db] or unix:/path[?db=N]");
}

/* --- deadlines -------------------------------------------------------------------------------- */

static uint64_t deadline(const struct redis *r)
{
	return r->until ? r->until : clock_mono_ms() + r->timeout_ms;
}

/* False when the moment has come; what is ready by then still counts. */
static bool wait_for(int fd, short what, uint64_t until)
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

void redis_deadline(struct redis *r, uint64_t mono_ms)
{
	r->until = mono_ms;
}

/* --- connecting ------------------------------------------------------------------------------- */

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
	wait_for(l->wake, POLLIN, until);
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
			if (!wait_for(fd, POLLOUT, until))
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

static int open_socket(const struct redis_options *o, uint64_t until, struct err *e)
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

/* A count is believed before its elements came, so it is bounded before memory is taken for it. */
static void *array_within_limit(const redisReadTask *task, array_count n)
{
	const struct redis *r = task->privdata;
	if (n < 0 || (size_t)n > REDIS_REPLY_ELEMENTS)
		return NULL;
	return r->create_array(task, n);
}

static bool reader_start(struct redis *r)
{
	r->reader = redisReaderCreate();
	if (!r->reader)
		return false;
	r->fn = *r->reader->fn;
	r->create_array = r->fn.createArray;
	r->fn.createArray = array_within_limit;
	r->reader->fn = &r->fn;
	r->reader->privdata = r;
	return true;
}

static bool accepted(const char *what, const struct redis_reply *a, struct err *e)
{
	if (!a)
		return false;
	if (a->type != REDIS_ERROR)
		return true;
	return err_set(e, "Redis: %s: %.*s", what, SPAN_ARG(a->str));
}

static bool log_in(struct redis *r, const struct redis_options *o, struct err *e)
{
	if (o->password[0] || o->user[0]) {
		const struct redis_reply *a =
			o->user[0] ? redis_words(r, e, "AUTH", o->user, o->password, NULL)
				   : redis_words(r, e, "AUTH", o->password, NULL);
		if (!accepted("AUTH", a, e))
			return false;
	}
	if (o->db == 0)
		return true;
	char db[16];
	snprintf(db, sizeof db, "%u", o->db);
	return accepted("SELECT", redis_words(r, e, "SELECT", db, NULL), e);
}

struct redis *redis_connect(const struct redis_options *o, struct err *e)
{
	struct redis *r = calloc(1, sizeof *r);
	if (!r) {
		err_sys(e, "Redis");
		return NULL;
	}
	buf_init(&r->out);
	r->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_DEFAULT_MS;
	uint64_t until = clock_mono_ms() + r->timeout_ms;
	r->fd = open_socket(o, until, e);
	r->until = until;
	if (r->fd < 0)
		goto out;
	if (!reader_start(r)) {
		err_set(e, "Redis: out of memory");
		goto out;
	}
	if (!log_in(r, o, e))
		goto out;
	r->until = 0;
	return r;
out:
	redis_free(r);
	return NULL;
}

static void reply_drop(struct redis *r)
{
	if (r->reply)
		freeReplyObject(r->reply);
	free(r->tree);
	r->reply = NULL;
	r->tree = NULL;
}

void redis_free(struct redis *r)
{
	if (!r)
		return;
	reply_drop(r);
	if (r->reader)
		redisReaderFree(r->reader);
	if (r->fd >= 0)
		close(r->fd);
	buf_free(&r->out);
	free(r);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool broken(struct redis *r)
{
	r->broken = true;
	return false;
}

static bool flush(struct redis *r, struct err *e)
{
	uint64_t until = deadline(r);
	size_t at = 0;
	while (at < r->out.n) {
		ssize_t n = send(r->fd, r->out.p + at, r->out.n - at, MSG_NOSIGNAL);
		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			err_sys(e, "Redis: writing failed");
			return broken(r);
		}
		if (!wait_for(r->fd, POLLOUT, until)) {
			err_set(e, "Redis: takes no command within %u ms", r->timeout_ms);
			return broken(r);
		}
	}
	buf_reset(&r->out);
	return true;
}

static bool format(struct redis *r, const struct span *argv, size_t n)
{
	const char **p = malloc(n * sizeof *p);
	size_t *len = malloc(n * sizeof *len);
	char *text = NULL;
	int bytes = -1;
	if (p && len && n <= INT32_MAX) {
		for (size_t i = 0; i < n; i++)
			p[i] = argv[i].p, len[i] = argv[i].n;
		bytes = redisFormatCommandArgv(&text, (int)n, p, len);
	}
	free(p);
	free(len);
	if (bytes < 0)
		return false;
	buf_add(&r->out, text, (size_t)bytes);
	redisFreeCommand(text);
	return !r->out.failed;
}

bool redis_send(struct redis *r, const struct span *argv, size_t n, struct err *e)
{
	assert(n > 0);
	if (r->broken)
		return err_set(e, "Redis: the connection is broken");
	if (!format(r, argv, n)) {
		err_set(e, "Redis: out of memory");
		return broken(r);
	}
	return r->out.n < FLUSH_BYTES || flush(r, e);
}

/* --- receiving -------------------------------------------------------------------------------- */

static size_t count_nodes(const redisReply *h)
{
	size_t n = 1;
	for (size_t i = 0; h->type == REDIS_REPLY_ARRAY && i < h->elements; i++)
		n += count_nodes(h->element[i]);
	return n;
}

static enum redis_type type_of(const redisReply *h)
{
	switch (h->type) {
	case REDIS_REPLY_INTEGER:
		return REDIS_INT;
	case REDIS_REPLY_ARRAY:
		return REDIS_ARRAY;
	case REDIS_REPLY_ERROR:
		return REDIS_ERROR;
	case REDIS_REPLY_NIL:
		return REDIS_NIL;
	default:
		return REDIS_STRING;
	}
}

/* Children of one array stand side by side; *next is the first free node. Recursion is as deep as
 * hiredis lets arrays nest: seven. */
static void translate(const redisReply *h, struct redis_reply *out, struct redis_reply **next)
{
	*out = (struct redis_reply){.type = type_of(h), .str = span_str("")};
	if (out->type == REDIS_INT) {
		out->num = h->integer;
	} else if (out->type == REDIS_ARRAY) {
		out->n = h->elements;
		out->v = *next;
		*next += h->elements;
		for (size_t i = 0; i < h->elements; i++)
			translate(h->element[i], &out->v[i], next);
	} else if (out->type != REDIS_NIL) {
		out->str = span_of(h->str, h->len);
	}
}

static const struct redis_reply *take_reply(struct redis *r, struct err *e)
{
	r->tree = malloc(count_nodes(r->reply) * sizeof *r->tree);
	if (!r->tree) {
		err_set(e, "Redis: out of memory");
		broken(r);
		return NULL;
	}
	struct redis_reply *next = r->tree + 1;
	translate(r->reply, r->tree, &next);
	r->fed = 0;
	return r->tree;
}

static bool feed(struct redis *r, uint64_t until, struct err *e)
{
	char mem[16384];
	ssize_t n = recv(r->fd, mem, sizeof mem, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (wait_for(r->fd, POLLIN, until))
			return true;
		err_set(e, "Redis: no answer within %u ms", r->timeout_ms);
		return broken(r);
	}
	if (n < 0) {
		err_sys(e, "Redis: reading failed");
		return broken(r);
	}
	if (n == 0) {
		err_set(e, "Redis: the server closed the connection");
		return broken(r);
	}
	r->fed += (size_t)n;
	if (r->fed > REDIS_REPLY_BYTES) {
		err_set(e, "Redis: an answer is longer than %u bytes", REDIS_REPLY_BYTES);
		return broken(r);
	}
	if (redisReaderFeed(r->reader, mem, (size_t)n) != REDIS_OK) {
		err_set(e, "Redis: %s", r->reader->errstr);
		return broken(r);
	}
	return true;
}

const struct redis_reply *redis_receive(struct redis *r, struct err *e)
{
	reply_drop(r);
	if (r->broken) {
		err_set(e, "Redis: the connection is broken");
		return NULL;
	}
	if (r->out.n && !flush(r, e))
		return NULL;
	uint64_t until = deadline(r);
	for (;;) {
		void *whole = NULL;
		if (redisReaderGetReply(r->reader, &whole) != REDIS_OK) {
			err_set(e, "Redis: not understood: %s", r->reader->errstr);
			broken(r);
			return NULL;
		}
		r->reply = whole;
		if (whole)
			return take_reply(r, e);
		if (!feed(r, until, e))
			return NULL;
	}
}

const struct redis_reply *redis_command(
	struct redis *r, const struct span *argv, size_t n, struct err *e)
{
	return redis_send(r, argv, n, e) ? redis_receive(r, e) : NULL;
}

const struct redis_reply *redis_words(struct redis *r, struct err *e, ...)
{
	struct span argv[WORDS_MAX];
	size_t n = 0;
	va_list ap;
	va_start(ap, e);
	for (const char *s; (s = va_arg(ap, const char *)) != NULL;) {
		assert(n < WORDS_MAX);
		argv[n++] = span_str(s);
	}
	va_end(ap);
	return redis_command(r, argv, n, e);
}
