/* The tables of fields and kinds, for those that write and read records. */
#ifndef STILE_RECORD_FACTS_H
#define STILE_RECORD_FACTS_H

#include "record.h"

struct field_fact {
	const char *key;
	struct span lead; /* ,"key": */
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
