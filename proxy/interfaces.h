/* The machine's own addresses, so that a proxy that listens on all of them knows itself. */
#ifndef STILE_INTERFACES_H
#define STILE_INTERFACES_H

#include "addr.h"
#include "pack.h"

/* The master's part: adds the addresses of all interfaces that are up, as they are now. */
void interfaces_add(struct pack_writer *w);
bool interfaces_has(struct span pack, const struct addr *a);

#endif
