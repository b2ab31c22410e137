/*
 * Shipping a journal of two records a tunnel, and a usage record to ten tunnels, to a private
 * redis-server on a free port of loopback: the shipper's CPU, Redis' own, and what the pair moves.
 */
#include "bench.h"
#include "bench_samples.h"

#include "journal.h"
#include "redis_server.h"
#include "ship.h"

#include <poll.h>

#define RECORDS 8400 /* of 400 ten-tunnel rounds: 21 records each */

struct shipping {
	struct bench *bench;
	struct redis_server server;
	clockid_t redis_clock;
	unsigned folders;
	double shipper_ns, redis_ns, wall_ns; /* of the last sample, a record */
};

/* --- the journal to be shipped ---------------------------------------------------------------- */

static void write_journal(const char *path)
{
	struct journal_options o = {.sync = JOURNAL_SYNC_PROCESS, .node = "bench"};
	struct sample *s = malloc(sizeof *s);
	struct err e;

	if (!s || mkdir(path, 0700) != 0 || (o.dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		bench_fail("%s: %m", path);
	struct journal *j = journal_open(&o, NULL, &e);

	if (!j)
		bench_fail("%s", e.text);
	for (unsigned i = 0; i < RECORDS; i++)
		if (!journal_add(j, sample_line(s, i), NULL, NULL))
			bench_fail("the journal takes no record");
	journal_close(j, true);
	close(o.dir);
	free(s);
}

/* --- one sample ------------------------------------------------------------------------------- */

static void empty_redis(struct shipping *s)
{
	struct redis_options o = redis_server_options(&s->server);
	struct err e;
	struct redis *r = redis_connect(&o, &e);

	if (!r || !redis_words(r, &e, "FLUSHALL", "SYNC", NULL))
		bench_fail("%s", e.text);
	redis_free(r);
}

/* Until all is there; the first step only connects, and is not counted. */
static void ship_all(struct shipping *s, struct shipper *ship)
{
	const struct ship_status *st = ship_status(ship);

	if (ship_step(ship) != SHIP_BUSY)
		bench_fail("%s", st->text);
	s->shipper_ns = -bench_clock(CLOCK_THREAD_CPUTIME_ID);
	s->redis_ns = -bench_clock(s->redis_clock);
	s->wall_ns = -bench_clock(CLOCK_MONOTONIC);
	while (st->shipped < RECORDS)
		if (ship_step(ship) > SHIP_BUSY)
			bench_fail("%s", st->text);
	s->shipper_ns += bench_clock(CLOCK_THREAD_CPUTIME_ID);
	s->redis_ns += bench_clock(s->redis_clock);
	s->wall_ns += bench_clock(CLOCK_MONOTONIC);
	bench_own(s->bench, s->redis_ns);
	s->shipper_ns /= (double)st->shipped;
	s->redis_ns /= (double)st->shipped;
	s->wall_ns /= (double)st->shipped;
}

static double sample(void *arg)
{
	struct shipping *s = arg;
	struct ship_options o = {.node = "bench", .redis = redis_server_options(&s->server)};
	struct err e;
	char root[32], worker[40];

	snprintf(root, sizeof root, "ship-%u", s->folders++);
	snprintf(worker, sizeof worker, "%s/0", root);
	o.root = root;
	if (mkdir(root, 0700) != 0 || !ship_node_id(root, o.node_id, &e))
		bench_fail("%s: cannot be made", root);
	write_journal(worker);
	empty_redis(s);
	struct shipper *ship = ship_new(&o, &e);

	if (!ship)
		bench_fail("%s", e.text);
	ship_all(s, ship);
	ship_free(ship);
	bench_empty(root);
	return s->shipper_ns;
}

/* The other figures of the same sample; their cases come behind it in each round. */
static double redis_ns(void *arg)
{
	return ((const struct shipping *)arg)->redis_ns;
}

static double rate(void *arg)
{
	return 1e9 / ((const struct shipping *)arg)->wall_ns;
}

static void *begin(struct bench *b)
{
	struct shipping *s;

	if (bench_counting(b))
		return NULL; /* the work is Redis', too */
	s = calloc(1, sizeof *s);
	if (!s)
		bench_fail("out of memory");
	s->bench = b;
	if (!redis_server_start(&s->server, "--appendfsync", "everysec") ||
		clock_getcpuclockid(s->server.pid, &s->redis_clock) != 0)
		bench_fail("redis-server does not start");
	bench_sample(b, "a record, shipper", BENCH_NS, sample, s);
	bench_note(b, "%u records: access, end, a usage to ten tunnels", RECORDS);
	bench_sample(b, "a record, Redis", BENCH_NS, redis_ns, s);
	bench_note(b, "redis-server's own CPU; appendfsync everysec");
	bench_sample(b, "records a second", BENCH_PER_SECOND, rate, s);
	bench_note(b, "wall time, one shipper, both on this machine");
	return s;
}

static void end(void *state)
{
	struct shipping *s = state;

	redis_server_kill(&s->server);
	free(s);
}

const struct bench_section bench_ship = {"ship", begin, end};
