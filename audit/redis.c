/*
 * A Redis client that never waits longer than it was told. The wire and its deadlines are ours
 * (hiredis 0.14 has no usable ones, and no TLS); hiredis only reads the protocol. Any
 * trouble on the way breaks the connection for good: what was answered and what was not is then for
 * the caller to find out from Redis itself.
 */
#include "redis.h"

#include "buf.h"
#include "clock.h"
#include "digest.h"
#include "redis_answers.h"
#include "redis_wire.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define TIMEOUT_DEFAULT_MS 5000
#define FLUSH_BYTES	   (64U << 10)
#define WORDS_MAX	   16

struct redis {
	struct wire *wire;
	bool broken;
	enum cause why; /* it broke, or the last answer was an error */
	unsigned timeout_ms;
	uint64_t until; /* of redis_deadline, or 0 */
	struct buf out; /* formatted, not written yet */
	struct answers *answers;
	size_t fed; /* bytes since the last whole answer */
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
	const struct span tcp = SPAN("redis://"), tls = SPAN("rediss://"), local = SPAN("unix:");
	*out = (struct redis_options){.tls = span_starts(s, tls)};
	bool ok = false;
	if (span_starts(s, tcp))
		ok = url_tcp(span_of(s.p + tcp.n, s.n - tcp.n), out);
	else if (out->tls)
		ok = url_tcp(span_of(s.p + tls.n, s.n - tls.n), out);
	else if (span_starts(s, local))
		ok = url_unix(span_of(s.p + local.n, s.n - local.n), out);
	return ok ||
	       err_set(e, "not a Redis address: expected redis://[user[:password]@]host[:port]"
			  "[/db], rediss:// with the same, or unix:/path[?db=N]");
}

