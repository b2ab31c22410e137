/*
 * Places for entries. Who looks takes no lock: a place's tag is set when all else of it is made.
 * Who makes an entry locks its set; a holder of the lock who died, or was stopped for long, is
 * waited for no longer than LOCK_MS, and what it left half made is nobody's.
 */
#include "standing_table.h"

#include "clock.h"

#include <sched.h>

#define LOCK_MS	   50
#define LOCK_TRIES 1000
#define TAG_MAKING 1
#define TAG_LEAST  2

struct name {
	uint64_t word[NAME_WORDS];
	uint64_t tag;
};

uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)(a ^ UINT64_C(0x9e3779b97f4a7c15)) *
			(b ^ UINT64_C(0xd6e8feb86659fd93));

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* No secret: pseudonyms cannot be chosen, and names are compared in full. */
static void name_set(struct name *n, struct span person, struct span rule)
{
	char text[NAME_WORDS * 8] = {0};

	memcpy(text, person.p, person.n < STANDING_PERSON_MAX ? person.n : STANDING_PERSON_MAX);
	memcpy(text + STANDING_PERSON_MAX, rule.p,
		rule.n < POLICY_NAME_MAX ? rule.n : POLICY_NAME_MAX);
	memcpy(n->word, text, sizeof text);
	n->tag = 0;
	for (size_t i = 0; i < NAME_WORDS; i++)
		n->tag = mix(n->tag + i, n->word[i]);
	if (n->tag < TAG_LEAST)
		n->tag += TAG_LEAST;
}

static bool named(const struct standing_entry *e, const struct name *n)
{
	for (size_t i = 0; i < NAME_WORDS; i++)
		if (atomic_load_explicit(&e->name[i], memory_order_relaxed) != n->word[i])
			return false;
	return true;
}

static struct standing_set *set_of(struct standing *t, uint64_t tag, uint32_t *first)
{
	uint32_t i = (uint32_t)(tag >> 32) % STANDING_SETS;

	*first = i * STANDING_WAYS;
	return &t->shared->set[i];
}

/* The very first place stands for "none" where entries are told by number. */
static unsigned first_way(uint32_t first)
{
	return first == 0;
}

static struct standing_entry *find(
	struct standing *t, const struct name *n, struct standing_set *set, uint32_t first)
{
	for (unsigned i = first_way(first); i < STANDING_WAYS; i++) {
		struct standing_entry *e;

		if (atomic_load(&set->tag[i]) != n->tag)
			continue;
		e = entry_at(t, first + i);
		if (named(e, n))
			return e;
	}
	return NULL;
}

static uint32_t held_by_all(const struct standing *t, const struct standing_entry *e)
{
	uint32_t n = 0;

	for (size_t i = 0; i < t->columns; i++)
		n += atomic_load(&e->column[i].held);
	return n;
}

/* --- making -----------------------------------------------------------------------------------
 */

/* Taken too long ago, or at a moment that is still to come. */
static bool forsaken(uint64_t taken, uint64_t now)
{
	return (now > taken ? now - taken : taken - now) > LOCK_MS;
}

/* 0: somebody else has it. Else the value to give back. */
static uint64_t lock(struct standing_set *set)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		uint64_t now = clock_mono_ms() + 1, old = atomic_load(&set->lock);

		if ((old == 0 || forsaken(old, now)) &&
			atomic_compare_exchange_strong(&set->lock, &old, now))
			return now;
		sched_yield();
	}
	return 0;
}

static void unlock(struct standing_set *set, uint64_t mine)
{
	atomic_compare_exchange_strong(&set->lock, &mine, 0);
}

/* Smaller is better to lose; UINT64_MAX: not to be lost. */
static uint64_t worth(const struct standing *t, const struct standing_entry *e,
	const struct local_day *day, int64_t now_s)
{
	uint64_t used = atomic_load(&e->day);

	if (used == day->number || held_by_all(t, e))
		return UINT64_MAX;
	return used | (standing_acked(e, now_s) ? UINT64_C(1) << 32 : 0);
}

/* An empty place, or the one that is lost most easily; its tag goes to *tag. */
static int choose(struct standing *t, struct standing_set *set, uint32_t first,
	const struct local_day *day, uint64_t *tag)
{
	uint64_t least = UINT64_MAX;
	int64_t now_s = clock_wall_ms() / 1000;
	int best = -1;

	for (unsigned i = first_way(first); i < STANDING_WAYS; i++) {
		uint64_t at = atomic_load(&set->tag[i]), w;

		*tag = at;
		if (at <
			TAG_LEAST) /* empty, or left half made: whoever made it has lost the lock */
			return (int)i;
		w = worth(t, entry_at(t, first + i), day, now_s);
		if (w < least) {
			least = w;
			best = (int)i;
		}
	}
	if (best >= 0)
		*tag = atomic_load(&set->tag[best]);
	return best;
}

