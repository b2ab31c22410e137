/*
 * The tally's intake: field names become numbers, counters and minutes become entries of the
 * ledger.
 */
#include "tally_inside.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELD_ROOM 2048 /* of a field name's parts */

static const char *const words[] = {
#define DIM(name, word, title, none) [DIM_##name] = word,
#include "dims.def"
#undef DIM
};
static const char *const titles[] = {
#define DIM(name, word, title, none) [DIM_##name] = title,
#include "dims.def"
#undef DIM
};
static const char *const nones[] = {
#define DIM(name, word, title, none) [DIM_##name] = none,
#include "dims.def"
#undef DIM
};

const char *dim_word(enum dim d)
{
	return words[d];
}

const char *dim_title(enum dim d)
{
	return titles[d];
}

const char *dim_none(enum dim d)
{
	return nones[d];
}

/* --- life ------------------------------------------------------------------------------------- */

struct tally *tally_new(const struct period *p)
{
	struct tally *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->period = *p;
	t->recorded = calloc(p->days ? p->days : 1, sizeof *t->recorded);
	t->failed = intern_id(&t->names, SPAN("")) != NOBODY || !t->recorded;
	return t;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nodes; i++) {
		free(t->node[i].name);
		free(t->node[i].raw);
	}
	free(t->node);
	free(t->recorded);
	intern_free(&t->names);
	intern_free(&t->combinations);
	intern_free(&t->fields);
	free(t->known);
	ledger_free(&t->ledger);
	free(t);
}

const struct period *tally_period(const struct tally *t)
{
	return &t->period;
}

size_t tally_node_open(struct tally *t, struct span name)
{
	struct tally_node *more = realloc(t->node, (t->nodes + 1) * sizeof *more);
	if (!more) {
		t->failed = true;
		return SIZE_MAX;
	}
	t->node = more;
	t->node[t->nodes++] = (struct tally_node){0};
	tally_node_name(t, t->nodes - 1, name);
	return t->nodes - 1;
}

void tally_node_name(struct tally *t, size_t node, struct span name)
{
	if (node >= t->nodes)
		return;
	char *copy = strndup(name.p, name.n);
	free(t->node[node].name);
	t->node[node].name = copy;
	t->failed |= !copy;
}

size_t tally_nodes(const struct tally *t)
{
	return t->nodes;
}

const struct tally_node *tally_node(const struct tally *t, size_t i)
{
	return &t->node[i];
}

void tally_bad(struct tally *t, uint64_t n)
{
	t->bad += n;
}

uint64_t tally_bad_lines(const struct tally *t)
{
	return t->bad;
}

void tally_only(struct tally *t, struct span person)
{
	t->only = intern_id(&t->names, person);
	t->failed |= t->only == INTERN_NONE;
}

void tally_raw_day(struct tally *t, size_t node, struct span day)
{
	struct tally_node *n = &t->node[node];
	size_t i;
	if (!period_index(&t->period, day, &i))
		return;
	if (!n->raw)
		n->raw = calloc(t->period.days, sizeof *n->raw);
	t->failed |= !n->raw;
	if (!n->raw || n->raw[i])
		return;
	n->raw[i] = true;
	n->raw_days++;
}

uint64_t tally_day_recorded(const struct tally *t, size_t i)
{
	return t->recorded[i];
}

bool tally_failed(const struct tally *t)
{
	return t->failed;
}

