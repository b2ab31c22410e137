/* Connecting to Redis within a time. */
#ifndef STILE_REDIS_DIAL_H
#define STILE_REDIS_DIAL_H

#include "redis.h"

/* Waits for poll events. False when the moment of the monotonic clock has come; what is ready by
 * then still counts. */
bool redis_wait(int fd, short what, uint64_t until);
/* A connected socket that does not block, or -1. */
int redis_dial(const struct redis_options *o, uint64_t until, struct err *e);

#endif
