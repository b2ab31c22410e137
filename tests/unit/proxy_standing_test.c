/* How people stand: days of any length, minutes that add up to no more than the clock, a full
 * table, workers as threads, and workers killed at any instruction. */
#include "active.h"
#include "standing_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define MIB	(UINT64_C(1) << 20)

static struct standing *fresh(void)
{
	size_t size = standing_size(WORKERS);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct err e = {""};
	struct standing *t;

	assert_true(p != MAP_FAILED);
	t = standing_open(p, size, WORKERS, &e);
	if (!t)
		fail_msg("%s", e.text);
	return t;
}

static void drop(struct standing *t)
{
	standing_close(t);
}

static struct local_day day_at(const char *zone, const char *when, int64_t *now_s)
{
	struct buf b = {0};
	char text[256];
	struct local_day day;

	snprintf(text, sizeof text,
		"zone = \"%s\"; rules = ( { name = \"rest\"; action = \"allow\"; } );", zone);
	const struct snapshot *s = snapshot_of_text(text, &b);
	assert_true(snapshot_parse_time(s, span_str(when), now_s));
	snapshot_local_day(s, *now_s, &day);
	buf_free(&b);
	return day;
}

static struct local_day any_day(int64_t *now_s)
{
	return day_at("UTC", "2026-11-27 10:00", now_s);
}

static struct standing_figures figures(
	const struct standing *t, const struct standing_entry *e, const struct local_day *day)
{
	struct standing_figures f;

	standing_figures(t, e, day, &f);
	return f;
}

/* --- minutes ---------------------------------------------------------------------------------- */

static struct standing_use use_of(const char *person, const char *service)
{
	return (struct standing_use){
		.service = standing_service(span_str(person), span_str(service))};
}

static void an_active_minute_each_minute_of_a_day(void **state)
{
	static const struct {
		const char *zone, *day;
		uint32_t minutes;
	} days[] = {
		{"Europe/London", "2026-11-27", 1440}, {"Europe/London", "2026-03-29", 1380},
		{"Europe/London", "2026-10-25", 1500}, {"Australia/Lord_Howe", "2026-04-05", 1470},
		{"Australia/Lord_Howe", "2026-10-04", 1410},
		{"Antarctica/Troll", "2026-10-25", 1560},
		{"Asia/Beirut", "2026-03-29", 1380},	/* midnight itself is skipped */
		{"America/Havana", "2026-11-01", 1500}, /* midnight comes twice */
	};

	(void)state;
	for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
		struct standing *t = fresh();
		int64_t now;
		struct local_day day = day_at(days[i].zone, days[i].day, &now);
		struct standing_use use = use_of("p", "s");
		struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);

		assert_int_equal(day.from_s, now);
		if ((day.to_s - day.from_s) / 60 != days[i].minutes)
			fail_msg("%s %s: %d minutes", days[i].zone, days[i].day,
				(int)((day.to_s - day.from_s) / 60));
		for (int64_t at = day.from_s; at < day.to_s; at += 20)
			standing_add(t, e, &use, 2048, ACTIVE_BYTES, &day, at);
		assert_int_equal(figures(t, e, &day).minutes, days[i].minutes);
		drop(t);
	}
}

struct piece {
	uint8_t person, service, rule; /* rule 0: one without limits */
	uint16_t at_s;
	bool core;
	uint32_t up, down;
};

