/*
 * What commands and answers travel over: a socket, plain or under TLS, where each call says the
 * moment of the monotonic clock by which it must be over. After a failure the wire is of no use.
 */
#ifndef STILE_REDIS_WIRE_H
#define STILE_REDIS_WIRE_H

#include "redis.h"

struct wire;

/* NULL with *why and *e. */
struct wire *wire_open(
	const struct redis_options *o, uint64_t until, enum cause *why, struct err *e);
void wire_free(struct wire *w);
bool wire_write(
	struct wire *w, const void *p, size_t n, uint64_t until, enum cause *why, struct err *e);
/* Waits for bytes and reads up to n of them; what is there is read also when the moment has passed.
 * 0: failed. */
size_t wire_read(
	struct wire *w, void *mem, size_t n, uint64_t until, enum cause *why, struct err *e);

#endif
