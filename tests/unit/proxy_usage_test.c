/* The open minute: what was added is what the journal says, once, whoever dies when. */
#include "usage.h"
#include "clock.h"
#include "journal_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINUTE	    60000ll
#define T0	    (28333333 * MINUTE)
#define WORKERS	    2
#define PATIENCE_MS 60000 /* with a thread that hardly gets to run */

/* The disk, as the journal sees it: this stands before the C library's. */
static atomic_bool sync_fails;

int fdatasync(int fd)
{
	if (!atomic_load(&sync_fails))
		return (int)syscall(SYS_fdatasync, fd);
	errno = EIO;
	return -1;
}

/* --- a worker and what it stands on ---------------------------------------------------------- */

struct desk {
	void *shared;
	char root[32];
	int dir;
	struct usage *u;
	struct journal *j;
};

static void day(void *arg, int64_t unix_s, char out[11])
{
	(void)arg;
	snprintf(out, 11, "day-%06u", (unsigned)(unix_s / 86400) % 1000000);
}

static void *shared_memory(void)
{
	void *p = mmap(NULL, usage_size(WORKERS), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static bool sit_down(struct desk *d, enum journal_sync sync, size_t queue_bytes)
{
	struct journal_options o = {.dir = d->dir,
		.sync = sync,
		.sync_ms = 10,
		.segment_bytes = 64 << 10,
		.queue_bytes = queue_bytes,
		.node = "edge1"};
	struct err e = {""};

	d->u = usage_open(d->shared, usage_size(WORKERS), 0, &e);
	d->j = d->u ? journal_open(&o, NULL, &e) : NULL;
	if (!d->j)
		fprintf(stderr, "%s\n", e.text);
	return d->j != NULL;
}

static void stand_up(struct desk *d)
{
	journal_close(d->j, true);
	usage_close(d->u);
}

static struct desk new_desk(enum journal_sync sync)
{
	static int number;
	struct desk d = {.shared = shared_memory()};
	char path[64];

	snprintf(d.root, sizeof d.root, "journal%d", number++);
	snprintf(path, sizeof path, "%s/0", d.root);
	assert_int_equal(mkdir(d.root, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	d.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(sit_down(&d, sync, 0));
	return d;
}

static void clear(struct desk *d)
{
	munmap(d->shared, usage_size(WORKERS));
	close(d->dir);
}

static void note_answer(void *arg, bool ok)
{
	(void)ok;
	*(bool *)arg = true;
}

/* Waits until the journal's thread has answered all that was given to it, however late: answers
 * come in the order of adding, and a mark is the last. A queue without room for it took nothing. */
static void settle(struct desk *d)
{
	struct pollfd p = {.fd = journal_fd(d->j), .events = POLLIN};
	char line[RECORD_MAX];
	bool answered = false;
	struct record r;
	struct buf b;

	record_init(&r, RECORD_MARK);
	buf_init_fixed(&b, line, sizeof line);
	assert_true(record_encode(&r, &b));
	if (!journal_add(d->j, buf_spanof(&b), note_answer, &answered))
		return;
	journal_hand_over(d->j);
	while (!answered) {
		if (poll(&p, 1, PATIENCE_MS) <= 0)
			fail_msg("the journal does not answer");
		journal_poll(d->j);
	}
}

/* Its thread tries again by itself. */
static void recover(struct desk *d)
{
	for (int ms = 0; ms < PATIENCE_MS && journal_failing(d->j); ms += 20)
		usleep(20000);
	assert_false(journal_failing(d->j));
}

static void tick(struct desk *d, int64_t now_ms, bool all)
{
	usage_tick(d->u, d->j, now_ms, all, day, NULL);
	settle(d);
}

static void person(struct record *r, char name[32], unsigned i)
{
	snprintf(name, 32, "person-%u", i);
	record_init(r, RECORD_USAGE);
	record_str(r, FIELD_USER, span_str(name));
	record_str(r, FIELD_ROLE, SPAN("staff"));
	record_str(r, FIELD_SERVICE, SPAN("facebook"));
	record_str(r, FIELD_RULE, SPAN("a \"quoted\" rule"));
	record_str(r, FIELD_PURPOSE, SPAN("public campaigns and civic debate"));
}

static void add(struct desk *d, unsigned i, bool core, uint64_t up, uint64_t down, int64_t now)
{
	struct usage_ref ref = {.slot = UINT32_MAX};
	struct record r;
	char name[32];

	person(&r, name, i);
	usage_add(d->u, &ref, &r, core, up, down, now);
}

/* --- what the journal says ---------------------------------------------------------------------
 */

#define PEOPLE	32
#define MINUTES 8
#define SLOTS	400000

struct said {
	struct record_decoder *decoder;
	uint64_t records, up, down, core_up, core_down, tunnels, refusals, refusal_records;
	uint64_t nameless, nameless_up;
	uint64_t cell[PEOPLE][MINUTES]; /* up */
	char (*slot)[64];		/* of each record */
	size_t n;
};

static void take_usage(struct said *s, const struct record *r)
{
	unsigned who;
	uint64_t minute = record_getnum(r, FIELD_MINUTE) - T0 / MINUTE;

	s->records++;
	s->up += record_getnum(r, FIELD_UP);
	s->down += record_getnum(r, FIELD_DOWN);
	s->core_up += record_getnum(r, FIELD_CORE_UP);
	s->core_down += record_getnum(r, FIELD_CORE_DOWN);
	s->tunnels += record_getnum(r, FIELD_TUNNELS);
	if (!record_has(r, FIELD_USER)) {
		s->nameless++;
		s->nameless_up += record_getnum(r, FIELD_UP);
	} else if (sscanf(record_get(r, FIELD_USER).p, "person-%u", &who) == 1 && who < PEOPLE &&
		   minute < MINUTES)
		s->cell[who][minute] += record_getnum(r, FIELD_UP);
}

static bool take_record(
	void *arg, const char *writer, const char *chain, uint64_t seq, struct span body)
{
	struct said *s = arg;
	struct record r;
	struct err e;

	(void)writer, (void)chain, (void)seq;
	if (!record_decode(s->decoder, body, &r, &e))
		fail_msg("%s", e.text);
	if (r.kind == RECORD_USAGE)
		take_usage(s, &r);
	if (r.kind == RECORD_ACCESS) {
		s->refusals += record_getnum(&r, FIELD_N);
		s->refusal_records++;
		assert_true(span_is(record_get(&r, FIELD_VERDICT), "deny"));
	}
	if (r.kind == RECORD_USAGE || r.kind == RECORD_ACCESS) {
		assert_true(s->n < SLOTS);
		assert_true(record_has(&r, FIELD_T) && record_has(&r, FIELD_DAY));
		assert_true(span_copy(record_get(&r, FIELD_SLOT), s->slot[s->n++], 64));
	}
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Everything in the folder; no emission may stand there twice. */
static void read_all(const struct desk *d, struct said *s)
{
	uint64_t bad = 0;
	struct err e;

	*s = (struct said){.decoder = record_decoder_new(), .slot = calloc(SLOTS, 64)};
	if (!journal_walk(d->root, take_record, NULL, s, &bad, &e))
		fail_msg("%s", e.text);
	assert_int_equal(bad, 0);
	qsort(s->slot, s->n, 64, by_text);
	for (size_t i = 1; i < s->n; i++)
		if (strcmp(s->slot[i], s->slot[i - 1]) == 0)
			fail_msg("%s stands in two records", s->slot[i]);
	record_decoder_free(s->decoder);
	free(s->slot);
}

/* --- sums ----------------------------------------------------------------------------------------
 */

static void sums_of_each_person_and_minute_are_exact(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	static uint64_t want[PEOPLE][MINUTES];
	uint64_t down = 0, core_up = 0, core_down = 0;
	struct said s;

	(void)state;
	memset(want, 0, sizeof want);
	srand(1);
	for (int minute = 0; minute < MINUTES; minute++) {
		for (int i = 0; i < 3000; i++) {
			unsigned who = (unsigned)rand() % PEOPLE, up = (unsigned)rand() % 5000;
			bool core = rand() & 1;

			add(&d, who, core, up, 2 * up, T0 + minute * MINUTE + i);
			want[who][minute] += up;
			down += 2 * up;
			core_up += core ? up : 0;
			core_down += core ? 2 * up : 0;
		}
		tick(&d, T0 + minute * MINUTE + 59999, false);
	}
	tick(&d, T0 + MINUTES * MINUTE, true);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.records, PEOPLE * MINUTES);
	assert_memory_equal(s.cell, want, sizeof want);
	assert_int_equal(s.down, down);
	assert_int_equal(s.core_up, core_up);
	assert_int_equal(s.core_down, core_down);
	assert_int_equal(s.nameless, 0);
	clear(&d);
}

static void a_tunnel_counts_once_in_each_minute(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct usage_ref a = {.slot = UINT32_MAX}, b = {.slot = UINT32_MAX};
	struct record r;
	char name[32];
	struct said s;

	(void)state;
	person(&r, name, 1);
	assert_false(usage_add_again(d.u, &a, true, 1, 1, T0));
	for (int minute = 0; minute < 3; minute++)
		for (int i = 0; i < 10; i++) {
			int64_t now = T0 + minute * MINUTE + i;

			if (!usage_add_again(d.u, &a, true, 1, 10, now)) {
				assert_int_equal(i, 0);
				usage_add(d.u, &a, &r, true, 1, 10, now);
			}
			usage_add(d.u, &b, &r, false, 1, 10, now);
			if (minute == 1 && i == 5) /* written early, and begun anew: still once */
				tick(&d, now, true);
			if (minute == 1 && i == 5) {
				assert_false(usage_add_again(d.u, &a, true, 1, 10, now));
				usage_add(d.u, &a, &r, true, 0, 0, now);
			}
		}
	tick(&d, T0 + 3 * MINUTE, false);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.tunnels, 6);
	assert_int_equal(s.up, 60);
	assert_int_equal(s.core_up, 30);
	assert_int_equal(s.core_down, 300);
	clear(&d);
}

static void the_present_minute_waits_and_a_tick_is_bounded(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct said s;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		add(&d, i, true, 1, 1, T0);
	tick(&d, T0 + 59999, false);
	read_all(&d, &s);
	assert_int_equal(s.records, 0);
	for (unsigned k = 1; k <= 4; k++) {
		tick(&d, T0 + MINUTE, false);
		read_all(&d, &s);
		assert_int_equal(s.records, k < 4 ? 256 * k : 1000);
	}
	tick(&d, T0 + MINUTE, false);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.records, 1000);
	assert_int_equal(s.up, 1000);
	clear(&d);
}

static void a_full_table_loses_names_and_no_bytes(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	const unsigned many = USAGE_SLOTS + 2000;
	struct said s;

	(void)state;
	for (unsigned i = 0; i < many; i++)
		add(&d, i, false, 3, 5, T0);
	/* room is made before the minute is over */
	for (int i = 0; i < 8; i++)
		tick(&d, T0 + 1000, false);
	for (unsigned i = 0; i < 200; i++)
		add(&d, 1000000 + i, false, 3, 5, T0 + 2000);
	tick(&d, T0 + 3000, true);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 3 * (many + 200));
	assert_int_equal(s.down, 5 * (many + 200));
	assert_int_equal(s.tunnels, many + 200);
	assert_in_range(s.nameless, 1, 8);
	/* most found room: what was too much, and a few whose places were taken */
	assert_in_range(s.nameless_up / 3, 2000, 2600);
	clear(&d);
}

static void a_record_too_long_for_a_slot_is_counted_without_a_name(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct usage_ref ref = {.slot = UINT32_MAX};
	char text[2000], name[32];
	struct record r;
	struct said s;

	(void)state;
	memset(text, 'x', sizeof text);
	person(&r, name, 1);
	record_str(&r, FIELD_PURPOSE, span_of(text, sizeof text));
	usage_add(d.u, &ref, &r, true, 7, 9, T0);
	usage_add(d.u, &ref, &r, true, 7, 9, T0 + 1);
	tick(&d, T0 + MINUTE, true);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.nameless_up, 14);
	assert_int_equal(s.tunnels, 1);
	clear(&d);
}

