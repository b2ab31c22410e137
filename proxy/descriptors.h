/*
 * How a worker's descriptors are shared out, from RLIMIT_NOFILE as it is at the start. What
 * strangers can make grow (clients, origins, look-ups) has a share; the rest is kept for the
 * journal's next file, for bundles and for answers to the master, so that a crowd never costs a
 * record.
 */
#ifndef STILE_DESCRIPTORS_H
#define STILE_DESCRIPTORS_H

#include <stddef.h>

/* Before the sandbox, which takes the question away. Without it nothing is bounded. */
void descriptors_plan(void);
/* So many connections at a time, each with one to its origin. */
size_t descriptors_connections(void);
/* A socket to an origin with this number or a higher one is closed at once: the rest is kept. */
int descriptors_ceiling(void);
/* Pipes at a time, at most 16: what a user may have in pipes is shared by all workers. */
unsigned descriptors_pipes(void);
/* Connections to origins that wait for a request, at most 64. */
unsigned descriptors_spares(void);
/* Sockets of look-ups at a time, at most 512. */
unsigned descriptors_lookups(void);

#endif
