/*
 * The record codec. Encoding is our own straight line over the field table, because the bytes are
 * what gets hashed: the order is fixed and nothing depends on a library's taste. Decoding is
 * jansson's, behind checks that leave one shape for one record: what the encoder never writes (an
 * empty string, an empty list, a fraction) is refused.
 */
#include "record.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

_Static_assert(FIELD_COUNT <= 64, "the fields of a record are bits of a uint64_t");

struct field_fact {
	const char *key;
	struct span lead; /* ,"key": */
	enum field_type type;
};

static const struct field_fact fields[FIELD_COUNT] = {
#define FIELD(name, k, t, text)                                                                    \
	[FIELD_##name] = {k, {",\"" k "\":", sizeof(",\"" k "\":") - 1}, FIELD_TYPE_##t},
#include "fields.def"
#undef FIELD
};

struct kind_fact {
	const char *word;
	struct span lead; /* {"k":"word" */
	uint64_t fields;
};

static const struct kind_fact kinds[RECORD_COUNT] = {
#define KIND(name, w, f, text)                                                                     \
	[RECORD_##name] = {w, {"{\"k\":\"" w "\"", sizeof("{\"k\":\"" w "\"") - 1}, f},
#include "kinds.def"
#undef KIND
};

const char *record_word(enum record_kind k)
{
	return kinds[k].word;
}

const char *field_key(enum field f)
{
	return fields[f].key;
}

enum field_type field_type(enum field f)
{
	return fields[f].type;
}

uint64_t record_fields(enum record_kind k)
{
	return kinds[k].fields;
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
	assert(kinds[r->kind].fields & bit(f));
	assert(fields[f].type != FIELD_TYPE_NUM);
	r->present &= ~bit(f);
	if (v.n == 0)
		return;
	r->str[f] = v;
	r->present |= bit(f);
}

void record_num(struct record *r, enum field f, uint64_t v)
{
	assert(kinds[r->kind].fields & bit(f));
	assert(fields[f].type == FIELD_TYPE_NUM);
	r->num[f] = v;
	r->present |= bit(f);
}

bool record_has(const struct record *r, enum field f)
{
	return r->present & bit(f);
}

struct span record_get(const struct record *r, enum field f)
{
	if (!record_has(r, f) || fields[f].type == FIELD_TYPE_NUM)
		return span_of("", 0);
	return r->str[f];
}

uint64_t record_getnum(const struct record *r, enum field f)
{
	return record_has(r, f) && fields[f].type == FIELD_TYPE_NUM ? r->num[f] : 0;
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
	switch (fields[f].type) {
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

	buf_span(out, kinds[r->kind].lead);
	for (uint64_t left = kinds[r->kind].fields; left; left &= left - 1) {
		enum field f = (enum field)__builtin_ctzll(left);

		buf_span(out, fields[f].lead);
		ok = put_value(r, f, out) && ok;
	}
	buf_addc(out, '}');
	return ok && !out->failed && out->n - start <= RECORD_MAX;
}

/* --- decoding ------------------------------------------------------------------------------ */

struct record_decoder {
	json_t *root;		     /* strings of the last result live here … */
	char joined[RECORD_MAX + 1]; /* … and its lists here */
	size_t used;
};

struct record_decoder *record_decoder_new(void)
{
	json_object_seed(0); /* now, for it reads a file, and who decodes may be forbidden to */
	return calloc(1, sizeof(struct record_decoder));
}

void record_decoder_free(struct record_decoder *d)
{
	if (!d)
		return;
	json_decref(d->root);
	free(d);
}

static bool find_kind(const json_t *v, enum record_kind *out)
{
	struct span word;

	if (!json_is_string(v))
		return false;
	word = span_of(json_string_value(v), json_string_length(v));
	for (unsigned k = 0; k < RECORD_COUNT; k++)
		if (span_is(word, kinds[k].word)) {
			*out = (enum record_kind)k;
			return true;
		}
	return false;
}

static bool find_field(const char *key, enum field *out)
{
	for (unsigned f = 0; f < FIELD_COUNT; f++)
		if (strcmp(key, fields[f].key) == 0) {
			*out = (enum field)f;
			return true;
		}
	return false;
}

/* The elements joined by spaces. They fit: quotes and comma took more room in the line. */
static bool take_list(struct record_decoder *d, const json_t *v, struct span *out)
{
	size_t start = d->used;

	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *word = json_array_get(v, i);
		struct span s;

		if (!json_is_string(word))
			return false;
		s = span_of(json_string_value(word), json_string_length(word));
		if (s.n == 0 || memchr(s.p, ' ', s.n))
			return false;
		if (i)
			d->joined[d->used++] = ' ';
		assert(s.n < sizeof d->joined - d->used);
		memcpy(d->joined + d->used, s.p, s.n);
		d->used += s.n;
	}
	*out = span_of(d->joined + start, d->used - start);
	return out->n > 0;
}

static bool take_value(struct record_decoder *d, enum field f, const json_t *v, struct record *out)
{
	struct span s = {"", 0};

	switch (fields[f].type) {
	case FIELD_TYPE_NUM:
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return false;
		record_num(out, f, (uint64_t)json_integer_value(v));
		return true;
	case FIELD_TYPE_STR:
		if (!json_is_string(v) || json_string_length(v) == 0)
			return false;
		record_str(out, f, span_of(json_string_value(v), json_string_length(v)));
		return true;
	case FIELD_TYPE_STRS:
		if (!json_is_array(v) || !take_list(d, v, &s))
			return false;
		record_str(out, f, s);
		return true;
	}
	return false;
}

static const char *const wanted[] = {
	[FIELD_TYPE_STR] = "a non-empty string",
	[FIELD_TYPE_NUM] = "an integer that is not negative",
	[FIELD_TYPE_STRS] = "a non-empty list of words",
};

static bool take_member(struct record_decoder *d, const char *key, const json_t *v,
	struct record *out, struct err *e)
{
	const char *word = kinds[out->kind].word;
	enum field f;

	if (strcmp(key, "k") == 0)
		return true;
	if (!find_field(key, &f))
		return err_set(e, "record %s: unknown field \"%.40s\"", word, key);
	if (!(kinds[out->kind].fields & bit(f)))
		return err_set(e, "record %s: carries no field \"%s\"", word, key);
	if (json_is_null(v))
		return true;
	if (!take_value(d, f, v, out))
		return err_set(e, "record %s: \"%s\" is expected to be %s or null", word, key,
			wanted[fields[f].type]);
	return true;
}

static bool load(struct record_decoder *d, struct span line, struct err *e)
{
	json_error_t why;

	json_decref(d->root);
	d->root = NULL;
	d->used = 0;
	if (line.n > RECORD_MAX)
		return err_set(
			e, "record of %zu bytes: at most %d are expected", line.n, RECORD_MAX);
	if (line.n < 2 || line.p[0] != '{' || line.p[line.n - 1] != '}')
		return err_set(e, "record: one JSON object and nothing else is expected");
	d->root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!d->root)
		return err_set(e, "record: byte %d: %s", why.position, why.text);
	return true;
}

bool record_decode(struct record_decoder *d, struct span line, struct record *out, struct err *e)
{
	enum record_kind kind;
	const char *key;
	json_t *v;

	if (!load(d, line, e))
		return false;
	if (!find_kind(json_object_get(d->root, "k"), &kind))
		return err_set(e, "record: \"k\" is expected to be a known kind");
	record_init(out, kind);
	json_object_foreach(d->root, key, v)
	{
		if (!take_member(d, key, v, out, e))
			return false;
	}
	return true;
}
