/*
 * What the shipper's parts share: ship.c is its life and its step, ship_tips.c what Redis says of
 * the node and of each chain, ship_send.c batches and their answers, ship_alarm.c what is wrong and
 * is marked. For these four only.
 */
#ifndef STILE_SHIP_INSIDE_H
#define STILE_SHIP_INSIDE_H

#include "ship.h"

#include "record.h"
#include "ship_batch.h"
#include "ship_chain.h"
#include "ship_keep.h"
#include "ship_retain.h"

#define FLIGHT_MAX 16 /* batches of one step */

struct flight {
	struct ship_chain *chain;
	uint64_t first, last;
	unsigned expired; /* records in it whose days have passed retention */
};

struct shipper {
	struct ship_options o;
	char node[65];
	int root;
	struct redis *redis; /* NULL: away */
	char sha[48];	     /* of the script in Redis; "" if it has to be loaded */
	struct ship_view view;
	struct ship_keep keep;
	struct ship_retain retain;
	struct ship_totals *totals; /* NULL: none wanted */
	struct record_decoder *decoder;
	struct ship_batch *batch;
	unsigned expired; /* of the batch */
	char day[11];	  /* the last one asked for while the batch is filled; "" none */
	unsigned parts;	  /* what of its records is stored */
	struct flight flight[FLIGHT_MAX];
	size_t n_flight, turn;
	bool more; /* the last step left something to do at once */
	bool refused;
	bool said_undecoded, said_expired;
	enum cause why;		  /* of the trouble, where the connection does not know it */
	uint64_t looked, scanned; /* monotonic; 0: due */
	struct ship_status status;
	char trouble[480], alarm[480];
	unsigned pause;
};

/* --- ship_alarm.c --- */

void ship_utc_day(int64_t wall_ms, char out[11]);
/* arg: the shipper */
void ship_local_day(void *arg, int64_t wall_ms, char out[11]);
/* A MARK record in the shipper's own journal, which there must be: begun, and written. */
void ship_mark_begin(struct shipper *s, struct record *r, const char *what, char day[11]);
void ship_mark_end(struct shipper *s, struct record *r, uint64_t n, const char *text);
/* The chain is set aside until the tip in Redis changes or the connection is lost; the others go
 * on. The same alarm is marked once, not at every connection. `detail` may be NULL. */
void ship_set_aside(
	struct shipper *s, struct ship_chain *c, enum ship_aside why, const struct err *detail);
void ship_tell_damage(struct shipper *s, struct ship_chain *c);

/* --- ship_tips.c: false with *e and the cause where the connection is of no use any more --- */

bool ship_strange(struct shipper *s, const char *what, struct err *e);
/* It is an error answer of the server: LOADING, OOM, READONLY, NOPERM, MOVED and all the others. */
bool ship_refused_by(const struct redis_reply *a, struct err *e);
/* It is an array of at least n, the first of which is the word. */
bool ship_word_is(const struct redis_reply *a, const char *word, size_t n);
/* The node's name is another's: the shipper is refused. */
void ship_note_other(struct shipper *s, const struct redis_reply *a);
bool ship_send_batch(struct shipper *s, struct err *e);
bool ship_load_script(struct shipper *s, struct err *e);
/* Reads the disk again: which segments there are, and how long. */
bool ship_scan(struct shipper *s, struct err *e);
bool ship_look_due(const struct shipper *s);
/* Asks Redis for the id and all tips. The disk is read again after it, so that a tip is never taken
 * for ahead of a journal that has grown meanwhile. */
bool ship_look(struct shipper *s, struct err *e);

/* --- ship_send.c: false as above --- */

/* Chain by chain in turn, so that none starves, until enough is on its way. */
bool ship_send_all(struct shipper *s, struct err *e);
/* The answers to all that is on its way. */
bool ship_receive_all(struct shipper *s, struct err *e);

#endif
