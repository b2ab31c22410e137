/* The tables of fields and kinds, for those that write and read records. */
#ifndef STILE_RECORD_FACTS_H
#define STILE_RECORD_FACTS_H

#include "record.h"

#define LEAD_MAX 16 /* a lead is compared and copied as two words */

struct field_fact {
	const char *key;
	char lead[LEAD_MAX]; /* ,"key": and then NULs */
	size_t lead_n;
	enum field_type type;
};

struct kind_fact {
	const char *word;
	struct span lead; /* {"k":"word" */
	uint64_t fields;
};

extern const struct field_fact field_facts[FIELD_COUNT];
extern const struct kind_fact kind_facts[RECORD_COUNT];

#endif
