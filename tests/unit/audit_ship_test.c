/*
 * Shipping, from real journals to a real redis-server. After every kind of accident the same is
 * asked: does Redis hold each record of the journal once, under its day and with its hash, and are
 * the figures those that rollup_of() gives over the journal?
 */
#include "ship.h"

#include "file.h"
#include "journal_read.h"
#include "redis_server.h"
#include "rollup.h"
#include "schema.h"

#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define NODE "edge1"
#define ID1  "11111111111111111111111111111111"
#define ID2  "22222222222222222222222222222222"

static struct redis_server server;
static char root[64]; /* of the test that runs */

/* --- lists of words, to compare what is with what should be ----------------------------------- */

struct words {
	char **v;
	size_t n, cap;
};

static void put(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct words *w, const char *fmt, ...)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->v = realloc(w->v, w->cap * sizeof *w->v);
	}
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&w->v[w->n++], fmt, ap) < 0)
		abort();
	va_end(ap);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_words(struct words *w)
{
	if (w->n)
		qsort(w->v, w->n, sizeof *w->v, by_text);
}

static void drop(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
	*w = (struct words){0};
}

static void assert_same(struct words *is, struct words *want)
{
	sort_words(is);
	sort_words(want);
	for (size_t i = 0; i < is->n && i < want->n; i++)
		if (strcmp(is->v[i], want->v[i]) != 0)
			fail_msg("is %s\nwant %s", is->v[i], want->v[i]);
	if (is->n != want->n)
		fail_msg("%zu in Redis, %zu in the journal", is->n, want->n);
	drop(is);
	drop(want);
}

/* --- writing journals ------------------------------------------------------------------------- */

static uint64_t seed = 1;
static unsigned chance(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static const char *const users[] = {"u1", "u2", "u3", "u\"4\\", "\xc3\xa4"};
static const char *const services[] = {"facebook", "youtube", ""};
static const char *const days[] = {"2026-11-22", "2026-11-23", "2026-11-24"};

static struct span one_of(const char *const *v, unsigned n)
{
	return span_str(v[chance(n)]);
}

static void make_record(struct record *r)
{
	static const enum record_kind kinds[] = {
		RECORD_ACCESS, RECORD_ACCESS, RECORD_USAGE, RECORD_END, RECORD_MARK};
	static const char *const verdicts[] = {"allow", "deny", "challenge"};
	static const char *const reasons[] = {"rule", "limit", "login"};
	record_init(r, kinds[chance(5)]);
	record_num(r, FIELD_T, 1700000000000ULL + chance(1000000));
	record_str(r, FIELD_DAY, span_str(days[chance(100) < 90 ? 1 : chance(3)]));
	if (r->kind == RECORD_MARK) {
		record_str(r, FIELD_WHAT, chance(2) ? SPAN("checkpoint") : SPAN("gap"));
		record_num(r, FIELD_N, chance(10));
		return;
	}
	record_str(r, FIELD_USER, one_of(users, 5));
	if (r->kind == RECORD_END) {
		record_num(r, FIELD_UP, 7);
		return;
	}
	record_str(r, FIELD_SERVICE, one_of(services, 3));
	record_str(r, FIELD_RULE, SPAN("r1"));
	record_str(r, FIELD_PURPOSE, SPAN("public campaigns"));
	if (r->kind == RECORD_ACCESS) {
		record_str(r, FIELD_VERDICT, one_of(verdicts, 3));
		record_str(r, FIELD_REASON, one_of(reasons, 3));
		if (chance(2))
			record_num(r, FIELD_N, 1 + chance(5));
		return;
	}
	record_num(r, FIELD_MINUTE, 28333333 + chance(100));
	record_num(r, FIELD_UP, chance(100000));
	record_num(r, FIELD_DOWN, chance(100000));
	record_num(r, FIELD_TUNNELS, 1);
	record_num(r, FIELD_CORE_UP, chance(3));
	record_num(r, FIELD_CORE_DOWN, chance(3));
}

static struct journal *writer(const char *name)
{
	char path[128];
	struct err e = {{0}};
	snprintf(path, sizeof path, "%s/%s", root, name);
	mkdir(path, 0700);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	const struct journal_options o = {
		.dir = dir, .sync_ms = 100, .segment_bytes = 64 << 10, .node = NODE};
	struct journal *j = journal_open(&o, NULL, &e);
	if (!j)
		fail_msg("%s", e.text);
	return j; /* the descriptor goes with the process */
}

static void count_done(void *arg, bool ok)
{
	assert_true(ok);
	--*(unsigned *)arg;
}

static void write_some(struct journal *j, unsigned n)
{
	unsigned waiting = n;
	for (unsigned i = 0; i < n; i++) {
		struct record r;
		struct buf b;
		char mem[RECORD_MAX];
		make_record(&r);
		buf_init_fixed(&b, mem, sizeof mem);
		assert_true(record_encode(&r, &b));
		assert_non_null(journal_add(j, buf_spanof(&b), count_done, &waiting));
	}
	journal_hand_over(j);
	for (uint64_t end = clock_mono_ms() + 20000; waiting && clock_mono_ms() < end;) {
		struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};
		poll(&p, 1, 100);
		journal_poll(j);
	}
	assert_int_equal(waiting, 0);
}

/* Adds n records and waits until they are written. Segments begin between batches, so small ones
 * make more segments. */
static void write_records(struct journal *j, unsigned n)
{
	for (; n > 100; n -= 100)
		write_some(j, 100);
	write_some(j, n);
}

static void write_chain(const char *name, unsigned n)
{
	struct journal *j = writer(name);
	write_records(j, n);
	journal_close(j, true);
}

/* --- what should be in Redis ------------------------------------------------------------------ */

struct want {
	struct words records, sums;
	struct record_decoder *decoder;
};

/* "up,down,tunnels" in a field is three numbers. */
static void put_moved(struct words *w, struct span day, struct span field, struct span text)
{
	for (unsigned i = 0; i < 3; i++) {
		struct span number = span_cut(&text, ',');
		put(w, "day %.*s %.*s/%u %020llu", SPAN_ARG(day), SPAN_ARG(field), i,
			number.n ? strtoull(number.p, NULL, 10) : 0);
	}
}

static bool want_record(
	void *arg, const char *name, const char *chain, uint64_t seq, struct span body)
{
	(void)name;
	struct want *w = arg;
	struct record r;
	struct err e;
	struct rollup u[ROLLUP_PER_RECORD];
	if (!record_decode(w->decoder, body, &r, &e))
		fail_msg("%.*s: %s", SPAN_ARG(body), e.text);
	/* marks of the journal itself carry no day when nobody tells them one: then today's */
	struct span day = record_get(&r, FIELD_DAY);
	put(&w->records, "%s %llu %.*s", chain, (unsigned long long)seq, SPAN_ARG(body));
	size_t n = rollup_of(&r, u);
	for (size_t i = 0; i < n; i++) {
		if (u[i].hash == ROLLUP_MIN)
			put(&w->sums, "min %.*s %s %s", SPAN_ARG(day), u[i].field, u[i].text);
		if (u[i].hash == ROLLUP_MOVED)
			put_moved(&w->sums, day, span_str(u[i].field), span_str(u[i].text));
		for (uint64_t k = 0; u[i].hash == ROLLUP_DAY && k < 1; k++)
			put(&w->sums, "day %.*s %s %020llu", SPAN_ARG(day), u[i].field,
				(unsigned long long)u[i].add);
	}
	return true;
}

