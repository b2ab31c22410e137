/*
 * What a record adds to the daily figures: one short rule per kind. Nothing is remembered between
 * records, so adding the same records in any order, by any reader, gives the same sums.
 */
#include "rollup.h"

#include "policy.h"
#include "schema.h"

#include <jansson.h>

/* Encoded bytes of one part of a field name, quotes included. Names are 64 bytes and texts 200 at
 * most, so only a text full of characters that JSON escapes is ever cut. Six such parts, the metric
 * and the punctuation fit into struct rollup's field. */
#define PART_MAX 222

static size_t utf8_cut(struct span s, size_t max)
{
	if (s.n <= max)
		return s.n;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static void add_quoted(struct buf *out, struct span plain)
{
	buf_addc(out, '"');
	buf_span(out, plain);
	buf_addc(out, '"');
}

/* At worst every byte becomes \u00XX, six bytes: then what is left of a sixth still fits. */
static void add_part(struct buf *out, struct span s)
{
	static const size_t lengths[] = {PART_MAX - 2, (PART_MAX - 2) / 6};
	if (s.n <= lengths[0] && span_plain(s) == s.n) {
		add_quoted(out, s);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		char mem[PART_MAX + 1];
		struct buf part;
		buf_init_fixed(&part, mem, sizeof mem);
		buf_json(&part, span_of(s.p, utf8_cut(s, lengths[i])));
		if (!part.failed) {
			buf_span(out, buf_spanof(&part));
			return;
		}
	}
	buf_adds(out, "\"\"");
}

static const enum field key_fields[] = {
	FIELD_USER, FIELD_ROLE, FIELD_SERVICE, FIELD_ZONE, FIELD_RULE, FIELD_PURPOSE};
#define KEY_FIELDS (sizeof key_fields / sizeof key_fields[0])

/* What a record adds, in the making; all it adds stands under one key. */
struct adding {
	const struct record *r;
	struct rollup *out;
	size_t n;
	struct buf key; /* "user",…,"purpose"] */
	char mem[sizeof((struct rollup *)NULL)->field];
};

static void make_key(struct adding *a)
{
	buf_init_fixed(&a->key, a->mem, sizeof a->mem);
	for (size_t i = 0; i < KEY_FIELDS; i++) {
		if (i)
			buf_addc(&a->key, ',');
		add_part(&a->key, record_get(a->r, key_fields[i]));
	}
	buf_addc(&a->key, ']');
}

static struct rollup *start(struct adding *a, enum rollup_hash hash, const char *metric)
{
	struct rollup *u = &a->out[a->n++];
	struct buf b;
	if (!a->key.n)
		make_key(a);
	u->hash = hash;
	u->day = record_get(a->r, FIELD_DAY);
	u->add = 0;
	u->text[0] = 0;
	buf_init_fixed(&b, u->field, sizeof u->field);
	buf_addc(&b, '[');
	if (metric) {
		add_quoted(&b, span_str(metric));
		buf_addc(&b, ',');
	}
	buf_span(&b, buf_spanof(&a->key));
	return u;
}

static void count(struct adding *a, const char *metric, uint64_t add)
{
	if (add > 0)
		start(a, ROLLUP_DAY, metric)->add = add;
}

bool rollup_limited(struct span reason)
{
	for (size_t i = 0; i < REASON_COUNT; i++) {
		const struct reason_info *info = reason_info((enum reason)i);

		if (span_is(reason, info->word))
			return info->status == 429;
	}
	return false;
}

/* A challenge asks who it is: it refuses nobody, so it is never among the denials. */
static const char *access_metric(const struct record *r)
{
	struct span verdict = record_get(r, FIELD_VERDICT);
	if (span_is(verdict, "allow"))
		return "allow";
	if (span_is(verdict, "challenge"))
		return "challenge";
	if (!span_is(verdict, "deny"))
		return NULL;
	return rollup_limited(record_get(r, FIELD_REASON)) ? "limit" : "deny";
}

static void of_access(struct adding *a)
{
	const char *metric = access_metric(a->r);
	if (metric)
		count(a, metric, record_has(a->r, FIELD_N) ? record_getnum(a->r, FIELD_N) : 1);
}

static void put_three(struct rollup *u, const uint64_t v[3], const char *end)
{
	struct buf b;
	buf_init_fixed(&b, u->text, sizeof u->text);
	for (size_t i = 0; i < 3; i++) {
		if (i)
			buf_addc(&b, ',');
		buf_u64(&b, v[i]);
	}
	buf_adds(&b, end);
}

static void of_usage(struct adding *a)
{
	const uint64_t moved[] = {record_getnum(a->r, FIELD_UP), record_getnum(a->r, FIELD_DOWN),
		record_getnum(a->r, FIELD_TUNNELS)};
	const uint64_t core[] = {record_getnum(a->r, FIELD_MINUTE),
		record_getnum(a->r, FIELD_CORE_UP), record_getnum(a->r, FIELD_CORE_DOWN)};
	if (moved[0] > 0 || moved[1] > 0 || moved[2] > 0)
		put_three(start(a, ROLLUP_MOVED, "moved"), moved, "");
	if (core[1] > 0 || core[2] > 0)
		put_three(start(a, ROLLUP_MIN, NULL), core, " ");
}

/* Under the purpose that was picked. */
static void of_ack(struct adding *a)
{
	count(a, "ack", 1);
}

static void of_mark(struct adding *a)
{
	const struct span what = record_get(a->r, FIELD_WHAT);
	if (span_is(what, "checkpoint"))
		count(a, "checkpoint", 1);
	else if (span_is(what, "gap"))
		count(a, "lost", record_getnum(a->r, FIELD_N));
}

/* `end` adds nothing: its bytes are in the usage records. */
size_t rollup_of(const struct record *r, struct rollup out[ROLLUP_PER_RECORD])
{
	static void (*const of[RECORD_COUNT])(struct adding *) = {
		[RECORD_ACCESS] = of_access,
		[RECORD_USAGE] = of_usage,
		[RECORD_ACK] = of_ack,
		[RECORD_MARK] = of_mark,
	};
	struct adding a; /* not filled with zeros, being large */
	if (!of[r->kind] || !day_name_ok(record_get(r, FIELD_DAY)))
		return 0;
	a.r = r;
	a.out = out;
	a.n = 0;
	a.key.n = 0;
	of[r->kind](&a);
	return a.n;
}

/* Copies the string `v` to *store and moves it on. */
static bool take(const json_t *v, char **store, size_t *cap, struct span *out)
{
	if (!json_is_string(v))
		return false;
	size_t n = json_string_length(v);
	if (n > *cap)
		return false;
	memcpy(*store, json_string_value(v), n);
	*out = span_of(*store, n);
	*store += n;
	*cap -= n;
	return true;
}

bool rollup_key_parse(
	enum rollup_hash hash, struct span field, char *store, size_t cap, struct rollup_key *out)
{
	*out = (struct rollup_key){.metric = span_str("")};
	struct span *const parts[] = {&out->metric, &out->user, &out->role, &out->service,
		&out->zone, &out->rule, &out->purpose};
	const size_t skip = hash == ROLLUP_MIN ? 1 : 0;
	const size_t want = sizeof parts / sizeof parts[0] - skip;

	json_t *v = json_loadb(field.p, field.n, JSON_REJECT_DUPLICATES, NULL);
	bool ok = json_is_array(v) && json_array_size(v) == want;
	for (size_t i = 0; ok && i < want; i++)
		ok = take(json_array_get(v, i), &store, &cap, parts[i + skip]);
	json_decref(v);
	return ok;
}
