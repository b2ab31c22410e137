/* Checking credentials: hashes of htpasswd and of yescrypt, what is refused, the queue, the shared
 * cache, and that nobody is told twice or after cancelling. */
#include "identity.h"
#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* anna: "secret", ben: "pa:ss wörd" by htpasswd; kim: "letmein" by yescrypt */

static char users_text[1024];

struct room {
	struct loop *loop;
	void *cache;
	struct identity_checker *checker;
	struct buf block;
	const struct accounts *accounts;
};

struct told {
	struct room *room;
	unsigned times, stop_after;
	enum identity_result result;
	char user[IDENTITY_USER_MAX + 1];
	struct identity_check *cancel; /* when told */
};

static void read_users(void)
{
	FILE *f;
	size_t n;

	assert_int_equal(system("htpasswd -B -C 4 -c -b made anna secret 2>/dev/null && "
				"htpasswd -B -C 5 -b made ben 'pa:ss w\xc3\xb6rd' 2>/dev/null && "
				"perl -e 'print \"kim:\", crypt(\"letmein\", "
				"\"\\$y\\$j75\\$abcdefghijklmnopqrstu1\"), \"\\n\"' >>made"),
		0);
	f = fopen("made", "r");
	n = fread(users_text, 1, sizeof users_text - 1, f);
	users_text[n] = 0;
	fclose(f);
}

static void load(struct room *r, const char *text)
{
	struct problems p = {0};
	struct err e;
	FILE *f = fopen("users", "w");

	fputs(text, f);
	fclose(f);
	buf_free(&r->block);
	if (!accounts_compile("users", NULL, &r->block, &p))
		fail_msg("line %u: %s", p.v[0].line, p.v[0].text);
	r->accounts = accounts_open(buf_spanof(&r->block), &e);
	assert_non_null(r->accounts);
}

static void *shared_cache(void)
{
	void *p = mmap(NULL, identity_cache_size(), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void open_checker(struct room *r, unsigned cache_ms, unsigned queue, unsigned threads)
{
	struct identity_options o = {.cache_ms = cache_ms, .queue = queue, .threads = threads};
	struct err e;

	r->loop = loop_new();
	o.loop = r->loop;
	o.cache = r->cache;
	memset(o.key, 7, sizeof o.key);
	r->checker = identity_new(&o, &e);
	assert_non_null(r->checker);
	identity_use(r->checker, r->accounts);
}

static void close_checker(struct room *r)
{
	identity_free(r->checker);
	loop_free(r->loop);
}

static struct room enter(unsigned queue, unsigned threads)
{
	struct room r = {.cache = shared_cache()};

	load(&r, users_text);
	open_checker(&r, 60000, queue, threads);
	return r;
}

static void leave(struct room *r)
{
	close_checker(r);
	munmap(r->cache, identity_cache_size());
	buf_free(&r->block);
}

static void on_told(void *arg, enum identity_result result, struct span user)
{
	struct told *t = arg;

	t->times++;
	t->result = result;
	assert_true(span_copy(user, t->user, sizeof t->user));
	identity_cancel(t->cancel);
	t->cancel = NULL;
	if (t->stop_after && --t->stop_after == 0)
		loop_stop(t->room->loop);
}

static void encode(const char *user_pass, size_t n, char *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)user_pass;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);

		*out++ = digit[v >> 18];
		*out++ = digit[v >> 12 & 63];
		*out++ = i + 1 < n ? digit[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digit[v & 63] : '=';
	}
	*out = 0;
}

static struct span basic(const char *user_pass)
{
	static char text[4096];

	memcpy(text, "Basic ", 6);
	encode(user_pass, strlen(user_pass), text + 6);
	return span_str(text);
}

static bool ask(struct room *r, const char *user_pass, struct told *t, enum identity_result *now,
	struct identity_check **handle)
{
	char name[IDENTITY_USER_MAX + 1];

	t->room = r;
	return identity_check(r->checker, basic(user_pass), now, name, on_told, t, handle);
}

/* Asks and waits; *slow tells whether something was hashed. */
static enum identity_result answer(struct room *r, const char *user_pass, bool *slow)
{
	struct told t = {.stop_after = 1};
	enum identity_result now;
	struct identity_check *h;

	*slow = !ask(r, user_pass, &t, &now, &h);
	if (!*slow) {
		assert_null(h);
		return now;
	}
	loop_run(r->loop);
	assert_int_equal(t.times, 1);
	assert_int_equal(strncmp(user_pass, t.user, strlen(t.user)), 0);
	return t.result;
}

