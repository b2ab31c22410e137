/*
 * The pseudonyms of people whom a worker has met lately: they are not computed again, nor is it
 * asked again whether a day has their record. No name is kept: people are told apart by keyed
 * hashes of 128 bits.
 */
#ifndef STILE_PSEUDONYMS_H
#define STILE_PSEUDONYMS_H

#include "digest.h"

#define PERSON_LEN 24 /* hexadecimal digits */

struct pseudonyms;

struct pseudonym {
	char text[PERSON_LEN + 1];
	uint32_t told; /* the caller's: the local day of the person's last record; 0 at first */
};

/* NULL: no memory. */
struct pseudonyms *pseudonyms_new(void);
void pseudonyms_free(struct pseudonyms *p);
/* Of `user` under that pseudonym key; until the next call. */
struct pseudonym *pseudonyms_find(
	struct pseudonyms *p, struct digest *d, struct span key, struct span user);

#endif
