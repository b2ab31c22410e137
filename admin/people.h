/* Who is behind a name: a set of persons by their numbers, a bit each. */
#ifndef STILE_PEOPLE_H
#define STILE_PEOPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct people {
	uint64_t *bits;
	size_t words;
};

/* {0} is an empty set. */
void people_free(struct people *p);
/* Both false: out of memory. */
bool people_add(struct people *p, uint32_t person);
bool people_join(struct people *to, const struct people *from);
uint64_t people_count(const struct people *p);

#endif