/* Rule 1's and rule 2's minutes of person 1. */
static const struct {
	const char *name;
	uint32_t minutes[2];
	struct piece v[8];
} sums[] = {
	{"below the floor", {0, 0}, {{1, 1, 1, 0, true, 2048, 14335}}},
	{"at the floor", {1, 0}, {{1, 1, 1, 0, true, 2048, 14336}}},
	{"too little upstream", {0, 0}, {{1, 1, 1, 0, true, 2047, 1 << 20}}},
	{"not core", {0, 0}, {{1, 1, 1, 0, false, 4096, 1 << 20}}},
	{"tabs add up", {1, 0}, {{1, 1, 1, 0, true, 1024, 8192}, {1, 1, 1, 30, true, 1024, 8192}}},
	{"minutes do not", {0, 0},
		{{1, 1, 1, 0, true, 1024, 8192}, {1, 1, 1, 60, true, 1024, 8192}}},
	{"services do not", {0, 0},
		{{1, 1, 1, 0, true, 1024, 8192}, {1, 2, 1, 9, true, 1024, 8192}}},
	{"people do not", {0, 0}, {{1, 1, 1, 0, true, 1024, 8192}, {2, 1, 1, 9, true, 1024, 8192}}},
	{"parallel services are one minute", {1, 0},
		{{1, 1, 1, 0, true, 4096, 32768}, {1, 2, 1, 9, true, 4096, 32768}}},
	{"rules add up, for both", {1, 1},
		{{1, 1, 1, 0, true, 1024, 8192}, {1, 1, 2, 30, true, 1024, 8192}}},
	{"also one without limits, before", {1, 0},
		{{1, 1, 0, 0, true, 4096, 32768}, {1, 1, 1, 30, true, 1, 0}}},
	{"and after", {1, 0}, {{1, 1, 1, 0, true, 1, 0}, {1, 1, 0, 30, true, 4096, 32768}}},
	{"who comes late in an active minute shares it", {1, 1},
		{{1, 1, 1, 0, true, 4096, 32768}, {1, 1, 2, 59, true, 1, 0}}},
	{"but not in the next", {1, 0},
		{{1, 1, 1, 0, true, 4096, 32768}, {1, 1, 2, 60, true, 1, 0}}},
	{"the clock set back by half an hour and over it again", {2, 0},
		{{1, 1, 1, 1800, true, 4096, 32768}, {1, 1, 1, 0, true, 4096, 32768},
			{1, 1, 1, 1800, true, 4096, 32768}, {1, 1, 1, 1830, true, 4096, 32768}}},
};

static void sums_decide(void **state)
{
	static const char *const rules[] = {"", "r1", "r2"}, *const people[] = {"", "p1", "p2"},
				 *const services[] = {"", "s1", "s2"};
	int64_t now;
	struct local_day day = any_day(&now);

	(void)state;
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
		struct standing *t = fresh();

		for (const struct piece *p = sums[i].v; p->person; p++) {
			struct standing_use use = use_of(people[p->person], services[p->service]);
			struct standing_entry *e = NULL;

			if (!p->core)
				use.service = 0;
			if (p->rule)
				e = standing_hold(t, 0, span_str(people[p->person]),
					span_str(rules[p->rule]), &day);
			standing_add(t, e, &use, p->up, p->down, &day, now + p->at_s);
		}
		for (int r = 0; r < 2; r++) {
			struct standing_entry *e =
				standing_find(t, SPAN("p1"), span_str(rules[r + 1]));
			uint32_t got = e ? figures(t, e, &day).minutes : 0;

			if (got != sums[i].minutes[r])
				fail_msg("%s: rule %d has %u minutes", sums[i].name, r + 1, got);
		}
		drop(t);
	}
}

static void a_new_day_starts_anew_and_acks_stay(void **state)
{
	struct standing *t = fresh();
	int64_t now, then;
	struct local_day day = day_at("Europe/London", "2026-11-27 23:59", &now);
	struct local_day next = day_at("Europe/London", "2026-11-28", &then);
	struct standing_use use = use_of("p", "s");
	struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);
	struct standing_ack ack = {now, now + 8 * 3600, 3}, got;
	struct standing_figures f;

	(void)state;
	assert_int_equal(day.to_s, then);
	assert_int_equal(day.number + 1, next.number);
	assert_true(standing_open_tunnel(t, e, 0, 1));
	standing_acknowledge(t, e, &ack);
	standing_grant(t, e, STANDING_BYTES, 5, &day);
	assert_true(standing_add(t, e, &use, 2048, MIB, &day, then - 1));
	f = figures(t, e, &day);
	assert_int_equal(f.minutes, 1);
	assert_int_equal(f.bytes, 2048 + MIB);
	assert_int_equal(f.granted[STANDING_BYTES], 5);
	assert_true(standing_spent_since(t, e, STANDING_BYTES, MIB, &day, now * 1000) != 0);

	f = figures(t, e, &next);
	assert_int_equal(f.minutes, 0);
	assert_int_equal(f.bytes, 0);
	assert_int_equal(f.granted[STANDING_BYTES], 0);
	assert_int_equal(f.tunnels, 1);
	assert_true(standing_spent_since(t, e, STANDING_BYTES, MIB, &next, then * 1000) == 0);
	assert_true(standing_add(t, e, &use, 2048, MIB, &next, then));
	assert_int_equal(figures(t, e, &next).minutes, 1);
	standing_ack(e, &got);
	assert_int_equal(got.until_s, ack.until_s);
	assert_int_equal(got.at_s, ack.at_s);
	assert_int_equal(got.purpose, 3);
	assert_true(standing_acked(e, then));
	assert_false(standing_acked(e, now + 8 * 3600));
	drop(t);
}

