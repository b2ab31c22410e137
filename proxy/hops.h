/* Max-Forwards of TRACE and OPTIONS (RFC 9110 7.6.2), and requests that go in circles (7.6). */
#ifndef STILE_HOPS_H
#define STILE_HOPS_H

#include "head.h"

enum hops {
	HOPS_FREE, /* the method counts none, or no field says how many */
	HOPS_COUNTED,
	HOPS_BAD /* it is no number */
};

#define HOPS_VIA  "stile" /* a pseudonym: names inside stay inside (RFC 9110 7.6.3) */
#define HOPS_LOOP 8	  /* so often it may stand in Via: nodes may stand in a row */

/* Has the request come through stile that often? All nodes have one pseudonym, so that others learn
 * nothing of them; a circle that has another proxy in it is found by counting. */
bool hops_loop(const struct head_request *h);

/* How many are left, this one included: 0 is not to be forwarded. */
enum hops hops_left(const struct head_request *h, uint64_t *left);

#endif