/* "day … <number>" lines that differ in the number only become one with the sum. */
static void add_up(struct words *w)
{
	struct words out = {0};
	sort_words(w);
	for (size_t i = 0; i < w->n;) {
		char *at = strrchr(w->v[i], ' ');
		size_t head = (size_t)(at - w->v[i]), k = i;
		unsigned long long sum = 0;
		if (strncmp(w->v[i], "day ", 4) != 0) {
			put(&out, "%s", w->v[i++]);
			continue;
		}
		for (; k < w->n && strncmp(w->v[k], w->v[i], head + 1) == 0 &&
			strrchr(w->v[k], ' ') == w->v[k] + head;
			k++)
			sum += strtoull(w->v[k] + head + 1, NULL, 10);
		put(&out, "%.*s %020llu", (int)head, w->v[i], sum);
		i = k;
	}
	drop(w);
	*w = out;
}

/* --- what is in Redis ------------------------------------------------------------------------- */

static struct redis *ask(void)
{
	struct err e = {{0}};
	struct redis_options o = redis_server_options(&server);
	struct redis *r = redis_connect(&o, &e);
	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static void tell(const char *a, const char *b, const char *c, const char *d)
{
	struct redis *r = ask();
	struct err e = {{0}};
	const struct redis_reply *x = redis_words(r, &e, a, b, c, d, NULL);
	if (!x || x->type == REDIS_ERROR)
		fail_msg("%s: %.*s", a, x ? (int)x->str.n : 0, x ? x->str.p : "");
	redis_free(r);
}

static void list_log(struct redis *r, const char *day, struct words *out)
{
	char key[KEY_MAX];
	struct err e = {{0}};
	key_day(key, SPAN(NODE), "log", span_str(day));
	const struct redis_reply *a = redis_words(r, &e, "XRANGE", key, "-", "+", NULL);
	assert_true(a && a->type == REDIS_ARRAY);
	for (size_t i = 0; i < a->n; i++) {
		const struct redis_reply *f = a->v[i].v[1].v;
		assert_int_equal(a->v[i].v[1].n, 8);
		put(out, "%.*s %.*s %.*s %.*s", SPAN_ARG(f[1].str), SPAN_ARG(f[3].str),
			SPAN_ARG(f[5].str), SPAN_ARG(f[7].str));
		/* a record lies under the day that it names */
		char named[200];
		snprintf(named, sizeof named, "\"day\":\"%s\"", day);
		if (f[7].str.n && memmem(f[7].str.p, f[7].str.n, "\"day\":\"", 7) &&
			!memmem(f[7].str.p, f[7].str.n, named, strlen(named)))
			fail_msg("under %s: %.*s", day, SPAN_ARG(f[7].str));
	}
}

static void list_hash(struct redis *r, const char *what, const char *day, struct words *out)
{
	char key[KEY_MAX];
	struct err e = {{0}};
	key_day(key, SPAN(NODE), what, span_str(day));
	const struct redis_reply *a = redis_words(r, &e, "HGETALL", key, NULL);
	assert_true(a && a->type == REDIS_ARRAY);
	for (size_t i = 0; i + 1 < a->n; i += 2) {
		struct span field = a->v[i].str, value = a->v[i + 1].str;
		if (memchr(value.p, ',', value.n) && what[0] == 'd') {
			put_moved(out, span_str(day), field, value);
			continue;
		}
		if (what[0] == 'd') {
			put(out, "day %s %.*s %020llu", day, SPAN_ARG(field),
				strtoull(value.p, NULL, 10));
			continue;
		}
		while (value.n) {
			struct span entry = span_cut(&value, ' ');
			put(out, "min %s %.*s %.*s ", day, SPAN_ARG(field), SPAN_ARG(entry));
		}
	}
}

static size_t list_days(struct redis *r, char out[16][11])
{
	struct err e = {{0}};
	size_t n = 0;
	const struct redis_reply *a = redis_words(r, &e, "KEYS", "stile:{" NODE "}:log:*", NULL);
	for (size_t i = 0; i < a->n; i++)
		span_copy(span_of(a->v[i].str.p + a->v[i].str.n - 10, 10), out[n++], 11);
	return n;
}

/* "chain seq hash body" of every record, and all sums. */
static void list_redis(struct words *records, struct words *sums)
{
	struct redis *r = ask();
	char day[16][11];
	size_t n = list_days(r, day);
	for (size_t i = 0; i < n; i++) {
		list_log(r, day[i], records);
		list_hash(r, "day", day[i], sums);
		list_hash(r, "min", day[i], sums);
	}
	redis_free(r);
}

/* Turns "chain seq hash body" into "chain seq body" and checks the hashes on the way: sorted by
 * number, each must follow from the one before. */
static int by_chain_and_seq(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int c = strncmp(x, y, CHAIN_NAME_LEN);
	if (c)
		return c;
	unsigned long long p = strtoull(x + CHAIN_NAME_LEN + 1, NULL, 10);
	unsigned long long q = strtoull(y + CHAIN_NAME_LEN + 1, NULL, 10);
	return p < q ? -1 : p > q;
}

static void check_hashes(struct words *w, bool whole)
{
	struct chain_tip tip = {.seq = 0};
	char chain[CHAIN_NAME_LEN + 1] = "";
	if (w->n)
		qsort(w->v, w->n, sizeof *w->v, by_chain_and_seq);
	for (size_t i = 0; i < w->n; i++) {
		struct span rest = span_str(w->v[i]), name = span_cut(&rest, ' ');
		struct span seq = span_cut(&rest, ' '), hash = span_cut(&rest, ' ');
		char hex[2 * SHA256_LEN + 1], *less;
		if (!span_is(name, chain)) {
			span_copy(name, chain, sizeof chain);
			chain_start(name, &tip);
		}
		chain_next(&tip, rest);
		hex_encode(tip.hash, SHA256_LEN, hex);
		if (whole && !span_is(hash, hex))
			fail_msg("hash of %s %.*s", chain, SPAN_ARG(seq));
		assert_true(
			asprintf(&less, "%s %.*s %.*s", chain, SPAN_ARG(seq), SPAN_ARG(rest)) > 0);
		free(w->v[i]);
		w->v[i] = less;
	}
}

/* The whole question: Redis against the journal folder `dir`. */
static void assert_redis_has_all_of(const char *dir)
{
	struct want w = {.decoder = record_decoder_new()};
	struct words records = {0}, sums = {0};
	uint64_t bad = 0;
	struct err e = {{0}};
	if (!journal_walk(dir, want_record, NULL, &w, &bad, &e))
		fail_msg("%s", e.text);
	assert_int_equal(bad, 0);
	record_decoder_free(w.decoder);
	add_up(&w.sums);
	list_redis(&records, &sums);
	check_hashes(&records, true);
	assert_same(&records, &w.records);
	assert_same(&sums, &w.sums);
}

static size_t records_in_redis(void)
{
	struct words records = {0}, sums = {0};
	list_redis(&records, &sums);
	size_t n = records.n;
	drop(&records);
	drop(&sums);
	return n;
}

/* --- shipping --------------------------------------------------------------------------------- */

static struct ship_options options(void)
{
	struct ship_options o = {.root = root, .node = NODE, .node_id = ID1, .batch = 100};
	o.redis = redis_server_options(&server);
	return o;
}

static struct shipper *shipper(const struct ship_options *o)
{
	struct err e = {{0}};
	struct shipper *s = ship_new(o, &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

/* Steps until the state comes. Pauses are cut short: a test has no office to share Redis with. */
static void step_until(struct shipper *s, enum ship_state want)
{
	for (uint64_t end = clock_mono_ms() + 30000; clock_mono_ms() < end;) {
		if (ship_step(s) == want)
			return;
		unsigned ms = ship_pause(s);
		usleep((ms > 30 ? 30 : ms) * 1000);
	}
	fail_msg("the state did not come: %s", ship_status(s)->text);
}

/* Idle, and it stays so over a look at the tips (each second). */
static void settle(struct shipper *s)
{
	for (uint64_t end = clock_mono_ms() + 1200; clock_mono_ms() < end; usleep(20000))
		step_until(s, SHIP_IDLE);
}

/* Copies a file or folder of one level. */
static void copy(const char *from, const char *to)
{
	char cmd[300];
	snprintf(cmd, sizeof cmd, "cp -a '%s' '%s'", from, to);
	assert_int_equal(system(cmd), 0);
}

static int rm_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st, (void)type, (void)w;
	return remove(path);
}

static void rm_all(const char *path)
{
	nftw(path, rm_one, 16, FTW_DEPTH | FTW_PHYS);
}

static unsigned segments(const char *name, uint64_t *bytes)
{
	char path[128], file[96];
	struct segment_name *v;
	size_t n;
	struct err e = {{0}};
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", root, name);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(segment_list(dir, &v, &n, &e));
	*bytes = 0;
	for (size_t i = 0; i < n; i++) {
		segment_name_format(&v[i], file);
		assert_int_equal(fstatat(dir, file, &st, 0), 0);
		*bytes += (uint64_t)st.st_size;
	}
	free(v);
	close(dir);
	return (unsigned)n;
}

/* Alarm marks in a stream of Redis that speak of `text`. */
static unsigned alarm_marks(const char *text)
{
	struct words records = {0}, sums = {0};
	unsigned n = 0;
	list_redis(&records, &sums);
	for (size_t i = 0; i < records.n; i++)
		n += strstr(records.v[i], "\"what\":\"alarm\"") && strstr(records.v[i], text);
	drop(&records);
	drop(&sums);
	return n;
}

static const char *day_of_test(void *arg, int64_t wall_ms, char out[11])
{
	(void)arg, (void)wall_ms;
	return strcpy(out, "2026-11-23");
}

/* --- tests: the plain road -------------------------------------------------------------------- */

static void records_of_three_chains_arrive_once(void **state)
{
	(void)state;
	write_chain("0", 2000);
	write_chain("1", 2500);
	write_chain("2", 500);
	struct ship_options o = options();
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	const struct ship_status *st = ship_status(s);
	assert_int_equal(st->shipped, records_in_redis());
	assert_true(st->shipped >= 5000);
	assert_int_equal(st->backlog_bytes, 0);
	assert_true(st->journal_bytes > 100000);
	assert_int_equal(st->alarms + st->bad_lines + st->failures, 0);
	assert_string_equal(st->text, "");
	ship_free(s);

	s = shipper(&o); /* a second one finds nothing to do, and what comes then */
	settle(s);
	assert_int_equal(ship_status(s)->shipped, 0);
	write_chain("1", 300);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	ship_free(s);
}

static void a_living_writer_is_followed_over_restarts_of_the_shipper(void **state)
{
	(void)state;
	struct journal *j = writer("0");
	struct ship_options o = options();
	for (int i = 0; i < 8; i++) {
		struct shipper *s = shipper(&o);
		for (int k = 0; k < 3; k++) {
			write_records(j, 50 + chance(400));
			if (k < 2)
				step_until(s, SHIP_IDLE);
			else
				ship_step(s), ship_step(s); /* and leave in the middle */
		}
		ship_free(s);
	}
	journal_close(j, true);
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	ship_free(s);
}

static void the_root_may_be_a_descriptor(void **state)
{
	(void)state;
	write_chain("0", 100);
	struct ship_options o = options();
	o.root = NULL;
	o.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct shipper *s = shipper(&o);
	close(o.root_fd);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	ship_free(s);
}

/* --- tests: Redis goes, comes, forgets -------------------------------------------------------- */

static void a_killed_redis_that_comes_back_gets_the_rest(void **state)
{
	(void)state;
	write_chain("0", 2000);
	write_chain("1", 2000);
	struct ship_options o = options();
	o.batch = 20;
	struct shipper *s = shipper(&o);
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 3; k++)
			ship_step(s);
		redis_server_kill(&server);
		step_until(s, SHIP_AWAY);
		assert_true(ship_status(s)->text[0]);
		assert_true(ship_status(s)->backlog_bytes > 0);
		assert_true(ship_pause(s) >= 500 && ship_pause(s) <= 10000);
		assert_true(redis_server_start(&server, NULL, NULL));
	}
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	assert_string_equal(ship_status(s)->text, "");
	ship_free(s);
}