/* --- refusals
 * --------------------------------------------------------------------------------------- */

static bool refuse(struct desk *d, const char *rule, const char *roles, int64_t now)
{
	struct record r;

	record_init(&r, RECORD_ACCESS);
	record_str(&r, FIELD_USER, SPAN("person-1"));
	record_str(&r, FIELD_VERDICT, SPAN("deny"));
	record_str(&r, FIELD_ROLES, span_str(roles));
	record_str(&r, FIELD_RULE, span_str(rule));
	record_num(&r, FIELD_PORT, 443);
	return usage_refusal(d->u, &r, now);
}

static void the_first_refusal_is_the_callers_the_rest_is_one_record(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct said s;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(refuse(&d, "gambling", "staff kiosks", T0 + i), i == 0);
	assert_true(refuse(&d, "sanctions", "staff", T0)); /* alone: no record of its own */
	assert_true(refuse(&d, "gambling", "staff kiosks", T0 + MINUTE));
	assert_false(refuse(&d, "gambling", "staff kiosks", T0 + MINUTE));
	tick(&d, T0 + MINUTE, false);
	read_all(&d, &s);
	assert_int_equal(s.refusal_records, 1);
	assert_int_equal(s.refusals, 99);
	tick(&d, T0 + 2 * MINUTE, false);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.refusal_records, 2);
	assert_int_equal(s.refusals, 100);
	clear(&d);
}

