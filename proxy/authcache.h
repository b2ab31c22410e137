/*
 * What was accepted lately, in memory that all workers of a host share. It knows no names and no
 * passwords: an entry is a keyed tag and a time.
 */
#ifndef STILE_AUTHCACHE_H
#define STILE_AUTHCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct authcache;

size_t authcache_size(void);
/* Zeroed memory is an empty cache. */
struct authcache *authcache_at(void *shared);
bool authcache_has(struct authcache *c, const uint64_t tag[2], uint64_t now_ms);
void authcache_put(struct authcache *c, const uint64_t tag[2], uint64_t until_ms);

#endif
