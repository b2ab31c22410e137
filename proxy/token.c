/* Making and checking the coach page's tokens. */
#include "token.h"

#include <stdio.h>

#define TIME_DIGITS 12
#define MAC_BYTES   16
#define PURPOSE	    "stile coach token 1" /* keeps this key apart from all others */
#define SKEW_MS	    5000		  /* another node's clock may be ahead by so much */

/* Lengths go in as well, so that no two claims are the same bytes. */
static void mac(struct digest *d, const uint8_t *key, const struct token_claim *claim,
	struct span time, char out[MAC_BYTES * 2 + 1])
{
	uint8_t derived[SHA256_LEN], full[SHA256_LEN];
	struct span purpose = SPAN(PURPOSE);
	char lengths[64];
	int n = snprintf(lengths, sizeof lengths, "%zu %zu %zu ", claim->person.n, claim->rule.n,
		claim->terms.n);
	struct span parts[] = {
		span_of(lengths, (size_t)n), claim->person, claim->rule, claim->terms, time};

	digest_hmac(d, span_of(key, 32), &purpose, 1, derived);
	digest_hmac(d, span_of(derived, sizeof derived), parts, sizeof parts / sizeof *parts, full);
	hex_encode(full, MAC_BYTES, out);
	explicit_bzero(derived, sizeof derived);
}

void token_make(struct digest *d, const uint8_t *key, const struct token_claim *claim,
	int64_t now_ms, char out[TOKEN_LEN + 1])
{
	char time[TIME_DIGITS + 1], code[MAC_BYTES * 2 + 1];

	snprintf(time, sizeof time, "%012llx", (unsigned long long)now_ms & 0xffffffffffffull);
	mac(d, key, claim, span_of(time, TIME_DIGITS), code);
	snprintf(out, TOKEN_LEN + 1, "%s.%s", time, code);
}

enum token_answer token_check(struct digest *d, const uint8_t *key, const struct token_claim *claim,
	struct span token, int64_t now_ms, int64_t *issued_ms)
{
	char code[MAC_BYTES * 2 + 1];
	uint8_t at[TIME_DIGITS / 2];
	int64_t issued = 0;

	if (token.n != TOKEN_LEN || token.p[TIME_DIGITS] != '.' ||
		!hex_decode(span_of(token.p, TIME_DIGITS), at, sizeof at))
		return TOKEN_FORGED;
	mac(d, key, claim, span_of(token.p, TIME_DIGITS), code);
	if (!bytes_eq_secret(code, token.p + TIME_DIGITS + 1, MAC_BYTES * 2))
		return TOKEN_FORGED;
	for (size_t i = 0; i < sizeof at; i++)
		issued = issued << 8 | at[i];
	if (issued > now_ms + SKEW_MS)
		return TOKEN_FORGED;
	if (now_ms - issued > TOKEN_LIFE_MS)
		return TOKEN_EXPIRED;
	*issued_ms = issued;
	return TOKEN_GOOD;
}
