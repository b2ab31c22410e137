/*
 * Today's journal read again: what several writers wrote of the day comes to the same sums and the
 * same active minutes as when it happened, in whatever slices it is read.
 */
#include "today.h"

#include "journal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define ANNA "0123456789abcdef01234567"
#define BEN  "89abcdef0123456789abcdef"
#define DAY0 1760000400 /* Unix seconds: a day that begins at no UTC midnight */
#define M0   (DAY0 / 60)

static const struct local_day day = {20370, DAY0, DAY0 + 86400, "2025-10-09"};
static char root[64];

static bool wants(void *arg, struct span rule)
{
	(void)arg;
	return !span_is(rule, "free");
}

/* Of this start: the record carries it in its slot. */
static bool counted(void *arg, const struct record *r, const char *chain)
{
	(void)arg;
	(void)chain;
	return span_is(record_get(r, FIELD_SLOT), "0-1-now");
}

static bool limits(void *arg, bool minutes, size_t *i, struct span *rule)
{
	static const char *const rules[] = {"social", "video"};
	(void)arg;
	(void)minutes;
	if (*i == 2)
		return false;
	*rule = span_str(rules[(*i)++]);
	return true;
}

static uint32_t purpose(void *arg, struct span rule, struct span text)
{
	(void)arg;
	(void)rule;
	return span_is(text, "second") ? 1 : 0;
}

static const struct today_door door = {NULL, wants, counted, limits, purpose};

/* --- writing ---------------------------------------------------------------------------------- */

static struct journal *writer(const char *name)
{
	char path[128];
	struct err e = {""};
	snprintf(path, sizeof path, "%s/%s", root, name);
	mkdir(path, 0700);
	struct journal_options o = {
		.dir = open(path, O_RDONLY | O_DIRECTORY), .segment_bytes = 2000};
	struct journal *j = journal_open(&o, NULL, &e);
	if (!j)
		fail_msg("%s", e.text);
	return j;
}

static void add(struct journal *j, const struct record *r)
{
	char mem[RECORD_MAX];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	assert_true(record_encode(r, &b));
	assert_non_null(journal_add(j, buf_spanof(&b), NULL, NULL));
	journal_hand_over(j);
}

struct used {
	const char *who, *rule, *service, *slot;
	uint32_t minute;
	uint64_t up, down, core_up, core_down;
};

static void use(struct journal *j, const struct used *u)
{
	struct record r;
	record_init(&r, RECORD_USAGE);
	record_num(&r, FIELD_T, (uint64_t)u->minute * 60000);
	record_str(&r, FIELD_DAY, SPAN("2025-10-09"));
	record_str(&r, FIELD_USER, span_str(u->who));
	record_str(&r, FIELD_RULE, span_str(u->rule));
	record_str(&r, FIELD_SERVICE, span_str(u->service));
	record_str(&r, FIELD_SLOT, span_str(u->slot ? u->slot : "0-1-before"));
	record_num(&r, FIELD_MINUTE, u->minute);
	record_num(&r, FIELD_UP, u->up);
	record_num(&r, FIELD_DOWN, u->down);
	record_num(&r, FIELD_CORE_UP, u->core_up);
	record_num(&r, FIELD_CORE_DOWN, u->core_down);
	add(j, &r);
}

