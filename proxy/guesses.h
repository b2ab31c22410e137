/*
 * Wrong passwords are bounded: those of one user from one client, and those of one client for
 * whomever. Above that a password is not hashed any more (hashing is made to be slow), and the
 * client hears when to come again. Logins that are remembered are not touched by it.
 */
#ifndef STILE_GUESSES_H
#define STILE_GUESSES_H

#include "addr.h"
#include "span.h"

struct usage;

/* May one more password of that user be tried from there? Where not *retry_s tells when. */
bool guesses_left(struct usage *u, const struct addr *client, struct span user, uint32_t *retry_s);
/* One was wrong. */
void guesses_count(struct usage *u, const struct addr *client, struct span user);

#endif
