/*
 * What only the shipper may hold: how to log in to Redis. Sealed in a descriptor of its own beside
 * the bundle, which workers get and which therefore carries none of it.
 */
#ifndef STILE_CREDENTIALS_H
#define STILE_CREDENTIALS_H

#include "problem.h"
#include "redis.h"
#include "settings.h"

struct credentials {
	struct span pack; /* mapped */
	struct redis_options redis;
};

/* Master: reads the files named by *s, and takes out of *s what workers must not know. Returns a
 * sealed memfd, or -1. */
int credentials_make(struct settings *s, struct problems *p);
/* `fd` stays the caller's. NULL with *e. */
struct credentials *credentials_open(int fd, struct err *e);
void credentials_free(struct credentials *c);

#endif
