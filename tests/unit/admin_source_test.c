/* The same figures from a journal and from Redis, where the real shipper brought it. */
#include "ship.h"
#include "source.h"

#include "redis_server.h"
#include "schema.h"

#include <pthread.h>
#include <stdatomic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NODE "generated-demo"

static struct redis_server server;

static void make_journal(void)
{
	char command[1024];
	const char *root = getenv("STILE_ROOT");
	assert_non_null(root);
	snprintf(command, sizeof command,
		"/usr/bin/python3 '%s/tests/scenario/gen_demo.py' journal --people 25 --days 4 "
		"--to 2026-10-14",
		root);
	assert_int_equal(system(command), 0);
}

static void ship_all(void)
{
	struct ship_options o = {.root = "journal",
		.node = NODE,
		.keep_ms = INT64_MAX / 2,
		.space = UINT64_MAX,
		.redis = redis_server_options(&server)};
	struct err e = {""};
	assert_true(ship_node_id("journal", o.node_id, &e));
	struct shipper *s = ship_new(&o, &e);
	assert_non_null(s);
	enum ship_state state;
	unsigned steps = 0;
	while ((state = ship_step(s)) == SHIP_BUSY && steps < 100000)
		steps++;
	if (state != SHIP_IDLE)
		fail_msg("shipping stands at %d: %s", state, ship_status(s)->text);
	assert_true(ship_status(s)->shipped > 0);
	ship_free(s);
}

static struct tally *tally_of(bool redis, const struct period *p)
{
	struct err e = {""};
	struct redis_options o = redis_server_options(&server);
	struct tally *t = tally_new(p);
	bool ok = redis ? source_redis_read(&o, t, NULL, false, &e)
			: source_journal_read("journal", t, NULL, false, &e);
	if (!ok)
		fail_msg("%s", e.text);
	return t;
}

static void assert_same_rows(struct tally *a, struct tally *b, enum dim by)
{
	struct tally_row *x, *y;
	size_t n, m;
	assert_true(tally_rows(a, by, 5, &x, &n));
	assert_true(tally_rows(b, by, 5, &y, &m));
	assert_int_equal(n, m);
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(span_eq(x[i].key, y[i].key));
		assert_int_equal(x[i].rows, y[i].rows);
		assert_memory_equal(&x[i].f, &y[i].f, sizeof x[i].f);
	}
	free(x);
	free(y);
}

static void redis_and_journal_give_the_same_figures(void **state)
{
	struct period p = {.from = "2026-10-12", .to = "2026-10-14", .days = 3};
	(void)state;
	make_journal();
	ship_all();
	struct tally *journal = tally_of(false, &p), *redis = tally_of(true, &p);
	struct figures x, y;
	tally_total(journal, &x);
	tally_total(redis, &y);
	assert_true(x.people > 0 && x.active > 0 && x.idle > 0 && x.accesses > 0);
	assert_memory_equal(&x, &y, sizeof x);
	for (int d = 0; d < DIM_COUNT; d++)
		assert_same_rows(journal, redis, (enum dim)d);
	assert_int_equal(tally_nodes(journal), 1);
	assert_int_equal(tally_nodes(redis), 1);
	assert_string_equal(tally_node(journal, 0)->name, NODE);
	assert_string_equal(tally_node(redis, 0)->name, NODE);
	assert_int_equal(tally_node(redis, 0)->checkpoints, 3 * 1440 - 15);
	assert_int_equal(tally_node(journal, 0)->checkpoints, 3 * 1440 - 15);
	assert_int_equal(tally_node(redis, 0)->lost, tally_node(journal, 0)->lost);
	assert_int_equal(tally_bad_lines(redis) + tally_bad_lines(journal), 0);
	tally_free(journal);
	tally_free(redis);
}

/* --- hashes of any size ----------------------------------------------------------------------- */

static const struct period ten_days = {.from = "2026-10-24", .to = "2026-11-02", .days = 10};
#define COUNTS	"stile:{big}:day:2026-11-02"
#define MINUTES "stile:{big}:min:2026-11-02"
#define NOON	29893680

