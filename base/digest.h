/*
 * SHA-256, HMAC-SHA-256 and random bytes; the only door to libcrypto outside TLS. All
 * of them abort if libcrypto fails: there is no sensible way on.
 */
#ifndef STILE_DIGEST_H
#define STILE_DIGEST_H

#include "span.h"

#define SHA256_LEN 32

/* Hash of the parts put end to end, as of all below. */
void digest_sha256(const struct span *parts, size_t n, uint8_t out[SHA256_LEN]);

/* What is keyed has a cost of setting up, which an object saves; it is for one thread. */
struct digest;

/* NULL: no memory. */
struct digest *digest_new(void);
void digest_free(struct digest *d);
/* FIPS 198-1; key of any length. */
void digest_hmac(struct digest *d, struct span key, const struct span *parts, size_t n,
	uint8_t out[SHA256_LEN]);
void random_bytes(void *out, size_t n);
/* Equal in time that does not depend on where they differ. */
bool bytes_eq_secret(const void *a, const void *b, size_t n);
/* 0-15, or -1. */
int hex_digit(char c);
/* out gets 2 n lower-case digits and a NUL. */
void hex_encode(const void *p, size_t n, char *out);
/* Exactly 2 n digits. */
bool hex_decode(struct span s, void *out, size_t n);

#endif
