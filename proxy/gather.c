/* Sealed bytes on their way to a socket. */
#include "gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How many the socket took, 0 for none now, -1 if it failed. */
static ssize_t send_some(int fd, const char *p, size_t n)
{
	ssize_t sent;

	do
		sent = send(fd, p, n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

static enum gather_answer failed(struct gather *g)
{
	g->broke = true;
	g->room->n = 0;
	return GATHER_BROKE;
}

static void drop_kept(struct gather *g)
{
	free(g->kept);
	g->kept = NULL;
	g->at = g->n = 0;
}

static enum gather_answer send_kept(struct gather *g)
{
	ssize_t sent = send_some(g->fd, g->kept + g->at, g->n - g->at);

	if (sent < 0)
		return failed(g);
	g->at += (uint32_t)sent;
	if (g->at < g->n)
		return GATHER_KEPT;
	drop_kept(g);
	return GATHER_GONE;
}

static enum gather_answer keep(struct gather *g, const char *p, size_t n)
{
	g->kept = malloc(n);
	if (!g->kept)
		return failed(g);
	memcpy(g->kept, p, n);
	g->n = (uint32_t)n;
	return GATHER_KEPT;
}

static enum gather_answer send_room(struct gather *g)
{
	struct gather_room *room = g->room;
	size_t n = room->n;
	ssize_t sent = send_some(g->fd, room->bytes, n);

	room->n = 0;
	if (sent < 0)
		return failed(g);
	return (size_t)sent == n ? GATHER_GONE : keep(g, room->bytes + sent, n - (size_t)sent);
}

enum gather_answer gather_send(struct gather *g)
{
	if (g->broke)
		return failed(g);
	if (g->kept)
		return send_kept(g); /* and so the room is empty */
	return g->room->n ? send_room(g) : GATHER_GONE;
}

bool gather_put(struct gather *g, const void *p, size_t n)
{
	struct gather_room *room = g->room;

	if (g->kept || g->broke || n > sizeof room->bytes)
		return false;
	if (n > sizeof room->bytes - room->n && gather_send(g) != GATHER_GONE)
		return false;
	memcpy(room->bytes + room->n, p, n);
	room->n += n;
	return true;
}

void gather_free(struct gather *g)
{
	drop_kept(g);
}
