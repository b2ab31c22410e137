/*
 * The shared memory of how people stand, with any words written into it, as whoever took over a
 * worker may do. The master and the shipper, who read and write it, stay within it, and what they
 * take from it has its bounds.
 */
#include "sharing.h"
#include "standing_table.h"

#include "fuzz.h"
#include "log.h"
#include "model.h"

#include <stddef.h>

#define WORKERS 2
#define DAY0	1759968000
#define NOW_S	(DAY0 + 36000)

static const char policy[] = "zone = \"UTC\"; rules = ( { name = \"a\"; action = \"allow\"; } );";
static const struct local_day day = {.number = DAY0 / 86400, .from_s = DAY0, .to_s = DAY0 + 86400};
static const struct span people[] = {SPAN("0123456789abcdef01234567"), SPAN("-"), SPAN("x")};
static const struct span rules[] = {SPAN("a"), SPAN("b")};

struct scene {
	struct standing *table;
	struct sharing *sharing;
	struct span input;
};

/* Between two pages that nobody may touch; zeros again at each run. */
static void *memory(void)
{
	const size_t size = (standing_size(WORKERS) + 4095) & ~(size_t)4095;
	const size_t front = offsetof(struct standing_shared, entries) & ~(size_t)4095;
	static char *at;

	if (!at) {
		at = mmap(NULL, size + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(at != MAP_FAILED);
		at += 4096;
		must(mprotect(at, size, PROT_READ | PROT_WRITE) == 0);
	}
	/* the front is touched by each run, entries hardly */
	memset(at, 0, front);
	must(madvise(at + front, size - front, MADV_DONTNEED) == 0);
	return at;
}

static const struct snapshot *snapshot(void)
{
	static struct buf b;
	struct problems p = {0};
	struct model m;
	struct err e;

	if (!b.n) {
		struct conf *c = conf_parse("fuzz.cfg", span_str(policy), &p);

		must(c && model_init(&m, NULL) && model_load(&m, c, &p) &&
			model_compile(&m, &b, &e));
		model_free(&m);
		conf_free(c);
	}
	return snapshot_open(b.p, b.n, &e);
}

static uint64_t take(struct scene *s, size_t n)
{
	uint64_t v = 0;

	if (n > s->input.n)
		n = s->input.n;
	memcpy(&v, s->input.p, n);
	s->input = span_of(s->input.p + n, s->input.n - n);
	return v;
}

static struct standing_entry *hold(struct scene *s)
{
	uint64_t who = take(s, 1);

	return standing_hold(
		s->table, STANDING_SHIPPER(WORKERS), people[who % 3], rules[who / 3 % 2], &day);
}

/* Somebody writes: into an entry that is in use, or where places, minutes and the head are. */
static void scribble(struct scene *s)
{
	struct standing_shared *m = s->table->shared;
	uint64_t where = take(s, 2), value = take(s, 8);
	struct standing_entry *e = NULL;

	switch (where % 4) {
	case 0:
		e = standing_find(s->table, people[where >> 8 & 1], rules[where >> 9 & 1]);
		if (e)
			((uint64_t *)e)[(value ^ where >> 2) % (s->table->stride / 8)] = value;
		break;
	case 1:
		((uint64_t *)&m->set[(where >> 2) % STANDING_SETS])[value % (1 + STANDING_WAYS)] =
			value;
		break;
	case 2:
		((uint64_t *)&m->cell[(where >> 2) % STANDING_CELLS])[value % 3] = value;
		break;
	default:
		((uint64_t *)m)[(where >> 2) % 8] = value;
	}
}

/* What the master shows and the shipper tells. */
static void look(struct scene *s)
{
	const struct totals_door *door = sharing_door(s->sharing);
	char field[TOTAL_FIELD_MAX], value[TOTAL_VALUE_MAX];
	struct standing_figures f;
	struct standing_entry *e;
	struct total own;
	uint32_t slot = 0;
	struct buf b;

	must(standing_used(s->table) <= STANDING_ENTRIES);
	for (uint32_t cursor = 0; (e = standing_next(s->table, &cursor));) {
		standing_figures(s->table, e, &day, &f);
		must(f.minutes <= STANDING_MINUTES_MAX);
		standing_spent_since(s->table, e, STANDING_MINUTES, 1, &day, NOW_S * 1000ll);
	}
	standing_set_restored(s->table);
	for (int i = 0; i < 100 && door->next(door->arg, &own, &slot); i++) {
		must(slot < STANDING_ENTRIES);
		buf_init_fixed(&b, field, sizeof field);
		total_field(&own, &b);
		must(!b.failed);
		buf_init_fixed(&b, value, sizeof value);
		total_value(&own, &b);
		must(!b.failed);
		door->told(door->arg, slot);
	}
}

static void change(struct scene *s, uint64_t what)
{
	struct standing_entry *e = hold(s);
	struct standing_totals t = {.up = what, .down = what, .granted = {what, what}};
	struct standing_use use = {.service = 1 + what};

	if (!e)
		return;
	memset(t.minutes, (int)what, sizeof t.minutes);
	standing_restore(s->table, e, &day, &t);
	standing_set_others(s->table, e, &day, &t);
	standing_add(s->table, e, &use, 4096, 65536, &day, NOW_S);
	standing_release(e, STANDING_SHIPPER(WORKERS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sharing_options o = {
		.workers = WORKERS, .root = -1, .chain = "", .policy = snapshot()};
	struct scene s = {.input = span_of(data, size)};
	struct err e;

	log_open("fuzz", LOG_LEVEL_ERROR);
	s.table = o.standing = standing_open(memory(), standing_size(WORKERS), WORKERS, &e);
	must(s.table && (s.sharing = sharing_new(&o, &e)));
	for (int steps = 0; s.input.n && steps < 100; steps++) {
		uint64_t what = take(&s, 1);

		if (what % 4 == 0)
			change(&s, what);
		else if (what == 1)
			standing_inherit(s.table, 0, &day, NOW_S);
		else
			scribble(&s);
	}
	look(&s);
	sharing_free(s.sharing);
	free(s.table); /* the memory stays for the next */
	return 0;
}
