/* A policy file compiled and mapped, for commands that ask it something. */
#ifndef STILE_OPENED_H
#define STILE_OPENED_H

#include "policy.h"

struct opened_policy {
	struct buf bytes;
	const struct snapshot *snapshot;
	struct problems problems; /* findings of the compiler are left for the caller */
};

/* Compiles the file. False: what is wrong stands in o->problems. Always followed by _close. */
bool policy_open_try(const char *path, struct opened_policy *o);
/* The same, but says what is wrong on stderr; the caller exits with CLI_BAD_FILE. */
bool policy_open(const char *path, struct opened_policy *o);
/* The built-in catalogue under a policy without a rule. */
bool policy_open_catalogue(struct opened_policy *o);
void policy_close(struct opened_policy *o);

/* The categories of a host, those of its services and of lists, each once. Returns how many. */
#define HOST_CATEGORIES_MAX 64
size_t host_categories(
	const struct snapshot *s, const struct target *t, struct span out[HOST_CATEGORIES_MAX]);

#endif
