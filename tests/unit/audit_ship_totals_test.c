/*
 * Totals between nodes over a real redis-server: each node here is a small table behind the door
 * that the shipper sees, and a connection of its own. Whatever is lost, trimmed or put there by
 * somebody else, a node's sum of the others is what they told, and it says when it does not know.
 */
#include "ship_totals.h"

#include "redis_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define PAIRS 700
#define START 29333280

static struct redis_server server;
static struct redis *admin;

struct node {
	const char *name;
	struct total own[PAIRS], others[PAIRS];
	bool changed[PAIRS], given[PAIRS];
	size_t n, cursor, takes, room;
	uint64_t known_until;
	struct totals_door door;
	struct ship_totals *t;
	struct redis *r;
};

/* --- a table ---------------------------------------------------------------------------------- */

static uint32_t start_of(void *arg, int64_t wall_ms, char day[11])
{
	(void)arg;
	(void)wall_ms;
	memcpy(day, "2025-10-09", 11);
	return START;
}

static bool next(void *arg, struct total *own, uint32_t *slot)
{
	struct node *n = arg;
	while (n->cursor < n->n) {
		const size_t i = n->cursor++;
		if (!n->changed[i] && !n->given[i])
			continue;
		n->changed[i] = false;
		n->given[i] = true;
		*own = n->own[i];
		*slot = (uint32_t)i;
		return true;
	}
	n->cursor = 0;
	return false;
}

static void told(void *arg, uint32_t slot)
{
	((struct node *)arg)->given[slot] = false;
}

static void again(void *arg)
{
	struct node *n = arg;
	for (size_t i = 0; i < n->n; i++)
		n->changed[i] = true;
}

/* The rule's name is the pair's number. */
static bool take(void *arg, const struct total *others)
{
	struct node *n = arg;
	const size_t i = (size_t)atoi(others->rule + 1);
	assert_true(i < PAIRS);
	n->takes++;
	if (n->room && i >= n->room)
		return false;
	assert_true(others->bytes >= n->others[i].bytes); /* they never fall */
	n->others[i] = *others;
	return true;
}

static void known(void *arg, uint64_t until_ms)
{
	((struct node *)arg)->known_until = until_ms;
}

static void put(struct node *n, size_t i, uint64_t bytes, unsigned minute)
{
	struct total *t = &n->own[i];
	memcpy(t->person, "0123456789abcdef01234567", TOTAL_PERSON + 1);
	snprintf(t->rule, sizeof t->rule, "r%zu", i);
	t->start = START;
	t->bytes = bytes;
	t->minutes[minute / 64] |= 1ULL << minute % 64;
	n->changed[i] = true;
	if (i >= n->n)
		n->n = i + 1;
}

/* --- nodes at work ---------------------------------------------------------------------------- */

static void dial(struct node *n)
{
	const struct redis_options o = redis_server_options(&server);
	struct err e = {""};
	redis_free(n->r);
	n->r = redis_connect(&o, &e);
	if (!n->r)
		fail_msg("%s", e.text);
	ship_totals_connected(n->t);
}

static struct node *node(const char *name)
{
	struct node *n = calloc(1, sizeof *n);
	n->name = name;
	n->door = (struct totals_door){n, start_of, next, told, again, take, known};
	n->t = ship_totals_new(&n->door, name);
	dial(n);
	redis_words(n->r, NULL, "SADD", "stile:nodes", name, (char *)NULL);
	return n;
}

static void done(struct node *n)
{
	ship_totals_free(n->t);
	redis_free(n->r);
	free(n);
}

static void step(struct node *n)
{
	struct err e = {""};
	if (!ship_totals_step(n->t, n->r, &e))
		fail_msg("%s: %s", n->name, e.text);
}

static bool is_known(const struct node *n)
{
	return n->known_until > clock_mono_ms();
}

/* Steps until all of them have told and heard what there was. */
static void exchange(struct node *const *v, size_t n)
{
	for (uint64_t end = clock_mono_ms() + TOTALS_TELL_MS + TOTALS_HEAR_MS + 200;
		clock_mono_ms() < end; usleep(20000))
		for (size_t i = 0; i < n; i++)
			step(v[i]);
}

