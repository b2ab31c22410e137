/* Reading journals: damage costs the damaged record and no other, and a reader can stand beside a
 * writer. */
#include "journal_read.h"
#include "journal_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal_folder.h"

#define CHAIN "00112233445566778899aabbccddeeff"

/* --- names --------------------------------------------------------------------------------- */

static const struct {
	const char *file;
	bool ok;
} names[] = {
	{"00000001-" CHAIN "-1.jnl", true},
	{"00000123-" CHAIN "-18446744073709551615.jnl", true},
	{"123456789-" CHAIN "-7.jnl", true},
	{"1-" CHAIN "-1.jnl", false},
	{"000000001-" CHAIN "-1.jnl", false},
	{"00000001-" CHAIN "-0.jnl", false},
	{"00000001-" CHAIN "-01.jnl", false},
	{"00000001-" CHAIN "-18446744073709551616.jnl", false},
	{"00000001-" CHAIN "-1.jnl.gz", false},
	{"00000001-" CHAIN "-1.tmp", false},
	{"00000001-" CHAIN "0-1.jnl", false},
	{"00000001-00112233445566778899AABBCCDDEEFF-1.jnl", false},
	{"00000001-" CHAIN ".jnl", false},
	{"-1-" CHAIN "-1.jnl", false},
	{"99999999999999999999-" CHAIN "-1.jnl", false},
	{"lock", false},
	{"", false},
};

static void a_segment_has_one_name(void **state)
{
	struct segment_name n;
	char again[96];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (segment_name_parse(names[i].file, &n) != names[i].ok)
			fail_msg("%s", names[i].file);
		if (!names[i].ok)
			continue;
		segment_name_format(&n, again);
		assert_string_equal(again, names[i].file);
	}
}

static void segments_come_in_number_order_and_nothing_else_does(void **state)
{
	static const char *const files[] = {"00000010-" CHAIN "-1.jnl", "00000002-" CHAIN "-9.jnl",
		"100000000-" CHAIN "-3.jnl", "lock", "00000001-x-1.jnl", "node-id"};
	static const unsigned long order[] = {2, 10, 100000000};
	int dir = folder_make("names");
	struct segment_name *v;
	struct err e;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		file_put(dir, files[i], "", 0);
	for (unsigned twice = 0; twice < 2; twice++) {
		assert_true(segment_list(dir, &v, &n, &e));
		assert_int_equal(n, 3);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(v[i].number, order[i]);
		free(v);
	}
	close(dir);
}

/* --- one segment --------------------------------------------------------------------------- */

#define RECORDS 8

struct made {
	struct buf text;
	char body[RECORDS][64];
	size_t at[RECORDS + 2]; /* where the lines begin: [0] the first line, [1] record 0, … */
	struct chain_tip tip[RECORDS + 1];
	struct segment_name name;
};

/* A segment whose first record is `first`; the records before it are only imagined. */
static void make(struct made *m, uint64_t first)
{
	struct chain_tip tip;

	memset(m, 0, sizeof *m);
	m->name = (struct segment_name){.number = 5, .chain = CHAIN, .first_seq = first};
	chain_start(SPAN(CHAIN), &tip);
	while (tip.seq < first - 1)
		chain_next(&tip, SPAN("before"));
	m->tip[0] = tip;
	journal_line_head(&m->text, CHAIN, &tip);
	for (size_t i = 0; i < RECORDS; i++) {
		m->at[i + 1] = m->text.n;
		snprintf(m->body[i], sizeof m->body[i], "{\"k\":\"person\",\"t\":%zu}", 1000 + i);
		chain_next(&tip, span_str(m->body[i]));
		journal_line_add(&m->text, &tip, span_str(m->body[i]));
		m->tip[i + 1] = tip;
	}
	m->at[RECORDS + 1] = m->text.n;
}

static void put(int dir, const struct made *m, const void *p, size_t n)
{
	char file[96];

	segment_name_format(&m->name, file);
	file_put(dir, file, p, n);
}