static void the_back_off_grows_to_ten_seconds(void **state)
{
	(void)state;
	struct ship_options o = options();
	o.redis.port = free_port();
	struct shipper *s = shipper(&o);
	unsigned last = 0;
	for (int i = 0; i < 12; i++) {
		assert_int_equal(ship_step(s), SHIP_AWAY);
		last = ship_pause(s);
		assert_true(last >= 500 && last <= 10000);
	}
	assert_true(last >= 5000);
	assert_int_equal(ship_status(s)->failures, 12);
	ship_free(s);
}

static void a_redis_that_was_emptied_is_filled_again_once(void **state)
{
	(void)state;
	write_chain("0", 1500);
	write_chain("1", 700);
	struct journal *j = writer("1");
	write_records(j, 300);
	struct ship_options o = options();
	o.batch = 50;
	struct shipper *s = shipper(&o);
	for (int k = 0; k < 2; k++)
		ship_step(s);
	tell("FLUSHALL", NULL, NULL, NULL); /* in the middle */
	step_until(s, SHIP_IDLE);
	settle(s);
	assert_redis_has_all_of(root);
	tell("FLUSHALL", NULL, NULL, NULL); /* when all is there and nothing new comes */
	settle(s);
	assert_redis_has_all_of(root);
	tell("FLUSHALL", NULL, NULL, NULL); /* and something new comes */
	write_records(j, 100);
	settle(s);
	assert_redis_has_all_of(root);
	struct redis *r = ask();
	struct err e;
	assert_int_equal(redis_words(r, &e, "SISMEMBER", KEY_NODES, NODE, NULL)->num, 1);
	redis_free(r);
	assert_int_equal(ship_status(s)->alarms, 0);
	journal_close(j, true);
	ship_free(s);
}

static void a_redis_that_comes_back_empty_is_filled_again(void **state)
{
	(void)state;
	write_chain("0", 1000);
	struct ship_options o = options();
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	redis_server_kill(&server);
	rm_all(server.dir);
	mkdir(server.dir, 0700);
	assert_true(redis_server_start(&server, NULL, NULL));
	settle(s);
	assert_redis_has_all_of(root);
	ship_free(s);
}

static void a_redis_that_lost_the_last_second_gets_it_again(void **state)
{
	(void)state;
	write_chain("0", 300);
	struct ship_options o = options();
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	redis_server_kill(&server);
	char kept[80];
	snprintf(kept, sizeof kept, "%s.kept", server.dir);
	copy(server.dir, kept);
	assert_true(redis_server_start(&server, NULL, NULL));
	write_chain("0", 400);
	struct journal *j = writer("1");
	write_records(j, 200);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	redis_server_kill(&server);
	rm_all(server.dir);
	assert_int_equal(rename(kept, server.dir), 0);
	assert_true(redis_server_start(&server, NULL, NULL));
	settle(s);
	assert_redis_has_all_of(root);
	journal_close(j, true);
	ship_free(s);
}

/* --- tests: an answer is lost after the script ran -------------------------------------------- */

/* Passes bytes both ways, but hangs up instead of passing on a `stored` when `cuts` says so. */
struct middle {
	int fd;
	uint16_t port;
	atomic_bool stop;
	atomic_uint cuts, done;
	pthread_t thread;
};

