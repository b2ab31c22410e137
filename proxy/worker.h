/*
 * A worker: one event loop, its own journal, its share of the usage table. It gets everything from
 * the master by descriptor and opens no file.
 */
#ifndef STILE_WORKER_H
#define STILE_WORKER_H

#include "bundle.h"
#include "digest.h"
#include "hello.h"
#include "identity.h"
#include "ipc.h"
#include "journal.h"
#include "loop.h"
#include "pipes.h"
#include "resolve.h"
#include "spares.h"
#include "standing.h"
#include "usage.h"

struct conn;
struct crowd;
struct counters;
struct pseudonyms;
struct rejudge;
struct request;
struct listener;
struct pace;

/* A bundle that was checked and is not yet in force, with what was made for it. */
struct worker_next {
	struct bundle *bundle;
	uint32_t generation;
	struct resolver *resolver; /* NULL: the present one stays */
	struct tls_server *tls[SETTINGS_LISTEN];
};

struct worker {
	unsigned index;
	struct loop *loop;
	struct loop_ev ipc_ev, journal_ev, hand_over_ev, tick_ev;
	struct bundle *bundle; /* in force */
	struct worker_next next;
	struct journal *journal;
	struct outbox *outbox;
	struct usage *usage;
	struct standing *standing;
	struct rejudge *rejudge;
	bool minutes_limited; /* by some rule of the policy in force */
	struct local_day day; /* the present one, by the clock and the policy in force */
	struct resolver *resolver;
	struct identity_checker *identity;
	struct hello_reader *hello;
	struct tls_shared *tls_shared;
	struct digest *digest;
	struct pseudonyms *pseudonyms;
	struct listener *listener;
	size_t n_listeners;
	struct settings_address metrics; /* a listener too, though the master's; port 0: none */
	struct conn *conns;		 /* all */
	size_t n_conns;
	struct request *pool;
	size_t pool_n;
	struct pace *paces; /* a pool too */
	struct pipes pipes;
	struct spares *spares;
	char *scratch; /* FLOW_BUFFER bytes */
	uint64_t accesses;
	struct counters *counters;	     /* shared with the master */
	const struct counters *all_counters; /* of all workers */
	unsigned workers;
	struct crowd *crowd;	   /* shared with the other workers */
	uint64_t lost_before;	   /* records lost by predecessors */
	uint64_t observe_until_ms; /* monotonic; 0: refusals are enforced */
	uint64_t failing_since_ms; /* monotonic; 0: the journal can be written */
	bool hands_over;	   /* records to the journal's thread, in some milliseconds */
	bool draining;
	bool full; /* the journal's folder has reached its bound */
	uint64_t drained_by_ms;
	unsigned ticks;
};

/* The process: reads its set-up from IPC_CHILD_FD, serves, returns the exit code. */
int worker_main(void);

/* The record of this turn's accesses goes to the journal's thread when the turn is over. */
void worker_note_record(struct worker *w);
/* One that is safe already goes to it some milliseconds later, with others. */
void worker_kept_record(struct worker *w);
/* The local day of that moment, of the policy in force. */
const struct local_day *worker_today(struct worker *w, int64_t now_s);
/* Are there as many connections in all as limits.connections allows? */
bool worker_crowded(const struct worker *w);
/* So many one client may have: limits.per_client, or half of what descriptors allow where that is
 * less. */
uint64_t worker_per_client(const struct worker *w);
/* Break-glass: are refusals by rules only recorded at the moment? */
bool worker_observes(const struct worker *w);
/* Is that address and port one of our own listeners? */
bool worker_is_self(
	const struct worker *w, const struct addr *a, uint16_t port, const struct addr *local);

#endif
