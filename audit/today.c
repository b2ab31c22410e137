/*
 * Lines of kinds that matter are told by how they begin; only those are decoded. Bytes are added up
 * as they come. Minutes are decided at the end, on what all workers wrote of a person, a service
 * and a minute: rows are sorted by these, and each run of them is one minute, active or not.
 */
#include "today.h"

#include "active.h"
#include "clock.h"
#include "journal_read.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY	   "-"
#define LINES_LOOK 256 /* between two looks at the clock */
#define ROWS_FIRST 4096
#define NO_PAIR	   UINT32_MAX

struct row {
	uint64_t of;	   /* hash of person and service */
	uint32_t pair;	   /* to which the minute goes; NO_PAIR: nobody asks */
	uint32_t minute;   /* of the day */
	uint32_t both, up; /* core bytes; more than 32 bits hold is of no interest */
};

struct today {
	struct today_options o;
	struct record_decoder *decoder;
	struct totals *pairs;
	uint32_t start, end; /* minutes */
	int64_t since_ms;    /* nothing older is of interest */
	struct row *row;
	size_t n, cap;
	uint64_t records;
	/* Where the reading stands. */
	DIR *folders;
	int folder;
	struct segment_name *segment;
	size_t segments, at;
	struct segment_reader *reader;
};

/* --- life ------------------------------------------------------------------------------------- */

