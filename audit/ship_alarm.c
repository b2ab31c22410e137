/* What is wrong with a chain: said in the log, kept as an alarm, marked in the shipper's journal.
 */
#include "ship_inside.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>
#include <time.h>

void ship_utc_day(int64_t wall_ms, char out[11])
{
	struct tm tm;
	time_t t = (time_t)(wall_ms / 1000);
	gmtime_r(&t, &tm);
	strftime(out, 11, "%Y-%m-%d", &tm);
}

void ship_local_day(void *arg, int64_t wall_ms, char out[11])
{
	const struct shipper *s = arg;
	if (s->o.day)
		s->o.day(s->o.day_arg, wall_ms, out);
	else
		ship_utc_day(wall_ms, out);
}

void ship_mark_begin(struct shipper *s, struct record *r, const char *what, char day[11])
{
	const int64_t now = clock_wall_ms();
	ship_local_day(s, now, day);
	record_init(r, RECORD_MARK);
	record_num(r, FIELD_T, (uint64_t)now);
	record_str(r, FIELD_DAY, span_str(day));
	record_str(r, FIELD_WHAT, span_str(what));
}

void ship_mark_end(struct shipper *s, struct record *r, uint64_t n, const char *text)
{
	struct buf b;
	char mem[RECORD_MAX];
	if (n)
		record_num(r, FIELD_N, n);
	record_str(r, FIELD_TEXT, span_str(text));
	buf_init_fixed(&b, mem, sizeof mem);
	if (!record_encode(r, &b) || !journal_add(s->o.marks, buf_spanof(&b), NULL, NULL))
		log_error("ship", "this could not be recorded: %s", text);
	journal_hand_over(s->o.marks);
}

static void mark(struct shipper *s, const char *chain, uint64_t seq, const uint8_t *hash,
	uint64_t n, const char *text)
{
	struct record r;
	char day[11] = "", hex[2 * SHA256_LEN + 1];
	if (!s->o.marks)
		return;
	ship_mark_begin(s, &r, "alarm", day);
	record_str(&r, FIELD_CHAIN, span_str(chain));
	record_num(&r, FIELD_SEQ, seq);
	if (hash) {
		hex_encode(hash, SHA256_LEN, hex);
		record_str(&r, FIELD_HASH, span_str(hex));
	}
	ship_mark_end(s, &r, n, text);
}

static void say_aside(
	const struct ship_chain *c, enum ship_aside why, const char *detail, char *out, size_t cap)
{
	const unsigned long long tip = c->tip.seq, read = c->read.seq;
	const unsigned long long first = c->n ? c->seg[0].name.first_seq : 0;
	switch (why) {
	case SET_AHEAD:
		snprintf(out, cap,
			"chain %s: Redis has records up to %llu, the journal ends at %llu: was an "
			"older copy of the journal put back? Nothing of the chain is shipped",
			c->name, tip, read);
		return;
	case SET_DIFFERS:
		snprintf(out, cap,
			"chain %s: at %llu Redis and the journal have different hashes: one of "
			"them was changed. Nothing of the chain is shipped",
			c->name, tip);
		return;
	case SET_BEHIND:
		snprintf(out, cap,
			"chain %s: Redis has records up to %llu, the journal begins at %llu: what "
			"lies between is in neither. Nothing of the chain is shipped",
			c->name, tip, first);
		return;
	case SET_GONE:
		snprintf(out, cap,
			"chain %s: its segments went from the disk before all was in Redis, which "
			"has records up to %llu",
			c->name, tip);
		return;
	case SET_HOLE:
	case SET_UNREAD:
	case SET_NOT:
	default:
		snprintf(out, cap, "chain %s: %.300s. Nothing more of the chain is shipped",
			c->name, detail);
	}
}

void ship_set_aside(
	struct shipper *s, struct ship_chain *c, enum ship_aside why, const struct err *detail)
{
	char text[480];
	say_aside(c, why, detail ? detail->text : "", text, sizeof text);
	log_error("ship", "%s", text);
	snprintf(s->alarm, sizeof s->alarm, "%s", text);
	c->aside = why;
	c->placed = false;
	ship_chain_close(&s->view, c);
	if (c->told_kind == why && memcmp(&c->told, &c->tip, sizeof c->told) == 0)
		return;
	c->told_kind = why;
	c->told = c->tip;
	mark(s, c->name, c->tip.seq, c->known ? c->tip.hash : NULL, 0, text);
}

void ship_tell_damage(struct shipper *s, struct ship_chain *c)
{
	char text[240];
	const uint64_t n = c->bad_new > c->empty_new ? c->bad_new : c->empty_new;
	if (n == 0)
		return;
	snprintf(text, sizeof text,
		"chain %s: the journal is damaged where record %llu is due: %llu unreadable lines, "
		"%llu records are shipped without body",
		c->name, (unsigned long long)c->damage_seq, (unsigned long long)c->bad_new,
		(unsigned long long)c->empty_new);
	log_error("ship", "%s", text);
	mark(s, c->name, c->damage_seq, NULL, n, text);
	s->status.bad_lines += c->bad_new;
	c->bad_new = c->empty_new = 0;
}
