/*
 * HMAC over libcrypto's EVP. Fetching an algorithm costs more than hashing a record, so
 * a digest object fetches once and keeps its contexts.
 *
 * SHA-256 is libcrypto's own function: EVP sets each digest up anew, which costs a quarter of a
 * record's, and a record is hashed four times on its way. OPENSSL_API_COMPAT names the version
 * whose functions are meant (openssl_user_macros(7)), since later ones would have all of them
 * behind EVP.
 */
#define OPENSSL_API_COMPAT 10101
#include "digest.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_KEPT 64 /* longer ones are prepared anew each time */

struct digest {
	EVP_MAC *mac;
	EVP_MAC_CTX *mac_ctx;
	uint8_t key[KEY_KEPT]; /* the last one: it is prepared in mac_ctx */
	size_t key_n;	       /* 0: none */
};

static void must(bool ok)
{
	if (ok)
		return;
	fputs("stile: libcrypto failed; nothing can be recorded without it\n", stderr);
	abort();
}

struct digest *digest_new(void)
{
	struct digest *d = calloc(1, sizeof(*d));
	char name[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};

	if (!d)
		return NULL;
	d->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	d->mac_ctx = d->mac ? EVP_MAC_CTX_new(d->mac) : NULL;
	if (d->mac_ctx && EVP_MAC_CTX_set_params(d->mac_ctx, params))
		return d;
	digest_free(d);
	return NULL;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MAC_CTX_free(d->mac_ctx);
	EVP_MAC_free(d->mac);
	OPENSSL_cleanse(d->key, sizeof d->key);
	free(d);
}

void digest_sha256(const struct span *parts, size_t n, uint8_t out[SHA256_LEN])
{
	SHA256_CTX c;

	must(SHA256_Init(&c));
	for (size_t i = 0; i < n; i++)
		must(SHA256_Update(&c, parts[i].p, parts[i].n));
	must(SHA256_Final(out, &c));
}

/* Preparing a key is half of a short text's HMAC, and most are made with the same one again. */
static void use_key(struct digest *d, struct span key)
{
	if (key.n && key.n == d->key_n && bytes_eq_secret(key.p, d->key, key.n)) {
		must(EVP_MAC_init(d->mac_ctx, NULL, 0, NULL)); /* the last one again */
		return;
	}
	must(EVP_MAC_init(d->mac_ctx, (const void *)(key.n ? key.p : ""), key.n, NULL));
	d->key_n = key.n <= KEY_KEPT ? key.n : 0;
	if (d->key_n)
		memcpy(d->key, key.p, d->key_n);
}

void digest_hmac(struct digest *d, struct span key, const struct span *parts, size_t n,
	uint8_t out[SHA256_LEN])
{
	size_t len = 0;

	use_key(d, key);
	for (size_t i = 0; i < n; i++)
		must(EVP_MAC_update(d->mac_ctx, (const void *)parts[i].p, parts[i].n));
	must(EVP_MAC_final(d->mac_ctx, out, &len, SHA256_LEN) && len == SHA256_LEN);
}

void random_bytes(void *out, size_t n)
{
	unsigned char *p = out;

	while (n) {
		int some = n > INT_MAX ? INT_MAX : (int)n;

		must(RAND_bytes(p, some) == 1);
		p += some;
		n -= (size_t)some;
	}
}

bool bytes_eq_secret(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

/* A table, since hashes are as good as random and no branch on a digit is foreseen. */
#define IS	    16 /* what is no digit is 0 */
#define D(c, value) [c] = IS + (value)
static const uint8_t digits[256] = {D('0', 0), D('1', 1), D('2', 2), D('3', 3), D('4', 4),
	D('5', 5), D('6', 6), D('7', 7), D('8', 8), D('9', 9), D('a', 10), D('b', 11), D('c', 12),
	D('d', 13), D('e', 14), D('f', 15), D('A', 10), D('B', 11), D('C', 12), D('D', 13),
	D('E', 14), D('F', 15)};

int hex_digit(char c)
{
	uint8_t digit = digits[(uint8_t)c];

	return digit ? digit - IS : -1;
}

/* Both digits of a byte at once. */
#define ROW(h)                                                                                     \
	{h, '0'}, {h, '1'}, {h, '2'}, {h, '3'}, {h, '4'}, {h, '5'}, {h, '6'}, {h, '7'}, {h, '8'},  \
		{h, '9'}, {h, 'a'}, {h, 'b'}, {h, 'c'}, {h, 'd'}, {h, 'e'},                        \
	{                                                                                          \
		h, 'f'                                                                             \
	}
static const char pairs[256][2] = {ROW('0'), ROW('1'), ROW('2'), ROW('3'), ROW('4'), ROW('5'),
	ROW('6'), ROW('7'), ROW('8'), ROW('9'), ROW('a'), ROW('b'), ROW('c'), ROW('d'), ROW('e'),
	ROW('f')};

void hex_encode(const void *p, size_t n, char *out)
{
	const uint8_t *from = p;

	for (size_t i = 0; i < n; i++, out += 2)
		memcpy(out, pairs[from[i]], 2);
	*out = 0;
}

bool hex_decode(struct span s, void *out, size_t n)
{
	const uint8_t *from = (const uint8_t *)s.p;
	uint8_t *to = out, all = IS;

	if (s.n % 2 || s.n / 2 != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t high = digits[from[2 * i]], low = digits[from[2 * i + 1]];

		all &= high & low;
		to[i] = (uint8_t)(high << 4 | (low & 15));
	}
	return all;
}