static bool pass(int from, int to, struct middle *m)
{
	static char mem[1 << 16];
	ssize_t n = read(from, mem, sizeof mem);
	if (n <= 0)
		return false;
	if (m && m->cuts > 0 && memmem(mem, (size_t)n, "stored", 6) && chance(3) == 0) {
		m->cuts--;
		m->done++;
		return false;
	}
	for (ssize_t at = 0; at < n;) {
		ssize_t w = send(to, mem + at, (size_t)(n - at), MSG_NOSIGNAL);
		if (w <= 0)
			return false;
		at += w;
	}
	return true;
}

static void serve_one(struct middle *m, int client)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons(server.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool on = connect(fd, (struct sockaddr *)&in, sizeof in) == 0;
	while (on && !m->stop) {
		struct pollfd p[2] = {
			{.fd = client, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
		if (poll(p, 2, 100) <= 0)
			continue;
		if (p[0].revents)
			on = pass(client, fd, NULL);
		if (on && p[1].revents)
			on = pass(fd, client, m);
	}
	close(fd);
	close(client);
}

static void *middle_run(void *arg)
{
	struct middle *m = arg;
	while (!m->stop) {
		struct pollfd p = {.fd = m->fd, .events = POLLIN};
		if (poll(&p, 1, 50) > 0)
			serve_one(m, accept(m->fd, NULL, NULL));
	}
	return NULL;
}

static void middle_start(struct middle *m)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof in;
	m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(m->fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(listen(m->fd, 8), 0);
	assert_int_equal(getsockname(m->fd, (struct sockaddr *)&in, &n), 0);
	m->port = ntohs(in.sin_port);
	assert_int_equal(pthread_create(&m->thread, NULL, middle_run, m), 0);
}

static void a_lost_answer_counts_nothing_twice(void **state)
{
	(void)state;
	write_chain("0", 2500);
	write_chain("1", 1500);
	struct middle m = {.cuts = 12};
	middle_start(&m);
	struct ship_options o = options();
	o.batch = 30;
	o.redis.port = m.port;
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	assert_true(m.done >= 5);
	assert_redis_has_all_of(root);
	ship_free(s);
	m.stop = true;
	pthread_join(m.thread, NULL);
	close(m.fd);
}

static void two_shippers_at_once_store_each_record_once(void **state)
{
	(void)state;
	write_chain("0", 3000);
	struct ship_options o = options();
	o.batch = 10;
	struct shipper *a = shipper(&o), *b = shipper(&o);
	ship_step(a), ship_step(b);
	for (int i = 0; i < 60; i++)
		ship_step(i % 2 ? a : b);
	step_until(a, SHIP_IDLE);
	settle(b);
	assert_redis_has_all_of(root);
	assert_int_equal(ship_status(a)->alarms + ship_status(b)->alarms, 0);
	assert_true(ship_status(a)->already + ship_status(b)->already > 0);
	ship_free(a);
	ship_free(b);
}

static void a_forgotten_script_is_loaded_again(void **state)
{
	(void)state;
	write_chain("0", 2000);
	struct ship_options o = options();
	o.batch = 20;
	struct shipper *s = shipper(&o);
	ship_step(s), ship_step(s);
	tell("SCRIPT", "FLUSH", NULL, NULL);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	assert_int_equal(ship_status(s)->failures, 0);
	ship_free(s);
}

/* --- tests: Redis refuses --------------------------------------------------------------------- */

static void a_refusing_redis_is_away_and_says_why(void **state)
{
	(void)state;
	static const struct {
		const char *on[4], *off[4], *text;
		enum cause cause;
	} cases[] = {
		{{"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "SET", "maxmemory", "0"}, "OOM",
			CAUSE_MEMORY},
		{{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}, "READONLY",
			CAUSE_READONLY},
		{{"ACL", "SETUSER", "default", "-evalsha"},
			{"ACL", "SETUSER", "default", "+evalsha"}, "NOPERM", CAUSE_ACL},
		{{"ACL", "SETUSER", "default", "-xadd"}, {"ACL", "SETUSER", "default", "+xadd"}, "",
			CAUSE_ACL},
		{{"SET", "stile:{" NODE "}:day:2026-11-23", "x"},
			{"DEL", "stile:{" NODE "}:day:2026-11-23"}, "holds a string",
			CAUSE_REFUSED},
		{{"SET", "stile:{" NODE "}:days", "x"}, {"DEL", "stile:{" NODE "}:days"},
			"holds a string", CAUSE_REFUSED},
		{{"SET", "stile:{" NODE "}:log:2026-11-23", "x"},
			{"DEL", "stile:{" NODE "}:log:2026-11-23"}, "holds a string",
			CAUSE_REFUSED},
		{{"SET", "stile:{" NODE "}:tips", "x"}, {"DEL", "stile:{" NODE "}:tips"},
			"WRONGTYPE", CAUSE_REFUSED},
	};
	write_chain("0", 700);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *const *on = cases[i].on, *const *off = cases[i].off;
		tell("FLUSHALL", NULL, NULL, NULL);
		struct ship_options o = options();
		struct shipper *s = shipper(&o);
		tell(on[0], on[1], on[2], on[3]);
		step_until(s, SHIP_AWAY);
		if (!strstr(ship_status(s)->text, cases[i].text))
			fail_msg("case %zu: %s", i, ship_status(s)->text);
		assert_string_equal(cause_word(ship_status(s)->cause), cause_word(cases[i].cause));
		assert_non_null(strstr(ship_status(s)->text, cause_advice(cases[i].cause)));
		assert_int_equal(ship_status(s)->troubles[cases[i].cause], 1);
		tell(off[0], off[1], off[2], off[3]);
		step_until(s, SHIP_IDLE);
		assert_int_equal(ship_status(s)->cause, CAUSE_NONE);
		assert_redis_has_all_of(root);
		ship_free(s);
	}
}

static void a_changed_password_needs_no_restart(void **state)
{
	(void)state;
	struct journal *j = writer("0");
	write_records(j, 200);
	tell("ACL", "SETUSER", "walker", "on");
	tell("ACL", "SETUSER", "walker", "allkeys");
	tell("ACL", "SETUSER", "walker", "allcommands");
	tell("ACL", "SETUSER", "walker", ">first");
	struct ship_options o = options();
	snprintf(o.redis.user, sizeof o.redis.user, "walker");
	snprintf(o.redis.password, sizeof o.redis.password, "first");
	struct shipper *s = shipper(&o);
	settle(s);
	tell("ACL", "SETUSER", "walker", "resetpass");
	tell("ACL", "SETUSER", "walker", ">second");
	tell("CLIENT", "KILL", "USER", "walker");
	write_records(j, 200);
	step_until(s, SHIP_AWAY);
	while (ship_status(s)->cause != CAUSE_PASSWORD)
		step_until(s, SHIP_AWAY);
	assert_non_null(strstr(ship_status(s)->text, cause_advice(CAUSE_PASSWORD)));
	assert_null(strstr(ship_status(s)->text, "first"));
	snprintf(o.redis.password, sizeof o.redis.password, "second");
	ship_change(s, &o);
	assert_int_equal(ship_pause(s), 0);
	settle(s);
	assert_redis_has_all_of(root);
	journal_close(j, true);
	ship_free(s);
	tell("ACL", "DELUSER", "walker", NULL);
}

static void a_password_asked_for_is_said(void **state)
{
	(void)state;
	struct redis *keep = ask();
	struct err e;
	redis_words(keep, &e, "CONFIG", "SET", "requirepass", "pw", NULL);
	struct ship_options o = options();
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_AWAY);
	assert_non_null(strstr(ship_status(s)->text, "NOAUTH"));
	assert_int_equal(ship_status(s)->cause, CAUSE_PASSWORD);
	redis_words(keep, &e, "CONFIG", "SET", "requirepass", "", NULL);
	step_until(s, SHIP_IDLE);
	redis_free(keep);
	ship_free(s);
}

static void a_step_never_takes_longer_than_the_time_out(void **state)
{
	(void)state;
	write_chain("0", 2000);
	struct ship_options o = options();
	o.redis.timeout_ms = 400;
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_BUSY);
	kill(server.pid, SIGSTOP);
	for (int i = 0; i < 4; i++) {
		uint64_t begin = clock_mono_ms();
		enum ship_state is = ship_step(s);
		uint64_t took = clock_mono_ms() - begin;
		if (took > 1200 || is != SHIP_AWAY) {
			kill(server.pid, SIGCONT);
			fail_msg("%llu ms, state %d", (unsigned long long)took, is);
		}
	}
	kill(server.pid, SIGCONT);
	step_until(s, SHIP_IDLE);
	assert_redis_has_all_of(root);
	ship_free(s);
}

