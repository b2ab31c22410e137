/* Journals written by tests, and what a walk through one tells. */
#ifndef STILE_TEST_JOURNAL_STORY_H
#define STILE_TEST_JOURNAL_STORY_H

#include "journal.h"
#include "clock.h"

#include <inttypes.h>
#include <poll.h>

#include "journal_folder.h"

/* --- writing ------------------------------------------------------------------------------- */

struct answers {
	unsigned yes, no;
};

static inline struct journal *must_open(
	const struct journal_options *o, struct journal_before *before)
{
	struct err e = {""};
	struct journal *j = journal_open(o, before, &e);

	if (!j)
		fail_msg("%s", e.text);
	return j;
}

static inline void count(void *arg, bool ok)
{
	struct answers *a = arg;

	if (ok)
		a->yes++;
	else
		a->no++;
}

static inline struct span body_of(char mem[128], uint64_t i)
{
	return span_of(mem, (size_t)snprintf(mem, 128, "{\"k\":\"person\",\"t\":%" PRIu64 "}", i));
}

/* Polls until `n` answers came. */
static inline void answered(struct journal *j, const struct answers *a, unsigned n)
{
	uint64_t end = clock_mono_ms() + 30000;

	while (a->yes + a->no < n) {
		struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};

		assert_true(clock_mono_ms() < end);
		poll(&p, 1, 100);
		journal_poll(j);
	}
	assert_int_equal(a->yes + a->no, n);
}

static inline void wait_working(struct journal *j, bool working)
{
	uint64_t end = clock_mono_ms() + 30000;

	while (journal_failing(j) == working && clock_mono_ms() < end) {
		struct pollfd p = {.fd = journal_fd(j), .events = POLLIN};

		poll(&p, 1, 10);
		journal_poll(j);
	}
	assert_true(journal_failing(j) != working);
}

/* --- reading ------------------------------------------------------------------------------- */

struct story {
	struct record_decoder *d;
	unsigned records, starts, stops, gaps;
	uint64_t lost; /* told by gap marks */
	uint8_t *got;  /* how often each number was seen */
	size_t n_got;
	uint64_t latest;   /* number */
	unsigned backward; /* records behind one with a higher number */
	char chain[CHAIN_NAME_LEN + 1];
	uint64_t seq;
	bool holes; /* damaged records are expected */
	char last_gap[RECORD_MAX];
};

static inline void tell_mark(struct story *s, const struct record *r, uint64_t seq)
{
	struct span what = record_get(r, FIELD_WHAT), text = record_get(r, FIELD_TEXT);

	assert_true(record_getnum(r, FIELD_T) > 0);
	assert_int_equal(record_get(r, FIELD_DAY).n, 10);
	if (span_is(what, "start")) {
		s->starts++;
		assert_int_equal(seq, 1);
	} else if (span_is(what, "stop")) {
		s->stops++;
	} else {
		assert_true(span_is(what, "gap"));
		s->gaps++;
		s->lost += record_getnum(r, FIELD_N);
		assert_true(span_copy(text, s->last_gap, sizeof s->last_gap));
	}
}

/* A start names the chain before it and where that one ended; one without a record is not told of.
 */
static inline void check_start(const struct story *s, const struct record *r)
{
	if (!s->chain[0] || !span_is(record_get(r, FIELD_WHAT), "start") ||
		!record_getnum(r, FIELD_SEQ))
		return;
	assert_true(span_is(record_get(r, FIELD_CHAIN), s->chain));
	assert_true(record_getnum(r, FIELD_SEQ) == s->seq);
	assert_int_equal(record_get(r, FIELD_HASH).n, 2 * SHA256_LEN);
}

static inline bool tell(
	void *arg, const char *writer, const char *chain, uint64_t seq, struct span body)
{
	struct story *s = arg;
	struct record r;
	struct err e;
	uint64_t i;

	(void)writer;
	if (!record_decode(s->d, body, &r, &e))
		fail_msg("%.*s: %s", SPAN_ARG(body), e.text);
	if (strcmp(chain, s->chain) != 0) {
		assert_int_equal(seq, 1);
		check_start(s, &r);
		snprintf(s->chain, sizeof s->chain, "%s", chain);
	} else {
		assert_true(seq == s->seq + 1 || s->holes); /* else the chain has none */
	}
	s->seq = seq;
	if (r.kind == RECORD_MARK) {
		tell_mark(s, &r, seq);
		return true;
	}
	s->records++;
	i = record_getnum(&r, FIELD_T);
	s->backward += i < s->latest;
	s->latest = i;
	if (i < s->n_got)
		s->got[i]++;
	return true;
}

/* Everything in the folder, verified; `bad` lines are expected. */
static inline void read_story(const char *path, struct story *s, uint64_t bad)
{
	struct err e = {""};
	uint64_t is;

	s->d = record_decoder_new();
	s->holes = bad > 0;
	if (!journal_walk(path, tell, NULL, s, &is, &e))
		fail_msg("%s", e.text);
	assert_int_equal(is, bad);
	record_decoder_free(s->d);
}

#endif
