/*
 * Reading a record: one pass over one line of flat JSON, without allocation, since shippers and
 * reports read as many records as all workers write. Only one shape is taken for one record: what
 * the encoder never writes (an empty string, an empty list, a fraction) is refused.
 *
 * A line is first taken for what the encoder writes: all fields of its kind in their order, nothing
 * escaped. Whatever else it may be is left to the reader of JSON behind it, and so is what is wrong
 * with it. Where the first one takes a line, both say the same.
 */
#include "record_facts.h"

#include "digest.h"

#include <assert.h>
#include <stdlib.h>

/* The text before a field's value, as two words to be compared at once. */
struct lead {
	uint64_t text[2], mask[2];
	size_t n;
};

struct record_decoder {
	const char *start, *p,
		*end; /* of the line: its first byte, the next one, behind the last */
	size_t used;
	/* strings of the result: none is longer than in the line; a lead may be looked for at its
	 * end */
	char store[RECORD_MAX + 1 + LEAD_MAX];
	struct lead lead[FIELD_COUNT];
};

struct record_decoder *record_decoder_new(void)
{
	struct record_decoder *d = calloc(1, sizeof *d);

	for (size_t f = 0; d && f < FIELD_COUNT; f++) {
		memcpy(d->lead[f].text, field_facts[f].lead, LEAD_MAX);
		memset(d->lead[f].mask, 0xff, field_facts[f].lead_n);
		d->lead[f].n = field_facts[f].lead_n;
	}
	return d;
}

void record_decoder_free(struct record_decoder *d)
{
	free(d);
}

/* --- JSON -------------------------------------------------------------------------------------
 */

static bool broken(const struct record_decoder *d, const char *expected, struct err *e)
{
	return err_set(e, "record: byte %zu: %s is expected", (size_t)(d->p - d->start), expected);
}

static void skip_space(struct record_decoder *d)
{
	while (d->p < d->end && (*d->p == ' ' || *d->p == '\t' || *d->p == '\n' || *d->p == '\r'))
		d->p++;
}

/* Takes c if it is next, behind spaces. */
static bool take(struct record_decoder *d, char c)
{
	skip_space(d);
	if (d->p == d->end || *d->p != c)
		return false;
	d->p++;
	return true;
}

/* Four hexadecimal digits. */
static bool take_unit(struct record_decoder *d, unsigned *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++) {
		int digit = d->p < d->end ? hex_digit(*d->p++) : -1;

		if (digit < 0)
			return false;
		*out = *out << 4 | (unsigned)digit;
	}
	return true;
}

static void store_utf8(struct record_decoder *d, unsigned c)
{
	char *out = d->store + d->used;
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; --i > 0; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	d->used += n;
}

/* \uXXXX, and the second half of a pair; a half alone is no character. */
static bool take_unicode(struct record_decoder *d)
{
	unsigned c, low;

	if (!take_unit(d, &c) || (c >= 0xdc00 && c <= 0xdfff))
		return false;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (d->end - d->p < 2 || *d->p++ != '\\' || *d->p++ != 'u' || !take_unit(d, &low) ||
			low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
	}
	store_utf8(d, c);
	return true;
}

static bool take_escape(struct record_decoder *d)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = d->p < d->end ? *d->p++ : 0;
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		d->store[d->used++] = to[at - from];
	return at || (c == 'u' && take_unicode(d));
}

/* One character that is not the closing quote. */
static bool take_character(struct record_decoder *d)
{
	size_t n;

	if (*d->p == '\\') {
		d->p++;
		return take_escape(d);
	}
	n = (unsigned char)*d->p < 0x20 ? 0 : span_utf8(span_of(d->p, (size_t)(d->end - d->p)));
	memcpy(d->store + d->used, d->p, n);
	d->used += n;
	d->p += n;
	return n > 0;
}

/* Bytes that stand for themselves. */
static size_t plain(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	return (size_t)(p - from);
}

/* A string, its opening quote taken already; at the end of the store. */
static bool take_string(struct record_decoder *d, struct span *out, struct err *e)
{
	size_t from = d->used;

	while (d->p < d->end && *d->p != '"') {
		size_t n = plain(d->p, d->end);

		memcpy(d->store + d->used, d->p, n);
		d->used += n;
		d->p += n;
		if (n == 0 && !take_character(d))
			return broken(d, "a character of UTF-8, escaped where JSON wants it", e);
	}
	if (d->p == d->end)
		return broken(d, "the end of a string", e);
	d->p++;
	*out = span_of(d->store + from, d->used - from);
	return true;
}

static bool take_null(struct record_decoder *d)
{
	if (d->end - d->p < 4 || memcmp(d->p, "null", 4) != 0)
		return false;
	d->p += 4;
	return true;
}

/* --- values -----------------------------------------------------------------------------------
 */

static const char *const wanted[] = {
	[FIELD_TYPE_STR] = "a non-empty string",
	[FIELD_TYPE_NUM] = "an integer that is not negative",
	[FIELD_TYPE_STRS] = "a non-empty list of words",
};