#define MOVED	"[\"moved\",\"p1\",\"staff\",\"facebook\",\"public\",\"r1\",\"\"]"
#define DAY_KEY "stile:{" NODE "}:day:2026-11-23"

/* One usage record, in a chain of its own. */
static void write_usage(struct journal *j, uint64_t up, uint64_t down)
{
	unsigned waiting = 1;
	struct record r;
	struct buf b;
	char mem[RECORD_MAX];
	record_init(&r, RECORD_USAGE);
	record_num(&r, FIELD_T, 1700000000000);
	record_str(&r, FIELD_DAY, SPAN("2026-11-23"));
	record_str(&r, FIELD_USER, SPAN("p1"));
	record_str(&r, FIELD_ROLE, SPAN("staff"));
	record_str(&r, FIELD_SERVICE, SPAN("facebook"));
	record_str(&r, FIELD_ZONE, SPAN("public"));
	record_str(&r, FIELD_RULE, SPAN("r1"));
	record_num(&r, FIELD_MINUTE, 28333333);
	record_num(&r, FIELD_UP, up);
	record_num(&r, FIELD_DOWN, down);
	record_num(&r, FIELD_TUNNELS, 1);
	buf_init_fixed(&b, mem, sizeof mem);
	assert_true(record_encode(&r, &b));
	assert_non_null(journal_add(j, buf_spanof(&b), count_done, &waiting));
	journal_hand_over(j);
	while (waiting) {
		struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 10000), 1);
		journal_poll(j);
	}
}

static void assert_field(const char *field, const char *want)
{
	struct redis *r = ask();
	const struct redis_reply *a = redis_words(r, NULL, "HGET", DAY_KEY, field, NULL);
	if (want ? a->type != REDIS_STRING || !span_is(a->str, want) : a->type != REDIS_NIL)
		fail_msg("%s is %.*s, not %s", field, SPAN_ARG(a->str), want ? want : "missing");
	redis_free(r);
}

/* What cannot be added is said, and holds up neither the records nor other figures. */
static void what_moved_is_added_where_that_is_exact(void **state)
{
	static const struct {
		const char *there;
		uint64_t up, down;
		const char *want;
	} cases[] = {
		{NULL, 5, 7, "5,7,1"},
		{"1,2,3", 5, 7, "6,9,4"},
		{"9007199254740990,0,0", 1, 0, "9007199254740991,0,1"},
		{"9007199254740991,0,0", 1, 0, "9007199254740991,0,0"},
		{"0,9007199254740991,0", 0, 1, "0,9007199254740991,0"},
		{NULL, 1ULL << 53, 0, NULL},
		{"junk", 5, 7, "junk"},
		{"1,2", 5, 7, "1,2"},
		{"12", 5, 7, "12"},
	};
	(void)state;
	struct journal *j = writer("0");
	struct ship_options o = options();
	struct shipper *s = shipper(&o);
	settle(s);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const size_t records = records_in_redis();
		tell("HDEL", DAY_KEY, MOVED, NULL);
		if (cases[i].there)
			tell("HSET", DAY_KEY, MOVED, cases[i].there);
		write_usage(j, cases[i].up, cases[i].down);
		settle(s);
		assert_field(MOVED, cases[i].want);
		assert_int_equal(records_in_redis(), records + 1);
	}
	journal_close(j, true);
	ship_free(s);
}

/* Whose user is of an earlier version, ships what that version did. */
static void a_user_who_may_only_count_counts_what_moved(void **state)
{
	(void)state;
	struct journal *j = writer("0");
	for (size_t i = 0; i < 2; i++) {
		struct ship_options o = options();
		tell("ACL", "DELUSER", "former", NULL);
		tell("ACL", "SETUSER", "former", "on");
		tell("ACL", "SETUSER", "former", ">pw");
		tell("ACL", "SETUSER", "former", "allcommands");
		tell("ACL", "SETUSER", "former", "-hget");
		tell("ACL", "SETUSER", "former", "-hset");
		tell("ACL", "SETUSER", "former", "%RW~*");
		if (i)
			tell("ACL", "SETUSER", "former", "(+hget ~*)");
		tell("ACL", "SETUSER", "former",
			"(+hget +hset ~stile:{" NODE "}:tips ~stile:{" NODE "}:min:*)");
		snprintf(o.redis.user, sizeof o.redis.user, "former");
		snprintf(o.redis.password, sizeof o.redis.password, "pw");
		struct shipper *s = shipper(&o);
		tell("DEL", DAY_KEY, NULL, NULL);
		write_usage(j, 5, 0);
		write_usage(j, 6, 0);
		settle(s);
		assert_field(MOVED, NULL);
		assert_field("[\"up\",\"p1\",\"staff\",\"facebook\",\"public\",\"r1\",\"\"]", "11");
		assert_field(
			"[\"down\",\"p1\",\"staff\",\"facebook\",\"public\",\"r1\",\"\"]", NULL);
		assert_field(
			"[\"tunnels\",\"p1\",\"staff\",\"facebook\",\"public\",\"r1\",\"\"]", "2");
		ship_free(s);
	}
	journal_close(j, true);
	tell("ACL", "DELUSER", "former", NULL);
}

static void a_second_node_of_the_same_name_is_refused(void **state)
{
	(void)state;
	write_chain("0", 200);
	struct ship_options o = options();
	struct shipper *first = shipper(&o);
	step_until(first, SHIP_IDLE);
	size_t n = records_in_redis();
	snprintf(o.node_id, sizeof o.node_id, ID2);
	struct shipper *second = shipper(&o);
	write_chain("1", 200);
	step_until(second, SHIP_REFUSED);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ship_step(second), SHIP_REFUSED);
	assert_int_equal(records_in_redis(), n);
	assert_non_null(strstr(ship_status(second)->text, ID1));
	assert_non_null(strstr(ship_status(second)->text, "audit.node"));
	assert_true(ship_pause(second) >= 1000);
	ship_free(first);
	tell("DEL", "stile:{" NODE "}:id", NULL, NULL); /* the admin decides */
	step_until(second, SHIP_IDLE);
	assert_redis_has_all_of(root);
	ship_free(second);
}

static void the_node_id_is_made_once_and_kept(void **state)
{
	(void)state;
	char a[33], b[33], path[128];
	struct err e = {{0}};
	assert_true(ship_node_id(root, a, &e));
	assert_true(ship_node_id(root, b, &e));
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 32);
	snprintf(path, sizeof path, "%s/node-id", root);
	FILE *f = fopen(path, "w");
	fputs("not hex\n", f);
	fclose(f);
	assert_false(ship_node_id(root, a, &e));
	assert_non_null(strstr(e.text, "32 hex digits"));
}

/* --- tests: journal and Redis do not fit ------------------------------------------------------ */

