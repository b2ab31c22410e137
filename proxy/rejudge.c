/*
 * The queue of matters: those that were judged last stand at the end, so that a slice takes from
 * the front until it meets one that needs nothing, and a newer policy only makes the queue longer.
 */
#include "rejudge.h"

#include "accounts.h"
#include "clock.h"
#include "conn.h"
#include "once.h"

#include <stdlib.h>

#define SLICE_US      300 /* of judging, */
#define SLICE_EACH    8	  /* looking at the clock after so many, */
#define SLICE_MS      2	  /* and then of other work */
#define CLOCK_STEP_MS 2000

/* Who asks: an address, and the user's name, "" where nobody logged in. */
struct party_key {
	struct addr client;
	char user[IDENTITY_USER_MAX];
};
struct party {
	uint64_t roles;
	uint32_t generation; /* for which the roles hold */
	bool known;
};

/* For where. */
struct place_key {
	struct addr origin;
	bool literal;
	uint16_t port;
	char name[HOST_MAX];
};

/* Who and where, with the accesses that they are the facts of. */
struct matter {
	struct matter *next, *prev;
	struct conn *conns;
	uint32_t generation; /* by which it was judged last */
	bool stands;	     /* how the person stands under some rule was asked for */
};
struct matter_key {
	struct once *party, *place;
};

struct rejudge {
	struct worker *w;
	struct onces parties, places, matters;
	struct matter *first, *last;
	struct loop_ev slice;
	uint32_t generation; /* of everything that is judged by */
	uint32_t policy;     /* the generation at which more changed than standings */
	uint64_t turns;	     /* of the standings, as last seen */
	int64_t edge_s;	     /* when a schedule changes next; 0: never */
	int64_t until_s;     /* when an answer may change by the clock */
	int64_t minute;
	int64_t ahead_ms; /* of the wall clock before the monotonic one */
};

static struct once *once_of(struct matter *m)
{
	return (struct once *)(void *)((char *)m - offsetof(struct once, mem));
}

static const struct matter_key *key_of(struct matter *m)
{
	return once_contents(once_of(m));
}

/* --- the queue --------------------------------------------------------------------------------
 */

static void take_out(struct rejudge *j, struct matter *m)
{
	*(m->prev ? &m->prev->next : &j->first) = m->next;
	*(m->next ? &m->next->prev : &j->last) = m->prev;
	m->next = m->prev = NULL;
}

static void put_last(struct rejudge *j, struct matter *m)
{
	m->prev = j->last;
	m->next = NULL;
	*(j->last ? &j->last->next : &j->first) = m;
	j->last = m;
}

static void put_first(struct rejudge *j, struct matter *m)
{
	m->next = j->first;
	m->prev = NULL;
	*(j->first ? &j->first->prev : &j->last) = m;
	j->first = m;
}

static void begin(struct rejudge *j)
{
	if (j->first && j->first->generation != j->generation && !loop_pending(&j->slice))
		loop_add(&j->slice, 0);
}

/* --- watching ---------------------------------------------------------------------------------
 */

static struct once *party_of(struct rejudge *j, const struct conn *c)
{
	struct party_key k = {.client = c->client};
	size_t n = strlen(c->rq->user);

	memcpy(k.user, c->rq->user, n);
	return once_take(
		&j->parties, &k, offsetof(struct party_key, user) + n, sizeof(struct party));
}

static struct once *place_of(struct rejudge *j, const struct conn *c)
{
	const struct host *h = &c->rq->head.host;
	struct place_key k;

	memset(&k, 0, sizeof k);
	k.origin = c->origin;
	k.port = c->origin_port;
	k.literal = h->literal;
	memcpy(k.name, h->name, h->len);
	return once_take(&j->places, &k, offsetof(struct place_key, name) + h->len, 0);
}

static struct matter *matter_of(struct rejudge *j, const struct conn *c)
{
	struct matter_key key = {party_of(j, c), NULL};
	struct once *o = NULL;

