/*
 * What a record adds to the daily figures: one short rule per kind. Nothing is remembered between
 * records, so adding the same records in any order, by any reader, gives the same sums.
 */
#include "rollup.h"

#include "policy.h"
#include "schema.h"

#include <jansson.h>
#include <stdio.h>

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

/* At worst every byte becomes \u00XX, six bytes: then what is left of a sixth still fits. */
static void add_part(struct buf *out, struct span s)
{
	static const size_t lengths[] = {PART_MAX - 2, (PART_MAX - 2) / 6};
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

static struct rollup *start(struct rollup *out, size_t *n, const struct record *r,
	enum rollup_hash hash, const char *metric)
{
	struct rollup *u = &out[(*n)++];
	*u = (struct rollup){.hash = hash, .day = record_get(r, FIELD_DAY)};
	struct buf b;
	buf_init_fixed(&b, u->field, sizeof u->field);
	buf_addc(&b, '[');
	if (metric) {
		buf_json(&b, span_str(metric));
		buf_addc(&b, ',');
	}
	for (size_t i = 0; i < KEY_FIELDS; i++) {
		if (i)
			buf_addc(&b, ',');
		add_part(&b, record_get(r, key_fields[i]));
	}
	buf_addc(&b, ']');
	return u;
}

static void count(
	struct rollup *out, size_t *n, const struct record *r, const char *metric, uint64_t add)
{
	if (add > 0)
		start(out, n, r, ROLLUP_DAY, metric)->add = add;
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

static size_t of_access(const struct record *r, struct rollup *out)
{
	size_t n = 0;
	const char *metric = access_metric(r);
	if (metric)
		count(out, &n, r, metric, record_has(r, FIELD_N) ? record_getnum(r, FIELD_N) : 1);
	return n;
}

static size_t of_usage(const struct record *r, struct rollup *out)
{
	size_t n = 0;
	count(out, &n, r, "up", record_getnum(r, FIELD_UP));
	count(out, &n, r, "down", record_getnum(r, FIELD_DOWN));
	count(out, &n, r, "tunnels", record_getnum(r, FIELD_TUNNELS));
	uint64_t up = record_getnum(r, FIELD_CORE_UP), down = record_getnum(r, FIELD_CORE_DOWN);
	if (up > 0 || down > 0) {
		struct rollup *u = start(out, &n, r, ROLLUP_MIN, NULL);
		snprintf(u->text, sizeof u->text, "%llu,%llu,%llu ",
			(unsigned long long)record_getnum(r, FIELD_MINUTE), (unsigned long long)up,
			(unsigned long long)down);
	}
	return n;
}

/* Under the purpose that was picked. */
static size_t of_ack(const struct record *r, struct rollup *out)
{
	size_t n = 0;
	count(out, &n, r, "ack", 1);
	return n;
}

static size_t of_mark(const struct record *r, struct rollup *out)
{
	size_t n = 0;
	struct span what = record_get(r, FIELD_WHAT);
	if (span_is(what, "checkpoint"))
		count(out, &n, r, "checkpoint", 1);
	else if (span_is(what, "gap"))
		count(out, &n, r, "lost", record_getnum(r, FIELD_N));
	return n;
}

/* `end` adds nothing: its bytes are in the usage records. */
size_t rollup_of(const struct record *r, struct rollup out[ROLLUP_PER_RECORD])
{
	if (!day_name_ok(record_get(r, FIELD_DAY)))
		return 0;
	if (r->kind == RECORD_ACCESS)
		return of_access(r, out);
	if (r->kind == RECORD_USAGE)
		return of_usage(r, out);
	if (r->kind == RECORD_ACK)
		return of_ack(r, out);
	if (r->kind == RECORD_MARK)
		return of_mark(r, out);
	return 0;
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
	const size_t skip = hash == ROLLUP_DAY ? 0 : 1;
	const size_t want = sizeof parts / sizeof parts[0] - skip;

	json_t *v = json_loadb(field.p, field.n, JSON_REJECT_DUPLICATES, NULL);
	bool ok = json_is_array(v) && json_array_size(v) == want;
	for (size_t i = 0; ok && i < want; i++)
		ok = take(json_array_get(v, i), &store, &cap, parts[i + skip]);
	json_decref(v);
	return ok;
}