static void without_room_each_refusal_is_recorded(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	char roles[4000];

	(void)state;
	for (unsigned i = 0; i < USAGE_SLOTS * 3; i++)
		add(&d, i, false, 1, 1, T0);
	assert_true(refuse(&d, "gambling", "staff", T0));
	assert_true(refuse(&d, "gambling", "staff", T0));
	memset(roles, 'r', sizeof roles - 1);
	roles[sizeof roles - 1] = 0;
	assert_true(refuse(&d, "gambling", roles, T0 + MINUTE));
	assert_true(refuse(&d, "gambling", roles, T0 + MINUTE));
	stand_up(&d);
	clear(&d);
}

/* --- a journal that fails
 * ----------------------------------------------------------------------------- */

static void a_full_queue_keeps_the_slots(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct said s;

	(void)state;
	stand_up(&d);
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 1));
	add(&d, 1, true, 10, 20, T0);
	tick(&d, T0 + MINUTE, false);
	tick(&d, T0 + MINUTE, false);
	/* numbered once: bytes of the same minute go to another slot */
	add(&d, 1, true, 1, 2, T0);
	stand_up(&d);
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 0));
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 2);
	settle(&d);
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 0);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 11);
	assert_int_equal(s.records, 2);
	clear(&d);
}

static void what_a_full_disk_refused_is_written_later(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct rlimit was, small;
	struct said s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 0);
	getrlimit(RLIMIT_FSIZE, &was);
	small = (struct rlimit){1500, was.rlim_max};
	for (unsigned i = 0; i < 20; i++)
		add(&d, i, true, 10, 20, T0);
	setrlimit(RLIMIT_FSIZE, &small);
	tick(&d, T0 + MINUTE, false);
	assert_true(journal_failing(d.j));
	tick(&d, T0 + MINUTE, false);
	setrlimit(RLIMIT_FSIZE, &was);
	recover(&d);
	tick(&d, T0 + MINUTE, false);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 200);
	assert_int_equal(s.records, 20);
	clear(&d);
}

