/*
 * What can be known of the running proxy, as the master sees it: one plain struct, which the
 * control socket and the metrics page put into words.
 */
#ifndef STILE_STATUS_H
#define STILE_STATUS_H

#include "buf.h"
#include "counters.h"
#include "ipc.h"
#include "usage.h"

#include <sys/types.h>

#define OBSERVE_TEXT_MAX 200

struct worker_status {
	unsigned index;
	pid_t pid; /* 0: a successor follows */
	bool ready;
	uint64_t restarts;
	const struct counters *counters;
};

struct status {
	const char *node;
	int64_t now_ms, started_ms; /* wall */
	bool ready, draining;
	size_t workers;
	struct worker_status worker[USAGE_WORKERS_MAX];
	const char *digest; /* of the policy in force */
	uint64_t rules;
	int64_t in_force_ms; /* since then */
	uint64_t reloads_ok, reloads_failed;

	bool shipping; /* audit.redis is set */
	uint64_t shipper_restarts;
	struct ship_figures ship; /* as told last */
	const char *ship_text;	  /* the trouble there is */

	/* How people stand: of this host and of the others. */
	bool totals_restoring, totals_known;
	uint64_t mono_ms;
	uint64_t standings, standings_refused;

	uint64_t journal_bytes, journal_lost;
	bool journal_failing;
	double space_left_s;	   /* INFINITY: nothing is being written */
	uint64_t recorded, passed; /* minutes of the day */

	uint64_t certificate_end_s; /* the next of the listeners' to end, Unix time; 0: no TLS */

	uint64_t observe_left_ms; /* 0: refusals are enforced */
	const char *observe_reason;
};

/* "idle", "busy", "away", "refused", "starting", or "off" where nothing is shipped. */
const char *status_ship_word(const struct status *s);
/* "restoring", "known" or "unknown". */
const char *status_totals_word(const struct status *s);
/* Seconds since the totals of other nodes were heard; INFINITY: never, 0: there is no Redis. */
double status_totals_age_s(const struct status *s);
/* Bytes of the journal that are not in Redis: all of them where nothing is shipped, and while the
 * shipper has not heard from Redis. */
uint64_t status_unshipped(bool shipping, const struct ship_figures *ship, uint64_t journal_bytes);
uint64_t status_backlog(const struct status *s);
/* The sum of all workers. */
void status_counters(const struct status *s, struct counters *out);
/* Members of a JSON object, without its braces. */
void status_json(const struct status *s, struct buf *b);

#endif
