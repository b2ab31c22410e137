/* Max-Forwards of TRACE and OPTIONS (RFC 9110 7.6.2). */
#ifndef STILE_HOPS_H
#define STILE_HOPS_H

#include "head.h"

enum hops {
	HOPS_FREE, /* the method counts none, or no field says how many */
	HOPS_COUNTED,
	HOPS_BAD /* it is no number */
};

/* How many are left, this one included: 0 is not to be forwarded. */
enum hops hops_left(const struct head_request *h, uint64_t *left);

#endif
