/*
 * Memory that runs short at random, for tests only: linked into a stile-proxy of its own
 * (build/faults/stile-proxy) with the linker's --wrap, so that the product has no hook for it. With
 * STILE_FAIL_ALLOC=N one in N allocations of stile's own code fails, in workers from the moment
 * they serve and in the shipper from its first step; set-up is spared, as a failure there is an
 * exit that the master answers anyway. Threads count, too.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct loop;
struct shipper;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void __real_loop_run(struct loop *l);
int __real_ship_step(struct shipper *s);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_loop_run(struct loop *l);
int __wrap_ship_step(struct shipper *s);

static unsigned one_in; /* 0: never */
static _Atomic uint64_t count, seed;
static atomic_bool armed;

static void __attribute__((constructor)) begin(int argc, char **argv, char **env)
{
	const char *n = getenv("STILE_FAIL_ALLOC");
	bool child =
		argc == 2 && (strcmp(argv[1], "worker") == 0 || strcmp(argv[1], "shipper") == 0);
	struct timespec now;

	(void)env;
	clock_gettime(CLOCK_MONOTONIC, &now);
	seed = (uint64_t)now.tv_nsec | 1;
	one_in = child && n ? (unsigned)strtoul(n, NULL, 10) : 0;
}

/* splitmix64 of a counter: no lock, and every thread gets its own numbers. */
static bool fails(void)
{
	uint64_t x;

	if (!one_in || !atomic_load_explicit(&armed, memory_order_relaxed))
		return false;
	x = seed + atomic_fetch_add(&count, 1) * 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	if ((x ^ (x >> 31)) % one_in != 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

void __wrap_loop_run(struct loop *l)
{
	armed = true;
	__real_loop_run(l);
	armed = false; /* what is left is to be written down */
}

int __wrap_ship_step(struct shipper *s)
{
	armed = true;
	return __real_ship_step(s);
}
