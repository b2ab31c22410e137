/* Listening sockets: the master opens and keeps them, a worker accepts from its own. */
#ifndef STILE_LISTENER_H
#define STILE_LISTENER_H

#include "err.h"
#include "loop.h"
#include "settings.h"

struct worker;

struct listener {
	struct worker *w;
	int fd;
	struct settings_address at;
	struct tls_server *tls; /* NULL: plain */
	struct settings_balancers balancers;
	struct loop_ev ev, pause;
	uint64_t said_ms;	 /* when a shortage was last told */
	uint64_t said_header_ms; /* when a header that was not sound was */
};

/* A listening SO_REUSEPORT socket, or -1. Each worker has one for each address; the kernel spreads
 * connections over them, and a successor gets its predecessor's with what is queued in it. */
int listener_open(const struct settings_address *at, struct err *e);
/* Begins to accept from fd, which becomes the listener's. */
bool listener_start(struct listener *l, struct worker *w, int fd);
/* Is that address one of a balancer, whose PROXY protocol header is awaited and believed? */
bool listener_balancer(const struct listener *l, const struct addr *peer);
/* Takes what is queued, so that nobody who has connected is reset, and closes. */
void listener_stop(struct listener *l);

#endif
