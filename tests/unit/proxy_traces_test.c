/*
 * Golden traces (tests/traces): what a browser moved, second by second, put through the code that
 * limits count minutes with and the sums that reports do, against the minutes that expected.txt
 * names. Parallel tabs, workers and rules never add up to more than the clock.
 */
#include "active.h"
#include "standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_scratch.h"

#include <sys/mman.h>

#define WORKERS	    2
#define SCENES_MAX  16
#define MINUTES_MAX 32
#define DAY_S	    INT64_C(86400)
#define START_S	    (20784 * DAY_S + 9 * 3600) /* a minute begins, in UTC */

/* A set of minutes of a scene: bit i is minute i. */
typedef uint32_t minutes;

struct scene {
	char name[32];
	minutes observed, counted;
};

struct second {
	unsigned at;
	bool core;
	uint64_t up, down;
};

static const struct local_day day = {
	.number = 20784, .from_s = 20784 * DAY_S, .to_s = 20785 * DAY_S};

/* --- files ------------------------------------------------------------------------------------ */

static FILE *open_file(const char *name)
{
	const char *root = getenv("STILE_ROOT");
	char path[500];
	FILE *f;

	snprintf(path, sizeof path, "%s/tests/traces/%s", root ? root : ".", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s cannot be read", path);
	return f;
}

/* "0-3,7,8"; "-" for none. */
static minutes parse_minutes(const char *text)
{
	struct span rest = span_str(text);
	minutes m = 0;

	if (span_is(rest, "-"))
		return 0;
	while (rest.p) {
		struct span to = span_cut(&rest, ','), from = span_cut(&to, '-');
		uint64_t a, b;

		assert_true(span_u64(from, MINUTES_MAX - 1, &a));
		b = a;
		if (to.p)
			assert_true(span_u64(to, MINUTES_MAX - 1, &b));
		for (uint64_t i = a; i <= b; i++)
			m |= UINT32_C(1) << i;
	}
	return m;
}

static size_t read_scenes(struct scene *v)
{
	FILE *f = open_file("expected.txt");
	char line[300], observed[100], counted[100];
	size_t n = 0;

	while (fgets(line, sizeof line, f)) {
		if (*line == '#' || *line == '\n')
			continue;
		assert_true(n < SCENES_MAX);
		assert_int_equal(sscanf(line, "%31s observed %99s counted %99s", v[n].name,
					 observed, counted),
			3);
		v[n].observed = parse_minutes(observed);
		v[n++].counted = parse_minutes(counted);
	}
	fclose(f);
	assert_true(n > 0);
	return n;
}

/* Calls `each` with every line of a trace; returns how many. */
static size_t read_trace(const char *scene, void (*each)(void *, const struct second *), void *arg)
{
	char name[50], line[200], part[20];
	struct second s;
	unsigned long long up, down;
	size_t n = 0;

	snprintf(name, sizeof name, "%s.trace", scene);
	FILE *f = open_file(name);
	while (fgets(line, sizeof line, f)) {
		if (*line == '#')
			continue;
		assert_int_equal(sscanf(line, "%u %19s %llu %llu", &s.at, part, &up, &down), 4);
		s.core = strcmp(part, "core") == 0;
		s.up = up, s.down = down;
		each(arg, &s);
		n++;
	}
	fclose(f);
	return n;
}

/* --- as limits count ----------------------------------------------------------------------------
 */

/* Some tabs of the same scene under some rules, in turn on one worker and on the other. */
struct replay {
	struct standing *t;
	struct standing_entry *rule[2];
	struct standing_use use[4];
	struct standing_use other; /* of the cdn: makes no minutes */
	unsigned tabs;
	int part; /* of a tab's bytes: 1 all, 2 half */
};

static void put(void *arg, const struct second *s)
{
	struct replay *r = arg;

	for (unsigned i = 0; i < r->tabs; i++)
		standing_add(r->t, r->rule[i % 2], s->core ? &r->use[i] : &r->other,
			s->up / (unsigned)r->part, s->down / (unsigned)r->part, &day,
			START_S + s->at);
}

static minutes marked(const struct standing_entry *e)
{
	struct standing_totals totals;
	minutes m = 0;
	unsigned first = (unsigned)((START_S - day.from_s) / 60);

	standing_totals(e, &day, &totals);
	for (unsigned i = 0; i < STANDING_MINUTES_MAX; i++)
		if (totals.minutes[i / 8] >> i % 8 & 1) {
			assert_true(i >= first && i < first + MINUTES_MAX);
			m |= UINT32_C(1) << (i - first);
		}
	return m;
}

/* The minutes that a person's entries for two rules get; `one_rule`: all tabs are under the first.
 */
static minutes replay(const char *scene, unsigned tabs, int part, bool one_rule)
{
	size_t size = standing_size(WORKERS);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct span person = SPAN("0123456789abcdef01234567");
	struct replay r = {.tabs = tabs, .part = part};
	struct err e = {""};
	minutes m;

	assert_true(p != MAP_FAILED);
	r.t = standing_open(p, size, WORKERS, &e);
	assert_non_null(r.t);
	r.rule[0] = standing_hold(r.t, 0, person, SPAN("first"), &day);
	r.rule[1] = one_rule ? r.rule[0] : standing_hold(r.t, 1, person, SPAN("second"), &day);
	for (unsigned i = 0; i < tabs; i++)
		r.use[i].service = standing_service(person, SPAN("service"));
	assert_true(read_trace(scene, put, &r) > 0);
	m = marked(r.rule[0]);
	if (tabs > 1)
		assert_int_equal(marked(r.rule[1]), m);
	standing_close(r.t);
	return m;
}

/* --- as reports sum -----------------------------------------------------------------------------
 */

struct sums {
	uint64_t up[MINUTES_MAX], down[MINUTES_MAX];
};

static void sum(void *arg, const struct second *s)
{
	struct sums *all = arg;

	assert_true(s->at / 60 < MINUTES_MAX);
	if (!s->core)
		return;
	all->up[s->at / 60] += s->up;
	all->down[s->at / 60] += s->down;
}

static minutes summed(const char *scene)
{
	struct sums all = {{0}, {0}};
	minutes m = 0;

	read_trace(scene, sum, &all);
	for (unsigned i = 0; i < MINUTES_MAX; i++)
		if (minute_is_active(all.up[i] + all.down[i], all.up[i]))
			m |= UINT32_C(1) << i;
	return m;
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void expect(const struct scene *s, const char *way, minutes got)
{
	if (got != s->counted)
		fail_msg("%s, %s: minutes %08x, expected %08x", s->name, way, got, s->counted);
}

static void every_scene_counts_as_it_is_written(void **state)
{
	struct scene v[SCENES_MAX];
	size_t n = read_scenes(v);
	(void)state;

	for (size_t i = 0; i < n; i++) {
		expect(&v[i], "limits", replay(v[i].name, 1, 1, true));
		expect(&v[i], "reports", summed(v[i].name));
	}
}

static void bytes_split_over_tabs_and_workers_make_the_same_minutes(void **state)
{
	struct scene v[SCENES_MAX];
	size_t n = read_scenes(v);
	(void)state;

	/* twice half of each second is all of it, but for odd bytes, which no scene hangs on */
	for (size_t i = 0; i < n; i++)
		expect(&v[i], "two halves", replay(v[i].name, 2, 2, true));
}

static unsigned count_of(minutes m)
{
	return (unsigned)__builtin_popcount(m);
}

/* Four tabs, two rules: each rule has the minutes of the person with the service, none twice. */
static void parallel_use_never_adds_up_to_more_than_the_clock(void **state)
{
	struct scene v[SCENES_MAX];
	size_t n = read_scenes(v);
	(void)state;

	for (size_t i = 0; i < n; i++) {
		minutes one = replay(v[i].name, 1, 1, true), four = replay(v[i].name, 4, 1, false);

		assert_int_equal(four & one, one);
		assert_true(count_of(four) <= 12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scene_counts_as_it_is_written),
		cmocka_unit_test(bytes_split_over_tabs_and_workers_make_the_same_minutes),
		cmocka_unit_test(parallel_use_never_adds_up_to_more_than_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
