/* hiredis calls for each element of an answer what it finds; nothing is allocated for one alone. */
#include "redis_answers.h"

#include "buf.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#define BLOCK_BYTES (256U << 10)
#define BLOCKS_KEPT 4		 /* between answers */
#define READER_KEPT (256U << 10) /* of the reader's buffer */

#if defined(HIREDIS_MAJOR) && HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count;
#endif

struct block {
	struct block *next;
	size_t used, cap;
	char bytes[];
};

struct answers {
	redisReader *reader;
	redisReplyObjectFunctions fn;
	struct block *first, *at; /* those behind `at` are empty */
	bool begun;		  /* the blocks hold some of an answer that is not whole yet */
	struct pairs {
		redis_pair_fn *fn; /* NULL: the answer is kept */
		void *arg;
		struct buf name; /* of the pair whose value has not come */
		size_t given;
		bool odd; /* it holds what is no string, or half a pair */
		struct redis_reply passed;
	} pairs;
};

/* --- memory ----------------------------------------------------------------------------------- */

static bool block_next(struct answers *a, size_t n)
{
	struct block **end = a->at ? &a->at->next : &a->first;
	if (!*end || (*end)->cap < n) {
		const size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		struct block *b = malloc(sizeof *b + cap);
		if (!b)
			return false;
		b->next = *end;
		b->cap = cap;
		*end = b;
	}
	a->at = *end;
	a->at->used = 0;
	return true;
}

static void *take(struct answers *a, size_t n)
{
	n = (n + 7) & ~(size_t)7;
	if ((!a->at || a->at->cap - a->at->used < n) && !block_next(a, n))
		return NULL;
	void *p = a->at->bytes + a->at->used;
	a->at->used += n;
	return p;
}

/* All but a few blocks of the usual size go. */
static void give_back(struct answers *a, unsigned kept)
{
	unsigned n = 0;
	for (struct block **p = &a->first; *p;) {
		struct block *b = *p;
		if (b->cap == BLOCK_BYTES && n < kept) {
			n++;
			p = &b->next;
			continue;
		}
		*p = b->next;
		free(b);
	}
	a->at = NULL;
}

/* --- elements --------------------------------------------------------------------------------- */

/* Elements of an array stand side by side; those that are given in pairs stand nowhere. */
static struct redis_reply *place(const redisReadTask *task, enum redis_type type)
{
	struct pairs *p = &((struct answers *)task->privdata)->pairs;
	struct redis_reply *out;
	if (task->parent && p->fn) {
		p->odd = true;
		return &p->passed;
	}
	if (task->parent)
		out = &((struct redis_reply *)task->parent->obj)->v[task->idx];
	else if (!(out = take(task->privdata, sizeof *out)))
		return NULL;
	*out = (struct redis_reply){.type = type, .str = SPAN("")};
	return out;
}

/* The bytes of a name may move before its value comes, so it is copied. NULL: no memory. */
static void *give(struct pairs *p, int at, struct span s)
{
	if (at % 2 == 0) {
		buf_reset(&p->name);
		buf_span(&p->name, s);
		return p->name.failed ? NULL : &p->passed;
	}
	p->fn(p->arg, buf_spanof(&p->name), s);
	p->given++;
	return &p->passed;
}

static void *take_string(const redisReadTask *task, char *s, size_t n)
{
	const bool error = task->type == REDIS_REPLY_ERROR;
	struct pairs *p = &((struct answers *)task->privdata)->pairs;
	if (p->fn && task->parent && !task->parent->parent && !error && !p->odd)
		return give(p, task->idx, span_of(s, n));
	struct redis_reply *out = place(task, error ? REDIS_ERROR : REDIS_STRING);
	char *copy = out ? take(task->privdata, n + 1) : NULL;
	if (!copy)
		return NULL;
	memcpy(copy, s, n);
	copy[n] = 0;
	out->str = span_of(copy, n);
	return out;
}

/* A count is believed before its elements came, so it is bounded before memory is taken for it. */
static void *take_array(const redisReadTask *task, array_count n)
{
	if (n < 0 || (size_t)n > REDIS_REPLY_ELEMENTS)
		return NULL;
	struct pairs *p = &((struct answers *)task->privdata)->pairs;
	struct redis_reply *out = place(task, REDIS_ARRAY);
	if (!out || out == &p->passed)
		return out;
	if (!p->fn && !(out->v = take(task->privdata, (size_t)n * sizeof *out->v)))
		return NULL;
	p->odd = n % 2 != 0;
	out->n = (size_t)n;
	return out;
}

static void *take_integer(const redisReadTask *task, long long v)
{
	struct redis_reply *out = place(task, REDIS_INT);
	if (out)
		out->num = v;
	return out;
}

static void *take_nil(const redisReadTask *task)
{
	return place(task, REDIS_NIL);
}

static void take_back(void *reply)
{
	(void)reply;
}

#if defined(HIREDIS_MAJOR) && HIREDIS_MAJOR >= 1
/* Of RESP3, which nobody asked for. */
static void *refuse_double(const redisReadTask *task, double v, char *s, size_t n)
{
	(void)task, (void)v, (void)s, (void)n;
	return NULL;
}

static void *refuse_bool(const redisReadTask *task, int v)
{
	(void)task, (void)v;
	return NULL;
}
#endif

/* --- answers ---------------------------------------------------------------------------------- */

struct answers *answers_new(void)
{
	struct answers *a = calloc(1, sizeof *a);
	if (!a || !(a->reader = redisReaderCreate())) {
		free(a);
		return NULL;
	}
	a->fn.createString = take_string;
	a->fn.createArray = take_array;
	a->fn.createInteger = take_integer;
	a->fn.createNil = take_nil;
	a->fn.freeObject = take_back;
#if defined(HIREDIS_MAJOR) && HIREDIS_MAJOR >= 1
	a->fn.createDouble = refuse_double;
	a->fn.createBool = refuse_bool;
#endif
	a->reader->fn = &a->fn;
	a->reader->privdata = a;
	a->reader->maxbuf = READER_KEPT;
	return a;
}

void answers_free(struct answers *a)
{
	if (!a)
		return;
	redisReaderFree(a->reader);
	give_back(a, 0);
	buf_free(&a->pairs.name);
	free(a);
}

bool answers_feed(struct answers *a, const void *p, size_t n, struct err *e)
{
	return redisReaderFeed(a->reader, p, n) == REDIS_OK ||
	       err_set(e, "Redis: %s", a->reader->errstr);
}

void answers_pairs(struct answers *a, redis_pair_fn *fn, void *arg)
{
	struct buf name = a->pairs.name;
	a->pairs = (struct pairs){.fn = fn, .arg = arg, .name = name};
}

size_t answers_given(const struct answers *a)
{
	return a->pairs.given;
}

void answers_drop(struct answers *a)
{
	if (!a->begun)
		give_back(a, BLOCKS_KEPT);
}

bool answers_next(struct answers *a, const struct redis_reply **out, struct err *e)
{
	void *whole = NULL;
	answers_drop(a);
	if (redisReaderGetReply(a->reader, &whole) != REDIS_OK)
		return err_set(e, "Redis: not understood: %s", a->reader->errstr);
	if (a->pairs.fn && a->pairs.odd)
		return err_set(e, "Redis: not understood: no pairs of strings");
	a->begun = !whole;
	*out = whole;
	return true;
}