struct seen {
	unsigned whole, bad, got[RECORDS];
	enum segment_answer end;
};

static void look(int dir, const struct made *m, struct seen *s)
{
	struct err e = {""};
	struct segment_reader *r = segment_open(dir, &m->name, &e);
	struct journal_line line;

	memset(s, 0, sizeof *s);
	if (!r)
		fail_msg("%s", e.text);
	while ((s->end = segment_next(r, 0, &line, &e)) == SEGMENT_LINE) {
		size_t i = line.seq - m->name.first_seq;

		if (!line.whole) {
			s->bad++;
			continue;
		}
		/* whatever is called whole is what was written, under its number */
		assert_true(i < RECORDS);
		assert_true(span_is(line.body, m->body[i]));
		assert_memory_equal(line.hash, m->tip[i + 1].hash, SHA256_LEN);
		s->got[i]++;
		s->whole++;
	}
	segment_close(r);
}

static void a_segment_written_by_hand_reads(void **state)
{
	/* the vector of the chain's test, as a file */
	static const char file[] =
		"stile-journal 1 " CHAIN " 1 "
		"12b574ef52ead5839a7d62f98f5399c7ca407a460c4c2e09324df9a0166560a3\n"
		"1 5cda32eae7cf859fab5d3fb148c15a56633772fd27fb513899bc5187b965b7d4 "
		"{\"k\":\"mark\"}\n"
		"2 2f0e023893e310c9dc38d4a278b693276b1f5899a10eee55e81efd1edb28623a second body\n";
	const struct segment_name name = {.number = 1, .chain = CHAIN, .first_seq = 1};
	int dir = folder_make("hand");
	struct segment_reader *r;
	struct journal_line line;
	struct chain_tip base;
	struct err e;

	(void)state;
	file_put(dir, "00000001-" CHAIN "-1.jnl", file, sizeof file - 1);
	r = segment_open(dir, &name, &e);
	assert_non_null(r);
	segment_base(r, &base);
	assert_int_equal(base.seq, 0);
	assert_int_equal(base.hash[0], 0x12);
	assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_LINE);
	assert_true(line.whole && line.seq == 1 && span_is(line.body, "{\"k\":\"mark\"}"));
	assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_LINE);
	assert_true(line.whole && line.seq == 2 && span_is(line.body, "second body"));
	assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_END);
	assert_int_equal(segment_offset(r), sizeof file - 1);
	segment_close(r);
	segment_close(NULL);
	close(dir);
}

static size_t line_of(const struct made *m, size_t byte)
{
	size_t i = 0;

	while (i <= RECORDS && m->at[i + 1] <= byte)
		i++;
	return i;
}

static void check_change(const struct made *m, const struct seen *s, size_t byte, char to)
{
	size_t line = line_of(m, byte);
	bool newline = m->text.p[byte] == '\n', last = byte == m->text.n - 1;

	if (s->bad == 0 && s->end != SEGMENT_TORN)
		fail_msg("byte %zu to %02x was not noticed", byte, (unsigned char)to);
	for (size_t i = 0; i < RECORDS; i++) {
		/* the record itself, and the one whose line ran into it; a first record in the
		 * middle of a chain hangs on the hash of the first line */
		bool touched = line == i + 1 || (newline && line == i) ||
			       (line == 0 && i == 0 && m->name.first_seq > 1);

		if (s->got[i] != 1 && !touched)
			fail_msg("byte %zu to %02x lost record %zu of line %zu", byte,
				(unsigned char)to, i, line);
	}
	assert_true(s->end == (last ? SEGMENT_TORN : SEGMENT_END));
}

