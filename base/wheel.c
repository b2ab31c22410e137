/* Slots are counted since the clock's zero; a slot's place in the ring is its number modulo the
 * ring's size, which no two have that are on the wheel at once. */
#include "wheel.h"

#include <stddef.h>

static uint64_t slot_behind(uint64_t ms)
{
	return (ms + WHEEL_SLOT_MS - 1) / WHEEL_SLOT_MS;
}

void wheel_put(struct wheel *w, struct wheel_entry *e, uint64_t due_ms, uint64_t now_ms)
{
	uint64_t slot = slot_behind(due_ms), first, last;

	if (!w->n)
		w->turned = now_ms / WHEEL_SLOT_MS;
	first = w->turned + 1;
	last = w->turned + WHEEL_SLOTS - 1;
	if (slot > last)
		slot = last - last % WHEEL_FAR;
	else if (slot < first)
		slot = first;
	LIST_INSERT_HEAD(&w->slot[slot % WHEEL_SLOTS], e, link);
	e->look_ms = slot * WHEEL_SLOT_MS;
	w->n++;
}

void wheel_drop(struct wheel *w, struct wheel_entry *e)
{
	if (!e->look_ms)
		return;
	LIST_REMOVE(e, link);
	e->look_ms = 0;
	w->n--;
}

struct wheel_entry *wheel_take(struct wheel *w, uint64_t now_ms)
{
	uint64_t now = now_ms / WHEEL_SLOT_MS;

	for (; w->n && w->turned < now; w->turned++) {
		struct wheel_entry *e = LIST_FIRST(&w->slot[(w->turned + 1) % WHEEL_SLOTS]);

		if (e) {
			wheel_drop(w, e);
			return e;
		}
	}
	return NULL;
}

uint64_t wheel_next_ms(const struct wheel *w)
{
	for (uint64_t slot = w->turned + 1; w->n && slot < w->turned + WHEEL_SLOTS; slot++) {
		const struct wheel_entry *e = LIST_FIRST(&w->slot[slot % WHEEL_SLOTS]);

		if (e)
			return e->look_ms;
	}
	return 0;
}
