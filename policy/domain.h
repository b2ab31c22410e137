/* Registrable domains (public suffix list) and internationalised names; libpsl and libidn2. */
#ifndef STILE_DOMAIN_H
#define STILE_DOMAIN_H

#include "host.h"

/* The registrable domain of a canonical name ("b.c.co.uk" → "c.co.uk"), or the name itself where
 * there is none (one label, a public suffix, an address). Points into `name`. */
struct span domain_registrable(struct span name);
/* A name as people write it (Unicode, upper case, trailing dot) in its A-label form; false if it is
 * no host name. */
bool domain_to_ascii(struct span in, char out[HOST_MAX + 1]);

#endif
