/*
 * Who asks: Basic credentials (RFC 7617) against an htpasswd file (yescrypt, bcrypt and what else
 * crypt(3) knows), groups from an htgroup file. Hashes are computed by threads behind a bounded
 * queue; what was accepted is remembered for minutes, as a tag under a random key, in memory that
 * all workers share.
 */
#ifndef STILE_IDENTITY_H
#define STILE_IDENTITY_H

#include "buf.h"
#include "err.h"
#include "loop.h"
#include "problem.h"
#include "span.h"

#define IDENTITY_USER_MAX   128
#define IDENTITY_GROUPS_MAX 64

/* --- the account table: made by the master from the files, read in place by workers ---------- */

/* htpasswd: "user:hash" lines; htgroup: "group: user user …" lines, a group on as many lines as it
 * takes; '#' comments. `groups_path` may be NULL. Errors name file and line (unknown and weak hash
 * kinds, doubles, bad names). Appends a relocatable block to *out. */
bool accounts_compile(
	const char *users_path, const char *groups_path, struct buf *out, struct problems *p);
struct accounts;
/* A view of the same bytes (4-aligned), or NULL. */
const struct accounts *accounts_open(struct span block, struct err *e);
/* Groups of a user (spans into the block), at most IDENTITY_GROUPS_MAX; also of one who only stands
 * in the group file. `a` may be NULL. */
size_t accounts_groups(const struct accounts *a, struct span user, struct span *out);

/* --- the shared memory of accepted credentials ----------------------------------------------- */

/* Bytes that the shared table takes; zeroed memory is an empty table. */
size_t identity_cache_size(void);

/* --- checking ----------------------------------------------------------------------------------
 */

struct identity_checker;
struct identity_check; /* one under way */

struct identity_options {
	struct loop *loop;
	void *cache;	   /* shared, identity_cache_size() bytes */
	uint8_t key[32];   /* random for the life of the master, the same for all workers */
	unsigned cache_ms; /* how long a success counts: minutes; 0: not at all */
	unsigned threads;  /* 0: 1 */
	unsigned queue;	   /* checks that may wait; 0: 64 */
	bool (*may_hash)(void *arg, struct span user); /* arg: of the check; NULL: always */
};

enum identity_result {
	IDENTITY_OK,
	IDENTITY_WRONG,	    /* unknown user or wrong password: the two cannot be told apart */
	IDENTITY_MALFORMED, /* not Basic, not base64, no colon, too long */
	IDENTITY_BUSY,	    /* the queue is full */
	IDENTITY_GUESSES    /* may_hash said no */
};
/* The user's span is valid for the call. */
typedef void identity_fn(void *arg, enum identity_result r, struct span user);

struct identity_checker *identity_new(const struct identity_options *o, struct err *e);
void identity_free(struct identity_checker *c);
/* From now on, checks use this table, which must stay mapped until the next call; the old one is
 * not touched any more. NULL: no accounts. A check under way counts only if the account's hash is
 * still the same when it ends. */
void identity_use(struct identity_checker *c, const struct accounts *a);
/* For a changed setting: counts for what is accepted from now on. */
void identity_remember(struct identity_checker *c, unsigned cache_ms);
/* `credentials`: the value of Proxy-Authorization. Returns true when the answer is known at once
 * (*result is set, and `name` holds the user's name as sent, "" where MALFORMED); otherwise fn is
 * called once, later, from the loop, and *handle is set. Equal credentials under way are hashed
 * once. */
bool identity_check(struct identity_checker *c, struct span credentials,
	enum identity_result *result, char name[IDENTITY_USER_MAX + 1], identity_fn *fn, void *arg,
	struct identity_check **handle);
/* fn will not be called. What nobody waits for any more and no thread has begun is not hashed. */
void identity_cancel(struct identity_check *h);

#endif
