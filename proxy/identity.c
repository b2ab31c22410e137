/*
 * Checking credentials. The loop decodes, asks the shared cache and queues; threads do nothing but
 * hash. A job carries its own copy of password and stored hash, so that threads never look at the
 * account table, and is known by its tag, so that equal credentials share one job.
 *
 * An unknown user is checked against somebody else's hash and refused whatever comes out: the time
 * that it takes is the time of a known one.
 */
#include "accounts.h"
#include "authcache.h"
#include "clock.h"
#include "digest.h"
#include "passhash.h"
#include "siphash.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE	    64
#define THREADS_MAX 64

struct identity_check {
	struct job *job;
	struct identity_check *next;
	identity_fn *fn;
	void *arg;
};

enum job_state { /* under the lock */
	JOB_QUEUED,
	JOB_TAKEN, /* a thread has it */
	JOB_DONE
};

struct job {
	/* the loop's */
	struct identity_checker *checker;
	struct job *prev, *next; /* all jobs, oldest first */
	struct identity_check *waiting, **last;
	uint64_t tag[2];
	bool known; /* the hash is the user's own */
	char user[IDENTITY_USER_MAX + 1];
	/* the thread's while TAKEN */
	char hash[PASSHASH_MAX];
	char password[PASSHASH_PHRASE + 1];
	bool fits;
	/* under the lock */
	enum job_state state;
	struct job *behind; /* in the queue */
};

struct identity_checker {
	struct identity_options o;
	const struct accounts *accounts;
	struct authcache *cache;
	struct sip_key key; /* of tags */
	struct loop_ev done_ev;
	int done_fd;
	struct job *first, *newest;
	unsigned n_threads;
	pthread_t thread[THREADS_MAX];

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *queue, *queue_end;
	unsigned queued;
	bool stopping;
};

/* --- what was sent -----------------------------------------------------------------------------
 */

