/*
 * A timing wheel: deadlines by the slot of the time at which they are looked at, so that setting
 * and dropping one costs the same however many there are. Nothing comes before its time, and all
 * within WHEEL_SLOT_MS behind it, if the wheel is turned then.
 */
#ifndef STILE_WHEEL_H
#define STILE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_SLOT_MS 8
#define WHEEL_SLOTS   1024 /* what is due behind the last one is looked at on the way, */
#define WHEEL_FAR     128  /* together with others: in slots of these multiples */

/* In the memory of whoever waits; zeroed: not on the wheel. */
struct wheel_entry {
	LIST_ENTRY(wheel_entry) link;
	uint64_t look_ms; /* when it is looked at; 0: it is not on the wheel */
};

struct wheel {
	LIST_HEAD(, wheel_entry) slot[WHEEL_SLOTS];
	uint64_t turned; /* the slots up to this one, counted since time began, are empty */
	uint64_t n;	 /* entries */
};

/* Not to be on the wheel already. */
void wheel_put(struct wheel *w, struct wheel_entry *e, uint64_t due_ms, uint64_t now_ms);
/* One that is not on it: nothing happens. */
void wheel_drop(struct wheel *w, struct wheel_entry *e);
/* Takes one off whose time to be looked at has come, NULL when there is no more. It may not be due
 * yet; then it is put again. */
struct wheel_entry *wheel_take(struct wheel *w, uint64_t now_ms);
/* When the next one is looked at; 0: the wheel is empty. */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
