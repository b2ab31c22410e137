/* One process, one plan: made once, asked often. */
#include "descriptors.h"

#include <limits.h>
#include <stdint.h>
#include <sys/resource.h>

#define KEPT	    32	/* the journal, bundles, listings */
#define OWN	    32	/* open from the start: the loop, memory, listeners, the journal */
#define LOOKUPS	    512 /* at most; an eighth of all where that is less */
#define LOOKUPS_TCP 16
#define PIPES	    16
#define PER_PIPE    64 /* connections, at least: pipes take 2 of 128 descriptors */
#define SPARES	    64
#define PER_SPARE   32 /* connections, at least */
#define CONNECTIONS 8  /* at least, however short they are */

static struct {
	int ceiling;
	unsigned lookups;
	size_t connections;
	unsigned pipes, spares;
} plan = {INT_MAX, LOOKUPS, SIZE_MAX, PIPES, SPARES};

/* One of `per` connections, at most `most`. */
static unsigned share(size_t connections, unsigned per, unsigned most)
{
	return connections / per < most ? (unsigned)(connections / per) : most;
}

void descriptors_plan(void)
{
	struct rlimit r;
	long all, ceiling, lookups;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY ||
		r.rlim_cur > INT_MAX)
		return;
	all = (long)r.rlim_cur;
	lookups = all / 8 < LOOKUPS ? all / 8 : LOOKUPS;
	ceiling = all - KEPT - lookups - LOOKUPS_TCP;
	plan.lookups = lookups > 0 ? (unsigned)lookups : 1;
	plan.connections = CONNECTIONS;
	if (ceiling > OWN + 2 * CONNECTIONS)
		plan.connections = (size_t)(ceiling - OWN) / 2;
	plan.pipes = share(plan.connections, PER_PIPE, PIPES);
	plan.spares = share(plan.connections, PER_SPARE, SPARES);
	plan.connections -= plan.pipes + (plan.spares + 1) / 2;
	plan.ceiling = ceiling > OWN + 2 * CONNECTIONS ? (int)ceiling : OWN + 2 * CONNECTIONS;
}

size_t descriptors_connections(void)
{
	return plan.connections;
}

int descriptors_ceiling(void)
{
	return plan.ceiling;
}

unsigned descriptors_pipes(void)
{
	return plan.pipes;
}

unsigned descriptors_spares(void)
{
	return plan.spares;
}

unsigned descriptors_lookups(void)
{
	return plan.lookups;
}
