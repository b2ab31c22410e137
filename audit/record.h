/*
 * Records: one line of JSON with fixed field order. The same bytes are hashed, journaled and put
 * into Redis, so that anyone can recompute a chain with common tools.
 */
#ifndef STILE_RECORD_H
#define STILE_RECORD_H

#include "buf.h"
#include "err.h"
#include "span.h"

enum field {
#define FIELD(name, key, type, text) FIELD_##name,
#include "fields.def"
#undef FIELD
	FIELD_COUNT
};

enum field_type { FIELD_TYPE_STR, FIELD_TYPE_NUM, FIELD_TYPE_STRS };

enum record_kind {
#define KIND(name, word, fields, text) RECORD_##name,
#include "kinds.def"
#undef KIND
	RECORD_COUNT
};

#define RECORD_MAX 8192 /* bytes of an encoded record */

/* A record in memory. Spans belong to whoever filled them; they must outlive the encoding. A STRS
 * field holds its elements separated by single spaces (names hold none). */
struct record {
	enum record_kind kind;
	uint64_t present; /* bit per field */
	struct span str[FIELD_COUNT];
	uint64_t num[FIELD_COUNT];
};

const char *record_word(enum record_kind k);
const char *field_key(enum field f);
enum field_type field_type(enum field f);
uint64_t record_fields(enum record_kind k); /* the fields that the kind carries */

void record_init(struct record *r, enum record_kind kind);
/* Setting a field that the kind does not carry is a programming error (assert). An empty span in
 * record_str leaves the field null. */
void record_str(struct record *r, enum field f, struct span v);
void record_num(struct record *r, enum field f, uint64_t v);
bool record_has(const struct record *r, enum field f);
/* "" and 0 where null. */
struct span record_get(const struct record *r, enum field f);
uint64_t record_getnum(const struct record *r, enum field f);

/* Appends {"k":"access","t":…} without newline. Does not allocate when `out` is fixed and large
 * enough. False: too large (as a whole, or a number beyond INT64_MAX), or out of memory; then what
 * was appended is of no use. */
bool record_encode(const struct record *r, struct buf *out);

/* Strict: one JSON object, known kind, fields of that kind only, right types, valid UTF-8, no
 * duplicates, no empty string or list (null stands for them). A field that is missing counts as
 * null, so that records written before a field was thought of stay readable. Strings of the result
 * point into a store that the decoder keeps until its next call. */
struct record_decoder;
struct record_decoder *record_decoder_new(void);
void record_decoder_free(struct record_decoder *d);
bool record_decode(struct record_decoder *d, struct span line, struct record *out, struct err *e);

#endif
