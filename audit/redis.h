/*
 * A blocking Redis client with deadlines: our socket and TLS, hiredis as codec. Only redis.c knows
 * hiredis, only redis_wire.c OpenSSL.
 * For processes that may wait (shipper, report); the data path has no Redis.
 */
#ifndef STILE_REDIS_H
#define STILE_REDIS_H

#include "cause.h"
#include "err.h"
#include "span.h"

struct redis;

struct redis_options {
	char host[256]; /* or a path of a Unix socket, when it begins with '/' */
	uint16_t port;
	unsigned db;
	char user[128], password[256];
	unsigned timeout_ms; /* for connecting and for each answer; 0: 5000 */
	bool tls;
	struct span ca; /* PEM: the server's certificate must lead to one of these. The caller's */
};

#define REDIS_REPLY_BYTES    (64U << 20) /* a longer answer breaks the connection */
#define REDIS_REPLY_ELEMENTS (1U << 20)	 /* of one array; arrays nest seven deep at most */

/* redis://[user[:password]@]host[:port][/db], rediss:// with the same (TLS), or unix:/path[?db=N].
 * %XX in user and password. */
bool redis_url(const char *url, struct redis_options *out, struct err *e);

/* Takes user and password out of a URL in place; nothing of them stays in the memory behind it. */
void redis_url_strip(char *url);

enum redis_type { REDIS_NIL, REDIS_INT, REDIS_STRING, REDIS_ARRAY, REDIS_ERROR };
struct redis_reply {
	enum redis_type type;
	int64_t num;
	struct span str;
	size_t n;
	struct redis_reply *v; /* elements */
};

/* Connects and logs in. The error ends with what to do about it. */
struct redis *redis_connect(const struct redis_options *o, struct err *e);
/* The same, with the cause told apart from the error. */
struct redis *redis_open(const struct redis_options *o, enum cause *why, struct err *e);
/* Why the connection broke or the last answer was an error; CAUSE_NONE: neither. */
enum cause redis_why(const struct redis *r);
/* Holds the text certificates that can be read? */
bool redis_ca_ok(struct span pem, struct err *e);
void redis_free(struct redis *r);
/* From now on everything must be over by this moment of the monotonic clock, however many commands
 * it takes; answers that are there already are still read after it. 0: the time-out of each answer
 * again. */
void redis_deadline(struct redis *r, uint64_t mono_ms);
/* One command, one answer, valid until the next command. NULL with *e: the connection is broken
 * (and must be freed). An error answer of the server is a reply of type REDIS_ERROR. */
const struct redis_reply *redis_command(
	struct redis *r, const struct span *argv, size_t n, struct err *e);
/* Convenience: NULL-terminated list of strings. */
const struct redis_reply *redis_words(struct redis *r, struct err *e, ...);
/* Pipelining: any number of sends, then as many receives. What was received stays valid until the
 * next receive. */
bool redis_send(struct redis *r, const struct span *argv, size_t n, struct err *e);
/* What was sent goes out now: Redis works on it while we do something else. */
bool redis_flush(struct redis *r, struct err *e);
const struct redis_reply *redis_receive(struct redis *r, struct err *e);
/* The same for an array of pairs of strings, as HGETALL answers: each pair is given as soon as it
 * is there, its spans live as long as the call; the answer has no elements, only their number `n`.
 * Nothing is kept, so time-out and length hold for each piece that comes and not for all. NULL with
 * *e: pairs may have been given before. */
typedef void redis_pair_fn(void *arg, struct span name, struct span value);
const struct redis_reply *redis_receive_pairs(
	struct redis *r, redis_pair_fn *fn, void *arg, struct err *e);

#endif