static void a_spent_limit_has_its_moment(void **state)
{
	struct standing *t = fresh();
	int64_t now;
	struct local_day day = any_day(&now);
	struct standing_use use = use_of("p", "s");
	struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);
	uint64_t turns = standing_turns(t);

	(void)state;
	standing_add(t, e, &use, 2048, MIB, &day, now);
	/* its one minute lasts until it is over */
	assert_true(standing_spent_since(t, e, STANDING_MINUTES, 1, &day, now * 1000) == 0);
	assert_true(standing_spent_since(t, e, STANDING_MINUTES, 1, &day, now * 1000 + 59999) == 0);
	assert_int_equal(standing_turns(t), turns);
	assert_int_equal(standing_spent_since(t, e, STANDING_MINUTES, 1, &day, now * 1000 + 60001),
		now * 1000 + 60001);
	assert_int_not_equal(standing_turns(t), turns);
	assert_int_equal(standing_spent_since(t, e, STANDING_MINUTES, 1, &day, now * 1000 + 90000),
		now * 1000 + 60001);
	standing_grant(t, e, STANDING_MINUTES, 1, &day);
	assert_true(standing_spent_since(t, e, STANDING_MINUTES, 1, &day, now * 1000 + 90000) == 0);
	assert_true(standing_spent_since(t, e, STANDING_BYTES, 0, &day, now * 1000) == 0);
	assert_true(standing_spent_since(t, e, STANDING_BYTES, MIB + 2049, &day, 7) == 0);
	assert_int_equal(standing_spent_since(t, e, STANDING_BYTES, MIB + 2048, &day, 7), 7);
	drop(t);
}

static void others_minutes_are_or_ed(void **state)
{
	struct standing *t = fresh(), *far = fresh();
	int64_t now;
	struct local_day day = any_day(&now);
	struct standing_use use = use_of("p", "s"), far_use = use;
	struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);
	struct standing_entry *f =
		standing_hold(far, STANDING_SHIPPER(WORKERS), SPAN("p"), SPAN("r"), &day);
	struct standing_totals totals;
	struct standing_name name;

	(void)state;
	for (int i = 0; i < 10; i++)
		standing_add(t, e, &use, 2048, MIB, &day, now + i * 60);
	for (int i = 5; i < 12; i++)
		standing_add(far, f, &far_use, 2048, MIB, &day, now + i * 60);
	standing_grant(far, f, STANDING_MINUTES, 30, &day);
	assert_true(standing_take_changed(f));
	assert_false(standing_take_changed(f));
	standing_totals(f, &day, &totals);
	standing_set_others(t, e, &day, &totals);
	standing_set_others(t, e, &day, &totals);
	assert_int_equal(figures(t, e, &day).minutes, 12);
	assert_int_equal(figures(t, e, &day).bytes, 17 * (MIB + 2048));
	assert_int_equal(figures(t, e, &day).granted[STANDING_MINUTES], 30);
	standing_totals(e, &day, &totals); /* own ones only */
	assert_int_equal(totals.up + totals.down, 10 * (MIB + 2048));
	/* said again, or by one who had to begin anew and knows less, it changes nothing */
	for (int i = 0; i < 2; i++) {
		uint64_t turns;

		standing_restore(far, f, &day, &totals);
		assert_int_equal(figures(far, f, &day).minutes, 12);
		assert_int_equal(figures(far, f, &day).bytes, 17 * (MIB + 2048));
		turns = standing_turns(t);
		standing_set_others(t, e, &day, &(struct standing_totals){.up = 1});
		assert_int_equal(standing_turns(t), turns);
		assert_int_equal(figures(t, e, &day).minutes, 12);
		assert_int_equal(figures(t, e, &day).bytes, 17 * (MIB + 2048));
		assert_int_equal(figures(t, e, &day).granted[STANDING_MINUTES], 30);
	}
	standing_totals(f, &day, &totals); /* what was restored is told */
	assert_int_equal(totals.up + totals.down, 17 * (MIB + 2048));
	assert_false(standing_restored(t));
	standing_set_restored(t);
	assert_true(standing_restored(t));
	standing_name(f, &name);
	assert_string_equal(name.person, "p");
	assert_string_equal(name.rule, "r");
	drop(t);
	drop(far);
}