	if (key.party)
		key.place = place_of(j, c);
	if (key.place)
		o = once_take(&j->matters, &key, sizeof key, sizeof(struct matter));
	/* the matter is one user of each, however many use it */
	if (key.party && (!o || o->refs > 1))
		once_drop(&j->parties, key.party);
	if (key.place && (!o || o->refs > 1))
		once_drop(&j->places, key.place);
	return o ? once_room(o) : NULL;
}

/* What was decided by something older is judged before all others. */
static void enqueue(struct rejudge *j, struct matter *m, uint32_t generation)
{
	bool fresh = !m->conns;

	if (!fresh && m->generation != j->generation)
		return;
	if (!fresh && generation != j->generation)
		take_out(j, m);
	else if (!fresh)
		return;
	m->generation = generation;
	if (generation == j->generation)
		put_last(j, m);
	else
		put_first(j, m);
	begin(j);
}

bool rejudge_watch(struct conn *c)
{
	struct rejudge *j = c->w->rejudge;
	struct matter *m = matter_of(j, c);

	if (!m)
		return false;
	enqueue(j, m, c->rq->generation);
	m->stands |= c->rq->facts.standings > 0;
	if (c->rq->until_s && c->rq->until_s < j->until_s)
		j->until_s = c->rq->until_s;
	c->matter = m;
	c->mate = m->conns;
	m->conns = c;
	return true;
}

static void drop_matter(struct rejudge *j, struct matter *m)
{
	struct matter_key key = *key_of(m);
	struct once *o = once_of(m);

	if (o->refs > 1) {
		once_drop(&j->matters, o);
		return;
	}
	take_out(j, m);
	once_drop(&j->matters, o);
	once_drop(&j->parties, key.party);
	once_drop(&j->places, key.place);
}

void rejudge_forget(struct conn *c)
{
	struct matter *m = c->matter;
	struct conn **at = m ? &m->conns : NULL;

	if (!m)
		return;
	while (*at != c) /* a person's tunnels to one place are few, or end from the front */
		at = &(*at)->mate;
	*at = c->mate;
	c->matter = NULL;
	drop_matter(c->w->rejudge, m);
}

/* --- judging ----------------------------------------------------------------------------------
 */

/* Who is no longer in the accounts is nobody who could be known without asking. */
static void look_at_party(struct rejudge *j, struct once *o, struct facts *f)
{
	const struct party_key *key = once_contents(o);
	struct party *p = once_room(o);
	const struct bundle *b = j->w->bundle;
	struct span user = span_of(key->user, o->n - offsetof(struct party_key, user));
	struct span groups[IDENTITY_GROUPS_MAX];
	size_t n;

	f->client = key->client;
	f->identity = b->accounts ? IDENTITY_UNKNOWN : IDENTITY_NOBODY;
	if (!user.n || !b->accounts)
		return;
	if (p->generation != j->policy) {
		n = accounts_groups(b->accounts, user, groups);
		p->known = accounts_hash(b->accounts, user).n > 0;
		p->roles = policy_roles(b->policy, user, groups, n);
		p->generation = j->policy;
	}
	if (!p->known)
		return;
	f->identity = IDENTITY_KNOWN;
	f->roles = p->roles;
}

static void look_at_place(const struct once *o, struct host *h, struct facts *f)
{
	const struct place_key *key = once_contents(o);

	h->len = (uint8_t)(o->n - offsetof(struct place_key, name));
	memcpy(h->name, key->name, h->len);
	h->name[h->len] = 0;
	h->literal = key->literal;
	h->addr = key->origin; /* of a literal; nobody looks at it otherwise */
	f->host = h;
	f->port = key->port;
	f->address_state = ADDRESS_KNOWN;
	f->address = key->origin;
}

/* Standings are asked of the person whose accesses these are. */
static void evaluate(struct rejudge *j, struct matter *m, struct facts *f, struct verdict *v)
{
	const struct snapshot *p = j->w->bundle->policy;

	for (;;) {
		policy_evaluate(p, f, v, NULL);
		if (v->decision != DECISION_NEED || (v->need != NEED_ACK && v->need != NEED_LIMIT))
			break;
		if (!quota_look(j->w, p, m->conns->access.person, v, f, &j->until_s)) {
			v->decision = DECISION_DENY;
			break;
		}
	}
	m->stands = f->standings > 0;
}