/* Yesterday's copy is put back: before the shipper starts, or under its feet. */
static void an_older_copy_of_the_journal(bool running)
{
	char folder[100], kept[100];
	snprintf(folder, sizeof folder, "%s/0", root);
	snprintf(kept, sizeof kept, "%s.kept", root);
	struct journal *j = writer("0");
	write_records(j, 600);
	copy(folder, kept);
	write_records(j, 500);
	struct journal *marks = writer("shipper");
	struct ship_options o = options();
	o.marks = marks;
	o.day = day_of_test;
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	const size_t before = records_in_redis();
	char chain[CHAIN_NAME_LEN + 1];
	snprintf(chain, sizeof chain, "%s", journal_chain(j));
	journal_close(j, false);
	step_until(s, SHIP_IDLE);

	if (!running)
		ship_free(s);
	rm_all(folder);
	assert_int_equal(rename(kept, folder), 0);
	if (!running)
		s = shipper(&o);
	write_chain("0", 250); /* goes on in a chain of its own */
	settle(s);
	assert_int_equal(ship_status(s)->alarms, 1);
	assert_non_null(strstr(ship_status(s)->text, chain));
	assert_non_null(strstr(ship_status(s)->text, "older copy"));
	assert_true(ship_status(s)->backlog_bytes > 0); /* not known to be in Redis: not hidden */
	assert_true(records_in_redis() >= before + 250);
	assert_int_equal(alarm_marks(chain), 1);
	assert_int_equal(alarm_marks("older copy"), 1);
	ship_free(s);
	journal_close(marks, true);
}

static void an_older_copy_put_back_while_stopped_is_an_alarm(void **state)
{
	(void)state;
	an_older_copy_of_the_journal(false);
}

static void an_older_copy_put_back_under_a_running_shipper_is_an_alarm(void **state)
{
	(void)state;
	an_older_copy_of_the_journal(true);
}

static void another_hash_sets_one_chain_aside_and_the_others_go_on(void **state)
{
	(void)state;
	struct journal *j = writer("0"), *marks = writer("shipper");
	write_records(j, 300);
	struct ship_options o = options();
	o.marks = marks;
	o.day = day_of_test;
	struct shipper *s = shipper(&o);
	step_until(s, SHIP_IDLE);
	struct chain_tip tip;
	char value[128], zeros[65];
	memset(zeros, '0', 64);
	zeros[64] = 0;
	journal_tip(j, &tip);
	snprintf(value, sizeof value, "%llu:%s", (unsigned long long)tip.seq, zeros);
	tell("HSET", "stile:{" NODE "}:tips", journal_chain(j), value);
	write_records(j, 100);
	write_chain("1", 400);
	settle(s);
	assert_int_equal(ship_status(s)->alarms, 1);
	assert_non_null(strstr(ship_status(s)->text, "different hashes"));
	assert_int_equal(alarm_marks("different hashes"), 1);
	assert_true(ship_status(s)->backlog_bytes > 0);

	char hex[65];
	hex_encode(tip.hash, SHA256_LEN, hex); /* an admin puts the right one back */
	snprintf(value, sizeof value, "%llu:%s", (unsigned long long)tip.seq, hex);
	tell("HSET", "stile:{" NODE "}:tips", journal_chain(j), value);
	settle(s);
	assert_int_equal(ship_status(s)->alarms, 0);
	ship_free(s);
	journal_close(j, true);
	journal_close(marks, true);
	o.marks = NULL;
	s = shipper(&o);
	settle(s);
	assert_redis_has_all_of(root);
	ship_free(s);
}

static void edit(const char *name, void (*change)(char *p, size_t n))
{
	char path[128], file[300];
	struct segment_name *v;
	size_t n;
	struct err e;
	static char mem[1 << 20];
	snprintf(path, sizeof path, "%s/%s", root, name);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(segment_list(dir, &v, &n, &e) && n > 0);
	segment_name_format(&v[0], file);
	int fd = openat(dir, file, O_RDWR | O_CLOEXEC);
	ssize_t got = read(fd, mem, sizeof mem);
	assert_true(got > 0);
	change(mem, (size_t)got);
	assert_int_equal(pwrite(fd, mem, (size_t)got, 0), got);
	close(fd);
	close(dir);
	free(v);
}

static char *line(char *p, unsigned number)
{
	while (number--)
		p = strchr(p, '\n') + 1;
	return p;
}

static void damage(char *p, size_t n)
{
	(void)n;
	char *at = strstr(line(p, 10), "\"k\":"); /* a body: record 10 */
	at[1] ^= 1;
	strchr(line(p, 20), '\n')[0] = ' '; /* two lines become one: records 20 and 21 */
	memset(line(p, 30), 0, 60);	    /* a hole of zeros: record 31 */
}

static void damaged_lines_are_told_and_the_chain_goes_on(void **state)
{
	(void)state;
	write_chain("0", 400);
	edit("0", damage);
	struct journal *marks = writer("shipper");
	struct ship_options o = options();
	o.marks = marks;
	o.day = day_of_test;
	struct shipper *s = shipper(&o);
	settle(s);
	const struct ship_status *st = ship_status(s);
	assert_int_equal(st->alarms, 0);
	assert_int_equal(st->bad_lines, 3);
	assert_int_equal(st->backlog_bytes, 0);
	assert_int_equal(alarm_marks("3 unreadable lines, 4 records"), 1);

	struct words records = {0}, sums = {0};
	list_redis(&records, &sums);
	drop(&sums);
	check_hashes(&records, false);
	unsigned bodiless = 0;
	for (size_t i = 0; i < records.n; i++)
		bodiless += records.v[i][strlen(records.v[i]) - 1] == ' ';
	assert_int_equal(bodiless, 4);
	drop(&records);
	tell("FLUSHALL", NULL, NULL, NULL); /* what comes back is the same, and is not told again */
	settle(s);
	assert_int_equal(ship_status(s)->bad_lines, 3);
	ship_free(s);
	journal_close(marks, true);
}

static void a_segment_missing_in_the_middle_is_told(void **state)
{
	(void)state;
	struct segment_name *v;
	size_t n;
	struct err e;
	char path[128], file[96];
	write_chain("0", 1200);
	snprintf(path, sizeof path, "%s/0", root);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(segment_list(dir, &v, &n, &e) && n >= 3);
	segment_name_format(&v[1], file);
	assert_int_equal(unlinkat(dir, file, 0), 0);
	const uint64_t lost = v[2].first_seq - v[1].first_seq;
	free(v);
	close(dir);

	struct journal *marks = writer("shipper");
	struct ship_options o = options();
	o.marks = marks;
	o.day = day_of_test;
	struct shipper *s = shipper(&o);
	settle(s);
	/* a mark for each batch that the hole spans */
	struct words records = {0}, sums = {0};
	list_redis(&records, &sums);
	drop(&sums);
	uint64_t sum = 0;
	for (size_t i = 0; i < records.n; i++) {
		const char *at = strstr(records.v[i], "unreadable lines, ");
		if (at)
			sum += strtoull(at + 18, NULL, 10);
	}
	assert_int_equal(sum, lost);
	drop(&records);
	assert_int_equal(ship_status(s)->alarms, 0);
	assert_int_equal(ship_status(s)->backlog_bytes, 0);
	ship_free(s);
	journal_close(marks, true);
}

static void segments_that_went_unshipped_are_an_alarm(void **state)
{
	(void)state;
	char folder[100];
	snprintf(folder, sizeof folder, "%s/0", root);
	struct journal *marks = writer("shipper");
	struct ship_options o = options();
	o.marks = marks;
	o.day = day_of_test;
	o.batch = 1;
	write_chain("0", 150);
	struct shipper *s = shipper(&o);
	ship_step(s), ship_step(s);
	rm_all(folder);
	usleep(300000); /* what is open could still be read: the next look at the disk must come
			   first */
	settle(s);
	settle(s);
	assert_int_equal(alarm_marks("went from the disk"), 1);
	ship_free(s);
	journal_close(marks, true);
}