static bool wrong(enum field f, struct err *e)
{
	return err_set(e, "record: \"%s\" is expected to be %s or null", field_key(f),
		wanted[field_type(f)]);
}

static bool digit(const struct record_decoder *d)
{
	return d->p < d->end && *d->p >= '0' && *d->p <= '9';
}

static bool take_number(struct record_decoder *d, enum field f, uint64_t *out, struct err *e)
{
	bool zero = digit(d) && *d->p == '0';
	uint64_t v = 0;

	if (!digit(d))
		return wrong(f, e);
	for (size_t n = 0; digit(d); n++, d->p++) {
		if ((zero && n > 0) || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*d->p - '0'), &v) || v > INT64_MAX)
			return broken(d, "an integer below 2^63", e);
	}
	if (d->p < d->end && strchr(".eE", *d->p))
		return wrong(f, e);
	*out = v;
	return true;
}

/* The elements, joined by single spaces in the store. */
static bool take_list(struct record_decoder *d, enum field f, struct span *out, struct err *e)
{
	size_t from = d->used;
	struct span word;

	do {
		if (d->used > from)
			d->store[d->used++] = ' '; /* quotes and comma took more room in the line */
		if (!take(d, '"'))
			return wrong(f, e);
		if (!take_string(d, &word, e))
			return false;
		if (word.n == 0 || memchr(word.p, ' ', word.n))
			return wrong(f, e);
	} while (take(d, ','));
	*out = span_of(d->store + from, d->used - from);
	return take(d, ']') || wrong(f, e);
}

static bool take_value(struct record_decoder *d, enum field f, struct record *out, struct err *e)
{
	bool ok;

	skip_space(d);
	if (take_null(d))
		return true;
	if (field_type(f) == FIELD_TYPE_NUM)
		ok = take_number(d, f, &out->num[f], e);
	else if (field_type(f) == FIELD_TYPE_STR)
		ok = take(d, '"')
			     ? take_string(d, &out->str[f], e) && (out->str[f].n || wrong(f, e))
			     : wrong(f, e);
	else
		ok = take(d, '[') ? take_list(d, f, &out->str[f], e) : wrong(f, e);
	if (ok)
		out->present |= 1ULL << f;
	return ok;
}

/* --- the object -------------------------------------------------------------------------------
 */

static bool find_kind(struct span word, enum record_kind *out)
{
	for (unsigned k = 0; k < RECORD_COUNT; k++)
		if (span_is(word, record_word((enum record_kind)k))) {
			*out = (enum record_kind)k;
			return true;
		}
	return false;
}

static bool take_kind(struct record_decoder *d, enum record_kind *out, struct err *e)
{
	struct span word;

	if (!take(d, '"'))
		return err_set(e, "record: \"k\" is expected to be a known kind");
	return take_string(d, &word, e) &&
	       (find_kind(word, out) || err_set(e, "record: \"k\" is expected to be a known kind"));
}

/* Fields stand in the order of the table, so the search begins behind the last one. */
static bool find_field(struct span key, enum field *f)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		const char *name;

		*f = *f + 1 < FIELD_COUNT ? *f + 1 : 0;
		name = field_key(*f);
		if (strncmp(name, key.p, key.n) == 0 && name[key.n] == 0)
			return true;
	}
	return false;
}

static bool take_key(struct record_decoder *d, struct span *key, struct err *e)
{
	return (take(d, '"') || broken(d, "a key in quotes", e)) && take_string(d, key, e) &&
	       (!memchr(key->p, 0, key->n) || broken(d, "a key without NUL", e)) &&
	       (take(d, ':') || broken(d, "a colon", e));
}

/* What the line has said so far. */
struct so_far {
	bool kind;
	uint64_t fields; /* also those that are null */
	enum field last;
};

static bool duplicate(const struct record_decoder *d, struct span key, struct err *e)
{
	return err_set(
		e, "record: byte %zu: duplicate key \"%.40s\"", (size_t)(d->p - d->start), key.p);
}

static bool take_member(
	struct record_decoder *d, struct so_far *seen, struct record *out, struct err *e)
{
	struct span key;

	if (!take_key(d, &key, e))
		return false;
	d->store[d->used++] = 0; /* for messages; its quotes took more room in the line */
	if (span_is(key, "k")) {
		bool again = seen->kind;

		seen->kind = true;
		return again ? duplicate(d, key, e) : take_kind(d, &out->kind, e);
	}
	if (!find_field(key, &seen->last))
		return err_set(e, "record: unknown field \"%.40s\"", key.p);
	if (seen->fields >> seen->last & 1)
		return duplicate(d, key, e);
	seen->fields |= 1ULL << seen->last;
	return take_value(d, seen->last, out, e);
}

static bool take_members(
	struct record_decoder *d, struct so_far *seen, struct record *out, struct err *e)
{
	if (take(d, '}'))
		return true;
	do {
		if (!take_member(d, seen, out, e))
			return false;
	} while (take(d, ','));
	return take(d, '}') || broken(d, "a comma or the end of the object", e);
}

static bool decode_json(
	struct record_decoder *d, struct span line, struct record *out, struct err *e)
{
	struct so_far seen = {.last = FIELD_COUNT - 1};
	uint64_t strange;

