/*
 * Open accesses are judged again: when a policy comes into force, a schedule begins or ends, a
 * limit is spent, an acknowledgement expires, the clock steps. Those that are no longer allowed
 * end; those that another rule allows go on under it, with records of both; the others do not
 * notice.
 *
 * What decides is kept once for all tunnels of one person to one place (a matter), is judged once,
 * in slices of a fraction of a millisecond, and always by the newest policy.
 */
#ifndef STILE_REJUDGE_H
#define STILE_REJUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct matter;
struct rejudge;
struct worker;

struct rejudge *rejudge_new(struct worker *w);
/* When no access is open any more. */
void rejudge_free(struct rejudge *j);
/* The connection's access moves bytes from now on; its request is still there. False: no memory. */
bool rejudge_watch(struct conn *c);
void rejudge_forget(struct conn *c);
/* Every second. */
void rejudge_tick(struct rejudge *j);
/* Another policy, or other accounts, are in force. */
void rejudge_policy(struct rejudge *j);
/* Changes whenever anything that is judged by may have changed: a request notes it before it is
 * decided. */
uint32_t rejudge_generation(const struct rejudge *j);

#endif