static void known_is_said_again_and_again(void **state)
{
	struct standing *t = fresh();

	(void)state;
	assert_false(standing_known(t, 1));
	standing_known_until(t, 5000);
	assert_true(standing_known(t, 4999));
	assert_false(standing_known(t, 5000));
	drop(t);
}

/* --- tunnels, bandwidth ----------------------------------------------------------------------- */

static void tunnels_are_of_all_workers(void **state)
{
	struct standing *t = fresh();
	int64_t now;
	struct local_day day = any_day(&now);
	struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);

	(void)state;
	assert_ptr_equal(standing_hold(t, 1, SPAN("p"), SPAN("r"), &day), e);
	assert_true(standing_open_tunnel(t, e, 0, 3));
	assert_true(standing_open_tunnel(t, e, 1, 3));
	assert_true(standing_open_tunnel(t, e, 1, 3));
	assert_false(standing_open_tunnel(t, e, 0, 3));
	standing_close_tunnel(e, 1);
	assert_true(standing_open_tunnel(t, e, 0, 3));
	standing_inherit(t, 0, &day, now); /* worker 0 died */
	assert_int_equal(figures(t, e, &day).tunnels, 1);
	drop(t);
}

#define MS UINT64_C(1000000)

/* Each of n waits for its turn, then moves; timers are late by up to 3 ms. Bytes in ten seconds. */
static uint64_t ten_seconds(struct standing_entry *e, enum standing_way way, uint64_t rate, int n,
	uint64_t *least, uint64_t *most)
{
	const uint64_t start = 50000 * MS, end = start + 10000 * MS;
	uint64_t at[32], moved[32] = {0}, all = 0;
	size_t mine[32];

	for (int i = 0; i < n; i++)
		mine[i] = standing_reserve(e, way, rate, 262144, start, &at[i]);
	for (;;) {
		int next = 0;
		uint64_t now;

		for (int i = 1; i < n; i++)
			if (at[i] < at[next])
				next = i;
		now = at[next] < start ? start : at[next] + (at[next] % 4) * MS;
		if (now >= end)
			break;
		moved[next] += mine[next];
		mine[next] = standing_reserve(e, way, rate, 262144, now, &at[next]);
	}
	*least = UINT64_MAX, *most = 0;
	for (int i = 0; i < n; i++) {
		all += moved[i];
		*least = moved[i] < *least ? moved[i] : *least;
		*most = moved[i] > *most ? moved[i] : *most;
	}
	return all;
}