static const struct {
	const char *user_pass;
	enum identity_result expect;
	bool slow;
} answers[] = {
	{"anna:secret", IDENTITY_OK, true},
	{"ben:pa:ss w\xc3\xb6rd", IDENTITY_OK, true},
	{"kim:letmein", IDENTITY_OK, true},
	{"anna:Secret", IDENTITY_WRONG, true},
	{"anna:secret ", IDENTITY_WRONG, true},
	{"Anna:secret", IDENTITY_WRONG, true},
	{"kim:secret", IDENTITY_WRONG, true},
	{"nobody:secret", IDENTITY_WRONG, true},
	{"nobody:letmein", IDENTITY_WRONG, true},
	{"nobody2:pa:ss w\xc3\xb6rd", IDENTITY_WRONG, true},
	{"anna:", IDENTITY_WRONG, false},
	{":secret", IDENTITY_WRONG, false},
	{":", IDENTITY_WRONG, false},
	{"anna", IDENTITY_MALFORMED, false},
	{"anna:sec\nret", IDENTITY_MALFORMED, false},
	{"an\x7fna:secret", IDENTITY_MALFORMED, false},
};

static void right_wrong_and_unknown_are_told_apart_as_promised(void **state)
{
	struct room r = enter(0, 0);
	bool slow;

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		enum identity_result got = answer(&r, answers[i].user_pass, &slow);

		if (got != answers[i].expect || slow != answers[i].slow)
			fail_msg("%s: %d, slow %d", answers[i].user_pass, got, slow);
	}
	leave(&r);
}

static const char *const malformed[] = {
	"",
	"Basic",
	"Basic ",
	"Bearer YW5uYTpzZWNyZXQ=",
	"BasicYW5uYTpzZWNyZXQ=",
	"Basic YW5uYTpzZWNyZXQ",
	"Basic YW5uYTpzZWNyZX==",
	"Basic YW5uYTpzZWNyZXR=",
	"Basic YW5uYTp*ZWNyZXQ=",
	"Basic YW5u YTpzZWNyZXQ=",
	"Basic ====",
	"Basic =",
	"Basic YW5uYTpzZWNyZXQ=YW5u",
	"Basic AAAA" /* NULs */,
	"Negotiate YW5uYTpzZWNyZXQ=",
};

static void malformed_credentials_are_named_so(void **state)
{
	struct room r = enter(0, 0);
	char name[IDENTITY_USER_MAX + 1], text[1200], big[2000];
	struct identity_check *h;
	enum identity_result now;

	(void)state;
	for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
		assert_true(identity_check(
			r.checker, span_str(malformed[i]), &now, name, on_told, NULL, &h));
		if (now != IDENTITY_MALFORMED || name[0])
			fail_msg("'%s': %d", malformed[i], now);
	}
	/* 128 bytes of name and 511 of password are the limits */
	memset(text, 'a', sizeof text);
	for (int more = 0; more < 4; more++) {
		size_t user = 128 + (more & 1), n = user + 1 + 511 + (size_t)(more >> 1);
		struct told t = {.room = &r, .stop_after = 1};

		memcpy(big, "Basic ", 6);
		text[user] = ':';
		encode(text, n, big + 6);
		text[user] = 'a';
		if (identity_check(r.checker, span_str(big), &now, name, on_told, &t, &h))
			assert_int_equal(more ? IDENTITY_MALFORMED : -1, now);
		else
			loop_run(r.loop);
		assert_int_equal(t.times, more ? 0 : 1);
	}
	leave(&r);
}

static void scheme_is_case_folded_and_spaces_may_follow_it(void **state)
{
	struct room r = enter(0, 0);
	struct told t = {.room = &r, .stop_after = 1};
	char name[IDENTITY_USER_MAX + 1];
	struct identity_check *h;
	enum identity_result now;

	(void)state;
	assert_false(identity_check(
		r.checker, SPAN("bAsIc   YW5uYTpzZWNyZXQ="), &now, name, on_told, &t, &h));
	loop_run(r.loop);
	assert_int_equal(t.result, IDENTITY_OK);
	assert_true(identity_check(
		r.checker, SPAN("basic YW5uYTpzZWNyZXQ="), &now, name, on_told, &t, &h));
	assert_int_equal(now, IDENTITY_OK);
	assert_string_equal(name, "anna");
	leave(&r);
}

