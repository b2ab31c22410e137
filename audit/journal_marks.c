/* What the journal says of itself: marks of start, stop and gaps. */
#include "journal_inside.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void utc_day(int64_t ms, char out[11])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(out, 11, "%Y-%m-%d", &tm) != 10)
		out[0] = 0;
}

void moment_take(const struct journal_options *o, struct moment *m)
{
	int64_t ms = clock_wall_ms();
	char day[11] = "";
	const char *said = day;

	/* The day of a minute is one; asking for it may cost the caller something. */
	if (m->day[0] && m->ms / 60000 == ms / 60000) {
		m->ms = ms;
		return;
	}
	m->ms = ms;
	m->day[0] = 0;
	if (o->day)
		said = o->day(o->day_arg, ms, day);
	else
		utc_day(ms, day);
	if (said)
		snprintf(m->day, sizeof m->day, "%s", said);
}

static void mark_init(struct record *r, const char *what, const struct moment *m)
{
	record_init(r, RECORD_MARK);
	record_num(r, FIELD_T, m->ms > 0 ? (uint64_t)m->ms : 0);
	record_str(r, FIELD_DAY, span_str(m->day));
	record_str(r, FIELD_WHAT, span_str(what));
}

static void mark_add(struct segment_writer *w, const struct record *r, char *mem, size_t cap)
{
	struct buf out;

	buf_init_fixed(&out, mem, cap);
	if (record_encode(r, &out))
		segment_writer_add(w, buf_spanof(&out));
	else
		log_error("journal", "a mark does not fit into a record");
}

void add_start(struct journal *j, const struct journal_before *b)
{
	char text[400], hash[2 * SHA256_LEN + 1], torn[64] = "", bad[64] = "", kept[80] = "";
	struct record r;

	mark_init(&r, "start", &j->now);
	if (b->any) {
		hex_encode(b->tip.hash, SHA256_LEN, hash);
		record_str(&r, FIELD_CHAIN, span_str(b->chain));
		record_num(&r, FIELD_SEQ, b->tip.seq);
		record_str(&r, FIELD_HASH, span_str(hash));
	}
	if (b->cut_bytes)
		snprintf(torn, sizeof torn, "; %" PRIu64 " bytes of a torn record cut off",
			b->cut_bytes);
	if (b->bad_lines)
		snprintf(bad, sizeof bad, "; %" PRIu64 " unreadable lines", b->bad_lines);
	if (b->kept || b->damaged)
		snprintf(kept, sizeof kept, "; %" PRIu64 " records from its outbox follow%s",
			b->kept, b->damaged ? ", the rest of it is unreadable" : "");
	snprintf(text, sizeof text, "node %.64s, stile " STILE_VERSION "%s%s%s%s",
		j->o.node ? j->o.node : "unnamed",
		b->any && !b->clean ? "; the writer before ended without a stop" : "", torn, bad,
		kept);
	record_str(&r, FIELD_TEXT, span_str(text));
	mark_add(j->writer, &r, j->mark, sizeof j->mark);
}

void add_gap(struct journal *j, const struct loss *l, const struct moment *m)
{
	char text[400], since[32] = "", doubt[96] = "";
	time_t s = (time_t)(l->since / 1000);
	struct record r;
	struct tm tm;

	if (gmtime_r(&s, &tm))
		strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (l->doubtful)
		snprintf(doubt, sizeof doubt,
			", %" PRIu64 " more would not outlive a loss of power", l->doubtful);
	snprintf(text, sizeof text, "%" PRIu64 " records lost since %s%s: %s", l->lost, since,
		doubt, l->why);
	mark_init(&r, "gap", m);
	record_str(&r, FIELD_CHAIN, span_str(j->chain));
	record_num(&r, FIELD_N, l->lost);
	record_str(&r, FIELD_TEXT, span_str(text));
	mark_add(j->writer, &r, j->mark, sizeof j->mark);
}

void add_stop(struct journal *j, const struct moment *m)
{
	struct record r;

	mark_init(&r, "stop", m);
	mark_add(j->writer, &r, j->mark, sizeof j->mark);
}
