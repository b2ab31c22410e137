/*
 * What is left to somebody under a rule: asked before an access is given and while it is open,
 * counted while its bytes move. The policy says what follows from it; nothing is judged here.
 */
#ifndef STILE_QUOTA_H
#define STILE_QUOTA_H

#include "pace.h"
#include "standing.h"

struct conn;
struct request;
struct worker;

/* An entry that a request holds while it is decided; at most one per standing that was asked for.
 */
struct quota_hold {
	struct standing_entry *entry;
	bool tunnel; /* and one of its tunnels */
};

/* What an access has of its rule's limits while its bytes move. */
struct quota_share {
	struct standing_entry *entry; /* held; NULL: the rule has no limits, or there was no room */
	struct standing_use use;
	uint64_t bytes;	    /* the limit of a day; 0: none */
	uint64_t bandwidth; /* bytes a second; 0: none */
	struct pace *pace;  /* NULL: no flow waits for its turn */
};

/* Answers a NEED_ACK or NEED_LIMIT of the verdict for the request. False: the facts hold no more.
 */
bool quota_ask(struct conn *c, const struct verdict *v);
/* Gives back what was held for the request and is not used. */
void quota_drop(struct worker *w, struct request *rq);
/* The request's access begins under its verdict's rule. */
void quota_begin(struct conn *c);
/* Bytes of the access were moved. */
void quota_count(struct conn *c, uint64_t up, uint64_t down, int64_t now_ms);
/* The access goes on under its present rule, for what its host now is. */
void quota_renew(struct conn *c, const struct target *t);
void quota_end(struct conn *c);
/* Does any rule limit minutes? */
bool quota_in_minutes(const struct snapshot *p);

/* The same answer as quota_ask for judging again what is open: nothing is taken, and while the
 * figures of other nodes are not known the last ones hold. Lowers *until_s to the moment at which
 * the answer may change by the clock alone. */
bool quota_look(struct worker *w, const struct snapshot *p, const char *person,
	const struct verdict *v, struct facts *f, int64_t *until_s);

#endif