static const struct redis_reply *cli(const char *a, const char *b, const char *c, const char *d)
{
	struct err e = {""};
	const struct redis_reply *r = redis_words(admin, &e, a, b, c, d, (char *)NULL);
	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static int empty(void **state)
{
	(void)state;
	cli("FLUSHALL", NULL, NULL, NULL);
	return 0;
}

/* --- what holds ------------------------------------------------------------------------------- */

static void nodes_know_what_the_others_told(void **state)
{
	(void)state;
	struct node *v[] = {node("a"), node("b"), node("c")};
	put(v[0], 0, 100, 5);
	put(v[1], 0, 30, 5); /* at the same time */
	put(v[1], 1, 7, 6);
	exchange(v, 3);
	assert_int_equal(v[0]->others[0].bytes, 30);
	assert_int_equal(v[0]->others[1].bytes, 7);
	assert_int_equal(v[1]->others[0].bytes, 100);
	assert_int_equal(v[2]->others[0].bytes, 130);
	assert_int_equal(total_minutes(&v[2]->others[0]), 1);
	for (int i = 0; i < 3; i++) {
		assert_true(is_known(v[i]));
		assert_int_equal(ship_totals_figures(v[i]->t)->nodes, 2);
		assert_int_equal(ship_totals_figures(v[i]->t)->seen, 2);
		assert_string_equal(ship_totals_figures(v[i]->t)->text, "");
	}
	/* what has not changed is not told again */
	const uint64_t before = ship_totals_figures(v[1]->t)->told;
	put(v[1], 1, 8, 7);
	exchange(v, 3);
	assert_int_equal(ship_totals_figures(v[1]->t)->told, before + 1);
	assert_int_equal(v[2]->others[1].bytes, 8);
	assert_int_equal(total_minutes(&v[2]->others[1]), 2);
	for (int i = 0; i < 3; i++)
		done(v[i]);
}

static void who_comes_later_reads_the_hash(void **state)
{
	(void)state;
	struct node *a = node("a"), *b;
	for (size_t i = 0; i < PAIRS; i++)
		put(a, i, i + 1, 3);
	exchange(&a, 1);
	cli("XTRIM", "stile:{a}:standing", "MAXLEN", "0");
	b = node("b");
	exchange((struct node *[]){a, b}, 2);
	for (size_t i = 0; i < PAIRS; i++)
		assert_int_equal(b->others[i].bytes, i + 1);
	assert_true(is_known(b));
	done(a);
	done(b);
}

static void a_piece_missing_in_the_stream_is_read_from_the_hash(void **state)
{
	(void)state;
	struct node *a = node("a"), *b = node("b");
	put(a, 0, 1, 1);
	exchange((struct node *[]){a, b}, 2);
	for (size_t i = 0; i < PAIRS; i++)
		put(a, i, 1000 + i, 2);
	exchange(&a, 1); /* b does not read */
	cli("XTRIM", "stile:{a}:standing", "MAXLEN", "1");
	put(a, 0, 5000, 4);
	exchange((struct node *[]){a, b}, 2);
	assert_int_equal(b->others[0].bytes, 5000);
	for (size_t i = 1; i < PAIRS; i++)
		assert_int_equal(b->others[i].bytes, 1000 + i);
	done(a);
	done(b);
}

static void an_emptied_redis_is_filled_again_and_nothing_is_known_meanwhile(void **state)
{
	(void)state;
	struct node *v[] = {node("a"), node("b"), NULL};
	for (size_t i = 0; i < 300; i++)
		put(v[0], i, 10 + i, 1);
	put(v[1], 0, 5, 2);
	exchange(v, 2);
	assert_true(is_known(v[0]) && is_known(v[1]));
	cli("FLUSHALL", NULL, NULL, NULL);
	for (int i = 0; i < 2; i++) /* as the shipper does each second */
		redis_words(v[i]->r, NULL, "SADD", "stile:nodes", v[i]->name, (char *)NULL);
	const uint64_t began = clock_mono_ms();
	while (v[0]->known_until || v[1]->known_until) {
		assert_true(clock_mono_ms() < began + 2000);
		step(v[0]);
		step(v[1]);
	}
	exchange(v, 2);
	assert_false(is_known(v[0]) && clock_mono_ms() < began + TOTALS_LOST_MS);
	assert_int_equal(v[1]->others[299].bytes, 309); /* take() has seen that none fell */
	v[2] = node("c");
	for (int i = 0; i < 3; i++)
		exchange(v, 3);
	assert_int_equal(v[2]->others[0].bytes, 15);
	assert_int_equal(v[2]->others[299].bytes, 309);
	for (int i = 0; i < 3; i++) {
		assert_true(is_known(v[i]));
		done(v[i]);
	}
}

static void what_was_not_answered_is_told_again(void **state)
{
	(void)state;
	struct node *a = node("a"), *b = node("b");
	struct err e = {""};
	put(a, 0, 9, 1);
	cli("CLIENT", "KILL", "TYPE", "normal");
	while (ship_totals_step(a->t, a->r, &e))
		usleep(10000);
	dial(a);
	dial(b);
	exchange((struct node *[]){a, b}, 2);
	assert_int_equal(b->others[0].bytes, 9);
	done(a);
	done(b);
}

static void what_others_put_there_harms_nobody(void **state)
{
	(void)state;
	struct node *a = node("a"), *b = node("b");
	static const char *const entries[][6] = {
		{"x", "y"}, {"r", "zz", "n", "1"},
		{"r", "0123456789abcdef", "n", "18446744073709551616"},
		{"r", "0123456789abcdef", "n", "7", "field", "value"},
		{"r", "0123456789abcdef", "n", "8", "0123456789abcdef01234567|r1",
			"1 29330000 5 0 0 0 0 0"}, /* of no day that is near */
		{"r", "0123456789abcdef", "n", "9", "0123456789abcdef01234567|r1",
			"1 29333270 5 0 0 0 0 0"}, /* in another zone */
	};
	put(a, 0, 1, 1);
	exchange((struct node *[]){a, b}, 2);
	const char *names[] = {"", "b}", "x y", "\n", "evil"};
	for (size_t i = 0; i < 5; i++)
		cli("SADD", "stile:nodes", names[i], NULL);
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
		redis_words(admin, NULL, "XADD", "stile:{evil}:standing", "*", entries[i][0],
			entries[i][1], entries[i][2], entries[i][3], entries[i][4], entries[i][5],
			(char *)NULL);
	cli("HSET", "stile:{evil}:standing:2025-10-09", "a", "b");
	cli("HSET", "stile:{evil}:standing:2025-10-09", "0123456789abcdef01234567|r3",
		"1 29333280 77 0 0 0 0 0");
	put(a, 0, 2, 1);
	exchange((struct node *[]){a, b}, 2);
	assert_int_equal(b->others[0].bytes, 2);
	assert_int_equal(b->others[3].bytes, 77);
	assert_int_equal(b->others[1].bytes, 0);
	assert_true(ship_totals_figures(b->t)->strange > 0);
	assert_int_equal(ship_totals_figures(b->t)->nodes, 2);
	assert_true(is_known(b));
	done(a);
	done(b);
}

/* Who cannot read one of the others does not know; who is let again, does. */
static void an_error_answer_is_told_and_nothing_is_known_by_it(void **state)
{
	(void)state;
	struct node *a = node("a"), *b = node("b");
	put(a, 0, 1, 1);
	exchange((struct node *[]){a, b}, 2);
	cli("DEL", "stile:{a}:standing", NULL, NULL);
	cli("SET", "stile:{a}:standing", "no stream", NULL);
	exchange((struct node *[]){a, b}, 2);
	const uint64_t until = b->known_until;
	exchange((struct node *[]){a, b}, 2);
	assert_non_null(strstr(ship_totals_figures(a->t)->text, "WRONGTYPE"));
	assert_non_null(strstr(ship_totals_figures(b->t)->text, "WRONGTYPE"));
	assert_int_equal(b->known_until, until); /* not said again */
	cli("DEL", "stile:{a}:standing", NULL, NULL);
	put(a, 0, 2, 1);
	for (int i = 0; i < 3; i++)
		exchange((struct node *[]){a, b}, 2);
	assert_int_equal(b->others[0].bytes, 2);
	assert_true(is_known(b));
	assert_string_equal(ship_totals_figures(b->t)->text, "");
	done(a);
	done(b);
}

static void a_full_table_is_counted(void **state)
{
	(void)state;
	struct node *a = node("a"), *b = node("b");
	b->room = 2;
	for (size_t i = 0; i < 5; i++)
		put(a, i, 1, 1);
	exchange((struct node *[]){a, b}, 2);
	assert_int_equal(ship_totals_figures(b->t)->crowded, 3);
	done(a);
	done(b);
}

static int begin(void **state)
{
	(void)state;
	if (!redis_server_start(&server, NULL, NULL))
		return -1;
	const struct redis_options mine = redis_server_options(&server);
	admin = redis_connect(&mine, NULL);
	return admin ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	redis_free(admin);
	redis_server_kill(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nodes_know_what_the_others_told, empty),
		cmocka_unit_test_setup(who_comes_later_reads_the_hash, empty),
		cmocka_unit_test_setup(a_piece_missing_in_the_stream_is_read_from_the_hash, empty),
		cmocka_unit_test_setup(
			an_emptied_redis_is_filled_again_and_nothing_is_known_meanwhile, empty),
		cmocka_unit_test_setup(what_was_not_answered_is_told_again, empty),
		cmocka_unit_test_setup(what_others_put_there_harms_nobody, empty),
		cmocka_unit_test_setup(an_error_answer_is_told_and_nothing_is_known_by_it, empty),
		cmocka_unit_test_setup(a_full_table_is_counted, empty),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