static struct redis *connected(const char *user)
{
	struct redis_options o = redis_server_options(&server);
	struct err e = {""};
	if (user) {
		snprintf(o.user, sizeof o.user, "%s", user);
		snprintf(o.password, sizeof o.password, "pw");
	}
	struct redis *r = redis_connect(&o, &e);
	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static void hset(struct redis *r, const char *key, const char *field, const char *value)
{
	const struct span argv[] = {SPAN("HSET"), span_str(key), span_str(field), span_str(value)};
	assert_true(redis_send(r, argv, 4, NULL));
}

static void hear(struct redis *r, size_t n)
{
	while (n--) {
		const struct redis_reply *a = redis_receive(r, NULL);
		assert_true(a && a->type != REDIS_ERROR);
	}
}

/* So many people, each with one access and one active minute. */
static void fill(size_t people)
{
	struct redis *r = connected(NULL);
	hear(r, redis_words(r, NULL, "FLUSHALL", "SYNC", NULL) ? 0 : 1);
	for (size_t i = 0; i < people; i++) {
		char who[100], field[120], value[40];
		snprintf(who, sizeof who,
			"\"p%zu\",\"staff\",\"facebook\",\"public\",\"social\",\"\"]", i);
		snprintf(field, sizeof field, "[\"allow\",%s", who);
		hset(r, COUNTS, field, "1");
		snprintf(field, sizeof field, "[%s", who);
		snprintf(value, sizeof value, "%zu,4096,16384 ", (size_t)NOON + i % 7);
		hset(r, MINUTES, field, value);
	}
	hear(r, 2 * people);
	assert_true(redis_words(r, NULL, "SADD", KEY_NODES, "big", NULL)->num == 1);
	redis_free(r);
}

static bool asked(struct redis *r, const char *command)
{
	char what[40];
	snprintf(what, sizeof what, "cmdstat_%s:", command);
	const struct redis_reply *a = redis_words(r, NULL, "INFO", "commandstats", NULL);
	return memmem(a->str.p, a->str.n, what, strlen(what)) != NULL;
}

/* Reads as that user, and which way it went. */
static struct figures figures_of(const char *user, bool *whole, bool *scanned)
{
	struct redis_options o = redis_server_options(&server);
	struct redis *r = connected(NULL);
	struct err e = {""};
	struct figures f;
	assert_non_null(redis_words(r, NULL, "CONFIG", "RESETSTAT", NULL));
	if (user) {
		snprintf(o.user, sizeof o.user, "%s", user);
		snprintf(o.password, sizeof o.password, "pw");
	}
	struct tally *t = tally_new(&ten_days);
	if (!source_redis_read(&o, t, NULL, false, &e))
		fail_msg("%s", e.text);
	assert_int_equal(tally_bad_lines(t), 0);
	tally_total(t, &f);
	tally_free(t);
	*whole = asked(r, "hgetall");
	*scanned = asked(r, "hscan");
	redis_free(r);
	return f;
}

/* Nothing is asked for that is not there. */
static void hashes_are_fetched_whole_or_scanned_by_their_length(void **state)
{
	static const struct {
		size_t people;
		bool whole, scanned;
	} cases[] = {
		{0, false, false},
		{1, true, false},
		{4096, true, false},
		{4097, true, true}, /* minutes */
		{16384, true, true},
		{16385, false, true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool whole, scanned;
		fill(cases[i].people);
		struct figures f = figures_of(NULL, &whole, &scanned);
		assert_int_equal(f.people, cases[i].people);
		assert_int_equal(f.accesses, cases[i].people);
		assert_int_equal(f.active, cases[i].people);
		if (whole != cases[i].whole || scanned != cases[i].scanned)
			fail_msg("%zu people: whole %d, scanned %d", cases[i].people, whole,
				scanned);
	}
}

/* As the lines of redis-acl made them before hashes were fetched whole: refused once, not for each
 * hash, as Redis logs that. */
static void a_user_who_may_only_scan_gets_the_same(void **state)
{
	bool whole, scanned;
	(void)state;
	fill(100);
	struct redis *r = connected(NULL);
	assert_int_equal(redis_words(r, NULL, "ACL", "SETUSER", "old", "on", ">pw", "%R~stile:*",
				 "+smembers", "+hscan", NULL)
				 ->type,
		REDIS_STRING);
	struct figures f = figures_of("old", &whole, &scanned);
	assert_true(!whole && scanned);
	assert_int_equal(f.people, 100);
	assert_int_equal(f.accesses, 100);
	assert_int_equal(f.active, 100);
	const struct redis_reply *a = redis_words(r, NULL, "INFO", "commandstats", NULL);
	const char *hlen = strstr(a->str.p, "cmdstat_hlen:");
	assert_non_null(hlen);
	assert_int_equal(strtoul(strstr(hlen, "rejected_calls=") + 15, NULL, 10), 2);

	/* who may ask how long it is, but not fetch it, is told what is missing */
	assert_non_null(redis_words(r, NULL, "ACL", "SETUSER", "old", "+hlen", NULL));
	struct redis_options o = redis_server_options(&server);
	struct err e = {""};
	snprintf(o.user, sizeof o.user, "old");
	snprintf(o.password, sizeof o.password, "pw");
	struct tally *t = tally_new(&ten_days);
	assert_false(source_redis_read(&o, t, NULL, false, &e));
	assert_non_null(strstr(e.text, "HGETALL: NOPERM"));
	assert_non_null(strstr(e.text, "redis-acl"));
	tally_free(t);
	redis_free(r);
}

/* Somebody ships while a report reads. */
struct writer {
	pthread_t thread;
	_Atomic bool stop;
	unsigned long written;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	struct redis *r = connected(NULL);
	for (unsigned long i = 0; !atomic_load(&w->stop); i++) {
		char field[120];
		snprintf(field, sizeof field,
			"[\"allow\",\"q%lu\",\"staff\",\"x\",\"public\",\"social\",\"\"]", i);
		assert_true(redis_words(r, NULL, "HINCRBY", COUNTS, field, "1", NULL)->num == 1);
		w->written = i + 1;
	}
	redis_free(r);
	return NULL;
}

/* What was there before is there once, whole or scanned; of what comes meanwhile no more than came.
 */
static void a_hash_that_grows_while_it_is_read_counts_once(void **state)
{
	static const size_t people[] = {3000, 20000};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct writer w = {0};
		struct redis_options o = redis_server_options(&server);
		fill(people[i]);
		assert_int_equal(pthread_create(&w.thread, NULL, write_on, &w), 0);
		for (unsigned round = 0; round < 5; round++) {
			struct err e = {""};
			struct tally_row *rows;
			size_t n;
			struct tally *t = tally_new(&ten_days);
			if (!source_redis_read(&o, t, NULL, false, &e))
				fail_msg("%s", e.text);
			assert_true(tally_rows(t, DIM_SERVICE, 1, &rows, &n));
			assert_true(n > 0 && span_is(rows[0].key, "facebook"));
			assert_int_equal(rows[0].f.accesses, people[i]);
			assert_int_equal(rows[0].f.people, people[i]);
			if (n > 1)
				assert_int_equal(rows[1].f.people, rows[1].f.accesses);
			free(rows);
			tally_free(t);
		}
		atomic_store(&w.stop, true);
		pthread_join(w.thread, NULL);
		assert_true(w.written > 0);
	}
}

/* --- a Redis that fails ----------------------------------------------------------------------- */

/* Says so much of an honest conversation, and hangs up. */
struct peer {
	int fd;
	size_t says;
};

#define FIELD		     "[\"allow\",\"p1\",\"staff\",\"facebook\",\"public\",\"social\",\"\"]"
#define NOTHING		     ":0\r\n:0\r\n"
#define NINE_DAYS_OF_NOTHING NOTHING NOTHING NOTHING NOTHING NOTHING NOTHING NOTHING NOTHING NOTHING
static const char honest[] = "*1\r\n$1\r\na\r\n"		 /* SMEMBERS */
			     ":1\r\n:0\r\n" NINE_DAYS_OF_NOTHING /* HLEN */
			     "*2\r\n$54\r\n" FIELD "\r\n$1\r\n7\r\n";
_Static_assert(sizeof FIELD - 1 == 54, "the length in the answer");

static void *peer_run(void *arg)
{
	const struct peer *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	char asked[4096];
	assert_int_equal(send(fd, honest, p->says, MSG_NOSIGNAL), p->says);
	shutdown(fd, SHUT_WR);
	while (read(fd, asked, sizeof asked) > 0)
		;
	close(fd);
	return NULL;
}

/* Wherever it ends, that is no report. */
static void a_redis_that_fails_in_the_middle_makes_no_report(void **state)
{
	(void)state;
	for (size_t says = 0; says < sizeof honest; says++) {
		struct peer p = {.says = says};
		struct sockaddr_in in = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t n = sizeof in;
		pthread_t thread;
		struct err e = {""};
		p.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(p.fd, (struct sockaddr *)&in, n), 0);
		assert_int_equal(listen(p.fd, 1), 0);
		assert_int_equal(getsockname(p.fd, (struct sockaddr *)&in, &n), 0);
		assert_int_equal(pthread_create(&thread, NULL, peer_run, &p), 0);
		struct redis_options o = {
			.host = "127.0.0.1", .port = ntohs(in.sin_port), .timeout_ms = 3000};
		struct tally *t = tally_new(&ten_days);
		bool ok = source_redis_read(&o, t, NULL, false, &e);
		if (ok != (says == sizeof honest - 1) || (!ok && !e.text[0]))
			fail_msg("%zu bytes: %d, %s", says, ok, e.text);
		tally_free(t);
		pthread_join(thread, NULL);
		close(p.fd);
	}
}

static int setup(void **state)
{
	(void)state;
	return redis_server_start(&server, NULL, NULL) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	redis_server_kill(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redis_and_journal_give_the_same_figures),
		cmocka_unit_test(hashes_are_fetched_whole_or_scanned_by_their_length),
		cmocka_unit_test(a_user_who_may_only_scan_gets_the_same),
		cmocka_unit_test(a_hash_that_grows_while_it_is_read_counts_once),
		cmocka_unit_test(a_redis_that_fails_in_the_middle_makes_no_report),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