/* --- tests: retention ------------------------------------------------------------------------- */

static void old_segments_go_only_when_redis_has_them(void **state)
{
	(void)state;
	uint64_t bytes;
	write_chain("0", 1500);
	struct journal *j = writer("0");
	write_records(j, 1500);
	const unsigned all = segments("0", &bytes);
	assert_true(all >= 6);
	usleep(20000);
	struct ship_options o = options();
	o.keep_ms = 1;
	o.redis.port = free_port();
	struct shipper *s = shipper(&o);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ship_step(s), SHIP_AWAY);
	assert_int_equal(segments("0", &bytes), all);
	ship_free(s);

	copy(root, "all-of-it");
	o.redis.port = server.port;
	s = shipper(&o);
	settle(s);
	settle(s);
	assert_int_equal(segments("0", &bytes), 1); /* the newest */
	assert_redis_has_all_of("all-of-it");
	rm_all("all-of-it");

	/* what is still there comes back though its chain begins in the middle */
	tell("FLUSHALL", NULL, NULL, NULL);
	write_records(j, 50);
	settle(s);
	struct words records = {0}, sums = {0};
	list_redis(&records, &sums);
	assert_true(records.n >= 50 && records.n < 1500);
	drop(&records);
	drop(&sums);
	assert_int_equal(ship_status(s)->alarms, 0);
	assert_int_equal(ship_status(s)->backlog_bytes, 0);
	journal_close(j, true);
	ship_free(s);
}

#define DAY_MS (24 * 60 * 60 * 1000LL)
#define NOON   1795521600000LL /* 2026-11-24T12:00:00Z: the days of the records are around it */

static int64_t shifted;

static void set_clock(int64_t wall_ms)
{
	const int64_t by = wall_ms - clock_wall_ms();
	clock_shift_ms(by);
	shifted += by;
}

static int clock_back(void **state)
{
	(void)state;
	clock_shift_ms(-shifted);
	shifted = 0;
	return 0;
}

static int64_t count_of(const char *command, const char *key, const char *more)
{
	struct redis *r = ask();
	struct err e = {{0}};
	const struct redis_reply *a = redis_words(r, &e, command, key, more, NULL);
	if (!a || a->type != REDIS_INT)
		fail_msg("%s %s: %s", command, key, e.text);
	const int64_t n = a->num;
	redis_free(r);
	return n;
}

#define KEY(what) "stile:{" NODE "}:" what
#define HAS(what) count_of("EXISTS", KEY(what), NULL)

struct proofs {
	unsigned n;
	uint64_t keys;
	char text[480];
};

static bool find_proof(
	void *arg, const char *name, const char *chain, uint64_t seq, struct span body)
{
	(void)name, (void)chain, (void)seq;
	struct proofs *p = arg;
	struct record r;
	struct record_decoder *d = record_decoder_new();
	if (record_decode(d, body, &r, NULL) && span_is(record_get(&r, FIELD_WHAT), "retention")) {
		p->n++;
		p->keys += record_getnum(&r, FIELD_N);
		span_copy(record_get(&r, FIELD_TEXT), p->text, sizeof p->text);
	}
	record_decoder_free(d);
	return true;
}

static struct proofs proofs(void)
{
	struct proofs p = {0};
	uint64_t bad;
	struct err e;
	assert_true(journal_walk(root, find_proof, NULL, &p, &bad, &e));
	return p;
}

static void assert_kept(const char *want)
{
	char path[128];
	struct buf b = {0};
	snprintf(path, sizeof path, "%s/kept", root);
	assert_true(file_read(path, 1000, &b, NULL));
	buf_addc(&b, 0);
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void days_that_are_too_old_go_and_do_not_come_back(void **state)
{
	(void)state;
	set_clock(NOON);
	write_chain("0", 1500);
	struct ship_options o = options();
	struct shipper *s = shipper(&o);
	settle(s);
	assert_redis_has_all_of(root);
	const int64_t figures = count_of("HLEN", KEY("day:2026-11-22"), NULL);
	const int64_t records = count_of("XLEN", KEY("log:2026-11-22"), NULL);
	const int64_t others = count_of("XLEN", KEY("log:2026-11-23"), NULL);
	assert_true(figures > 0 && records > 0);
	ship_free(s);

	o.marks = writer("shipper");
	o.keep_raw_ms = DAY_MS;
	o.keep_rollups_ms = 10 * DAY_MS;
	o.retain_after_ms = 1;
	s = shipper(&o);
	settle(s);
	assert_int_equal(HAS("log:2026-11-22"), 0);
	assert_int_equal(count_of("HLEN", KEY("day:2026-11-22"), NULL), figures);
	assert_int_equal(count_of("XLEN", KEY("log:2026-11-23"), NULL), others);
	assert_int_equal(ship_status(s)->deleted, 1);
	assert_kept("raw 2026-11-23\nrollups 2026-11-14\n");
	struct proofs p = proofs();
	assert_int_equal(p.n, 1);
	assert_int_equal(p.keys, 1);
	assert_non_null(strstr(p.text, "raw records of days before 2026-11-23"));
	assert_non_null(strstr(p.text, "log:2026-11-22"));

	/* emptied under the shipper: figures come back, raw records of that day do not */
	tell("FLUSHALL", NULL, NULL, NULL);
	settle(s);
	assert_int_equal(HAS("log:2026-11-22"), 0);
	assert_int_equal(count_of("HLEN", KEY("day:2026-11-22"), NULL), figures);
	assert_int_equal(count_of("XLEN", KEY("log:2026-11-23"), NULL), others);
	assert_int_equal(ship_status(s)->expired, records);
	assert_int_equal(ship_status(s)->backlog_bytes, 0);
	assert_int_equal(ship_status(s)->alarms, 0);
	ship_free(s);

	/* nor with a new shipper, though it is told to keep more */
	tell("FLUSHALL", NULL, NULL, NULL);
	o.keep_raw_ms = 400 * DAY_MS;
	o.keep_rollups_ms = DAY_MS;
	s = shipper(&o);
	settle(s);
	assert_int_equal(HAS("log:2026-11-22"), 0);
	assert_int_equal(HAS("day:2026-11-22"), 0);
	assert_int_equal(HAS("min:2026-11-22"), 0);
	assert_int_equal(HAS("day:2026-11-23"), 1);
	assert_kept("raw 2026-11-23\nrollups 2026-11-23\n");
	assert_int_equal(proofs().keys, 3); /* the figures had come back before the first look */
	assert_int_equal(count_of("ZCARD", KEY("days"), NULL), 6);
	journal_close(o.marks, true);
	ship_free(s);
}

static void retention_takes_some_days_at_a_time_of_its_own_node_only(void **state)
{
	(void)state;
	set_clock(NOON);
	write_chain("0", 50);
	char key[64];
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "log:2025-%02d-%02d", 1 + i / 20, 1 + i % 20);
		tell("ZADD", KEY("days"), "0", key);
		snprintf(key, sizeof key, KEY("log:2025-%02d-%02d"), 1 + i / 20, 1 + i % 20);
		tell("SET", key, "x", NULL);
	}
	tell("SET", "stile:{edge2}:log:2025-01-01", "x", NULL);
	tell("SET", KEY("log:2025-01-01:backup"), "x", NULL);
	struct ship_options o = options();
	o.keep_raw_ms = o.keep_rollups_ms = 30 * DAY_MS;
	o.retain_after_ms = 1;
	struct shipper *s = shipper(&o);
	uint64_t before = 0;
	for (uint64_t end = clock_mono_ms() + 20000; clock_mono_ms() < end;) {
		ship_step(s);
		const uint64_t now = ship_status(s)->deleted;
		assert_true(now - before <= 16);
		before = now;
		usleep(20000);
		if (now == 40)
			break;
	}
	assert_int_equal(before, 40);
	assert_int_equal(count_of("EXISTS", "stile:{edge2}:log:2025-01-01", NULL), 1);
	assert_int_equal(HAS("log:2025-01-01:backup"), 1);
	assert_int_equal(HAS("log:2025-02-20"), 0);
	/* all done: not before the next hour */
	tell("ZADD", KEY("days"), "0", "log:2025-01-01");
	settle(s);
	assert_int_equal(ship_status(s)->deleted, 40);
	ship_free(s);
}