/* The records stand in the journal, though nobody promised that they would outlive a loss of power.
 */
static void what_a_failed_sync_left_in_the_journal_is_not_written_again(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_DISK);
	struct said s;

	(void)state;
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 0);
	for (unsigned i = 0; i < 20; i++)
		add(&d, i, true, 10, 20, T0);
	atomic_store(&sync_fails, true);
	tick(&d, T0 + MINUTE, false);
	assert_true(journal_failing(d.j));
	atomic_store(&sync_fails, false);
	recover(&d);
	tick(&d, T0 + MINUTE, false);
	tick(&d, T0 + MINUTE, true);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 200);
	assert_int_equal(s.records, 20);
	clear(&d);
}

/* --- a worker that dies
 * ------------------------------------------------------------------------------- */

/* Written, but the owner died before it could free them. */
static void what_the_dead_chain_tells_is_not_told_again(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct said s;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add(&d, i, true, 10, 20, T0);
	usage_tick(d.u, d.j, T0 + MINUTE, false, day, NULL); /* 256 of them numbered */
	add(&d, 5, true, 1, 1, T0 + MINUTE);
	stand_up(&d); /* writes, and nobody hears of it */
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 0));
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 45);
	settle(&d);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 3001);
	assert_int_equal(s.records, 301);
	clear(&d);
}