/* --- intake ----------------------------------------------------------------------------------- */

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
static const struct known *read_field(
	struct tally *t, enum rollup_hash hash, struct span field, struct span *metric)
{
	struct span rest = field.n ? span_of(field.p + 1, field.n - 1) : field;
	*metric = SPAN("");
	if (hash == ROLLUP_DAY ? !split_metric(field, metric, &rest)
			       : !span_starts(field, SPAN("["))) {
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

static void enter_as(struct tally *t, uint32_t person, const struct combination *c, uint32_t slot,
	uint64_t a, uint64_t b)
{
	struct entry e = {.person = person, .slot = slot, .a = a, .b = b};
	e.combination = intern_id(&t->combinations, span_of(c, sizeof *c));
	if (e.combination == INTERN_NONE || !ledger_add(&t->ledger, &e))
		t->failed = true;
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

static void enter(
	struct tally *t, const struct known *k, uint32_t day, uint32_t slot, uint64_t a, uint64_t b)
{
	struct combination c = {{NOBODY}};
	if (t->only != NOBODY && k->person != t->only)
		return;
	memcpy(c.name, k->name, sizeof k->name);
	c.name[DIM_DAY] = day;
	if (t->only != NOBODY)
		c.name[DIM_DAY_SERVICE] = day_and_service(t, &c);
	enter_as(t, k->person, &c, slot, a, b);
}

void tally_attempt(struct tally *t, const struct attempt *a)
{
	struct combination c;
	uint32_t person = intern_id(&t->names, a->person);
	bool ok = person != INTERN_NONE && !t->failed;
	for (int d = 0; ok && d < DIM_COUNT; d++) {
		c.name[d] = intern_id(&t->names, a->name[d]);
		ok = c.name[d] != INTERN_NONE;
	}
	t->failed |= !ok;
	if (!ok)
		return;
	enter_as(t, person, &c, SLOT_ATTEMPT, 1, 0);
	if (a->refused)
		enter_as(t, person, &c, SLOT_DENY, a->refused, 0);
	if (a->limited)
		enter_as(t, person, &c, SLOT_LIMIT, a->limited, 0);
}

static void note_recorded(struct tally *t, struct tally_node *node, uint32_t day, uint64_t add)
{
	size_t i;
	node->checkpoints += add;
	if (period_index(&t->period, t->names.v[day], &i))
		t->recorded[i] += add;
}

static void count(struct tally *t, struct tally_node *node, const struct known *k,
	struct span metric, uint32_t day, uint64_t add)
{
	static const char *const counters[] = {[SLOT_ALLOW] = "allow",
		[SLOT_DENY] = "deny",
		[SLOT_LIMIT] = "limit",
		[SLOT_CHALLENGE] = "challenge",
		[SLOT_ACK] = "ack"};
	if (span_is(metric, "checkpoint"))
		note_recorded(t, node, day, add);
	else if (span_is(metric, "lost"))
		node->lost += add;
	else if (span_is(metric, "up"))
		enter(t, k, day, SLOT_BYTES, add, 0);
	else if (span_is(metric, "down"))
		enter(t, k, day, SLOT_BYTES, 0, add);
	for (uint32_t s = SLOT_ALLOW; s <= SLOT_ACK; s++)
		if (span_is(metric, counters[s]))
			enter(t, k, day, s, add, 0);
}

/* "minute,up,down" */
static bool minute(struct tally *t, const struct known *k, uint32_t day, struct span one)
{
	uint64_t at, up, down;
	struct span first = span_cut(&one, ','), second = span_cut(&one, ',');
	if (!span_u64(first, UINT32_MAX, &at) || at < SLOT_FIRST_MINUTE ||
		!span_u64(second, INT64_MAX, &up) || !span_u64(one, INT64_MAX, &down))
		return false;
	if (up > 0 || down > 0)
		enter(t, k, day, (uint32_t)at, up, down);
	return true;
}

void tally_add(struct tally *t, size_t node, enum rollup_hash hash, struct span day,
	struct span field, uint64_t add, struct span text)
{
	struct span metric;
	if (!in_period(t, day) || t->failed)
		return;
	const struct known *k = read_field(t, hash, field, &metric);
	uint32_t day_id = intern_id(&t->names, day);
	if (!k || day_id == INTERN_NONE)
		return;
	if (hash == ROLLUP_DAY)
		count(t, &t->node[node], k, metric, day_id, add);
	while (hash == ROLLUP_MIN && text.n > 0) {
		struct span one = span_cut(&text, ' ');
		if (one.n > 0 && !minute(t, k, day_id, one))
			t->bad++;
	}
}
