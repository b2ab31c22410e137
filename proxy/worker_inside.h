/*
 * What a worker's parts share: worker.c is its life, worker_setup.c its beginning, worker_bundle.c
 * how it comes by a new bundle. For these three only.
 */
#ifndef STILE_WORKER_INSIDE_H
#define STILE_WORKER_INSIDE_H

#include "worker.h"

/* arg: the worker. The day of any moment, by the policy in force. */
void worker_usage_day(void *arg, int64_t unix_s, char out[11]);

/* --- worker_setup.c --- */

/* From the master's message; the descriptors stay the caller's. False with *e: it cannot serve. */
bool worker_set_up(
	struct worker *w, const struct ipc_message *m, const int *fds, size_t n, struct err *e);

/* --- worker_bundle.c --- */

/* The setting that a listener was started by, and its place among them: reloads may name others,
 * which wait for a start. NULL: there is none now. */
const struct settings_listen *worker_listen_setting(
	const struct worker *w, size_t listener, const struct settings *s, size_t *index);
/* All that can fail about a bundle happens here, before anybody says that it is fine. It waits in
 * w->next. */
bool worker_prepare(struct worker *w, int fd, uint32_t generation, struct err *e);
/* What waits in w->next holds now. New connections meet the new certificate; those that are open
 * keep theirs. */
void worker_put_in_force(struct worker *w);
void worker_drop_next(struct worker *w);

#endif
