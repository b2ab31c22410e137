/* Messages between master and children, with descriptors (unix(7), SCM_RIGHTS). */
#include "ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

bool ipc_send(int fd, const struct ipc_message *m, const int *fds, size_t n)
{
	struct ipc_message copy = *m;
	struct iovec iov = {&copy, sizeof copy};
	union control control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (n > IPC_FDS_MAX) {
		errno = E2BIG;
		return false;
	}
	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	do
		sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)sizeof copy;
}

static void take_fds(struct msghdr *msg, int fds[IPC_FDS_MAX], size_t *n)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < got; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (*n < IPC_FDS_MAX)
				fds[(*n)++] = fd;
			else
				close(fd);
		}
	}
}

int ipc_receive(int fd, struct ipc_message *m, int fds[IPC_FDS_MAX], size_t *n)
{
	struct iovec iov = {m, sizeof *m};
	union control control;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control};
	ssize_t got;

	memset(m, 0, sizeof *m);
	*n = 0;
	do
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	take_fds(&msg, fds, n);
	if (got == (ssize_t)sizeof *m)
		return 1;
	while (*n)
		close(fds[--*n]);
	return -1;
}

static bool is_text(const char *p, size_t n)
{
	return memchr(p, 0, n) != NULL;
}

/* Of a foreign bool any other byte would be undefined. */
static bool is_bool(const bool *p)
{
	return *(const unsigned char *)p <= 1;
}

static bool well_formed(const struct ipc_message *m)
{
	return is_text(m->chain, sizeof m->chain) && is_text(m->text, sizeof m->text) &&
	       is_bool(&m->full) && is_bool(&m->ship.known) && is_bool(&m->ship.failing);
}

bool ipc_from_child_ok(const struct ipc_message *m, bool shipper)
{
	if (!well_formed(m))
		return false;
	switch (m->type) {
	case IPC_READY:
	case IPC_FAILED:
	case IPC_TIP:
		return true;
	case IPC_SHIP:
		return shipper && m->ship.cause < CAUSES && m->ship.totals_cause < CAUSES;
	case IPC_LISTING:
		return !shipper;
	case IPC_SETUP:
	case IPC_BUNDLE:
	case IPC_COMMIT:
	case IPC_ABORT:
	case IPC_DRAIN:
	case IPC_STOP:
	case IPC_OBSERVE:
	case IPC_LIST:
	case IPC_LOG:
	case IPC_SPACE:
		break;
	}
	return false;
}