static void bandwidth_is_shared_and_kept(void **state)
{
	static const uint64_t rates[] = {1000, 50000, 4000000, 1000000000};
	int64_t now;
	struct local_day day = any_day(&now);

	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		for (int n = 1; n <= 20; n += 19) {
			struct standing *t = fresh();
			struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);
			uint64_t least, most, other,
				all = ten_seconds(e, STANDING_DOWN, rates[i], n, &least, &most);

			if (all < rates[i] * 95 / 10 || all > rates[i] * 105 / 10)
				fail_msg("%d at %llu: %llu bytes", n, (unsigned long long)rates[i],
					(unsigned long long)all);
			/* a turn each, whatever the rate */
			assert_true(most - least <= 262144);
			other = ten_seconds(e, STANDING_UP, rates[i], 1, &least, &most);
			assert_true(other >= rates[i] * 95 / 10); /* each way apart */
			drop(t);
		}
}

static void what_is_given_back_is_there(void **state)
{
	struct standing *t = fresh();
	int64_t now;
	struct local_day day = any_day(&now);
	struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);
	uint64_t first, again;
	size_t n;

	(void)state;
	n = standing_reserve(e, STANDING_UP, 64000, 4096, 1000 * MS, &first);
	assert_int_equal(n, 2000);
	standing_give_back(e, STANDING_UP, 64000, n);
	standing_reserve(e, STANDING_UP, 64000, 4096, 1000 * MS, &again);
	assert_int_equal(first, again);
	drop(t);
}

/* --- full ------------------------------------------------------------------------------------- */

/* So many entries that some set overflows; returns how many there is no room for. */
static unsigned fill(struct standing *t, const struct local_day *day, const char *kind, bool keep)
{
	unsigned none = 0;

	for (int i = 0; i < STANDING_ENTRIES; i++) {
		char person[25];
		struct standing_entry *e;

		snprintf(person, sizeof person, "%s%d", kind, i);
		e = standing_hold(t, 1, span_str(person), SPAN("r"), day);
		none += !e;
		if (e && !keep)
			standing_release(e, 1);
	}
	return none;
}

static bool is_there(struct standing *t, const char *kind, int i)
{
	char person[25];

	snprintf(person, sizeof person, "%s%d", kind, i);
	return standing_find(t, span_str(person), SPAN("r")) != NULL;
}

static void a_full_table_makes_room_by_the_day(void **state)
{
	struct standing *t = fresh();
	int64_t now, then;
	struct local_day day = any_day(&now), next = day_at("UTC", "2026-11-28 10:00", &then);
	struct standing_entry *kept = standing_hold(t, 0, SPAN("kept"), SPAN("r"), &day);
	unsigned none, there = 0;
	uint64_t used;

	(void)state;
	assert_true(standing_open_tunnel(t, kept, 0, 0));
	none = fill(t, &day, "a", false);
	assert_in_range(none, 1, STANDING_ENTRIES / 4);
	assert_int_equal(standing_refused(t), none);
	used = standing_used(t);
	/* of the same day nobody is lost when more come, where there is no room either */
	assert_true(fill(t, &day, "b", false) > STANDING_ENTRIES / 2);
	for (int i = 0; i < STANDING_ENTRIES; i++)
		there += is_there(t, "a", i);
	assert_int_equal(there, STANDING_ENTRIES - none);
	assert_true(standing_used(t) >= used);
	/* the next day has room again, but not in the place of what is held */
	none = fill(t, &next, "c", false);
	assert_in_range(none, 0, STANDING_ENTRIES / 4);
	assert_true(is_there(t, "c", 0));
	assert_ptr_equal(standing_find(t, SPAN("kept"), SPAN("r")), kept);
	assert_int_equal(figures(t, kept, &next).tunnels, 1);
	drop(t);
}