static bool open_root(struct today *t, struct err *e)
{
	const int fd = openat(t->o.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->folders = fd < 0 ? NULL : fdopendir(fd);
	if (!t->folders && fd >= 0)
		close(fd);
	return t->folders || err_sys(e, "cannot read the journal's folder");
}

struct today *today_new(const struct today_options *o, struct err *e)
{
	struct today *t = calloc(1, sizeof *t);
	if (!t) {
		err_set(e, "out of memory");
		return NULL;
	}
	t->o = *o;
	t->folder = -1;
	t->start = (uint32_t)(o->day.from_s / 60);
	t->end = (uint32_t)(o->day.to_s / 60);
	t->since_ms = o->day.from_s * 1000;
	if (o->acks_from_ms < t->since_ms)
		t->since_ms = o->acks_from_ms;
	t->decoder = record_decoder_new();
	t->pairs = totals_new(0);
	if (!t->decoder || !t->pairs)
		err_set(e, "out of memory");
	else if (open_root(t, e))
		return t;
	today_free(t);
	return NULL;
}

static void close_folder(struct today *t)
{
	segment_close(t->reader);
	t->reader = NULL;
	free(t->segment);
	t->segment = NULL;
	t->segments = t->at = 0;
	if (t->folder >= 0)
		close(t->folder);
	t->folder = -1;
}

void today_free(struct today *t)
{
	if (!t)
		return;
	close_folder(t);
	if (t->folders)
		closedir(t->folders);
	record_decoder_free(t->decoder);
	totals_free(t->pairs);
	free(t->row);
	free(t);
}

uint64_t today_records(const struct today *t)
{
	return t->records;
}

/* --- what a record adds ----------------------------------------------------------------------- */

static struct span person_of(const struct record *r)
{
	const struct span user = record_get(r, FIELD_USER);
	return user.n ? user : SPAN(NOBODY);
}

/* NO_PAIR where nobody asks, or the table is full: then less is known than was used. */
static uint32_t pair_of(struct today *t, struct span person, struct span rule)
{
	struct total key = {.start = t->start};
	uint32_t number;
	if (!t->o.door->wants(t->o.door->arg, rule) ||
		!span_copy(person, key.person, sizeof key.person) ||
		!span_copy(rule, key.rule, sizeof key.rule) || !totals_at(t->pairs, &key, &number))
		return NO_PAIR;
	return number;
}

static uint64_t hash(struct span a, struct span b)
{
	uint64_t h = 14695981039346656037ULL;
	for (size_t i = 0; i < a.n; i++)
		h = (h ^ (unsigned char)a.p[i]) * 1099511628211ULL;
	h *= 1099511628211ULL;
	for (size_t i = 0; i < b.n; i++)
		h = (h ^ (unsigned char)b.p[i]) * 1099511628211ULL;
	return h;
}

static uint32_t capped(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static bool add_row(struct today *t, const struct row *row)
{
	if (t->n == t->cap) {
		const size_t cap = t->cap ? 2 * t->cap : ROWS_FIRST;
		struct row *grown = realloc(t->row, cap * sizeof *grown);
		if (!grown)
			return false;
		t->row = grown;
		t->cap = cap;
	}
	t->row[t->n++] = *row;
	return true;
}

/* What is above the bound counts as the bound: sums stay in range whatever a record says. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > TOTAL_BYTES || b > TOTAL_BYTES - a ? TOTAL_BYTES : a + b;
}

static bool add_usage(struct today *t, const struct record *r)
{
	const uint64_t minute = record_getnum(r, FIELD_MINUTE);
	const struct span service = record_get(r, FIELD_SERVICE), person = person_of(r);
	if (minute < t->start || minute >= t->end)
		return true;
	const uint64_t up = record_getnum(r, FIELD_CORE_UP);
	const uint64_t down = record_getnum(r, FIELD_CORE_DOWN);
	const struct span rule = record_get(r, FIELD_RULE);
	const struct row row = {.of = hash(person, service),
		.pair = rule.n ? pair_of(t, person, rule) : NO_PAIR,
		.minute = (uint32_t)minute - t->start,
		.both = capped(plus(up, down)),
		.up = capped(up)};
	if (row.pair != NO_PAIR) {
		struct total *sum = totals_sum(t->pairs, row.pair);
		sum->bytes = plus(sum->bytes, record_getnum(r, FIELD_UP));
		sum->bytes = plus(sum->bytes, record_getnum(r, FIELD_DOWN));
	}
	return service.n == 0 || (up == 0 && down == 0) || add_row(t, &row);
}

/* It may be of an earlier day, and holds until its time is over. */
static void add_ack(struct today *t, const struct record *r)
{
	const struct span rule = record_get(r, FIELD_RULE);
	const uint64_t at = record_getnum(r, FIELD_T), until = record_getnum(r, FIELD_UNTIL);
	const uint32_t pair = rule.n && until > (uint64_t)t->o.now_ms && at < until
				      ? pair_of(t, person_of(r), rule)
				      : NO_PAIR;
	if (pair == NO_PAIR)
		return;
	struct total *sum = totals_sum(t->pairs, pair);
	if (until <= (uint64_t)sum->acked_until_ms)
		return;
	sum->acked_at_ms = (int64_t)at;
	sum->acked_until_ms = (int64_t)until;
	sum->purpose = t->o.door->purpose(t->o.door->arg, rule, record_get(r, FIELD_PURPOSE));
}

static void give(struct today *t, const struct record *r, struct span rule, bool minutes)
{
	const uint64_t n = record_getnum(r, FIELD_N);
	const uint32_t pair = pair_of(t, person_of(r), rule);
	if (pair == NO_PAIR)
		return;
	struct total *sum = totals_sum(t->pairs, pair);
	uint64_t *more = minutes ? &sum->more_minutes : &sum->more_bytes;
	*more = plus(*more, n);
}

/* One that names no rule goes to each rule that limits what was granted. */
static void add_grant(struct today *t, const struct record *r)
{
	const uint64_t at = record_getnum(r, FIELD_T) / 60000;
	const bool minutes = span_is(record_get(r, FIELD_LIMIT), "minutes");
	struct span rule = record_get(r, FIELD_RULE);
	if (at < t->start || at >= t->end ||
		(!minutes && !span_is(record_get(r, FIELD_LIMIT), "bytes")))
		return;
	if (rule.n) {
		give(t, r, rule, minutes);
		return;
	}
	for (size_t i = 0; t->o.door->limits(t->o.door->arg, minutes, &i, &rule);)
		give(t, r, rule, minutes);
}

static void add_record(struct today *t, const struct record *r, const char *chain, bool *ok)
{
	if (t->o.door->counted(t->o.door->arg, r, chain))
		return;
	t->records++;
	if (r->kind == RECORD_USAGE)
		*ok = add_usage(t, r);
	else if (r->kind == RECORD_ACK)
		add_ack(t, r);
	else if (r->kind == RECORD_GRANT)
		add_grant(t, r);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool of_interest(struct span body)
{
	return span_starts(body, SPAN("{\"k\":\"usage\"")) ||
	       span_starts(body, SPAN("{\"k\":\"ack\"")) ||
	       span_starts(body, SPAN("{\"k\":\"grant\""));
}

static bool take_line(struct today *t, const struct journal_line *line, struct err *e)
{
	struct record r;
	bool ok = true;
	if (!line->whole || !of_interest(line->body) ||
		!record_decode(t->decoder, line->body, &r, NULL))
		return true;
	add_record(t, &r, t->segment[t->at].chain, &ok);
	return ok || err_set(e, "out of memory for the usage of today");
}

/* A segment that nobody has written to since then has nothing of interest. */
static bool recent(const struct today *t)
{
	struct stat st;
	char file[96];
	segment_name_format(&t->segment[t->at], file);
	return fstatat(t->folder, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       ((int64_t)st.st_mtim.tv_sec + 1) * 1000 >= t->since_ms;
}

static bool next_folder(struct today *t, bool *any, struct err *e)
{
	const struct dirent *d;
	*any = false;
	while ((d = readdir(t->folders)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		t->folder = openat(
			t->o.root, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (t->folder < 0)
			continue; /* a file */
		*any = true;
		return segment_list(t->folder, &t->segment, &t->segments, e);
	}
	return true;
}

/* Opens the next segment that is of interest. *any: there is one. */
static bool next_segment(struct today *t, bool *any, struct err *e)
{
	for (*any = true; *any;) {
		for (; t->folder >= 0 && t->at < t->segments; t->at++) {
			if (!recent(t))
				continue;
			t->reader = segment_open(t->folder, &t->segment[t->at], e);
			return t->reader != NULL;
		}
		close_folder(t);
		if (!next_folder(t, any, e))
			return false;
	}
	return true;
}

/* A bounded number of lines. *more: the segment has further ones. */
static bool read_lines(struct today *t, bool *more, struct err *e)
{
	struct journal_line line;
	*more = false;
	for (int i = 0; i < LINES_LOOK; i++) {
		const enum segment_answer a = segment_next(t->reader, 0, &line, e);
		if (a == SEGMENT_FAILED || (a == SEGMENT_LINE && !take_line(t, &line, e)))
			return false;
		if (a != SEGMENT_LINE)
			return true;
	}
	*more = true;
	return true;
}

static void next_reader(struct today *t)
{
	segment_close(t->reader);
	t->reader = NULL;
	t->at++;
}

/* --- minutes ---------------------------------------------------------------------------------- */

static int by_minute(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	if (x->of != y->of)
		return x->of < y->of ? -1 : 1;
	return x->minute < y->minute ? -1 : x->minute > y->minute;
}

static void decide(struct today *t, const struct row *row, size_t n)
{
	uint64_t both = 0, up = 0;
	for (size_t i = 0; i < n; i++) {
		both += row[i].both;
		up += row[i].up;
	}
	if (!minute_is_active(both, up))
		return;
	for (size_t i = 0; i < n; i++)
		if (row[i].pair != NO_PAIR && row[i].minute < TOTAL_MINUTES)
			totals_sum(t->pairs, row[i].pair)->minutes[row[i].minute / 64] |=
				1ULL << row[i].minute % 64;
}

static void decide_all(struct today *t)
{
	if (t->n)
		qsort(t->row, t->n, sizeof *t->row, by_minute);
	for (size_t i = 0, n; i < t->n; i += n) {
		for (n = 1; i + n < t->n && by_minute(&t->row[i], &t->row[i + n]) == 0; n++)
			;
		decide(t, &t->row[i], n);
	}
}

/* --- slices ----------------------------------------------------------------------------------- */

enum today_answer today_read(struct today *t, unsigned ms, struct err *e)
{
	const uint64_t until = clock_mono_ms() + ms;
	bool any = true, more;
	do {
		if (!t->reader && !next_segment(t, &any, e))
			return TODAY_FAILED;
		if (!any) {
			decide_all(t);
			return TODAY_DONE;
		}
		if (!read_lines(t, &more, e))
			return TODAY_FAILED;
		if (!more)
			next_reader(t);
	} while (clock_mono_ms() < until);
	return TODAY_MORE;
}

bool today_next(struct today *t, struct total *out)
{
	return totals_changed(t->pairs, t->start, out);
}
