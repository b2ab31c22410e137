/*
 * What the master's rooms share: its state, and what they do for each other. Nobody else includes
 * this.
 *
 *   master.c      start, signals, stopping
 *   premises.c    what outlives workers: folders, sockets, shared memory
 *   crew.c        children: starting, hearing, reaping them
 *   reload.c      a new bundle: all workers take it, or none
 *   operations.c  what administrators see and ask
 */
#ifndef STILE_MASTER_STATE_H
#define STILE_MASTER_STATE_H

#include "bundle.h"
#include "child.h"
#include "chronicle.h"
#include "control.h"
#include "counters.h"
#include "loop.h"
#include "observe.h"
#include "scrape.h"
#include "ship.h"
#include "space.h"
#include "standing.h"
#include "usage.h"

struct master {
	const char *config;
	struct loop *loop;
	struct loop_ev hup, usr1, term, interrupt, chld, tick;
	struct loop_ev heard[USAGE_WORKERS_MAX + 1];
	struct bundle *bundle;
	int bundle_fd, shipper_fd; /* shipper_fd: its credentials */
	uint8_t login_key[32];
	char node_id[33];
	uint32_t uid, gid; /* of workers and shipper, and of the journal's files */
	int root_fd, usage_fd, logins_fd, standing_fd, crowd_fd;
	int folders[USAGE_WORKERS_MAX], shipper_folder, own_folder;
	int outboxes[USAGE_WORKERS_MAX]; /* of workers' journals */
	uint64_t boot;			 /* of the usage memory */
	int sockets[USAGE_WORKERS_MAX][SETTINGS_LISTEN];
	unsigned workers;
	struct standing *standing;
	struct child children[USAGE_WORKERS_MAX + 1]; /* the last one is the shipper */
	size_t n_children;
	struct chronicle *chronicle;
	bool announced, json; /* json: the log */

	/* what administrators see and ask */
	struct control *control;   /* NULL: none */
	struct scrape *scrape;	   /* NULL: none */
	struct counters *counters; /* of each worker, shared */
	int counters_fd;
	struct observe observe;
	struct space space;
	bool full; /* the journal's folder has reached audit.space, and Redis has too little of it
		    */
	int64_t started_ms, in_force_ms; /* wall */
	uint64_t reloads_ok, reloads_failed;
	struct ship_figures ship; /* as the shipper told last */
	char ship_text[300];
	char notes[400]; /* on the reload under way */

	/* a reload under way */
	uint32_t generation;
	int next_fd, next_shipper_fd; /* -1: none */
	struct bundle *next;
	uint64_t vote_until_ms;
	bool again; /* asked for meanwhile */

	bool stopping, shipping_last;
	uint64_t kill_at_ms, alive_due_ms;
	int exit_code;
};

/* True: folders, memory and sockets are open; false: *e. */
bool premises_open(struct master *m, struct err *e);

/* Which children there shall be. */
void crew_plan(struct master *m);
bool crew_is_shipper(const struct child *c);
bool crew_start(struct master *m, struct child *c);
void crew_reap(struct master *m);
void crew_tell(const struct child *c, enum ipc_type type);
unsigned crew_workers_alive(const struct master *m);
/* Has a process journal what is in the outbox of a worker that there is no longer, and waits for
 * its end until then (monotonic). False: it is still there, and the log says why. */
bool crew_inherit(struct master *m, unsigned index, int folder, int outbox, uint64_t until_ms);

/* Reads all files; what is wrong goes to *p and to the log. */
bool reload_load(struct master *m, int *fd, int *shipper, struct bundle **out, struct problems *p);
void reload_begin(struct master *m);
/* Asks a worker for its vote, if a reload is under way. */
void reload_ask(struct master *m, struct child *c);
void reload_answer(struct master *m, struct child *c, const struct ipc_message *msg);
/* Ends the reload once all have voted, or the time is over. */
void reload_count(struct master *m);

bool operations_open(struct master *m, struct err *e);
/* Standard error becomes the log's file, for this process and for those that it starts. */
bool operations_open_log(struct master *m, struct err *e);
void operations_tell_observe(struct master *m);
/* Looks at the journal's folder; workers hear when its bound is reached, and when no longer. */
void operations_watch_space(struct master *m, uint64_t now_ms);

/* Begins to end; `drain`: with time for open connections. */
void master_stop(struct master *m, bool drain);

#endif