static void acknowledgements_are_lost_last(void **state)
{
	struct standing *t = fresh();
	int64_t now = time(NULL);
	struct local_day day = {.number = 20000, .from_s = now - 86400, .to_s = now},
			 next = {.number = 20001, .from_s = now, .to_s = now + 86400};
	struct standing_ack ack = {now, now + 3600, 0};
	struct standing_entry *e = standing_hold(t, 1, SPAN("acked"), SPAN("r"), &day);
	struct standing_name name;
	char first[25];

	(void)state;
	standing_acknowledge(t, e, &ack);
	standing_release(e, 1);
	fill(t, &day, "a", false);
	assert_ptr_equal(standing_find(t, SPAN("acked"), SPAN("r")), e);
	/* as many of a new day as the old had: those of the acked one's set are all replaced before
	 */
	for (int i = 0; i < STANDING_ENTRIES / 2; i++) {
		snprintf(first, sizeof first, "n%d", i);
		struct standing_entry *n = standing_hold(t, 1, span_str(first), SPAN("r"), &next);
		if (n)
			standing_release(n, 1);
	}
	assert_ptr_equal(standing_find(t, SPAN("acked"), SPAN("r")), e);
	assert_true(standing_acked(e, now));
	standing_name(e, &name);
	assert_string_equal(name.person, "acked");
	drop(t);
}

/* --- workers ---------------------------------------------------------------------------------- */

struct crew {
	struct standing *t;
	struct local_day day;
	int64_t now;
	unsigned worker;
	int rounds;
};

/* Twelve people, three services, two rules; each worker does the same. */
static void work(const struct crew *c, int round)
{
	char person[8], service[8], rule[8];
	struct standing_use use;
	struct standing_entry *e = NULL;
	uint64_t at;
	size_t n;

	snprintf(person, sizeof person, "p%d", round % 12);
	snprintf(service, sizeof service, "s%d", round % 3);
	snprintf(rule, sizeof rule, "r%d", round % 2);
	use = use_of(person, service);
	/* who is suspended in the middle of making an entry is waited for, but never for long */
	for (int i = 0; i < 1000; i++) {
		e = standing_hold(c->t, c->worker, span_str(person), span_str(rule), &c->day);
		if (e)
			break;
		usleep(1000);
	}
	assert_non_null(e);
	if (standing_open_tunnel(c->t, e, c->worker, 3)) {
		standing_add(c->t, e, &use, 100, 1000, &c->day, c->now + round / 100);
		standing_close_tunnel(e, c->worker);
	} else {
		standing_add(c->t, e, &use, 100, 1000, &c->day, c->now + round / 100);
	}
	n = standing_reserve(e, STANDING_UP, 1000000, 1000, (uint64_t)round * 1000000, &at);
	standing_give_back(e, STANDING_UP, 1000000, n);
	standing_release(e, c->worker);
}

static void *as_worker(void *arg)
{
	const struct crew *c = arg;

	for (int i = 0; i < c->rounds; i++)
		work(c, i);
	return NULL;
}

#define ROUNDS 24000 /* four minutes */