static void settle(struct conn *c, const struct verdict *v, const struct facts *f)
{
	/* who has to log in now can do so when he comes again */
	if (v->decision != DECISION_ALLOW)
		conn_end(c, v->limit != LIMIT_COUNT ? END_SPENT : END_WITHDRAWN);
	else if (c->state != STATE_FORWARD) /* a request keeps what it was decided by */
		tunnel_renew(c, v, f);
}

static void judge(struct rejudge *j, struct matter *m)
{
	struct worker *w = j->w;
	const struct matter_key *key = key_of(m);
	struct facts f = {
		.now_s = clock_wall_ms() / 1000, .open = true, .observe_all = worker_observes(w)};
	struct host host;
	struct target target;
	struct verdict v;

	look_at_party(j, key->party, &f);
	look_at_place(key->place, &host, &f);
	policy_classify(w->bundle->policy, &host, &target);
	f.target = &target;
	evaluate(j, m, &f, &v);
	/* the last one to end takes the matter with it */
	for (struct conn *c = m->conns, *next; c; c = next) {
		next = c->mate;
		settle(c, &v, &f);
	}
}

/* Was something changed that the matter was judged by? */
static bool stale(const struct rejudge *j, const struct matter *m)
{
	return (int32_t)(j->policy - m->generation) > 0 ||
	       (m->stands && m->generation != j->generation);
}

static void on_slice(int fd, short what, void *arg)
{
	struct rejudge *j = arg;
	uint64_t until = clock_mono_us() + SLICE_US;

	(void)fd, (void)what;
	for (unsigned n = 1; j->first && j->first->generation != j->generation; n++) {
		struct matter *m = j->first;
		bool due = stale(j, m);

		m->generation = j->generation;
		take_out(j, m);
		put_last(j, m);
		if (due)
			judge(j, m);
		if (n % SLICE_EACH == 0 && clock_mono_us() >= until)
			break;
	}
	if (j->first && j->first->generation != j->generation)
		loop_add(&j->slice, SLICE_MS);
}

/* --- when -------------------------------------------------------------------------------------
 */

static void changed(struct rejudge *j, bool policy)
{
	j->generation++;
	if (policy)
		j->policy = j->generation;
	begin(j);
}

void rejudge_policy(struct rejudge *j)
{
	int64_t now_s = clock_wall_ms() / 1000;

	j->edge_s = policy_next_edge(j->w->bundle->policy, now_s);
	j->until_s = INT64_MAX;
	changed(j, true);
}

/* The wall clock was set: schedules and days may be others. */
static bool clock_stepped(struct rejudge *j, int64_t now_ms)
{
	int64_t ahead = now_ms - (int64_t)clock_mono_ms(), by = ahead - j->ahead_ms;

	j->ahead_ms = ahead;
	return by > CLOCK_STEP_MS || by < -CLOCK_STEP_MS;
}

void rejudge_tick(struct rejudge *j)
{
	int64_t now_ms = clock_wall_ms(), now_s = now_ms / 1000;
	uint64_t turns = standing_turns(j->w->standing);
	bool minute = j->w->minutes_limited && now_s / 60 != j->minute;

	if (clock_stepped(j, now_ms) || (j->edge_s && now_s >= j->edge_s)) {
		rejudge_policy(j);
	} else if (turns != j->turns || minute || now_s >= j->until_s) {
		j->until_s = INT64_MAX;
		changed(j, false);
	}
	j->turns = turns;
	j->minute = now_s / 60;
}

struct rejudge *rejudge_new(struct worker *w)
{
	struct rejudge *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->w = w;
	j->generation = j->policy = 1;
	j->until_s = INT64_MAX;
	j->ahead_ms = clock_wall_ms() - (int64_t)clock_mono_ms();
	loop_init(&j->slice, w->loop, -1, 0, on_slice, j);
	return j;
}

void rejudge_free(struct rejudge *j)
{
	if (!j)
		return;
	loop_del(&j->slice);
	onces_free(&j->parties);
	onces_free(&j->places);
	onces_free(&j->matters);
	free(j);
}

uint32_t rejudge_generation(const struct rejudge *j)
{
	return j->generation;
}
