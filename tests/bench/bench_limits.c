/* Limits: what they add to a tunnel's set-up, to its bytes, and to those that are judged again. */
#include "bench.h"

#include "active.h"
#include "once.h"
#include "standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PEOPLE 1024
#define NOW_S  INT64_C(1772445630)
#define DAY_S  INT64_C(86400)

struct limited {
	struct standing *table;
	struct local_day day;
	char who[PEOPLE][25];
	struct standing_entry *entry[PEOPLE];
	struct standing_use use[PEOPLE];
	struct onces parties, places, matters;
};

/* Asked and taken, as quota.c does for a rule that limits minutes, bytes and tunnels. */
static void tunnel(void *arg, size_t n)
{
	struct limited *l = arg;

	for (size_t i = 0; i < n; i++) {
		struct span who = span_of(l->who[i % PEOPLE], 24);
		struct standing_entry *e =
			standing_hold(l->table, 0, who, SPAN("staff-social"), &l->day);
		uint64_t service = standing_service(who, SPAN("facebook"));

		if (!e || !service ||
			standing_spent_since(
				l->table, e, STANDING_MINUTES, 60, &l->day, NOW_S * 1000) ||
			standing_spent_since(l->table, e, STANDING_BYTES, UINT64_C(1) << 46,
				&l->day, NOW_S * 1000) ||
			!standing_open_tunnel(l->table, e, 0, 1000))
			bench_fail("a limit is spent");
		standing_close_tunnel(e, 0);
		standing_release(e, 0);
	}
}

struct key {
	struct once *party, *place;
};

static void matter(void *arg, size_t n)
{
	struct limited *l = arg;

	for (size_t i = 0; i < n; i++) {
		struct key k = {once_take(&l->parties, l->who[i % PEOPLE], 24, 16),
			once_take(&l->places, "0123456789012345678901www.facebook.com", 38, 0)};
		struct once *o = once_take(&l->matters, &k, sizeof k, 40);

		once_drop(&l->matters, o);
		once_drop(&l->parties, k.party);
		once_drop(&l->places, k.place);
	}
}

/* Each time another person: nothing of it is in a cache. */
static void first_bytes(void *arg, size_t n)
{
	struct limited *l = arg;

	for (size_t i = 0; i < n; i++) {
		struct standing_use use = {.service = l->use[i % PEOPLE].service};

		standing_add(l->table, l->entry[i % PEOPLE], &use, 100, 100, &l->day, NOW_S);
	}
}

static void further_bytes(void *arg, size_t n)
{
	struct limited *l = arg;

	standing_add(
		l->table, l->entry[0], &l->use[0], ACTIVE_BYTES_UP, ACTIVE_BYTES, &l->day, NOW_S);
	for (size_t i = 0; i < n; i++) {
		standing_add(l->table, l->entry[0], &l->use[0], 0, 65536, &l->day, NOW_S);
		if (standing_spent_since(l->table, l->entry[0], STANDING_BYTES, UINT64_C(1) << 47,
			    &l->day, NOW_S * 1000))
			bench_fail("bytes of no end are spent");
	}
}

static void turn(void *arg, size_t n)
{
	struct limited *l = arg;
	uint64_t at;

	for (size_t i = 0; i < n; i++)
		standing_reserve(l->entry[i % PEOPLE], STANDING_DOWN, 4000000, 65536,
			(uint64_t)i * 16000000 / PEOPLE, &at);
}

static void *begin(struct bench *b)
{
	struct limited *l = calloc(1, sizeof *l);
	void *p = mmap(NULL, standing_size(2), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct err e;

	if (!l || p == MAP_FAILED || !(l->table = standing_open(p, standing_size(2), 2, &e)))
		bench_fail("no memory for the table");
	l->day = (struct local_day){
		.number = NOW_S / DAY_S,
		.from_s = NOW_S / DAY_S * DAY_S,
		.to_s = NOW_S / DAY_S * DAY_S + DAY_S};
	for (unsigned i = 0; i < PEOPLE; i++) {
		snprintf(l->who[i], sizeof l->who[i], "%024x", i * 2654435761u);
		l->entry[i] = standing_hold(
			l->table, 1, span_of(l->who[i], 24), SPAN("staff-social"), &l->day);
		l->use[i].service = standing_service(span_of(l->who[i], 24), SPAN("facebook"));
	}
	bench_work(b, "ask and take: minutes, bytes, tunnels", tunnel, l);
	bench_note(b, "of %u people in turn, and back", PEOPLE);
	bench_work(b, "keep what decides, to be judged again", matter, l);
	bench_work(b, "count first bytes in a minute", first_bytes, l);
	bench_note(b, "of %u people in turn", PEOPLE);
	bench_work(b, "count further bytes", further_bytes, l);
	bench_work(b, "reserve a turn of a bandwidth", turn, l);
	return l;
}

static void end(void *state)
{
	struct limited *l = state;

	onces_free(&l->parties);
	onces_free(&l->places);
	onces_free(&l->matters);
	standing_close(l->table);
	free(l);
}

const struct bench_section bench_limits = {"limits", begin, end};
