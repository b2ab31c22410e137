/* The built-in catalogue of services: catalogue.cfg, linked into the library as bytes. */
#ifndef STILE_CATALOGUE_H
#define STILE_CATALOGUE_H

#include "span.h"

/* libconfig text: version = "…"; services: { name = { title, zone, categories, hosts, cdn, embed,
 * shared, source }; … }; the same grammar as `services` in a policy. */
struct span catalogue_text(void);

#endif
