/* "Did you mean …?": the known word that is only a slip away from what was written. */
#ifndef STILE_NEAREST_H
#define STILE_NEAREST_H

#include "span.h"

struct nearest {
	struct span wanted, found; /* found is empty where nothing is near */
	unsigned distance;
};

struct nearest nearest_to(struct span wanted);
void nearest_try(struct nearest *n, struct span known);

#endif
