/*
 * Password hashes as crypt(3) of libcrypt knows them. One object for each thread that hashes: the
 * library's working memory is 32 KiB and holds the password until it is wiped.
 */
#ifndef STILE_PASSHASH_H
#define STILE_PASSHASH_H

#include "span.h"

#define PASSHASH_MAX	384 /* bytes of a hash, the NUL included */
#define PASSHASH_PHRASE 511 /* bytes of a password */

enum passhash_kind {
	PASSHASH_GOOD,
	PASSHASH_UNKNOWN, /* nothing that crypt(3) can check: $apr1$, {SHA}, plain text … */
	PASSHASH_WEAK	  /* it could, but a stolen file gives the passwords away: DES, MD5 … */
};
enum passhash_kind passhash_judge(struct span hash);

struct passhash;
struct passhash *passhash_new(void); /* NULL: no memory */
void passhash_free(struct passhash *h);
/* Slow on purpose: milliseconds. The working memory is wiped before it returns. */
bool passhash_fits(struct passhash *h, const char *password, const char *hash);

#endif
