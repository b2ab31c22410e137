/*
 * Connections to origins that wait for a request (RFC 9112 9.3). A client's own stays with it; one
 * that it does not need any more waits here for whoever asks that address and port next. Only what
 * belongs to nobody may come here: a connection on which somebody has logged in to the origin is
 * somebody's (RFC 4559 6).
 */
#ifndef STILE_SPARES_H
#define STILE_SPARES_H

#include "addr.h"
#include "loop.h"

#define SPARES_MOST 64	  /* of a worker */
#define SPARES_MS   15000 /* that one waits, at most by a third of it longer */

struct spares;
/* At most `most` (and SPARES_MOST) at a time. NULL: no memory. */
struct spares *spares_new(struct loop *l, size_t most);
/* Closes them. NULL is fine. */
void spares_free(struct spares *s);
/* Takes over a watched socket on which nothing is under way; one whose peer speaks or ends is
 * closed when that is told. Where there is no room the one that has waited longest goes. */
void spares_put(struct spares *s, struct loop_watch *w, const struct addr *to, uint16_t port);
/* The watch of the one that came last, still in the pool's memory: the receiver moves it
 * (loop_watch_move) at once. NULL: none waits. */
struct loop_watch *spares_take(struct spares *s, const struct addr *to, uint16_t port);
size_t spares_count(const struct spares *s);

#endif