	if (line.n < 2 || line.p[0] != '{' || line.p[line.n - 1] != '}')
		return err_set(e, "record: one JSON object and nothing else is expected");
	d->start = line.p;
	d->p = line.p + 1;
	d->end = line.p + line.n;
	d->used = 0;
	out->present = 0;
	if (!take_members(d, &seen, out, e))
		return false;
	if (d->p < d->end)
		return broken(d, "the end", e);
	if (!seen.kind)
		return err_set(e, "record: \"k\" is expected to be a known kind");
	strange = seen.fields & ~record_fields(out->kind);
	if (strange)
		return err_set(e, "record %s: carries no field \"%s\"", record_word(out->kind),
			field_key((enum field)__builtin_ctzll(strange)));
	return true;
}

/* --- what the encoder writes ------------------------------------------------------------------
 */

/* A copy of the line, taken apart where it lies; ends with a NUL. */
struct cursor {
	char *p, *end;
};

static bool pass(struct cursor *c, struct span text)
{
	if ((size_t)(c->end - c->p) < text.n || memcmp(c->p, text.p, text.n) != 0)
		return false;
	c->p += text.n;
	return true;
}

/* What is behind the end is whatever it is: the NUL at the end is in no lead. */
static bool pass_lead(struct cursor *c, const struct lead *l)
{
	uint64_t x[2];

	memcpy(x, c->p, sizeof x);
	if (((x[0] ^ l->text[0]) & l->mask[0]) | ((x[1] ^ l->text[1]) & l->mask[1]))
		return false;
	c->p += l->n;
	return true;
}

/* Up to the closing quote, which is passed: not empty, nothing escaped. */
static bool pass_string(struct cursor *c, struct span *out)
{
	const char *from = c->p;

	for (;;) {
		size_t n = span_plain(span_of(c->p, (size_t)(c->end - c->p)));

		c->p += n;
		if (*c->p == '"')
			break;
		n = (unsigned char)*c->p < 0x7f ? 0
						: span_utf8(span_of(c->p, (size_t)(c->end - c->p)));
		if (n == 0)
			return false;
		c->p += n;
	}
	*out = span_of(from, (size_t)(c->p++ - from));
	return out->n > 0;
}

/* At most 18 digits: they fit. */
static bool pass_number(struct cursor *c, uint64_t *out)
{
	const char *from = c->p;
	uint64_t v = 0;

	while ((unsigned)*c->p - '0' <= 9)
		v = v * 10 + (uint64_t)(*c->p++ - '0');
	*out = v;
	return c->p > from && c->p - from <= 18 && (*from != '0' || c->p == from + 1);
}

/* Moves the words together, a space between them. */
static bool pass_list(struct cursor *c, struct span *out)
{
	char *from = c->p, *to = from;
	struct span word;

	do {
		if (!pass(c, SPAN("\"")) || !pass_string(c, &word) || memchr(word.p, ' ', word.n))
			return false;
		if (to > from)
			*to++ = ' ';
		memmove(to, word.p, word.n);
		to += word.n;
	} while (pass(c, SPAN(",")));
	*out = span_of(from, (size_t)(to - from));
	return pass(c, SPAN("]"));
}

static bool pass_value(struct cursor *c, enum field f, struct record *out)
{
	if (*c->p == 'n')
		return pass(c, SPAN("null"));
	out->present |= 1ULL << f;
	switch (field_facts[f].type) {
	case FIELD_TYPE_NUM:
		return pass_number(c, &out->num[f]);
	case FIELD_TYPE_STR:
		return pass(c, SPAN("\"")) && pass_string(c, &out->str[f]);
	case FIELD_TYPE_STRS:
		return pass(c, SPAN("[")) && pass_list(c, &out->str[f]);
	}
	return false;
}

static bool pass_kind(struct cursor *c, enum record_kind *out)
{
	for (unsigned k = 0; k < RECORD_COUNT; k++)
		if (pass(c, kind_facts[k].lead)) {
			*out = (enum record_kind)k;
			return true;
		}
	return false;
}

/* False: it is something else, or nothing. */
static bool decode_own(struct record_decoder *d, struct span line, struct record *out)
{
	struct cursor c = {.p = d->store, .end = d->store + line.n};

	memcpy(d->store, line.p, line.n);
	d->store[line.n] = 0;
	out->present = 0;
	if (!pass_kind(&c, &out->kind))
		return false;
	for (uint64_t left = kind_facts[out->kind].fields; left; left &= left - 1) {
		enum field f = (enum field)__builtin_ctzll(left);

		if (!pass_lead(&c, &d->lead[f]) || !pass_value(&c, f, out))
			return false;
	}
	return pass(&c, SPAN("}")) && c.p == c.end;
}

bool record_decode(struct record_decoder *d, struct span line, struct record *out, struct err *e)
{
	if (line.n > RECORD_MAX)
		return err_set(
			e, "record of %zu bytes: at most %d are expected", line.n, RECORD_MAX);
	return decode_own(d, line, out) || decode_json(d, line, out, e);
}
