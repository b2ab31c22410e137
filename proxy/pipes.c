/* The pool of pipes. */
#include "pipes.h"

#include "descriptors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM  (256 << 10)
#define LEAST (64 << 10) /* a smaller one costs more than copying */

/* Past the user's share of room in pipes (pipe(7)) the kernel makes small ones. */
static bool roomy(int fd)
{
	return fcntl(fd, F_SETPIPE_SZ, ROOM) >= ROOM || fcntl(fd, F_GETPIPE_SZ) >= LEAST;
}

static void destroy(struct pipe *p)
{
	close(p->in);
	close(p->out);
	free(p);
}

static struct pipe *make(struct pipes *pool)
{
	struct pipe *p = malloc(sizeof *p);
	int fds[2];

	if (!p || pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	*p = (struct pipe){.pool = pool, .in = fds[1], .out = fds[0]};
	if (p->in < descriptors_ceiling() && p->out < descriptors_ceiling() && roomy(p->in))
		return p;
	destroy(p);
	return NULL;
}

struct pipe *pipes_lend(struct pipes *pool)
{
	struct pipe *p = pool->idle;

	if (p) {
		pool->idle = p->next;
		return p;
	}
	if (pool->n >= pool->most)
		return NULL;
	p = make(pool);
	if (p)
		pool->n++;
	else
		pool->most = pool->n; /* not tried again for each piece */
	return p;
}

void pipes_take_back(struct pipe *p, bool empty)
{
	struct pipes *pool = p->pool;

	if (empty) {
		p->next = pool->idle;
		pool->idle = p;
		return;
	}
	pool->n--;
	destroy(p);
}

void pipes_free(struct pipes *pool)
{
	while (pool->idle) {
		struct pipe *p = pool->idle;

		pool->idle = p->next;
		pool->n--;
		destroy(p);
	}
}