void redis_url_strip(char *url)
{
	char *from = strstr(url, "://"), *end, *at = NULL;
	const size_t len = strlen(url);
	if (!from || span_starts(span_str(url), SPAN("unix:")))
		return;
	from += 3;
	end = from + strcspn(from, "/");
	for (char *c = from; c < end; c++)
		if (*c == '@')
			at = c + 1;
	if (!at)
		return;
	const size_t rest = (size_t)(url + len - at);
	memmove(from, at, rest);
	explicit_bzero(from + rest, len - (size_t)(from - url) - rest);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static uint64_t deadline(const struct redis *r)
{
	return r->until ? r->until : clock_mono_ms() + r->timeout_ms;
}

void redis_deadline(struct redis *r, uint64_t mono_ms)
{
	r->until = mono_ms;
}

/* --- connecting ------------------------------------------------------------------------------- */

static bool accepted(const char *what, const struct redis_reply *a, struct err *e)
{
	if (!a)
		return false;
	if (a->type != REDIS_ERROR)
		return true;
	return err_set(e, "Redis: %s: %.*s", what, a->str.n > 300 ? 300 : (int)a->str.n, a->str.p);
}

/* What Redis answers to a login is about the login, whatever words it takes. */
static bool log_in(struct redis *r, const struct redis_options *o, struct err *e)
{
	if (o->password[0] || o->user[0]) {
		const struct redis_reply *a =
			o->user[0] ? redis_words(r, e, "AUTH", o->user, o->password, NULL)
				   : redis_words(r, e, "AUTH", o->password, NULL);
		if (r->why == CAUSE_REFUSED)
			r->why = CAUSE_PASSWORD;
		if (!accepted("AUTH", a, e))
			return false;
	}
	if (o->db == 0)
		return true;
	char db[16];
	snprintf(db, sizeof db, "%u", o->db);
	return accepted("SELECT", redis_words(r, e, "SELECT", db, NULL), e);
}

static bool arrive(struct redis *r, const struct redis_options *o, struct err *e)
{
	struct redis_options with = *o;
	with.timeout_ms = r->timeout_ms;
	r->until = clock_mono_ms() + r->timeout_ms;
	r->wire = wire_open(&with, r->until, &r->why, e);
	explicit_bzero(&with, sizeof with);
	if (!r->wire)
		return false;
	r->answers = answers_new();
	if (!r->answers) {
		r->why = CAUSE_LOCAL;
		return err_set(e, "Redis: out of memory");
	}
	const bool in = log_in(r, o, e);
	if (r->out.p) /* it held the password */
		explicit_bzero(r->out.p, r->out.cap);
	r->until = 0;
	return in;
}

struct redis *redis_open(const struct redis_options *o, enum cause *why, struct err *e)
{
	struct redis *r = calloc(1, sizeof *r);
	if (!r) {
		err_sys(e, "Redis");
		*why = CAUSE_LOCAL;
		return NULL;
	}
	buf_init(&r->out);
	r->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_DEFAULT_MS;
	if (arrive(r, o, e))
		return r;
	*why = r->why;
	redis_free(r);
	return NULL;
}

struct redis *redis_connect(const struct redis_options *o, struct err *e)
{
	enum cause why = CAUSE_NONE;
	struct redis *r = redis_open(o, &why, e);
	if (!r)
		cause_advise(why, e);
	return r;
}

enum cause redis_why(const struct redis *r)
{
	return r->why;
}

void redis_free(struct redis *r)
{
	if (!r)
		return;
	answers_free(r->answers);
	wire_free(r->wire);
	buf_free(&r->out);
	free(r);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool broken(struct redis *r, enum cause why)
{
	r->broken = true;
	r->why = why;
	return false;
}

bool redis_flush(struct redis *r, struct err *e)
{
	enum cause why = CAUSE_NONE;
	if (!wire_write(r->wire, r->out.p, r->out.n, deadline(r), &why, e))
		return broken(r, why);
	buf_reset(&r->out);
	return true;
}

static void length(struct buf *b, char type, size_t n)
{
	buf_addc(b, type);
	buf_u64(b, n);
	buf_add(b, "\r\n", 2);
}

/* The protocol's one form of a command: an array of strings, each behind its length. */
static bool format(struct redis *r, const struct span *argv, size_t n)
{
	length(&r->out, '*', n);
	for (size_t i = 0; i < n; i++) {
		length(&r->out, '$', argv[i].n);
		buf_span(&r->out, argv[i]);
		buf_add(&r->out, "\r\n", 2);
	}
	return !r->out.failed;
}

bool redis_send(struct redis *r, const struct span *argv, size_t n, struct err *e)
{
	assert(n > 0);
	if (r->broken)
		return err_set(e, "Redis: the connection is broken");
	if (!format(r, argv, n)) {
		err_set(e, "Redis: out of memory");
		return broken(r, CAUSE_LOCAL);
	}
	return r->out.n < FLUSH_BYTES || redis_flush(r, e);
}

/* --- receiving -------------------------------------------------------------------------------- */

static bool feed(struct redis *r, uint64_t until, struct err *e)
{
	char mem[65536];
	enum cause why = CAUSE_NONE;
	const size_t n = wire_read(r->wire, mem, sizeof mem, until, &why, e);
	if (n == 0)
		return broken(r, why);
	r->fed += n;
	if (r->fed > REDIS_REPLY_BYTES) {
		err_set(e, "Redis: an answer is longer than %u bytes", REDIS_REPLY_BYTES);
		return broken(r, CAUSE_PROTOCOL);
	}
	return answers_feed(r->answers, mem, n, e) || broken(r, CAUSE_PROTOCOL);
}

/* Each pair that was given is a new beginning. */
static const struct redis_reply *receive(struct redis *r, struct err *e)
{
	const struct redis_reply *whole;
	uint64_t until = deadline(r);
	size_t given = answers_given(r->answers);
	for (;;) {
		if (!answers_next(r->answers, &whole, e)) {
			broken(r, CAUSE_PROTOCOL);
			return NULL;
		}
		if (whole)
			return whole;
		if (given != answers_given(r->answers)) {
			given = answers_given(r->answers);
			r->fed = 0;
			until = deadline(r);
		}
		if (!feed(r, until, e))
			return NULL;
	}
}

const struct redis_reply *redis_receive(struct redis *r, struct err *e)
{
	answers_drop(r->answers);
	if (r->broken) {
		err_set(e, "Redis: the connection is broken");
		return NULL;
	}
	if (r->out.n && !redis_flush(r, e))
		return NULL;
	const struct redis_reply *a = receive(r, e);
	if (!a)
		return NULL;
	r->fed = 0;
	r->why = a->type == REDIS_ERROR ? cause_of_answer(a->str) : CAUSE_NONE;
	return a;
}

const struct redis_reply *redis_receive_pairs(
	struct redis *r, redis_pair_fn *fn, void *arg, struct err *e)
{
	answers_pairs(r->answers, fn, arg);
	const struct redis_reply *a = redis_receive(r, e);
	answers_pairs(r->answers, NULL, NULL);
	return a;
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
