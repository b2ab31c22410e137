/*
 * Totals of the day between the nodes of one Redis: twice and more in two seconds the shipper tells
 * what its own node has used, and hears what the others have. Own totals stand in a hash a day; a
 * short stream says what changed, so that nobody reads the hash again and again: it is read at the
 * first look and wherever a piece of the stream is missing.
 *
 * Trouble with totals never holds up records: an error answer is told and tried again, and only a
 * broken connection is one for the shipper as well.
 */
#ifndef STILE_SHIP_TOTALS_H
#define STILE_SHIP_TOTALS_H

#include "redis.h"
#include "totals.h"

#define TOTALS_TELL_MS	800   /* between two tellings, */
#define TOTALS_HEAR_MS	400   /* and two hearings; the shipper looks every 200 ms */
#define TOTALS_KNOWN_MS 5000  /* so long after the last whole hearing the totals are known */
#define TOTALS_LOST_MS	3000  /* so long after Redis lost something until all have told it again */
#define TOTALS_ALIVE_MS 10000 /* a node with nothing to tell says at least that it is there */
#define TOTALS_SEEN_MS	30000 /* a node that was heard in this time counts as seen */

/* The table of the host, as the shipper sees it. */
struct totals_door {
	void *arg;
	/* The minute since 1970 with which the local day of that moment began, and the day's name.
	 */
	uint32_t (*start)(void *arg, int64_t wall_ms, char day[11]);
	/* The next pair of today whose own part has changed since it was given, or that was given
	 * and is not told yet; *slot names it. False: none now; the next call begins anew. */
	bool (*next)(void *arg, struct total *own, uint32_t *slot);
	/* What was given of it last is in Redis. */
	void (*told)(void *arg, uint32_t slot);
	/* Redis has lost it: all counts as changed. */
	void (*again)(void *arg);
	/* What the other nodes come to. False: the table has no room for it. */
	bool (*take)(void *arg, const struct total *others);
	/* Until then (monotonic) the others' totals are known; 0: they are not. */
	void (*known)(void *arg, uint64_t until_ms);
};

struct totals_figures {
	uint64_t heard_ms;	   /* monotonic: the last whole hearing began then; 0: never */
	uint64_t told, heard;	   /* pairs, since the start */
	uint64_t strange, crowded; /* of those heard: not understood, without room */
	uint32_t nodes, seen;	   /* others that are listed, and that were heard of late */
	enum cause cause;	   /* of the trouble with totals alone; CAUSE_NONE: none */
	char text[300];		   /* the trouble in words; "": none */
};

/* What Redis refused, told apart from a connection that broke. */
struct totals_trouble {
	enum cause cause;
	struct err said; /* "": nothing */
};
/* Notes the error answer. */
void totals_refused(
	const struct redis *r, const struct redis_reply *a, struct totals_trouble *wrong);

struct ship_totals;

/* The door must live on. NULL: out of memory. */
struct ship_totals *ship_totals_new(const struct totals_door *door, const char *node);
void ship_totals_free(struct ship_totals *t);
/* The next step is on another connection. */
void ship_totals_connected(struct ship_totals *t);
/* Redis has lost what stood in it. */
void ship_totals_lost(struct ship_totals *t);
/* A bounded piece of work, when it is due. False: the connection broke. */
bool ship_totals_step(struct ship_totals *t, struct redis *r, struct err *e);
/* There is more to do at once. */
bool ship_totals_busy(const struct ship_totals *t);
const struct totals_figures *ship_totals_figures(const struct ship_totals *t);

#endif