static void ack(
	struct journal *j, const char *rule, const char *what, int64_t at_ms, int64_t until_ms)
{
	struct record r;
	record_init(&r, RECORD_ACK);
	record_num(&r, FIELD_T, (uint64_t)at_ms);
	record_str(&r, FIELD_DAY, SPAN("2025-10-08"));
	record_str(&r, FIELD_USER, SPAN(ANNA));
	record_str(&r, FIELD_RULE, span_str(rule));
	record_str(&r, FIELD_PURPOSE, span_str(what));
	record_num(&r, FIELD_UNTIL, (uint64_t)until_ms);
	add(j, &r);
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct totals *read_all(unsigned ms)
{
	struct err e = {""};
	const struct today_options o = {.root = open(root, O_RDONLY | O_DIRECTORY),
		.day = day,
		.now_ms = (DAY0 + 40000) * 1000LL,
		.acks_from_ms = DAY0 * 1000LL,
		.door = &door};
	struct today *t = today_new(&o, &e);
	struct totals *got = totals_new(0);
	struct total sum;
	enum today_answer a = TODAY_MORE;
	assert_non_null(t);
	while (a == TODAY_MORE)
		a = today_read(t, ms, &e);
	if (a != TODAY_DONE)
		fail_msg("%s", e.text);
	while (today_next(t, &sum))
		assert_true(totals_take(got, 0, &sum));
	today_free(t);
	close(o.root);
	return got;
}

static struct total of(struct totals *got, const char *who, const char *rule)
{
	struct total key = {.start = M0};
	uint32_t at;
	snprintf(key.person, sizeof key.person, "%s", who);
	snprintf(key.rule, sizeof key.rule, "%s", rule);
	assert_true(totals_at(got, &key, &at));
	return *totals_sum(got, at);
}

static bool active(const struct total *t, unsigned minute)
{
	return t->minutes[minute / 64] >> minute % 64 & 1;
}

static void fill(void)
{
	static const struct used first[] = {
		{ANNA, "social", "facebook", NULL, M0 + 5, 1000, 9000, 1000, 9000},
		{ANNA, "video", "youtube", NULL, M0 + 5, 3000, 30000, 3000, 30000},
		{ANNA, "social", "facebook", NULL, M0 + 6, 1000, 9000, 1000, 9000}, /* idle */
		{ANNA, "social", "facebook", NULL, M0 + 7, 3000, 30000, 0, 0},	    /* no core */
		{ANNA, "social", "", NULL, M0 + 8, 3000, 30000, 3000, 30000},	    /* no service */
		{BEN, "free", "facebook", NULL, M0 + 5, 3000, 30000, 3000, 30000},
		{BEN, "social", "facebook", NULL, M0 + 5, 1, 1, 1, 1}, /* the other rule's minute */
		{"", "social", "facebook", NULL, M0 + 1439, 5000, 50000, 5000, 50000},
		{ANNA, "social", "facebook", NULL, M0 - 1, 5000, 50000, 5000,
			50000}, /* yesterday */
		{ANNA, "social", "facebook", NULL, M0 + 1440, 5000, 50000, 5000, 50000},
		{ANNA, "social", "facebook", "0-1-now", M0 + 9, 5000, 50000, 5000, 50000},
	};
	static const struct used second[] = {
		/* the same minute at another worker: together they pass the floor */
		{ANNA, "social", "facebook", NULL, M0 + 5, 1100, 9000, 1100, 9000},
		{ANNA, "social", "facebook", NULL, M0 + 10, UINT32_MAX, UINT32_MAX, UINT32_MAX,
			UINT32_MAX},
	};
	struct journal *a = writer("0"), *b = writer("1");
	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		use(a, &first[i]);
	for (size_t i = 0; i < sizeof second / sizeof *second; i++)
		use(b, &second[i]);
	journal_close(a, true);
	journal_close(b, false);
}

static void check(unsigned ms)
{
	struct totals *got = read_all(ms);
	const struct total social = of(got, ANNA, "social"), video = of(got, ANNA, "video"),
			   ben = of(got, BEN, "social"), nobody = of(got, "-", "social");
	assert_int_equal(
		social.bytes, 10000 + 10000 + 33000 + 33000 + 10100 + 2 * (uint64_t)UINT32_MAX);
	assert_int_equal(total_minutes(&social), 2);
	assert_true(active(&social, 5) && active(&social, 10));
	assert_int_equal(video.bytes, 33000);
	assert_true(active(&video, 5));
	assert_int_equal(ben.bytes, 2);
	assert_true(active(&ben, 5));
	assert_int_equal(nobody.bytes, 55000);
	assert_true(active(&nobody, 1439));
	assert_int_equal(totals_count(got), 4); /* none for the rule that nobody asks about */
	totals_free(got);
}

static void what_was_used_today_comes_back(void **state)
{
	(void)state;
	fill();
	check(1000);
	check(0);
}

static void what_cannot_be_trusted_is_passed_over(void **state)
{
	(void)state;
	char path[128], line[] = "9 0000 {\"k\":\"usage\",\"user\":\"" ANNA "\",\"minute\":1}\n";
	fill();
	snprintf(path, sizeof path, "%s/0/notes", root);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof path, "%s/node-id", root);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof path, "%s/0/00000099-00112233445566778899aabbccddeeff-1.jnl", root);
	const int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(write(fd, line, sizeof line - 1) > 0);
	close(fd);
	check(1000);
}

