/*
 * What administrators see and give of somebody's limits: `ctl limits`. The master reads the
 * workers' table, and what it gives is recorded in its chain first.
 */
#ifndef STILE_GRANTS_H
#define STILE_GRANTS_H

#include "bundle.h"
#include "chronicle.h"
#include "standing.h"

#define GRANT_REASON_MAX 200
#define GRANT_MAX	 (UINT64_C(1) << 44) /* 16 TiB; minutes end at 1440 */

struct grant {
	const char *who;  /* a user's name, or a pseudonym of 24 hex digits */
	const char *rule; /* "": each rule that limits what is given */
	enum standing_grant kind;
	uint64_t n; /* minutes or bytes */
	const char *reason;
};

/* Appends members: the pseudonym, and for each rule with limits what is used, granted and left. */
void grants_show(const struct bundle *b, struct standing *t, const char *who, struct buf *out);
/* True: recorded and in force on this host; *e is unset. `master`: its column of the table. */
bool grants_give(const struct bundle *b, struct standing *t, unsigned master, struct chronicle *c,
	const struct grant *g, struct err *e);

#endif
