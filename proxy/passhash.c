/* The one place that calls crypt(3). */
#include "passhash.h"
#include "digest.h"

#include <crypt.h>
#include <assert.h>
#include <stdlib.h>

static_assert(PASSHASH_MAX == CRYPT_OUTPUT_SIZE, "a hash fits");
static_assert(PASSHASH_PHRASE < CRYPT_MAX_PASSPHRASE_SIZE, "a password fits");

struct passhash {
	struct crypt_data data;
};

/* Traditional DES has no mark: two letters are a salt to it, so that a plain password would pass
 * for a hash. Nothing without a '$' is taken. */
enum passhash_kind passhash_judge(struct span hash)
{
	char text[PASSHASH_MAX];

	if (!hash.n || hash.p[0] != '$' || !span_copy(hash, text, sizeof(text)))
		return PASSHASH_UNKNOWN;
	switch (crypt_checksalt(text)) {
	case CRYPT_SALT_OK:
	case CRYPT_SALT_TOO_CHEAP:
		return PASSHASH_GOOD;
	case CRYPT_SALT_METHOD_LEGACY:
		return PASSHASH_WEAK;
	default:
		return PASSHASH_UNKNOWN;
	}
}

struct passhash *passhash_new(void)
{
	return calloc(1, sizeof(struct passhash));
}

void passhash_free(struct passhash *h)
{
	if (h)
		explicit_bzero(h, sizeof(*h));
	free(h);
}

bool passhash_fits(struct passhash *h, const char *password, const char *hash)
{
	const char *made = crypt_rn(password, hash, &h->data, sizeof(h->data));
	size_t n = strlen(hash);
	bool fits = made && strlen(made) == n && bytes_eq_secret(made, hash, n);

	explicit_bzero(&h->data, sizeof(h->data));
	return fits;
}