static void a_success_counts_for_its_time_and_a_failure_not_at_all(void **state)
{
	struct room r = enter(0, 0);
	bool slow;

	(void)state;
	identity_remember(r.checker, 300);
	answer(&r, "anna:secret", &slow);
	assert_int_equal(answer(&r, "anna:secret", &slow), IDENTITY_OK);
	assert_false(slow);
	assert_int_equal(answer(&r, "anna:wrong", &slow), IDENTITY_WRONG);
	assert_int_equal(answer(&r, "anna:wrong", &slow), IDENTITY_WRONG);
	assert_true(slow);
	usleep(350000);
	assert_int_equal(answer(&r, "anna:secret", &slow), IDENTITY_OK);
	assert_true(slow);
	identity_remember(r.checker, 0);
	answer(&r, "ben:pa:ss w\xc3\xb6rd", &slow);
	answer(&r, "ben:pa:ss w\xc3\xb6rd", &slow);
	assert_true(slow);
	leave(&r);
}

static void a_changed_password_counts_at_once(void **state)
{
	struct room r = enter(0, 0);
	struct buf old;
	bool slow;

	(void)state;
	assert_int_equal(answer(&r, "anna:secret", &slow), IDENTITY_OK);
	assert_int_equal(system("htpasswd -B -C 4 -c -b changed anna other 2>/dev/null && "
				"mv changed changed.users"),
		0);
	old = r.block;
	r.block = (struct buf){0};
	{
		char text[512] = "";
		FILE *f = fopen("changed.users", "r");

		text[fread(text, 1, sizeof text - 1, f)] = 0;
		fclose(f);
		load(&r, text);
	}
	identity_use(r.checker, r.accounts);
	buf_free(&old); /* the old table is not touched any more */
	assert_int_equal(answer(&r, "anna:secret", &slow), IDENTITY_WRONG);
	assert_int_equal(answer(&r, "anna:other", &slow), IDENTITY_OK);
	assert_int_equal(answer(&r, "kim:letmein", &slow), IDENTITY_WRONG);
	identity_use(r.checker, NULL);
	assert_int_equal(answer(&r, "anna:other", &slow), IDENTITY_WRONG);
	assert_false(slow);
	leave(&r);
}

static void a_check_under_way_does_not_outlive_its_account(void **state)
{
	struct room r = enter(0, 0);
	struct told t = {.stop_after = 1};
	struct identity_check *h;
	enum identity_result now;

	(void)state;
	assert_false(ask(&r, "anna:secret", &t, &now, &h));
	identity_use(r.checker, NULL);
	loop_run(r.loop);
	assert_int_equal(t.result, IDENTITY_WRONG);
	leave(&r);
}

static void equal_credentials_under_way_are_hashed_once(void **state)
{
	struct room r = enter(1, 1);
	struct told t[7] = {{0}};
	struct identity_check *h;
	enum identity_result now;
	char busy[16];

	(void)state;
	/* the queue takes one: six of a kind can only pass if they share a job */
	for (int i = 0; i < 6; i++) {
		t[i].stop_after = i == 5;
		assert_false(ask(&r, "kim:letmein", &t[i], &now, &h));
	}
	/* others find the queue full: after at most one, where the thread has begun already */
	for (int i = 0; !ask(&r, (snprintf(busy, sizeof busy, "kim:%d", i), busy), &t[6], &now, &h);
		i++)
		assert_true(i < 2);
	assert_int_equal(now, IDENTITY_BUSY);
	loop_run(r.loop);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(t[i].times, 1);
		assert_int_equal(t[i].result, IDENTITY_OK);
	}
	leave(&r);
}

static void a_full_queue_says_so_at_once_and_empties_again(void **state)
{
	struct room r = enter(4, 1);
	struct told t[64] = {{0}};
	struct identity_check *h[64];
	enum identity_result now;
	unsigned taken = 0, busy = 0;
	char pass[32];
	bool slow;

	(void)state;
	for (int i = 0; i < 64; i++) {
		snprintf(pass, sizeof pass, "kim:wrong%d", i);
		if (!ask(&r, pass, &t[i], &now, &h[i])) {
			taken++;
			continue;
		}
		assert_int_equal(now, IDENTITY_BUSY);
		busy++;
	}
	assert_in_range(taken, 4, 12); /* four, and what a thread has begun meanwhile */
	assert_int_equal(taken + busy, 64);
	for (unsigned i = 0, left = taken; i < 64; i++)
		if (h[i] && --left == 0)
			t[i].stop_after = 1;
	loop_run(r.loop);
	for (int i = 0; i < 64; i++)
		assert_int_equal(t[i].times, h[i] ? 1 : 0);
	assert_int_equal(answer(&r, "anna:secret", &slow), IDENTITY_OK);
	leave(&r);
}

