/*
 * The control socket: a line in, a JSON object out, then it is closed. Only the proxy's user and
 * root can connect (mode 0600). What is asked is done by the master through the hooks.
 *
 *   status | reload | connections | drain | observe SECONDS REASON | enforce
 *   limits WHO | grant WHO minutes|bytes N RULE|* REASON
 *
 * Every answer has the member "ok"; where it is false "text" says why.
 */
#ifndef STILE_CONTROL_H
#define STILE_CONTROL_H

#include "err.h"
#include "grants.h"
#include "loop.h"
#include "problem.h"
#include "status.h"

struct control;

struct control_hooks {
	void *arg;
	void (*status)(void *arg, struct status *out);
	/* Answered by control_reloaded, perhaps from inside the call. */
	void (*reload)(void *arg);
	void (*drain)(void *arg);
	bool (*observe)(void *arg, uint64_t seconds, const char *reason, struct err *e);
	bool (*enforce)(void *arg, struct err *e);
	/* Appends members of the answer. */
	void (*limits)(void *arg, const char *who, struct buf *out);
	bool (*grant)(void *arg, const struct grant *g, struct err *e);
	/* Asks workers what is open; each answers through control_listed with that number. Returns
	 * how many were asked. */
	unsigned (*list)(void *arg, uint32_t number);
};

/* Makes the socket; one that nobody answers at is replaced. NULL with *e. */
struct control *control_open(
	struct loop *loop, const char *path, const struct control_hooks *hooks, struct err *e);
/* NULL is fine. Removes the socket. */
void control_close(struct control *c);

/* A reload is over: for those who asked for it. `problems`, `notes` may be NULL. */
void control_reloaded(struct control *c, bool ok, const char *text, const char *digest,
	const char *notes, const struct problems *problems);
/* A worker's part of a listing (fd stays the caller's; -1: it will not come). */
void control_listed(struct control *c, uint32_t number, int fd);

/* Connects a new socket to `path`, however long it is; -1 with errno. */
int control_connect(const char *path);

#endif