#define NOW ((DAY0 + 40000) * 1000LL) /* of read_all */

static void acknowledgements_that_hold_come_back(void **state)
{
	(void)state;
	struct journal *a = writer("0"), *b = writer("1");
	ack(a, "social", "second", NOW - 90000000, NOW + 5000); /* of yesterday */
	ack(b, "social", "first", NOW - 1000, NOW + 4000);
	ack(a, "video", "second", NOW - 5000, NOW);	  /* over */
	ack(b, "free", "second", NOW - 5000, NOW + 9000); /* asks for none */
	journal_close(a, true);
	journal_close(b, true);
	struct totals *got = read_all(1000);
	const struct total social = of(got, ANNA, "social");
	assert_int_equal(totals_count(got), 1);
	assert_true(social.acked_at_ms == NOW - 90000000 && social.acked_until_ms == NOW + 5000);
	assert_int_equal(social.purpose, 1);
	totals_free(got);
}

static void grant(struct journal *j, const char *rule, const char *limit, uint64_t n, int64_t at_ms)
{
	struct record r;
	record_init(&r, RECORD_GRANT);
	record_num(&r, FIELD_T, (uint64_t)at_ms);
	record_str(&r, FIELD_DAY, SPAN("2025-10-09"));
	record_str(&r, FIELD_USER, SPAN(ANNA));
	record_str(&r, FIELD_RULE, span_str(rule));
	record_str(&r, FIELD_LIMIT, span_str(limit));
	record_num(&r, FIELD_N, n);
	record_str(&r, FIELD_TEXT, SPAN("why"));
	add(j, &r);
}

static void grants_of_today_add_up(void **state)
{
	(void)state;
	struct journal *a = writer("master");
	grant(a, "social", "minutes", 30, NOW);
	grant(a, "", "minutes", 5, NOW);
	grant(a, "social", "bytes", 700, NOW);
	grant(a, "social", "hours", 7, NOW);
	grant(a, "social", "minutes", 60, DAY0 * 1000LL - 1); /* yesterday */
	journal_close(a, true);
	struct totals *got = read_all(1000);
	const struct total social = of(got, ANNA, "social"), video = of(got, ANNA, "video");
	assert_int_equal(social.more_minutes, 35);
	assert_int_equal(social.more_bytes, 700);
	assert_int_equal(video.more_minutes, 5);
	assert_int_equal(totals_count(got), 2);
	totals_free(got);
}

static void an_empty_journal_has_nothing(void **state)
{
	(void)state;
	struct totals *got = read_all(1000);
	assert_int_equal(totals_count(got), 0);
	totals_free(got);
}

static int folder(void **state)
{
	static int n;
	(void)state;
	snprintf(root, sizeof root, "journal-%d", n++);
	return mkdir(root, 0700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_used_today_comes_back, folder),
		cmocka_unit_test_setup(what_cannot_be_trusted_is_passed_over, folder),
		cmocka_unit_test_setup(acknowledgements_that_hold_come_back, folder),
		cmocka_unit_test_setup(grants_of_today_add_up, folder),
		cmocka_unit_test_setup(an_empty_journal_has_nothing, folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
