/* Reading the account table, for identity.c; everybody else needs identity.h only. */
#ifndef STILE_ACCOUNTS_H
#define STILE_ACCOUNTS_H

#include "identity.h"

/* The stored hash of a user, NUL-terminated behind its end; empty for one who is unknown or has no
 * password here. */
struct span accounts_hash(const struct accounts *a, struct span user);
/* The hash of some user, `pick` saying whose; empty when nobody has one. */
struct span accounts_some_hash(const struct accounts *a, uint64_t pick);

#endif