/* A successor that cannot read the dead chain at once asks again before it writes. */
static void what_cannot_be_looked_up_waits(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct rlimit was, none;
	struct said s;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add(&d, i, true, 10, 20, T0);
	usage_tick(d.u, d.j, T0 + MINUTE, false, day, NULL); /* 256 of them numbered */
	stand_up(&d);
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 0));
	getrlimit(RLIMIT_NOFILE, &was);
	none = (struct rlimit){0, was.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 44);
	usage_tick(d.u, d.j, T0 + MINUTE, false, day, NULL);
	setrlimit(RLIMIT_NOFILE, &was);
	tick(&d, T0 + MINUTE, false);
	tick(&d, T0 + MINUTE, true);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 3000);
	assert_int_equal(s.records, 300);
	clear(&d);
}

/* The numbers of another memory, of a master before this one, are not mistaken for this one's. */
static void a_restarted_masters_numbers_do_not_collide(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	void *old = d.shared;
	struct said s;

	(void)state;
	d.shared = shared_memory();
	usage_close(d.u);
	struct err e;
	struct usage *before = usage_open(old, usage_size(WORKERS), 0, &e);
	struct desk first = {.u = before};

	add(&first, 1, true, 10, 20, T0);
	d.u = usage_open(d.shared, usage_size(WORKERS), 0, &e);
	add(&d, 2, true, 100, 200, T0);
	/* both are number 1 of worker 0 and go to one chain; only the first is written */
	usage_tick(before, d.j, T0 + MINUTE, true, day, NULL);
	settle(&d);
	usage_tick(d.u, d.j, T0 + MINUTE, true, day, NULL);
	journal_close(d.j, false);
	usage_close(before);
	usage_close(d.u);
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 0));
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 0);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 110);
	assert_int_equal(s.records, 2);
	munmap(old, usage_size(WORKERS));
	clear(&d);
}

/* A journal that answers late takes all places of a person, then the nameless ones: one of these
 * always takes what comes, in memory that outlives the worker. */
static void what_finds_no_slot_outlives_its_worker(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct said s;

	(void)state;
	for (int i = 0; i < 100; i++) {
		add(&d, 1, false, 10, 20, T0 + i * MINUTE);
		usage_tick(d.u, d.j, T0 + i * MINUTE, false, day, NULL);
	}
	journal_close(d.j, false);
	usage_close(d.u); /* what only its process knew is gone */
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 0));
	usage_inherit(d.u, d.j, d.dir, day, NULL);
	settle(&d);
	tick(&d, T0 + 100 * MINUTE, true);
	stand_up(&d);
	read_all(&d, &s);
	assert_int_equal(s.up, 1000);
	assert_int_equal(s.down, 2000);
	clear(&d);
}

struct reported {
	_Atomic unsigned alive; /* whose figures these are */
	_Atomic uint64_t begun, ended, refused_begun, refused_ended;
};

/* Lives until it is killed. Its minutes are short, so that every stage is met often. Some never
 * hear of their journal, and have so many minutes for so few people that no place is left. */
static void live(struct desk *d, struct reported *r, unsigned seed)
{
	bool deaf = seed % 5 == 0;
	unsigned people = deaf ? 4 : 40;
	int64_t now = T0 + (int64_t)seed * 1000 * MINUTE, step = deaf ? MINUTE : 500;
	struct pollfd p;

	if (!sit_down(d, JOURNAL_SYNC_PROCESS, 0))
		_exit(1);
	usage_inherit(d->u, d->j, d->dir, day, NULL);
	p = (struct pollfd){.fd = journal_fd(d->j), .events = POLLIN};
	srand(seed);
	atomic_store(&r->alive, seed);
	for (unsigned i = 0;; i++, now += step) {
		unsigned up = (unsigned)rand() % 1000;

		atomic_fetch_add(&r->begun, up);
		add(d, (unsigned)rand() % people, false, up, 0, now);
		atomic_fetch_add(&r->ended, up);
		atomic_fetch_add(&r->refused_begun, 1);
		if (refuse(d, "gambling", "staff", now))
			atomic_fetch_sub(&r->refused_begun, 1);
		else
			atomic_fetch_add(&r->refused_ended, 1);
		if (i % 20 == 0)
			usage_tick(d->u, d->j, now, false, day, NULL);
		if (!deaf && i % 7 == 0)
			journal_hand_over(d->j);
		if (!deaf && i % 11 == 0 && poll(&p, 1, 0) > 0)
			journal_poll(d->j);
	}
}