static void any_changed_byte_costs_only_its_own_record(void **state)
{
	static const unsigned char flips[] = {0x01, 0x20, 0x80};
	int dir = folder_make("flip");
	struct made m;
	struct seen s;

	(void)state;
	for (uint64_t first = 1; first <= 3; first += 2) {
		make(&m, first);
		put(dir, &m, m.text.p, m.text.n);
		look(dir, &m, &s);
		assert_int_equal(s.whole, RECORDS);
		assert_int_equal(s.bad, 0);
		for (size_t i = 0; i < m.text.n; i++) {
			char was = m.text.p[i];

			for (size_t k = 0; k < 5; k++) {
				char to = k < 3 ? (char)(was ^ flips[k]) : k == 3 ? '\n' : 0;

				if (to == was)
					continue;
				m.text.p[i] = to;
				put(dir, &m, m.text.p, m.text.n);
				look(dir, &m, &s);
				m.text.p[i] = was;
				check_change(&m, &s, i, to);
			}
		}
		buf_free(&m.text);
	}
	close(dir);
}

static void a_line_taken_out_doubled_or_moved_is_noticed(void **state)
{
	int dir = folder_make("lines");
	struct made m;
	struct seen s;
	struct buf b = {0};

	(void)state;
	make(&m, 1);
	/* without record 3: its follower cannot be placed, the others can */
	buf_add(&b, m.text.p, m.at[4]);
	buf_add(&b, m.text.p + m.at[5], m.text.n - m.at[5]);
	put(dir, &m, b.p, b.n);
	look(dir, &m, &s);
	assert_int_equal(s.bad, 1);
	assert_int_equal(s.whole, RECORDS - 2);

	buf_reset(&b); /* record 3 twice */
	buf_add(&b, m.text.p, m.at[5]);
	buf_add(&b, m.text.p + m.at[4], m.text.n - m.at[4]);
	put(dir, &m, b.p, b.n);
	look(dir, &m, &s);
	assert_int_equal(s.bad, 1);
	assert_int_equal(s.whole, RECORDS);

	buf_reset(&b); /* records 3 and 4 change places */
	buf_add(&b, m.text.p, m.at[4]);
	buf_add(&b, m.text.p + m.at[5], m.at[6] - m.at[5]);
	buf_add(&b, m.text.p + m.at[4], m.at[5] - m.at[4]);
	buf_add(&b, m.text.p + m.at[6], m.text.n - m.at[6]);
	put(dir, &m, b.p, b.n);
	look(dir, &m, &s);
	assert_true(s.bad > 0);
	buf_free(&b);
	buf_free(&m.text);
	close(dir);
}

static void a_line_no_record_can_have_is_passed_over(void **state)
{
	static const size_t lengths[] = {1, 100, JOURNAL_LINE_MAX, 65535, 65536, 65537, 300000};
	int dir = folder_make("long");
	struct made m;
	struct seen s;

	(void)state;
	make(&m, 1);
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
		for (unsigned zeros = 0; zeros < 2; zeros++) {
			struct buf b = {0};

			buf_add(&b, m.text.p, m.at[4]);
			for (size_t i = 0; i < lengths[k]; i++)
				buf_addc(&b, zeros ? 0 : 'x');
			buf_addc(&b, '\n');
			buf_add(&b, m.text.p + m.at[4], m.text.n - m.at[4]);
			put(dir, &m, b.p, b.n);
			look(dir, &m, &s);
			assert_int_equal(s.whole, RECORDS);
			assert_int_equal(s.bad, 1);
			assert_int_equal(s.end, SEGMENT_END);
			buf_free(&b);
		}
	buf_free(&m.text);
	close(dir);
}

/* --- beside a writer ----------------------------------------------------------------------- */

static void a_reader_follows_what_is_added(void **state)
{
	int dir = folder_make("follow");
	struct segment_reader *r = NULL;
	struct journal_line line;
	struct made m;
	struct err e;
	size_t given = 0;

	(void)state;
	make(&m, 1);
	for (size_t n = 0; n <= m.text.n; n++) {
		enum segment_answer a;

		put(dir, &m, m.text.p, n);
		if (!r)
			r = segment_open(dir, &m.name, &e);
		assert_non_null(r);
		a = segment_next(r, 0, &line, &e);
		if (a == SEGMENT_LINE) {
			assert_true(line.whole && line.seq == ++given);
			a = segment_next(r, 0, &line, &e);
		}
		/* unfinished exactly where no line ends */
		assert_int_equal(a, n && m.text.p[n - 1] != '\n' ? SEGMENT_TORN : SEGMENT_END);
	}
	assert_int_equal(given, RECORDS);
	segment_close(r);
	buf_free(&m.text);
	close(dir);
}

