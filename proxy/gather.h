/*
 * Sealed bytes on their way to a socket: they are gathered in a room that all connections of a
 * worker share, and sent with one call. The room is empty whenever another connection may use it:
 * what the socket did not take is kept with its connection, as long as that lasts.
 */
#ifndef STILE_GATHER_H
#define STILE_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATHER_PLAIN  (256u << 10) /* so many bytes are sealed and sent at once: a flow's piece */
#define GATHER_BESIDE (16u << 10)  /* what sealing adds to them, and a handshake's tickets */

struct gather_room {
	size_t n;
	char bytes[GATHER_PLAIN + GATHER_BESIDE];
};

struct gather {
	struct gather_room *room;
	char *kept; /* owned; kept[at..n) is to be sent before anything else. NULL: nothing is */
	uint32_t at, n;
	int fd;	    /* not owned, does not block */
	bool broke; /* the socket, or memory was short */
};

enum gather_answer { GATHER_GONE, GATHER_KEPT, GATHER_BROKE };

/* False, and nothing is added: something is kept, or the room is full and cannot be emptied. */
bool gather_put(struct gather *g, const void *p, size_t n);
/* Sends what is kept, then what is in the room, which is empty afterwards. GONE: the kernel has all
 * of it. */
enum gather_answer gather_send(struct gather *g);
/* What is kept is dropped. */
void gather_free(struct gather *g);

#endif
