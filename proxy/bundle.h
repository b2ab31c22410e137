/*
 * The bundle: everything that workers need from files, in one sealed descriptor with one digest.
 * The master alone reads files and makes it; workers map it, check it, and keep it as long as
 * something under way was decided by it.
 */
#ifndef STILE_BUNDLE_H
#define STILE_BUNDLE_H

#include "err.h"
#include "identity.h"
#include "policy.h"
#include "problem.h"
#include "settings.h"

struct bundle {
	unsigned refs;
	struct span pack; /* mapped */
	const struct settings *settings;
	const struct snapshot *policy;
	const struct accounts *accounts; /* NULL: no login configured */
	struct span hosts;
	const uint8_t *pseudonym_key; /* 32 bytes */
	const uint8_t *login_key;     /* 32 bytes, random for the life of the master */
	char digest[65];	      /* of the policy snapshot, hex */
};

/* Master: reads configuration, policy, accounts, hosts, keys; everything that is wrong goes to *p.
 * Returns a sealed memfd, or -1. What is missing and can be made (the pseudonym key) is made and
 * said in the log. `login_key`: 32 bytes; NULL:
 * only a check, nothing is made. *shipper gets a second one, of credentials.h, that
 * workers must never see; -1 with the first. */
int bundle_make(const char *config, const uint8_t login_key[32], int *shipper, struct problems *p);
/* A sealed memfd with the bytes, or -1 with a problem. */
int bundle_seal(const char *name, struct span bytes, struct problems *p);
/* Maps and checks. `fd` stays the caller's. One reference is the caller's. */
struct bundle *bundle_open(int fd, struct err *e);
struct bundle *bundle_ref(struct bundle *b);
/* NULL is fine. */
void bundle_unref(struct bundle *b);

#endif
