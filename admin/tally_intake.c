/*
 * The tally's intake: field names become numbers, counters become sums, and minutes entries of the
 * ledger.
 */
#include "tally_inside.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELD_ROOM 2048 /* of a field name's parts */

/* --- fields ----------------------------------------------------------------------------------- */

static bool in_period(const struct tally *t, struct span day)
{
	return day.n == 10 && memcmp(day.p, t->period.from, 10) >= 0 &&
	       memcmp(day.p, t->period.to, 10) <= 0;
}

static bool number_names(struct tally *t, const struct rollup_key *k, struct known *out)
{
	const struct span name[DIM_DAY] = {[DIM_ROLE] = k->role,
		[DIM_SERVICE] = k->service,
		[DIM_ZONE] = k->zone,
		[DIM_RULE] = k->rule,
		[DIM_PURPOSE] = k->purpose};
	out->person = intern_id(&t->names, k->user);
	bool ok = out->person != INTERN_NONE;
	for (int d = 0; d < DIM_DAY; d++) {
		out->name[d] = intern_id(&t->names, name[d]);
		ok = ok && out->name[d] != INTERN_NONE;
	}
	t->failed |= !ok;
	return ok;
}

/* Splits ["metric","user",…] behind the metric. Metrics are plain words. */
static bool split_metric(struct span field, struct span *metric, struct span *rest)
{
	size_t n = 2;
	if (field.n < 2 || memcmp(field.p, "[\"", 2) != 0)
		return false;
	while (n < field.n && field.p[n] >= 'a' && field.p[n] <= 'z')
		n++;
	if (field.n - n < 2 || memcmp(field.p + n, "\",", 2) != 0)
		return false;
	*metric = span_of(field.p + 2, n - 2);
	*rest = span_of(field.p + n + 2, field.n - n - 2);
	return true;
}

static bool remember(struct tally *t, enum rollup_hash hash, struct span field, struct known *out)
{
	char store[FIELD_ROOM];
	struct rollup_key k;
	if (!rollup_key_parse(hash, field, store, sizeof store, &k)) {
		t->bad++;
		return false;
	}
	out->day = NOBODY;
	out->hash = 0;
	return number_names(t, &k, out);
}

static bool room_for_known(struct tally *t)
{
	if (t->nknown < t->capknown)
		return true;
	size_t cap = t->capknown ? t->capknown * 2 : 1024;
	struct known *more = realloc(t->known, cap * sizeof *more);
	t->failed |= !more;
	if (!more)
		return false;
	t->known = more;
	t->capknown = cap;
	return true;
}

/* What the field means; *metric is empty in the hash of minutes. NULL: unreadable, or no memory. */
static struct known *read_field(
	struct tally *t, enum rollup_hash hash, struct span field, struct span *metric)
{
	struct span rest = field.n ? span_of(field.p + 1, field.n - 1) : field;
	*metric = SPAN("");
	if (hash == ROLLUP_MIN ? !span_starts(field, SPAN("["))
			       : !split_metric(field, metric, &rest)) {
		t->bad++;
		return NULL;
	}
	struct known fresh;
	uint32_t id = intern_find(&t->fields, rest);
	if (id != INTERN_NONE)
		return &t->known[id];
	if (!remember(t, hash, field, &fresh) || !room_for_known(t))
		return NULL;
	id = intern_id(&t->fields, rest);
	t->failed |= id == INTERN_NONE;
	if (id == INTERN_NONE)
		return NULL;
	t->known[id] = fresh;
	t->nknown = id + 1;
	return &t->known[id];
}

/* "2026-11-02 facebook" */
static uint32_t day_and_service(struct tally *t, const struct combination *c)
{
	char both[FIELD_ROOM];
	struct span day = t->names.v[c->name[DIM_DAY]], service = t->names.v[c->name[DIM_SERVICE]];
	int n = snprintf(both, sizeof both, "%.*s %.*s", SPAN_ARG(day), SPAN_ARG(service));
	uint32_t id = intern_id(&t->names, span_of(both, (size_t)n));
	t->failed |= id == INTERN_NONE;
	return id == INTERN_NONE ? NOBODY : id;
}

/* The combination of a field on a day. INTERN_NONE: no memory, or somebody who was not asked for.
 */
static uint32_t enter(struct tally *t, struct known *k, uint32_t day)
{
	struct combination c = {{NOBODY}};
	if (t->only != NOBODY && k->person != t->only)
		return INTERN_NONE;
	if (k->day == day)
		return k->combination;
	memcpy(c.name, k->name, sizeof k->name);
	c.name[DIM_DAY] = day;
	if (t->only != NOBODY)
		c.name[DIM_DAY_SERVICE] = day_and_service(t, &c);
	k->combination = tally_enter(t, k->person, &c);
	k->day = k->combination == INTERN_NONE ? NOBODY : day;
	return k->combination;
}

/* --- entries ---------------------------------------------------------------------------------- */

static void note_recorded(struct tally *t, struct tally_node *node, uint32_t day, uint64_t add)
{
	size_t i;
	node->checkpoints += add;
	if (period_index(&t->period, t->names.v[day], &i))
		t->recorded[i] += add;
}

/* Was it given before, from the same hash? */
static bool again(const struct tally *t, struct known *k, unsigned metric)
{
	uint32_t bit = UINT32_C(1) << metric;

	if (t->hash == 0)
		return false;
	if (k->hash != t->hash)
		k->seen = 0;
	k->hash = t->hash;
	if (k->seen & bit)
		return true;
	k->seen |= bit;
	return false;
}

