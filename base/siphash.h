/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash for tables whose contents
 * outsiders choose. Who does not know the key can make no two things fall together.
 */
#ifndef STILE_SIPHASH_H
#define STILE_SIPHASH_H

#include "span.h"

struct sip_key {
	uint64_t k0, k1;
};

/* Hash of the parts put end to end. */
uint64_t siphash(const struct sip_key *key, const struct span *parts, size_t n);
/* The same with 128 bits: what has the same tag is the same. For what is found again in memory, not
 * for what is kept or sent. */
void siphash_tag(const struct sip_key *key, const struct span *parts, size_t n, uint64_t tag[2]);

#endif