static void what_was_torn_may_be_written_anew(void **state)
{
	int dir = folder_make("anew");
	struct segment_reader *r;
	struct journal_line line;
	struct made m;
	struct err e;
	struct buf b = {0};

	(void)state;
	make(&m, 1);
	buf_add(&b, m.text.p, m.at[1]);
	buf_adds(&b, "1 half of a record that is never finish");
	put(dir, &m, b.p, b.n);
	r = segment_open(dir, &m.name, &e);
	assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_TORN);
	put(dir, &m, m.text.p, m.text.n);
	for (size_t i = 1; i <= RECORDS; i++) {
		assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_LINE);
		assert_true(line.whole && line.seq == i);
	}
	assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_END);
	segment_close(r);
	buf_free(&b);
	buf_free(&m.text);
	close(dir);
}

static void nothing_behind_the_bound_is_given(void **state)
{
	int dir = folder_make("until");
	struct journal_line line;
	struct made m;
	struct err e;

	(void)state;
	make(&m, 1);
	put(dir, &m, m.text.p, m.text.n);
	for (uint64_t until = 1; until <= m.text.n; until++) {
		struct segment_reader *r = segment_open(dir, &m.name, &e);
		size_t lines = 0, fit = 0;

		while (segment_next(r, until, &line, &e) == SEGMENT_LINE)
			lines++;
		while (fit < RECORDS && m.at[fit + 2] <= until)
			fit++;
		assert_int_equal(lines, fit);
		while (segment_next(r, 0, &line, &e) == SEGMENT_LINE)
			lines += line.whole;
		assert_int_equal(lines, RECORDS);
		segment_close(r);
	}
	buf_free(&m.text);
	close(dir);
}

static void a_cursor_goes_on_where_it_was(void **state)
{
	int dir = folder_make("seek");
	struct segment_reader *r;
	struct journal_line line;
	struct made m;
	struct err e;

	(void)state;
	make(&m, 1);
	put(dir, &m, m.text.p, m.text.n);
	r = segment_open(dir, &m.name, &e);
	for (size_t i = RECORDS; i-- > 0;) {
		assert_true(segment_seek(r, m.at[i + 1], &m.tip[i]));
		assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_LINE);
		assert_true(line.whole && line.seq == i + 1);
	}
	assert_true(segment_seek(r, m.at[4], &m.tip[2])); /* not the tip of that place */
	assert_int_equal(segment_next(r, 0, &line, &e), SEGMENT_LINE);
	assert_false(line.whole);
	assert_false(segment_seek(r, 0, &m.tip[0]));
	assert_false(segment_seek(r, m.at[4] - 1, &m.tip[3]));
	assert_false(segment_seek(r, m.text.n + 1, &m.tip[3]));
	assert_false(segment_seek(r, UINT64_MAX, &m.tip[3]));
	segment_close(r);
	buf_free(&m.text);
	close(dir);
}

static void a_missing_segment_is_an_error_with_its_name(void **state)
{
	const struct segment_name name = {.number = 77, .chain = CHAIN, .first_seq = 1};
	int dir = folder_make("missing");
	struct err e = {""};

	(void)state;
	assert_null(segment_open(dir, &name, &e));
	assert_non_null(strstr(e.text, "00000077-"));
	close(dir);
}

/* --- all of them --------------------------------------------------------------------------- */

struct tour {
	unsigned n, stop_after;
	char first[64], last[64];
	uint64_t seq, done, all;
};