struct credentials {
	char user[IDENTITY_USER_MAX + 1];
	char password[PASSHASH_PHRASE + 1];
};

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 4, with its padding and no stray bits; -1 if it is not, or is larger than cap. */
static int base64_decode(struct span s, char *out, size_t cap)
{
	size_t n = 0;
	uint32_t bits = 0;
	unsigned have = 0, pad = 0;

	while (pad < 2 && s.n > pad && s.p[s.n - 1 - pad] == '=')
		pad++;
	if (s.n % 4)
		return -1;
	for (size_t i = 0; i < s.n - pad; i++) {
		int v = base64_value(s.p[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == cap)
			return -1;
		out[n++] = (char)(bits >> have);
		bits &= (1u << have) - 1;
	}
	return bits ? -1 : (int)n;
}

static bool text_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* RFC 7617 2: user-id ":" password, without control characters; the user-id has no colon. */
static bool read_basic(struct span value, struct credentials *out)
{
	char text[IDENTITY_USER_MAX + 1 + PASSHASH_PHRASE];
	struct span scheme = span_cut(&value, ' ');
	int n = span_caseeq(scheme, SPAN("Basic")) && value.p
			? base64_decode(span_trim(value), text, sizeof(text))
			: -1;
	struct span rest = span_of(text, n > 0 ? (size_t)n : 0);
	bool ok = n > 0 && text_ok(rest) && memchr(text, ':', rest.n);

	if (ok) {
		struct span user = span_cut(&rest, ':');

		ok = span_copy(user, out->user, sizeof(out->user)) &&
		     span_copy(span_of(rest.n ? rest.p : "", rest.n), out->password,
			     sizeof(out->password));
	}
	explicit_bzero(text, sizeof(text));
	return ok;
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

/* User and hash hold no NUL, so that the parts cannot run into each other. */
static void make_tag(
	struct identity_checker *c, const struct credentials *k, struct span hash, uint64_t tag[2])
{
	struct span part[] = {
		span_of(k->user, strlen(k->user) + 1),
		span_of(hash.p, hash.n),
		span_of("", 1),
		span_str(k->password),
	};

	siphash_tag(&c->key, part, 4, tag);
}

static struct span foreign_hash(struct identity_checker *c, const char *user)
{
	struct span part = span_str(user);

	return accounts_some_hash(c->accounts, siphash(&c->key, &part, 1));
}

static struct job *find_job(struct identity_checker *c, const uint64_t tag[2], bool known)
{
	for (struct job *j = c->first; j; j = j->next)
		if (j->known == known && j->tag[0] == tag[0] && j->tag[1] == tag[1])
			return j;
	return NULL;
}

static struct job *new_job(struct identity_checker *c, const struct credentials *k,
	struct span hash, const uint64_t tag[2], bool known)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->checker = c;
	memcpy(j->tag, tag, sizeof(j->tag));
	memcpy(j->user, k->user, sizeof(j->user));
	memcpy(j->password, k->password, sizeof(j->password));
	span_copy(hash, j->hash, sizeof(j->hash));
	j->known = known;
	j->last = &j->waiting;
	j->prev = c->newest;
	if (c->newest)
		c->newest->next = j;
	else
		c->first = j;
	c->newest = j;
	return j;
}

static void free_job(struct identity_checker *c, struct job *j)
{
	if (j->prev)
		j->prev->next = j->next;
	else
		c->first = j->next;
	if (j->next)
		j->next->prev = j->prev;
	else
		c->newest = j->prev;
	while (j->waiting) {
		struct identity_check *w = j->waiting;

		j->waiting = w->next;
		free(w);
	}
	explicit_bzero(j, sizeof(*j));
	free(j);
}

/* False: the queue is full. */
static bool enqueue(struct identity_checker *c, struct job *j)
{
	bool fits;

	pthread_mutex_lock(&c->lock);
	fits = c->queued < c->o.queue;
	if (fits) {
		if (c->queue_end)
			c->queue_end->behind = j;
		else
			c->queue = j;
		c->queue_end = j;
		c->queued++;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	return fits;
}

/* True: no thread had begun it, and none will. */
static bool dequeue(struct identity_checker *c, struct job *gone)
{
	bool queued;

	pthread_mutex_lock(&c->lock);
	queued = gone->state == JOB_QUEUED;
	if (queued) {
		struct job *before = NULL;

		for (struct job *j = c->queue; j != gone; j = j->behind)
			before = j;
		if (before)
			before->behind = gone->behind;
		else
			c->queue = gone->behind;
		if (c->queue_end == gone)
			c->queue_end = before;
		c->queued--;
	}
	pthread_mutex_unlock(&c->lock);
	return queued;
}

/* --- threads -------------------------------------------------------------------------------------
 */

static struct job *take(struct identity_checker *c)
{
	struct job *j;

	pthread_mutex_lock(&c->lock);
	while (!c->queue && !c->stopping)
		pthread_cond_wait(&c->wake, &c->lock);
	j = c->stopping ? NULL : c->queue;
	if (j) {
		c->queue = j->behind;
		if (!c->queue)
			c->queue_end = NULL;
		c->queued--;
		j->behind = NULL;
		j->state = JOB_TAKEN;
	}
	pthread_mutex_unlock(&c->lock);
	return j;
}

static void give_back(struct identity_checker *c, struct job *j)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&c->lock);
	j->state = JOB_DONE;
	pthread_mutex_unlock(&c->lock);
	/* full means told already */
	if (write(c->done_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

struct start {
	struct identity_checker *c;
	struct passhash *hash;
};

static void *hash_thread(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	for (struct job *j = take(s.c); j; j = take(s.c)) {
		j->fits = passhash_fits(s.hash, j->password, j->hash);
		explicit_bzero(j->password, sizeof(j->password));
		give_back(s.c, j);
	}
	passhash_free(s.hash);
	return NULL;
}

/* Signals are the loop's: threads block them all. */
static bool start_thread(struct identity_checker *c)
{
	struct start *s = malloc(sizeof(*s));
	struct passhash *hash = passhash_new();
	sigset_t all, before;
	int failed = ENOMEM;

	if (s && hash) {
		*s = (struct start){c, hash};
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		failed = pthread_create(&c->thread[c->n_threads], NULL, hash_thread, s);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (!failed) {
		c->n_threads++;
		return true;
	}
	free(s);
	passhash_free(hash);
	return false;
}

/* --- answers
 * -------------------------------------------------------------------------------------- */

/* Right, and still right: the account may have changed since the job was made. */
static enum identity_result judge(struct identity_checker *c, const struct job *j)
{
	if (!j->fits || !j->known ||
		!span_eq(accounts_hash(c->accounts, span_str(j->user)), span_str(j->hash)))
		return IDENTITY_WRONG;
	authcache_put(c->cache, j->tag, clock_mono_ms() + c->o.cache_ms);
	return IDENTITY_OK;
}

static struct job *find_done(struct identity_checker *c)
{
	struct job *j;

	pthread_mutex_lock(&c->lock);
	for (j = c->first; j && j->state != JOB_DONE; j = j->next)
		;
	pthread_mutex_unlock(&c->lock);
	return j;
}

/* Tells those who wait one after another: each may cancel others or ask anew. */
static void answer(struct identity_checker *c, struct job *j)
{
	enum identity_result result = judge(c, j);

	while (j->waiting) {
		struct identity_check w = *j->waiting;

		free(j->waiting);
		j->waiting = w.next;
		if (!j->waiting)
			j->last = &j->waiting;
		w.fn(w.arg, result, span_str(j->user));
	}
	free_job(c, j);
}

static void on_done(int fd, short what, void *arg)
{
	struct identity_checker *c = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	for (struct job *j = find_done(c); j; j = find_done(c))
		answer(c, j);
}

/* --- the contract
 * ------------------------------------------------------------------------------------ */

size_t identity_cache_size(void)
{
	return authcache_size();
}

/* The key that was given has other uses, too. */
static bool derive_key(struct identity_checker *c, const struct identity_options *o)
{
	struct digest *d = digest_new();
	struct span purpose = SPAN("stile-credentials-1");
	uint8_t derived[SHA256_LEN];

	if (!d)
		return false;
	digest_hmac(d, span_of(o->key, sizeof o->key), &purpose, 1, derived);
	memcpy(&c->key, derived, sizeof c->key);
	explicit_bzero(derived, sizeof derived);
	digest_free(d);
	return true;
}

struct identity_checker *identity_new(const struct identity_options *o, struct err *e)
{
	struct identity_checker *c = calloc(1, sizeof(*c));
	unsigned threads = o->threads ? o->threads : 1;

	if (!c || (c->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0) {
		err_sys(e, "identity");
		free(c);
		return NULL;
	}
	c->o = *o;
	c->o.queue = o->queue ? o->queue : QUEUE;
	c->cache = authcache_at(o->cache);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	loop_init(&c->done_ev, o->loop, c->done_fd, LOOP_READ | LOOP_PERSIST, on_done, c);
	loop_add(&c->done_ev, -1);
	if (!derive_key(c, o)) {
		err_set(e, "identity: out of memory");
		identity_free(c);
		return NULL;
	}
	while (c->n_threads < threads && c->n_threads < THREADS_MAX)
		if (!start_thread(c)) {
			err_set(e, "identity: cannot start a thread");
			identity_free(c);
			return NULL;
		}
	return c;
}

void identity_free(struct identity_checker *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->n_threads; i++)
		pthread_join(c->thread[i], NULL);
	while (c->first)
		free_job(c, c->first);
	loop_del(&c->done_ev);
	close(c->done_fd);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	explicit_bzero(&c->o, sizeof(c->o));
	explicit_bzero(&c->key, sizeof(c->key));
	free(c);
}

void identity_use(struct identity_checker *c, const struct accounts *a)
{
	c->accounts = a;
}

void identity_remember(struct identity_checker *c, unsigned cache_ms)
{
	c->o.cache_ms = cache_ms;
}

static bool wait_for(struct job *j, identity_fn *fn, void *arg, struct identity_check **handle)
{
	struct identity_check *w = calloc(1, sizeof(*w));

	if (!w)
		return false;
	*w = (struct identity_check){.job = j, .fn = fn, .arg = arg};
	*j->last = w;
	j->last = &w->next;
	*handle = w;
	return true;
}

/* True: *result is the answer. */
static bool check(struct identity_checker *c, const struct credentials *k,
	enum identity_result *result, identity_fn *fn, void *arg, struct identity_check **handle)
{
	struct span hash = accounts_hash(c->accounts, span_str(k->user));
	bool known = hash.n > 0;
	uint64_t tag[2];
	struct job *j;

	if (!known)
		hash = foreign_hash(c, k->user);
	*result = IDENTITY_WRONG;
	if (!*k->user || !*k->password || !hash.n)
		return true;
	make_tag(c, k, hash, tag);
	if (known && authcache_has(c->cache, tag, loop_mono_ms(c->o.loop))) {
		*result = IDENTITY_OK;
		return true;
	}
	*result = IDENTITY_BUSY;
	j = find_job(c, tag, known);
	if (j)
		return !wait_for(j, fn, arg, handle);
	if (c->o.may_hash && !c->o.may_hash(arg, span_str(k->user))) {
		*result = IDENTITY_GUESSES;
		return true;
	}
	j = new_job(c, k, hash, tag, known);
	if (!j)
		return true;
	if (wait_for(j, fn, arg, handle) && enqueue(c, j))
		return false;
	*handle = NULL;
	free_job(c, j);
	return true;
}

bool identity_check(struct identity_checker *c, struct span credentials,
	enum identity_result *result, char name[IDENTITY_USER_MAX + 1], identity_fn *fn, void *arg,
	struct identity_check **handle)
{
	struct credentials k = {0};
	bool at_once = true;

	*handle = NULL;
	name[0] = 0;
	*result = IDENTITY_MALFORMED;
	if (read_basic(credentials, &k)) {
		memcpy(name, k.user, strlen(k.user) + 1);
		at_once = check(c, &k, result, fn, arg, handle);
	}
	explicit_bzero(&k, sizeof(k));
	return at_once;
}

void identity_cancel(struct identity_check *h)
{
	struct identity_check **at;
	struct job *j;

	if (!h)
		return;
	j = h->job;
	for (at = &j->waiting; *at != h; at = &(*at)->next)
		;
	*at = h->next;
	if (j->last == &h->next)
		j->last = at;
	free(h);
	if (!j->waiting && dequeue(j->checker, j))
		free_job(j->checker, j);
}