/* All but who holds it: nobody does. */
static void clear(struct standing_entry *e, const struct name *n, const struct local_day *day)
{
	_Atomic uint64_t *from = &e->changed, *to = &e->minutes[0] + 2 * MINUTE_WORDS;

	for (_Atomic uint64_t *w = from; w < to; w++)
		atomic_store_explicit(w, 0, memory_order_relaxed);
	for (size_t i = 0; i < NAME_WORDS; i++)
		atomic_store_explicit(&e->name[i], n->word[i], memory_order_relaxed);
	atomic_store_explicit(&e->day, day->number, memory_order_relaxed);
}

/* With the set locked. Holders look at the tag after they have said that they hold, and this looks
 * at the holders after it has taken the tag away: one of the two sees the other. */
static struct standing_entry *make(struct standing *t, struct standing_set *set, uint32_t first,
	const struct name *n, const struct local_day *day)
{
	uint64_t tag = 0;
	int way = choose(t, set, first, day, &tag);
	struct standing_entry *e;

	if (way < 0 || !atomic_compare_exchange_strong(&set->tag[way], &tag, TAG_MAKING))
		return NULL;
	e = entry_at(t, first + (uint32_t)way);
	if (tag >= TAG_LEAST && held_by_all(t, e)) {
		atomic_store(&set->tag[way], tag);
		return NULL;
	}
	clear(e, n, day);
	atomic_store(&set->tag[way], n->tag);
	return e;
}

static struct standing_entry *find_or_make(struct standing *t, const struct name *n,
	struct standing_set *set, uint32_t first, const struct local_day *day)
{
	struct standing_entry *e = find(t, n, set, first);
	uint64_t mine;

	if (e || !(mine = lock(set)))
		return e;
	e = find(t, n, set, first);
	if (!e)
		e = make(t, set, first, n, day);
	unlock(set, mine);
	return e;
}

/* --- for all ----------------------------------------------------------------------------------
 */

#define HOLD_TRIES 8

struct standing_entry *standing_hold(struct standing *t, unsigned worker, struct span person,
	struct span rule, const struct local_day *day)
{
	struct standing_set *set;
	struct name n;
	uint32_t first;

	name_set(&n, person, rule);
	set = set_of(t, n.tag, &first);
	for (int i = 0; i < HOLD_TRIES; i++) {
		struct standing_entry *e = find_or_make(t, &n, set, first, day);

		if (!e)
			continue;
		atomic_fetch_add(&e->column[worker].held, 1);
		if (atomic_load(&set->tag[entry_index(t, e) % STANDING_WAYS]) == n.tag &&
			named(e, &n)) {
			if (atomic_load(&e->day) != day->number)
				atomic_store(&e->day, day->number);
			return e;
		}
		standing_release(e, worker); /* it was taken away meanwhile */
	}
	atomic_fetch_add(&t->shared->refused, 1);
	return NULL;
}

void standing_release(struct standing_entry *e, unsigned worker)
{
	atomic_fetch_sub(&e->column[worker].held, 1);
}

struct standing_entry *standing_find(struct standing *t, struct span person, struct span rule)
{
	struct name n;
	uint32_t first;
	struct standing_set *set;

	name_set(&n, person, rule);
	set = set_of(t, n.tag, &first);
	return find(t, &n, set, first);
}

struct standing_entry *standing_next(const struct standing *t, uint32_t *cursor)
{
	while (*cursor < STANDING_ENTRIES) {
		uint32_t i = (*cursor)++;

		if (atomic_load(&t->shared->set[i / STANDING_WAYS].tag[i % STANDING_WAYS]) >=
			TAG_LEAST)
			return entry_at(t, i);
	}
	return NULL;
}

void standing_name(const struct standing_entry *e, struct standing_name *out)
{
	uint64_t word[NAME_WORDS];
	const char *text = (const char *)word;

	for (size_t i = 0; i < NAME_WORDS; i++)
		word[i] = atomic_load_explicit(&e->name[i], memory_order_relaxed);
	memset(out, 0, sizeof *out);
	memcpy(out->person, text, STANDING_PERSON_MAX);
	memcpy(out->rule, text + STANDING_PERSON_MAX, POLICY_NAME_MAX);
}

uint64_t standing_used(const struct standing *t)
{
	uint64_t n = 0;
	uint32_t cursor = 0;

	while (standing_next(t, &cursor))
		n++;
	return n;
}

uint64_t standing_refused(const struct standing *t)
{
	return atomic_load(&t->shared->refused);
}

/* Only entries that somebody uses are touched: memory of the others is not there yet. */
void standing_inherit(
	struct standing *t, unsigned worker, const struct local_day *day, int64_t now_s)
{
	struct standing_entry *e;
	uint32_t cursor = 0;

	while ((e = standing_next(t, &cursor))) {
		atomic_store(&e->column[worker].held, 0);
		atomic_store(&e->column[worker].tunnels, 0);
	}
	minute_settle(t, day, now_s);
}
