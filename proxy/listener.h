/* Listening sockets: the master opens and keeps them, a worker accepts from its own. */
#ifndef STILE_LISTENER_H
#define STILE_LISTENER_H

#include "counters.h"
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
	struct loop_watch watch;
	struct loop_ev pause;
	uint64_t said_ms; /* when a shortage was last told */
	uint64_t said_drop_ms[DROP_COUNT];
};

/* Is it free? 0, or the errno of why nobody could listen there; port 0 becomes the one that the
 * system chose. */
int listener_try(struct settings_address *at);
/* A listening SO_REUSEPORT socket, or -1. Each worker has one for each address; the kernel spreads
 * connections over them, and a successor gets its predecessor's with what is queued in it. */
int listener_open(const struct settings_address *at, struct err *e);
/* Begins to accept from fd, which becomes the listener's. */
bool listener_start(struct listener *l, struct worker *w, int fd);
/* Is that address one of a balancer, whose PROXY protocol header is awaited and believed? */
bool listener_balancer(const struct listener *l, const struct addr *peer);
/* A connection is closed unheard: counted, and said once in a while. */
void listener_dropped(struct listener *l, enum drop why);
/* The same, and where the client can read it a 503 is on its way before the caller closes. */
void listener_refuse(struct listener *l, int fd, enum drop why);
/* Takes what is queued, so that nobody who has connected is reset, and closes. */
void listener_stop(struct listener *l);

#endif