static void retention_waits_while_the_clock_is_not_to_be_trusted(void **state)
{
	(void)state;
	set_clock(NOON);
	write_chain("0", 500);
	struct ship_options o = options();
	o.keep_raw_ms = o.keep_rollups_ms = 30 * DAY_MS;
	o.retain_after_ms = 2500;
	struct shipper *s = shipper(&o);
	settle(s);
	set_clock(NOON + 400 * DAY_MS); /* a jump, seen before retention begins */
	settle(s);
	settle(s);
	settle(s);
	assert_int_equal(HAS("log:2026-11-22"), 1);
	assert_int_equal(ship_status(s)->deleted, 0);
	ship_free(s);

	o.retain_after_ms = 0; /* wrong from the start on: the first minutes delete nothing */
	s = shipper(&o);
	settle(s);
	settle(s);
	assert_int_equal(HAS("log:2026-11-22"), 1);
	ship_free(s);
}

static void a_first_day_that_a_wrong_clock_set_is_not_believed(void **state)
{
	(void)state;
	char path[128];
	set_clock(NOON);
	write_chain("0", 200);
	snprintf(path, sizeof path, "%s/kept", root);
	assert_true(file_replace(path, SPAN("raw 2035-01-01\nrollups 2035-01-01\n"), 0640, NULL));
	struct ship_options o = options();
	o.keep_raw_ms = o.keep_rollups_ms = 30 * DAY_MS;
	o.retain_after_ms = 1;
	struct shipper *s = shipper(&o);
	settle(s);
	assert_kept("raw 2026-10-25\nrollups 2026-10-25\n");
	tell("FLUSHALL", NULL, NULL, NULL);
	settle(s);
	assert_redis_has_all_of(root);
	ship_free(s);

	struct err e = {{0}};
	assert_true(file_replace(path, SPAN("raw yesterday\n"), 0640, NULL));
	assert_null(ship_new(&o, &e));
	assert_non_null(strstr(e.text, "kept"));
}

static void space_is_bounded_by_what_is_shipped(void **state)
{
	(void)state;
	uint64_t bytes;
	write_chain("0", 1500);
	write_chain("1", 1500);
	const unsigned all = segments("0", &bytes);
	struct ship_options o = options();
	o.space = 200 << 10;
	o.redis.port = free_port();
	struct shipper *s = shipper(&o);
	assert_int_equal(ship_step(s), SHIP_AWAY);
	assert_int_equal(segments("0", &bytes), all);
	ship_free(s);
	o.redis.port = server.port;
	s = shipper(&o);
	settle(s);
	settle(s);
	uint64_t a, b;
	const unsigned left = segments("0", &a) + segments("1", &b);
	assert_true(a + b <= o.space);
	assert_true(left > 2); /* no more than needed */
	ship_free(s);
}

static void a_chain_that_ended_meanwhile_is_shipped_before_it_is_deleted(void **state)
{
	(void)state;
	struct ship_options o = options();
	o.space = 1;
	struct journal *j = writer("0");
	write_records(j, 100);
	struct shipper *s = shipper(&o);
	settle(s);
	write_records(j, 100);
	journal_close(j, true);
	j = writer("0");
	copy(root, "all-of-it");
	usleep(1100000); /* the next step asks for the tips and may delete */
	settle(s);
	settle(s);
	uint64_t bytes;
	assert_int_equal(segments("0", &bytes), 1);
	assert_redis_has_all_of("all-of-it");
	rm_all("all-of-it");
	ship_free(s);
	journal_close(j, true);
}

static void a_journal_that_begins_behind_the_tip_is_an_alarm(void **state)
{
	(void)state;
	write_chain("0", 200);
	struct journal *j = writer("1");
	write_records(j, 2000);
	struct ship_options o = options();
	o.keep_ms = 1;
	struct shipper *s = shipper(&o);
	settle(s);
	settle(s);
	ship_free(s);
	char value[128], zeros[65];
	memset(zeros, '0', 64);
	zeros[64] = 0;
	snprintf(value, sizeof value, "5:%s", zeros); /* Redis came back from an old backup */
	tell("HSET", "stile:{" NODE "}:tips", journal_chain(j), value);
	s = shipper(&o);
	settle(s);
	assert_int_equal(ship_status(s)->alarms, 1);
	assert_non_null(strstr(ship_status(s)->text, "in neither"));
	ship_free(s);
	journal_close(j, true);
}

/* --- running ---------------------------------------------------------------------------------- */

static int fresh(void **state)
{
	(void)state;
	static unsigned n;
	snprintf(root, sizeof root, "journal-%u", n++);
	mkdir(root, 0700);
	tell("FLUSHALL", NULL, NULL, NULL);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return redis_server_start(&server, NULL, NULL) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	redis_server_kill(&server);
	return 0;
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(records_of_three_chains_arrive_once),
		T(a_living_writer_is_followed_over_restarts_of_the_shipper),
		T(the_root_may_be_a_descriptor),
		T(a_killed_redis_that_comes_back_gets_the_rest),
		T(the_back_off_grows_to_ten_seconds),
		T(a_redis_that_was_emptied_is_filled_again_once),
		T(a_redis_that_comes_back_empty_is_filled_again),
		T(a_redis_that_lost_the_last_second_gets_it_again),
		T(a_lost_answer_counts_nothing_twice),
		T(two_shippers_at_once_store_each_record_once),
		T(a_forgotten_script_is_loaded_again),
		T(a_refusing_redis_is_away_and_says_why),
		T(a_password_asked_for_is_said),
		T(a_changed_password_needs_no_restart),
		T(a_step_never_takes_longer_than_the_time_out),
		T(what_moved_is_added_where_that_is_exact),
		T(a_user_who_may_only_count_counts_what_moved),
		T(a_second_node_of_the_same_name_is_refused),
		T(the_node_id_is_made_once_and_kept),
		T(an_older_copy_put_back_while_stopped_is_an_alarm),
		T(an_older_copy_put_back_under_a_running_shipper_is_an_alarm),
		T(another_hash_sets_one_chain_aside_and_the_others_go_on),
		T(damaged_lines_are_told_and_the_chain_goes_on),
		T(a_segment_missing_in_the_middle_is_told),
		T(segments_that_went_unshipped_are_an_alarm),
		T(old_segments_go_only_when_redis_has_them),
		T(space_is_bounded_by_what_is_shipped),
		cmocka_unit_test_setup_teardown(
			days_that_are_too_old_go_and_do_not_come_back, fresh, clock_back),
		cmocka_unit_test_setup_teardown(
			retention_takes_some_days_at_a_time_of_its_own_node_only, fresh,
			clock_back),
		cmocka_unit_test_setup_teardown(
			retention_waits_while_the_clock_is_not_to_be_trusted, fresh, clock_back),
		cmocka_unit_test_setup_teardown(
			a_first_day_that_a_wrong_clock_set_is_not_believed, fresh, clock_back),
		T(a_chain_that_ended_meanwhile_is_shipped_before_it_is_deleted),
		T(a_journal_that_begins_behind_the_tip_is_an_alarm),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