static void who_cancels_is_not_told_and_gives_the_queue_back(void **state)
{
	struct room r = enter(2, 1);
	struct told gone = {0}, t = {.stop_after = 1};
	struct identity_check *h, *keep;
	enum identity_result now;
	char pass[32];

	(void)state;
	assert_false(ask(&r, "kim:letmein", &t, &now, &keep));
	for (int i = 0; i < 200; i++) {
		snprintf(pass, sizeof pass, "kim:wrong%d", i);
		if (!ask(&r, pass, &gone, &now, &h))
			identity_cancel(h);
	}
	/* one of two who share a job */
	assert_false(ask(&r, "kim:letmein", &gone, &now, &h));
	identity_cancel(h);
	/* one told cancels the other */
	assert_false(ask(&r, "kim:letmein", &gone, &now, &h));
	t.cancel = h;
	loop_run(r.loop);
	assert_int_equal(t.times, 1);
	assert_int_equal(t.result, IDENTITY_OK);
	assert_int_equal(gone.times, 0);
	identity_cancel(NULL);
	leave(&r);
}

static void a_checker_may_be_freed_with_checks_under_way(void **state)
{
	struct room r = enter(64, 3);
	struct told t = {0};
	struct identity_check *h;
	enum identity_result now;
	char pass[32];

	(void)state;
	for (int i = 0; i < 40; i++) {
		snprintf(pass, sizeof pass, "kim:wrong%d", i);
		ask(&r, pass, &t, &now, &h);
	}
	leave(&r);
	assert_int_equal(t.times, 0);
}

/* What one process accepted counts in the other, and the other way round. */
static void workers_share_what_was_accepted(void **state)
{
	struct room r = {.cache = shared_cache()};
	bool slow;
	int status;
	pid_t child;

	(void)state;
	load(&r, users_text);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		open_checker(&r, 60000, 0, 0);
		if (answer(&r, "anna:secret", &slow) != IDENTITY_OK || !slow)
			_exit(1);
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child && status == 0);
	open_checker(&r, 60000, 0, 0);
	assert_int_equal(answer(&r, "anna:secret", &slow), IDENTITY_OK);
	assert_false(slow);
	assert_int_equal(answer(&r, "anna:secreT", &slow), IDENTITY_WRONG);
	assert_true(slow);
	leave(&r);
}

static uint64_t cpu_us(struct room *r, const char *user, int times)
{
	struct timespec a, b;
	char text[64];
	bool slow;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < times; i++) {
		snprintf(text, sizeof text, "%s:wrong%d", user, i);
		assert_int_equal(answer(r, text, &slow), IDENTITY_WRONG);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return (uint64_t)(b.tv_sec - a.tv_sec) * 1000000 + (uint64_t)(b.tv_nsec - a.tv_nsec) / 1000;
}

/* CPU time in one run, by a wide margin: without the work it would be a hundredth. */
static void an_unknown_user_costs_what_a_wrong_password_costs(void **state)
{
	struct room r = {.cache = shared_cache()};
	char text[256];
	uint64_t wrong, unknown;

	(void)state;
	assert_int_equal(system("htpasswd -B -C 7 -c -b one anna secret 2>/dev/null"), 0);
	FILE *f = fopen("one", "r");
	text[fread(text, 1, sizeof text - 1, f)] = 0;
	fclose(f);
	load(&r, text);
	open_checker(&r, 60000, 0, 0);
	wrong = cpu_us(&r, "anna", 20);
	unknown = cpu_us(&r, "nobody", 20);
	if (unknown < wrong / 2 || unknown > wrong * 2)
		fail_msg("%llu us for wrong, %llu us for unknown", (unsigned long long)wrong,
			(unsigned long long)unknown);
	leave(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_wrong_and_unknown_are_told_apart_as_promised),
		cmocka_unit_test(malformed_credentials_are_named_so),
		cmocka_unit_test(scheme_is_case_folded_and_spaces_may_follow_it),
		cmocka_unit_test(a_success_counts_for_its_time_and_a_failure_not_at_all),
		cmocka_unit_test(a_changed_password_counts_at_once),
		cmocka_unit_test(a_check_under_way_does_not_outlive_its_account),
		cmocka_unit_test(equal_credentials_under_way_are_hashed_once),
		cmocka_unit_test(a_full_queue_says_so_at_once_and_empties_again),
		cmocka_unit_test(who_cancels_is_not_told_and_gives_the_queue_back),
		cmocka_unit_test(a_checker_may_be_freed_with_checks_under_way),
		cmocka_unit_test(workers_share_what_was_accepted),
		cmocka_unit_test(an_unknown_user_costs_what_a_wrong_password_costs),
	};

	read_users();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
