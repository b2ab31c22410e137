/* The tables of fields and kinds, for those that write and read records. */
#ifndef STILE_RECORD_FACTS_H
#define STILE_RECORD_FACTS_H

#include "record.h"

/* A lead is compared and copied as two words. */
#define LEAD_MAX 16
#define FIELD(name, k, t, text)                                                                    \
	_Static_assert(sizeof(",\"" k "\":") - 1 <= LEAD_MAX, "a field's lead is two words");
#include "fields.def"
#undef FIELD

struct field_fact {
	const char *key;
	char lead[LEAD_MAX]; /* ,"key": and then NULs */
	uint8_t lead_n;
	uint8_t type; /* enum field_type */
};

struct kind_fact {
	const char *word;
	struct span lead; /* {"k":"word" */
	uint64_t fields;
};

extern const struct field_fact field_facts[FIELD_COUNT];
extern const struct kind_fact kind_facts[RECORD_COUNT];

#endif
