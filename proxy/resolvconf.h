/* Reading resolv.conf(5): the system's DNS servers and its search list. */
#ifndef STILE_RESOLVCONF_H
#define STILE_RESOLVCONF_H

#include "settings.h"

/* Adds the text's servers (port 53) to s->servers while there is room, and takes the last "search"
 * or "domain" line for s->search unless the settings name their own. Whatever else stands there,
 * and addresses and names that are none, are passed over, as the system's resolver does. */
void resolvconf_read(struct span text, struct settings *s);

#endif
