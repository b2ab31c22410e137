/* Rates as people write them: "60/min", "5/s burst 20". */
#ifndef STILE_RATE_H
#define STILE_RATE_H

#include "buf.h"
#include "err.h"
#include "policy.h"

#define RATE_COUNT_MAX 1000000

/* Grammar: <count> "/" <s|min|h|day> [ "burst" <n> ]. Without a burst it is a quarter of the count
 * and at least 3, so that a page with its pieces passes at once. */
bool rate_parse(struct span text, struct rate_limit *out, struct err *e);
/* The same way back; `what` stands before the "/": "60 requests/min burst 20". A burst is left away
 * where it is the usual one. */
void rate_put(const struct rate_limit *r, const char *what, struct buf *out);

#endif