static void fifty_killed_workers_lose_nothing_and_count_nothing_twice(void **state)
{
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct reported *r =
		mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t slack = 0, refused_slack = 0;
	struct said s;

	(void)state;
	stand_up(&d);
	srand(4711);
	for (unsigned i = 1; i <= 50; i++) {
		unsigned us = 2000 + (unsigned)rand() % 25000;
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			live(&d, r, i);
		/* some die while they still take over from the one before */
		for (int k = 0; i % 3 && k < 1000 && atomic_load(&r->alive) != i; k++)
			usleep(5000);
		usleep(us);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		/* what was under way when it died may be in or not */
		slack = r->begun - r->ended;
		refused_slack = r->refused_begun - r->refused_ended;
	}
	assert_true(sit_down(&d, JOURNAL_SYNC_PROCESS, 0));
	usage_inherit(d.u, d.j, d.dir, day, NULL);
	settle(&d);
	tick(&d, T0, true); /* with the nameless slot that was left open */
	assert_int_equal(usage_inherit(d.u, d.j, d.dir, day, NULL), 0);
	stand_up(&d);
	read_all(&d, &s);
	assert_true(s.records > 200);
	assert_in_range(s.up, r->ended, r->begun);
	assert_in_range(slack, 0, 50 * 1000);
	assert_in_range(s.refusals, r->refused_ended, r->refused_begun);
	assert_in_range(refused_slack, 0, 50);
	munmap(r, sizeof *r);
	clear(&d);
}

/* --- the rest
 * ------------------------------------------------------------------------------------------ */

static void wrong_memory_is_refused(void **state)
{
	void *p = shared_memory();
	struct err e;

	(void)state;
	assert_null(usage_open(p, usage_size(WORKERS), WORKERS, &e));
	assert_null(usage_open(p, usage_size(WORKERS), USAGE_WORKERS_MAX, &e));
	*(uint64_t *)p = 1;
	assert_null(usage_open(p, usage_size(WORKERS), 0, &e));
	assert_non_null(strstr(e.text, "another version"));
	munmap(p, usage_size(WORKERS));
}

static void workers_share_rates_and_nothing_else(void **state)
{
	const struct rate_limit l = {.interval_us = 60000000, .burst = 0};
	struct desk d = new_desk(JOURNAL_SYNC_PROCESS);
	struct err e;
	struct usage *other = usage_open(d.shared, usage_size(WORKERS), 1, &e);
	struct desk second = {.u = other};
	uint32_t retry;
	struct said s;

	(void)state;
	assert_true(usage_rate_take(d.u, SPAN("anna"), SPAN("social"), &l, 1, &retry));
	assert_false(usage_rate_take(other, SPAN("anna"), SPAN("social"), &l, 1, &retry));
	assert_int_equal(retry, 60);
	assert_true(usage_rate_take(other, SPAN("anna"), SPAN("video"), &l, 1, &retry));
	assert_true(usage_rate_take(other, SPAN("ann"), SPAN("asocial"), &l, 1, &retry));
	add(&second, 1, true, 5, 5, T0);
	tick(&d, T0 + MINUTE, true);
	read_all(&d, &s);
	assert_int_equal(s.records, 0);
	stand_up(&d);
	usage_close(other);
	clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_each_person_and_minute_are_exact),
		cmocka_unit_test(a_tunnel_counts_once_in_each_minute),
		cmocka_unit_test(the_present_minute_waits_and_a_tick_is_bounded),
		cmocka_unit_test(a_full_table_loses_names_and_no_bytes),
		cmocka_unit_test(a_record_too_long_for_a_slot_is_counted_without_a_name),
		cmocka_unit_test(the_first_refusal_is_the_callers_the_rest_is_one_record),
		cmocka_unit_test(without_room_each_refusal_is_recorded),
		cmocka_unit_test(a_full_queue_keeps_the_slots),
		cmocka_unit_test(what_a_full_disk_refused_is_written_later),
		cmocka_unit_test(what_a_failed_sync_left_in_the_journal_is_not_written_again),
		cmocka_unit_test(what_the_dead_chain_tells_is_not_told_again),
		cmocka_unit_test(what_cannot_be_looked_up_waits),
		cmocka_unit_test(a_restarted_masters_numbers_do_not_collide),
		cmocka_unit_test(what_finds_no_slot_outlives_its_worker),
		cmocka_unit_test(fifty_killed_workers_lose_nothing_and_count_nothing_twice),
		cmocka_unit_test(wrong_memory_is_refused),
		cmocka_unit_test(workers_share_rates_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
