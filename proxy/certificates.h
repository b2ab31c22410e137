/* Certificates and keys of TLS listeners on their way from files into the bundle. */
#ifndef STILE_CERTIFICATES_H
#define STILE_CERTIFICATES_H

#include "pack.h"
#include "problem.h"
#include "settings.h"

/* Reads, tries and adds those of all TLS listeners; what ends soon or can be read by others is said
 * in the log. */
bool certificates_add(struct pack_writer *w, const struct settings *s, struct problems *p);
/* The pack's parts of one listener. False: it is a plain one. */
bool certificates_get(struct span pack, size_t listener, struct span *chain, struct span *key);

#endif
