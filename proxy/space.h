/* How full the journal folder is, and how long what is left will last. */
#ifndef STILE_SPACE_H
#define STILE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0} before the first look. */
struct space {
	uint64_t bytes;	    /* of all segments */
	uint64_t disk_free; /* of the file system */
	double rate;	    /* bytes a second, over the last minutes */
	uint64_t looked_ms; /* monotonic; 0: never */
};

#define SPACE_LOOK_MS 10000

/* Looks at the folder below `root_fd`, at most every SPACE_LOOK_MS. */
void space_look(struct space *s, int root_fd, uint64_t now_ms);
/* Takes in one measurement; space_look does. */
void space_measured(struct space *s, uint64_t bytes, uint64_t now_ms);
/* Seconds until nothing more fits at the present rate: `bound` is audit.space, of which what is in
 * Redis (all but `backlog`) can be had back. INFINITY when nothing is written. */
double space_left_s(const struct space *s, uint64_t bound, uint64_t backlog);

#endif
