/* A chained hash table that doubles when it is full. */
#include "once.h"

#include "span.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64
#define CHAIN	    2 /* blocks in a bucket, as the table grows */

/* What is hashed was judged before and is bounded. */
static uint32_t hash_of(const void *p, size_t n)
{
	return (uint32_t)span_fold(span_of(p, n), 0);
}

static void grow(struct onces *t)
{
	size_t n = t->buckets ? t->buckets * 2 : BUCKETS_MIN;
	struct once **v = calloc(n, sizeof *v);

	if (!v)
		return; /* chains get longer */
	for (size_t i = 0; i < t->buckets; i++)
		for (struct once *o = t->bucket[i], *next; o; o = next) {
			next = o->next;
			o->next = v[o->hash % n];
			v[o->hash % n] = o;
		}
	free(t->bucket);
	t->bucket = v;
	t->buckets = n;
}

static struct once *make(const void *p, size_t n, size_t room, uint32_t hash)
{
	struct once *o = malloc(sizeof *o + room + n);

	if (!o)
		return NULL;
	*o = (struct once){.hash = hash, .n = (uint16_t)n, .room = (uint16_t)room};
	memset(o->mem, 0, room);
	memcpy(o->mem + room, p, n);
	return o;
}

struct once *once_take(struct onces *t, const void *p, size_t n, size_t room)
{
	uint32_t hash = hash_of(p, n);
	struct once *o;

	if (t->used >= CHAIN * t->buckets)
		grow(t);
	if (!t->buckets || n > UINT16_MAX)
		return NULL;
	for (o = t->bucket[hash % t->buckets]; o; o = o->next)
		if (o->hash == hash && o->n == n && memcmp(once_contents(o), p, n) == 0)
			break;
	if (!o && (o = make(p, n, room, hash))) {
		o->next = t->bucket[hash % t->buckets];
		t->bucket[hash % t->buckets] = o;
		t->used++;
	}
	if (o)
		o->refs++;
	return o;
}

void once_drop(struct onces *t, struct once *o)
{
	struct once **at = &t->bucket[o->hash % t->buckets];

	if (--o->refs)
		return;
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	t->used--;
	free(o);
}

void onces_free(struct onces *t)
{
	free(t->bucket);
	*t = (struct onces){0};
}
