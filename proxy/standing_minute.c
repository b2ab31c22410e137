/*
 * The open minute: core bytes of a person with a service, over all tabs, hosts, rules and workers,
 * until they make the minute active (active.h). A cell is claimed for one minute by compare and
 * swap and given back by the clock: a cell of a minute that is over is free for the next.
 */
#include "standing_table.h"

#include "active.h"

#define CELL_PROBES 32
#define UP_BITS	    14
#define UP_MAX	    ((UINT64_C(1) << UP_BITS) - 1)
#define ALL_MAX	    ((UINT64_C(1) << (32 - UP_BITS)) - 1)
#define USERS	    3

static_assert(ACTIVE_BYTES < ALL_MAX && ACTIVE_BYTES_UP < UP_MAX, "sums hold the floor");
static_assert(STANDING_ENTRIES <= 65536, "an entry's index has 16 bits");

static uint64_t minute_tag(uint32_t minute)
{
	return (uint64_t)(minute & 0xffff) << 48;
}

/* Of a minute that somebody may still be adding to: clocks are read a moment before. */
static bool of_now(uint64_t tag, uint32_t minute)
{
	uint16_t ago = (uint16_t)((minute & 0xffff) - (tag >> 48));

	return ago <= 1 || ago == UINT16_MAX;
}

/* The cell of that service in that minute. NULL: all cells near are in use. */
static struct standing_cell *cell_for(struct standing *t, uint64_t service, uint32_t minute)
{
	uint64_t tag = minute_tag(minute) | (service & WORD_VALUE);

	for (unsigned tries = 0; tries < CELL_PROBES; tries++) {
		struct standing_cell *free = NULL;
		uint64_t found = 0;

		for (unsigned i = 0; i < CELL_PROBES; i++) {
			struct standing_cell *c = &t->shared->cell[(service + i) % STANDING_CELLS];
			uint64_t at = atomic_load(&c->tag);

			if (at == tag)
				return c;
			if (!free && (at == 0 || !of_now(at, minute))) {
				free = c;
				found = at;
			}
		}
		if (!free)
			return NULL;
		if (atomic_compare_exchange_strong(&free->tag, &found, tag))
			return free;
	}
	return NULL;
}

static uint64_t capped(uint64_t a, uint64_t b, uint64_t max)
{
	return a > max || b > max - a ? max : a + b;
}

static bool reached(uint64_t sum)
{
	return minute_is_active(sum >> UP_BITS & ALL_MAX, sum & UP_MAX);
}

/* Adds; true: with this the floor is reached, or was before. */
static bool cell_add(struct standing_cell *c, uint32_t minute, uint64_t up, uint64_t down)
{
	uint64_t old = atomic_load(&c->sum), sum, all;

	do {
		uint64_t base = old >> 32 == minute ? old : 0;

		all = capped(capped(base >> UP_BITS & ALL_MAX, up, ALL_MAX), down, ALL_MAX);
		sum = (uint64_t)minute << 32 | all << UP_BITS | capped(base & UP_MAX, up, UP_MAX);
	} while (!atomic_compare_exchange_weak(&c->sum, &old, sum));
	return reached(sum);
}

static uint64_t user(uint64_t users, unsigned i)
{
	return users >> (16 * i) & 0xffff;
}

/* Notes that the minute, once active, is the entry's too. More than three rules for a service in
 * one minute: the fourth's minute is marked when it moves bytes itself after the floor is reached.
 */
static void cell_use(struct standing_cell *c, uint32_t minute, uint32_t entry)
{
	uint64_t old = atomic_load(&c->users), tag = minute_tag(minute), users;

	do {
		unsigned i = 0;

		users = (old & ~WORD_VALUE) == tag ? old : tag;
		while (i < USERS && user(users, i) != 0 && user(users, i) != entry)
			i++;
		if (i == USERS || user(users, i) == entry)
			return;
		users |= (uint64_t)entry << (16 * i);
	} while (!atomic_compare_exchange_weak(&c->users, &old, users));
}

/* Marks the minute in the entries it goes to. True: it is new to `e`; others, whose limits are not
 * known here, are looked at by whoever has tunnels under them. */
static bool mark_users(struct standing *t, struct standing_cell *c, const struct standing_entry *e,
	uint32_t minute, const struct local_day *day)
{
	uint64_t users = atomic_load(&c->users);
	bool new = false;

	if ((users & ~WORD_VALUE) != minute_tag(minute))
		return false;
	for (unsigned i = 0; i < USERS && user(users, i); i++) {
		struct standing_entry *other = entry_at(t, (uint32_t)user(users, i));

		if (!entry_mark(other, day, minute))
			continue;
		new |= other == e;
		if (other != e)
			atomic_fetch_add(&t->shared->turns, 1);
	}
	return new;
}

/* Who adds has said before that the minute is his; who reaches the floor looks at who said so
 * afterwards: between them nobody is forgotten. */
bool minute_add(struct standing *t, struct standing_entry *e, struct standing_use *use, uint64_t up,
	uint64_t down, const struct local_day *day, uint32_t minute)
{
	struct standing_cell *c = cell_for(t, use->service, minute);
	bool new;

	if (!c) {
		atomic_fetch_add(&t->shared->refused, 1);
		return false;
	}
	if (e)
		cell_use(c, minute, entry_index(t, e));
	if (!cell_add(c, minute, up, down))
		return false;
	use->minute = minute;
	new = mark_users(t, c, e, minute, day);
	return (e && entry_mark(e, day, minute)) || new;
}

#define SETTLE_MINUTES 10

void minute_settle(struct standing *t, const struct local_day *day, int64_t now_s)
{
	int64_t now = now_s / 60;

	for (size_t i = 0; i < STANDING_CELLS; i++) {
		struct standing_cell *c = &t->shared->cell[i];
		uint64_t sum = atomic_load(&c->sum);
		int64_t minute = (int64_t)(sum >> 32);

		if (reached(sum) && minute <= now && minute + SETTLE_MINUTES >= now &&
			minute * 60 >= day->from_s)
			mark_users(t, c, NULL, (uint32_t)minute, day);
	}
}
