/*
 * Retention of what stands in Redis: the node's own streams and figures of days that are older than
 * set. From which day on they are kept is written beside the journal before anything is deleted, so
 * that a Redis that was emptied, or a journal that is shipped again, brings no deleted day back.
 */
#ifndef STILE_SHIP_RETAIN_H
#define STILE_SHIP_RETAIN_H

#include "err.h"
#include "redis.h"

enum retained { RETAIN_RAW, RETAIN_ROLLUPS, RETAIN_SORTS };

struct ship_retain {
	int root; /* folder of the file */
	int64_t keep_ms[RETAIN_SORTS];
	char from[RETAIN_SORTS][11]; /* the first day kept; "": all are */
	uint64_t due;		     /* monotonic: when to look for older days again */
};

/* The local day of a moment. */
typedef void ship_day_fn(void *arg, int64_t wall_ms, char out[11]);
/* Told before some days are deleted: how many, and in words which. */
typedef void ship_deleting_fn(void *arg, uint64_t n, const char *text);

struct ship_retain_with {
	struct redis *redis;
	const char *node;
	ship_day_fn *day;
	ship_deleting_fn *deleting;
	void *arg;
};

/* Reads from where on days are kept; nothing is deleted in the first `wait_ms`. */
bool ship_retain_start(struct ship_retain *k, int root, uint64_t wait_ms, struct err *e);
/* May something of that day be stored? */
bool ship_retain_takes(const struct ship_retain *k, enum retained what, struct span day);
/* Deletes some days when it is time; call often. False: Redis or the disk failed. */
bool ship_retain_run(struct ship_retain *k, const struct ship_retain_with *w, struct err *e);

#endif
