/*
 * Records and their encoding: a straight line over the field table, because the bytes are what gets
 * hashed: the order is fixed and nothing depends on a library's taste. record_decode.c reads them.
 */
#include "record_facts.h"

#include <assert.h>

_Static_assert(FIELD_COUNT <= 64, "the fields of a record are bits of a uint64_t");

const struct field_fact field_facts[FIELD_COUNT] = {
#define FIELD(name, k, t, text)                                                                    \
	[FIELD_##name] = {k, ",\"" k "\":", sizeof(",\"" k "\":") - 1, FIELD_TYPE_##t},
#include "fields.def"
#undef FIELD
};

const struct kind_fact kind_facts[RECORD_COUNT] = {
#define KIND(name, w, f, text)                                                                     \
	[RECORD_##name] = {w, {"{\"k\":\"" w "\"", sizeof("{\"k\":\"" w "\"") - 1}, f},
#include "kinds.def"
#undef KIND
};

const char *record_word(enum record_kind k)
{
	return kind_facts[k].word;
}

const char *field_key(enum field f)
{
	return field_facts[f].key;
}

enum field_type field_type(enum field f)
{
	return field_facts[f].type;
}

uint64_t record_fields(enum record_kind k)
{
	return kind_facts[k].fields;
}

static uint64_t bit(enum field f)
{
	return 1ULL << f;
}

void record_init(struct record *r, enum record_kind kind)
{
	r->kind = kind;
	r->present = 0;
}

void record_str(struct record *r, enum field f, struct span v)
{
	assert(kind_facts[r->kind].fields & bit(f));
	assert(field_facts[f].type != FIELD_TYPE_NUM);
	r->present &= ~bit(f);
	if (v.n == 0)
		return;
	r->str[f] = v;
	r->present |= bit(f);
}

void record_num(struct record *r, enum field f, uint64_t v)
{
	assert(kind_facts[r->kind].fields & bit(f));
	assert(field_facts[f].type == FIELD_TYPE_NUM);
	r->num[f] = v;
	r->present |= bit(f);
}

bool record_has(const struct record *r, enum field f)
{
	return r->present & bit(f);
}

struct span record_get(const struct record *r, enum field f)
{
	if (!record_has(r, f) || field_facts[f].type == FIELD_TYPE_NUM)
		return span_of("", 0);
	return r->str[f];
}

uint64_t record_getnum(const struct record *r, enum field f)
{
	return record_has(r, f) && field_facts[f].type == FIELD_TYPE_NUM ? r->num[f] : 0;
}

/* --- encoding ------------------------------------------------------------------------------ */

static void put_list(struct buf *out, struct span v)
{
	char lead = '[';

	while (v.n) {
		struct span word = span_cut(&v, ' ');

		if (word.n == 0)
			continue;
		buf_addc(out, lead);
		buf_json(out, word);
		lead = ',';
	}
	if (lead == '[')
		buf_adds(out, "null");
	else
		buf_addc(out, ']');
}

static bool put_value(const struct record *r, enum field f, struct buf *out)
{
	if (!record_has(r, f)) {
		buf_adds(out, "null");
		return true;
	}
	switch (field_facts[f].type) {
	case FIELD_TYPE_STR:
		buf_json(out, r->str[f]);
		return true;
	case FIELD_TYPE_STRS:
		put_list(out, r->str[f]);
		return true;
	case FIELD_TYPE_NUM:
		buf_u64(out, r->num[f]);
		return r->num[f] <= INT64_MAX;
	}
	return false;
}

bool record_encode(const struct record *r, struct buf *out)
{
	size_t start = out->n;
	bool ok = true;

	buf_span(out, kind_facts[r->kind].lead);
	for (uint64_t left = kind_facts[r->kind].fields; left; left &= left - 1) {
		enum field f = (enum field)__builtin_ctzll(left);

		buf_add_of(out, field_facts[f].lead, field_facts[f].lead_n, LEAD_MAX);
		ok = put_value(r, f, out) && ok;
	}
	buf_addc(out, '}');
	return ok && !out->failed && out->n - start <= RECORD_MAX;
}
