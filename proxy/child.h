/* A child of the master: the process, the socket to it, and how often it had to be started. */
#ifndef STILE_CHILD_H
#define STILE_CHILD_H

#include "err.h"
#include "ipc.h"

#include <sys/types.h>

/* A worker's part in a reload. */
enum vote { VOTE_NONE, VOTE_AWAITED, VOTE_FINE };

struct child {
	const char *role; /* "worker", "shipper", "heir": the program's first argument */
	unsigned index;
	pid_t pid; /* 0: not running */
	int fd;	   /* master's end, non-blocking; -1 when not running */
	bool ready;
	bool inherited; /* a last successor was started, at a stop */
	enum vote vote;
	uint64_t started_ms, again_at_ms; /* monotonic; again_at: 0 none planned */
	unsigned deaths;		  /* in quick succession */
	uint64_t restarts;		  /* in all */
	char chain[CHAIN_NAME_LEN + 1];	  /* of its journal, as it told */
	struct chain_tip tip;
};

/* Starts this program again in that role and sends the first message. */
bool child_start(
	struct child *c, const struct ipc_message *setup, const int *fds, size_t n, struct err *e);
/* Notes that it is gone; plans the next start: at once, later the more often it dies. */
void child_gone(struct child *c);

#endif
