/* Hash chains: each hash seals the body and everything before it in the same chain. */
#include "chain.h"

void chain_name_new(char out[CHAIN_NAME_LEN + 1])
{
	uint8_t bits[CHAIN_NAME_LEN / 2];

	random_bytes(bits, sizeof bits);
	hex_encode(bits, sizeof bits, out);
}

void chain_start(struct span name, struct chain_tip *tip)
{
	const struct span parts[] = {SPAN("stile-chain-1:"), name};

	tip->seq = 0;
	digest_sha256(parts, 2, tip->hash);
}

void chain_hash(const uint8_t prev[SHA256_LEN], struct span body, uint8_t out[SHA256_LEN])
{
	uint8_t inner[SHA256_LEN];
	const struct span parts[] = {span_of(prev, SHA256_LEN), span_of(inner, SHA256_LEN)};

	digest_sha256(&body, 1, inner);
	digest_sha256(parts, 2, out);
}

void chain_next(struct chain_tip *tip, struct span body)
{
	uint8_t after[SHA256_LEN];

	chain_hash(tip->hash, body, after);
	memcpy(tip->hash, after, SHA256_LEN);
	tip->seq++;
}