static void workers_add_up_exactly(void **state)
{
	struct standing *t = fresh();
	struct crew crew[WORKERS];
	pthread_t thread[WORKERS];
	uint64_t bytes = 0;
	uint32_t cursor = 0, entries = 0;
	struct standing_entry *e;

	(void)state;
	for (unsigned i = 0; i < WORKERS; i++) {
		crew[i] = (struct crew){.t = t, .worker = i, .rounds = ROUNDS};
		crew[i].day = any_day(&crew[i].now);
		assert_int_equal(pthread_create(&thread[i], NULL, as_worker, &crew[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	while ((e = standing_next(t, &cursor))) {
		struct standing_figures f = figures(t, e, &crew[0].day);

		bytes += f.bytes;
		entries++;
		assert_int_equal(f.minutes, 4);
		assert_int_equal(f.tunnels, 0);
	}
	assert_int_equal(entries, 12);
	assert_int_equal(bytes, UINT64_C(1100) * WORKERS * ROUNDS);
	assert_int_equal(standing_refused(t), 0);
	drop(t);
}

static void make_many(const struct crew *c, int victim)
{
	for (int i = 0; i < 40; i++) {
		char person[25];
		struct standing_entry *e;

		snprintf(person, sizeof person, "v%d-%d", victim, i);
		e = standing_hold(c->t, c->worker, span_str(person), SPAN("r"), &c->day);
		if (e)
			standing_release(e, c->worker);
	}
}

/* A worker process is killed at a random moment and followed by another, many times, while others
 * work on; then all are killed. What the survivors did is there, and the table works. */
static void workers_may_die_at_any_instruction(void **state)
{
	struct standing *t = fresh();
	struct crew c = {.t = t, .worker = 0, .rounds = ROUNDS};
	pid_t steady, victim;
	uint64_t bytes = 0;
	uint32_t cursor = 0;
	struct standing_entry *e;

	(void)state;
	c.day = any_day(&c.now);
	steady = fork();
	if (steady == 0) {
		c.worker = 1;
		c.rounds = ROUNDS;
		as_worker(&c);
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		struct timespec pause = {0, 20000 + (i * 7919) % 500 * 2000};

		victim = fork();
		if (victim == 0) {
			standing_inherit(t, 0, &c.day, c.now);
			make_many(&c, i);
			for (;;) /* the same four minutes, however late it is killed */
				as_worker(&c);
		}
		nanosleep(&pause, NULL);
		kill(victim, SIGKILL);
		waitpid(victim, NULL, 0);
	}
	waitpid(steady, NULL, 0);
	/* a minute here is over in a few milliseconds, and a dead one's lock holds for longer */
	c.worker = 1;
	c.rounds = ROUNDS;
	as_worker(&c);
	standing_inherit(t, 0, &c.day, c.now + 239);
	while ((e = standing_next(t, &cursor))) {
		struct standing_figures f = figures(t, e, &c.day);
		struct standing_name name;

		standing_name(e, &name);
		if (name.person[0] == 'v')
			continue;
		bytes += f.bytes;
		assert_int_equal(f.tunnels, 0);
		/* the steady one alone makes each of its four minutes active */
		assert_int_equal(f.minutes, 4);
	}
	assert_true(bytes >= UINT64_C(1100) * ROUNDS);
	assert_int_equal(bytes % 100, 0);
	/* the last one's lock is waited for no longer, and no place is lost */
	nanosleep(&(struct timespec){0, 100000000}, NULL);
	for (int i = 0; i < 200; i++)
		make_many(&c, i);
	assert_int_equal(standing_used(t), 12 + 200 * 40);
	drop(t);
}

/* Whoever took over a worker may write what he likes: the words that say how the table lies are not
 * in it, a moment has its bound, and a lock that will be taken is nobody's. */
static void what_others_write_leads_nobody_astray(void **state)
{
	struct standing *t = fresh();
	int64_t now;
	struct local_day day = any_day(&now);
	struct standing_entry *e = standing_hold(t, 0, SPAN("p"), SPAN("r"), &day);
	struct standing_figures f;
	struct standing_ack ack;

	(void)state;
	assert_non_null(e);
	memset(t->shared, 0xff, offsetof(struct standing_shared, set));
	e->ack_at = e->ack_until = UINT64_MAX;
	standing_figures(t, e, &day, &f);
	standing_ack(e, &ack);
	assert_int_equal(f.tunnels, 0);
	assert_true(ack.at_s <= INT64_C(253402300799) && ack.until_s <= INT64_C(253402300799));
	for (size_t i = 0; i < STANDING_SETS; i++)
		t->shared->set[i].lock = UINT64_MAX / 2;
	assert_non_null(standing_hold(t, 0, SPAN("another"), SPAN("r"), &day));
	drop(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_write_leads_nobody_astray),
		cmocka_unit_test(an_active_minute_each_minute_of_a_day),
		cmocka_unit_test(sums_decide),
		cmocka_unit_test(a_new_day_starts_anew_and_acks_stay),
		cmocka_unit_test(a_spent_limit_has_its_moment),
		cmocka_unit_test(others_minutes_are_or_ed),
		cmocka_unit_test(known_is_said_again_and_again),
		cmocka_unit_test(tunnels_are_of_all_workers),
		cmocka_unit_test(bandwidth_is_shared_and_kept),
		cmocka_unit_test(what_is_given_back_is_there),
		cmocka_unit_test(a_full_table_makes_room_by_the_day),
		cmocka_unit_test(acknowledgements_are_lost_last),
		cmocka_unit_test(workers_add_up_exactly),
		cmocka_unit_test(workers_may_die_at_any_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
