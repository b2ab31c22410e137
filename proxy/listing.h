/* What is open in a worker, for administrators: no user names, no client addresses, no paths. */
#ifndef STILE_LISTING_H
#define STILE_LISTING_H

struct worker;

#define LISTING_MAX 5000 /* connections of one worker */

/* A memfd with a JSON object a connection and commas between them; -1 with errno. Those beyond
 * LISTING_MAX are left out and told by a last object {"worker":…,"left_out":n}. */
int listing_make(const struct worker *w);

#endif
