/*
 * Messages between the master and its children: SOCK_SEQPACKET, a fixed head, descriptors beside
 * it. Who is on the other end is the same program, so plain structs travel; but a worker speaks
 * with strangers, so the master takes from a child only what ipc_from_child_ok allows.
 */
#ifndef STILE_IPC_H
#define STILE_IPC_H

#include "cause.h"
#include "chain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPC_FDS_MAX  24
#define IPC_CHILD_FD 3 /* the child's end, by convention */

enum ipc_type {
	/* master → child */
	IPC_SETUP,   /* worker: bundle, shared memory of usage, of logins, journal folder, shared
			memory of counters, of standing, of the crowd, outbox, listeners …;
			shipper: bundle, journal root, own journal folder, credentials, shared
			memory of standing */
	IPC_BUNDLE,  /* a new bundle to open and check */
	IPC_COMMIT,  /* use the one checked last */
	IPC_ABORT,   /* drop it, keep the old one */
	IPC_DRAIN,   /* listeners close; tunnels may go on for the drain time; then exit */
	IPC_STOP,    /* end now, with all records */
	IPC_OBSERVE, /* refusals are only recorded until observe_until_ms; 0: no longer */
	IPC_LIST,    /* say what is open: LISTING answers with the same generation */
	IPC_LOG,     /* the log goes to this descriptor */
	IPC_SPACE,   /* full: the journal may not grow further, or may again */
	/* child → master */
	IPC_READY,  /* set up and serving, or the bundle is fine */
	IPC_FAILED, /* text says why */
	IPC_TIP,    /* a writer's tip, for the node's checkpoint */
	IPC_SHIP,   /* how shipping goes; text: the trouble there is */
	IPC_LISTING /* a memfd with what is open, JSON objects with commas between them */
};

/* How shipping goes, of audit/ship.h's status. */
struct ship_figures {
	uint32_t state; /* enum ship_state */
	uint32_t failures;
	uint32_t cause; /* enum cause */
	uint64_t shipped, already, backlog_bytes, alarms, lost, expired, deleted;
	uint64_t troubles[CAUSES];
	/* totals of other nodes (audit/ship_totals.h) */
	uint64_t totals_heard_ms, totals_told, totals_heard, totals_strange, totals_crowded;
	uint32_t nodes, nodes_seen;
	uint32_t totals_cause; /* enum cause */
	bool known;	       /* the shipper has looked at the journal */
	bool failing;	       /* its own journal */
};

struct ipc_message {
	enum ipc_type type;
	uint32_t index;	     /* of the worker */
	uint32_t generation; /* of the bundle */
	uint32_t n_listen;
	uint32_t workers;		/* how many share the memory */
	bool full;			/* the journal's folder has reached its bound */
	uint32_t uid, gid;		/* SETUP: to become, where the child is root */
	uint64_t boot;			/* SETUP: of the usage memory */
	char chain[CHAIN_NAME_LEN + 1]; /* SETUP of the shipper: the node's own */
	struct chain_tip tip;
	uint64_t observe_until_ms; /* monotonic, which all processes of a host share */
	struct ship_figures ship;
	char text[300];
};

/* False with errno: the other end is gone, or the queue is full (EAGAIN). */
bool ipc_send(int fd, const struct ipc_message *m, const int *fds, size_t n);
/* Received descriptors are close-on-exec. 1: a message; 0: nothing now; -1: the other end is gone,
 * or has said something that is no message (its descriptors are closed).
 */
int ipc_receive(int fd, struct ipc_message *m, int fds[IPC_FDS_MAX], size_t *n);
/* May a child say that? Its type is one for the master, of that kind of child, texts end, and what
 * stands in tables has its place there. */
bool ipc_from_child_ok(const struct ipc_message *m, bool shipper);

#endif