static bool tour_record(
	void *arg, const char *writer, const char *chain, uint64_t seq, struct span body)
{
	struct tour *t = arg;

	assert_string_equal(chain, CHAIN);
	assert_true(body.n > 0);
	if (t->n++ == 0 || strcmp(t->last, writer))
		t->seq = seq - 1;
	assert_true(seq == t->seq + 1); /* in order within a writer */
	t->seq = seq;
	if (t->n == 1)
		snprintf(t->first, sizeof t->first, "%s", writer);
	snprintf(t->last, sizeof t->last, "%s", writer);
	return t->n != t->stop_after;
}

static void tour_bytes(void *arg, uint64_t done, uint64_t all)
{
	struct tour *t = arg;

	assert_true(done >= t->done && done <= all);
	t->done = done;
	t->all = all;
}

static void a_walk_gives_every_whole_record_of_every_writer(void **state)
{
	int root = folder_make("walk"), b = folder_make("walk/b"), a = folder_make("walk/a");
	struct tour t = {0};
	struct made m;
	uint64_t bad = 99, bytes;
	struct err e = {""};

	(void)state;
	folder_make("walk/empty");
	file_put(root, "node-id", "x", 1);
	make(&m, 1);
	put(b, &m, m.text.p, m.text.n);
	put(a, &m, m.text.p, m.text.n - 3); /* the last one is torn */
	bytes = 2 * m.text.n - 3;
	assert_true(journal_walk("walk", tour_record, tour_bytes, &t, &bad, &e));
	assert_int_equal(t.n, 2 * RECORDS - 1);
	assert_int_equal(bad, 0);
	assert_string_equal(t.first, "a");
	assert_string_equal(t.last, "b");
	assert_true(t.all == bytes && t.done > bytes - 200);

	/* a damaged record is counted, not given; the walk of one writer's folder names nobody */
	m.text.p[m.at[3] + 80] ^= 1;
	put(b, &m, m.text.p, m.text.n);
	t = (struct tour){.stop_after = 2};
	assert_true(journal_walk("walk/b", tour_record, NULL, &t, &bad, &e));
	assert_int_equal(t.n, 2);
	assert_string_equal(t.first, "");
	t = (struct tour){.stop_after = 3};
	assert_true(journal_walk("walk", tour_record, NULL, &t, NULL, &e));
	assert_int_equal(t.n, 3);
	assert_false(journal_walk("walk/nobody", tour_record, NULL, &t, &bad, &e));
	assert_non_null(strstr(e.text, "walk/nobody"));
	buf_free(&m.text);
	close(a), close(b), close(root);
}

static bool count_record(
	void *arg, const char *writer, const char *chain, uint64_t seq, struct span body)
{
	(void)writer, (void)chain, (void)seq, (void)body;
	++*(unsigned *)arg;
	return true;
}

static void a_walk_counts_what_it_cannot_give(void **state)
{
	int dir = folder_make("damaged");
	struct made m;
	unsigned n = 0;
	uint64_t bad;
	struct err e;

	(void)state;
	make(&m, 1);
	m.text.p[m.at[3] + 80] ^= 1;
	put(dir, &m, m.text.p, m.text.n);
	assert_true(journal_walk("damaged", count_record, NULL, &n, &bad, &e));
	assert_int_equal(n, RECORDS - 1);
	assert_int_equal(bad, 1);
	buf_free(&m.text);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_has_one_name),
		cmocka_unit_test(segments_come_in_number_order_and_nothing_else_does),
		cmocka_unit_test(a_segment_written_by_hand_reads),
		cmocka_unit_test(any_changed_byte_costs_only_its_own_record),
		cmocka_unit_test(a_line_taken_out_doubled_or_moved_is_noticed),
		cmocka_unit_test(a_line_no_record_can_have_is_passed_over),
		cmocka_unit_test(a_reader_follows_what_is_added),
		cmocka_unit_test(what_was_torn_may_be_written_anew),
		cmocka_unit_test(nothing_behind_the_bound_is_given),
		cmocka_unit_test(a_cursor_goes_on_where_it_was),
		cmocka_unit_test(a_missing_segment_is_an_error_with_its_name),
		cmocka_unit_test(a_walk_gives_every_whole_record_of_every_writer),
		cmocka_unit_test(a_walk_counts_what_it_cannot_give),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
