/*
 * Hash chains. A record is (chain, seq, hash); hash = H(previous hash ‖ H(body)), so that a body
 * can be removed under retention while its digest stays. The hash before seq 1 is
 * H("stile-chain-1:" ‖ name), which ties the records to the chain's name. H is SHA-256.
 *
 * By hand, for the first record of a chain (both hashes as bytes, not as digits):
 *
 *   before=$(printf 'stile-chain-1:%s' "$name" | sha256sum | cut -c1-64)
 *   inner=$(printf '%s' "$body" | sha256sum | cut -c1-64)
 *   printf '%s%s' "$before" "$inner" | xxd -r -p | sha256sum
 *
 * gives the hash that the journal shows in front of the body; it is `before` of the next record.
 */
#ifndef STILE_CHAIN_H
#define STILE_CHAIN_H

#include "digest.h"

#define CHAIN_NAME_LEN 32 /* hex of 128 random bits */

struct chain_tip {
	uint64_t seq; /* 0: nothing yet */
	uint8_t hash[SHA256_LEN];
};

void chain_name_new(char out[CHAIN_NAME_LEN + 1]);
void chain_start(struct span name, struct chain_tip *tip);
/* Moves the tip over one more body. */
void chain_next(struct chain_tip *tip, struct span body);
/* hash_after(previous, body) without moving anything. */
void chain_hash(const uint8_t prev[SHA256_LEN], struct span body, uint8_t out[SHA256_LEN]);

#endif