static unsigned metric_of(struct span word)
{
	static const struct span word_of[METRICS] = {[COUNTER_ALLOW] = SPAN("allow"),
		[COUNTER_DENY] = SPAN("deny"),
		[COUNTER_LIMIT] = SPAN("limit"),
		[COUNTER_CHALLENGE] = SPAN("challenge"),
		[COUNTER_ACK] = SPAN("ack"),
		[COUNTER_UP] = SPAN("up"),
		[COUNTER_DOWN] = SPAN("down"),
		[NODE_CHECKPOINT] = SPAN("checkpoint"),
		[NODE_LOST] = SPAN("lost"),
		[METRIC_MOVED] = SPAN("moved")};
	for (unsigned i = 0; i < METRICS; i++)
		if (word.n && word_of[i].n == word.n && word_of[i].p[0] == word.p[0] &&
			span_eq(word, word_of[i]))
			return i;
	return METRICS;
}

/* Decimal digits from *p on and `end`, which the end of all stands for, too. */
static bool number(const char **p, const char *last, char end, uint64_t max, uint64_t *out)
{
	const char *c = *p;
	uint64_t v = 0;

	for (; c < last && *c >= '0' && *c <= '9'; c++) {
		if (v > max / 10) /* max is 2^63-1 at most, so that no step overflows */
			return false;
		v = v * 10 + (uint64_t)(*c - '0');
	}
	if (c == *p || v > max || (c < last ? *c != end : end != ' '))
		return false;
	*out = v;
	*p = c < last ? c + 1 : c;
	return true;
}

/* "up,down,tunnels", of which the last is of no report. */
static bool moved_parse(struct span text, uint64_t *up, uint64_t *down)
{
	const char *p = text.p, *last = p + text.n;
	uint64_t tunnels;

	return number(&p, last, ',', INT64_MAX, up) && number(&p, last, ',', INT64_MAX, down) &&
	       number(&p, last, ' ', INT64_MAX, &tunnels) && p == last;
}

static void count_moved(struct tally *t, struct known *k, uint32_t day, struct span text)
{
	uint64_t up, down;
	uint32_t combination;

	if (!moved_parse(text, &up, &down)) {
		t->bad++;
	} else if ((up || down) && (combination = enter(t, k, day)) != INTERN_NONE) {
		tally_count(t, combination, COUNTER_UP, up);
		tally_count(t, combination, COUNTER_DOWN, down);
	}
}

/* What is counted beside these is of no report. */
static void count(struct tally *t, struct tally_node *node, struct known *k, struct span word,
	uint32_t day, uint64_t add, struct span text)
{
	unsigned metric = metric_of(word);
	uint32_t combination;

	if (metric != METRIC_MOVED && text.n)
		t->bad++;
	else if (metric == METRICS || again(t, k, metric))
		return;
	else if (metric == METRIC_MOVED)
		count_moved(t, k, day, text);
	else if (metric == NODE_CHECKPOINT)
		note_recorded(t, node, day, add);
	else if (metric == NODE_LOST)
		node->lost += add;
	else if ((combination = enter(t, k, day)) != INTERN_NONE)
		tally_count(t, combination, (enum counter)metric, add);
}

/* "minute,up,down " */
static bool minute_parse(const char **p, const char *last, struct entry *out)
{
	uint64_t at;

	if (!number(p, last, ',', UINT32_MAX, &at) || at == 0 ||
		!number(p, last, ',', INT64_MAX, &out->up) ||
		!number(p, last, ' ', INT64_MAX, &out->down))
		return false;
	out->minute = (uint32_t)at;
	return true;
}

static void enter_minute(struct tally *t, struct known *k, uint32_t day, struct entry *e)
{
	if (e->minute < t->done) {
		t->bad++;
		return;
	}
	if (e->up == 0 && e->down == 0)
		return;
	e->combination = enter(t, k, day);
	if (e->combination == INTERN_NONE || e->person == NOBODY)
		return;
	if (!ledger_add(&t->ledger, e))
		t->failed = true;
}

static void minutes(struct tally *t, struct known *k, uint32_t day, struct span text)
{
	struct entry e = {.person = k->person};
	const char *p = text.p, *last = p + text.n;

	if (again(t, k, METRICS))
		return;
	while (p < last) {
		if (*p == ' ') {
			p++;
		} else if (!minute_parse(&p, last, &e)) {
			const char *next = memchr(p, ' ', (size_t)(last - p));
			p = next ? next : last;
			t->bad++;
		} else {
			enter_minute(t, k, day, &e);
		}
	}
}

/* Entries of one day come together. False: it is none of the period, or no memory. */
static bool number_day(struct tally *t, struct span day)
{
	if (t->day != NOBODY && span_eq(t->names.v[t->day], day))
		return true;
	if (!in_period(t, day))
		return false;
	t->day = intern_id(&t->names, day);
	if (t->day != INTERN_NONE)
		return true;
	t->day = NOBODY;
	t->failed = true;
	return false;
}

void tally_add(struct tally *t, size_t node, enum rollup_hash hash, struct span day,
	struct span field, uint64_t add, struct span text)
{
	struct span metric;
	struct known *k;
	if (t->failed || !number_day(t, day) || !(k = read_field(t, hash, field, &metric)))
		return;
	if (hash == ROLLUP_MIN)
		minutes(t, k, t->day, text);
	else
		count(t, &t->node[node], k, metric, t->day, add, text);
}

void tally_hash(struct tally *t)
{
	t->hash++;
}

/* No local day begins more than 14 hours before its UTC day. */
void tally_day_done(struct tally *t, struct span day)
{
	char text[11];
	int64_t number;

	if (span_copy(day, text, sizeof text) && day_number(text, &number) && number > 0)
		tally_minutes(t, (uint64_t)number * 1440);
}
