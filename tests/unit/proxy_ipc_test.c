/* What the master hears from its children: whole messages, and only what such a child may say. */
#include "ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void a_message_arrives_with_its_descriptors(void **state)
{
	struct ipc_message m = {.type = IPC_LISTING, .generation = 7}, got;
	int fds[IPC_FDS_MAX];
	size_t n = 0;

	(void)state;
	assert_int_equal(ipc_receive(pair[1], &got, fds, &n), 0);
	assert_true(ipc_send(pair[0], &m, (const int[]){pair[0]}, 1));
	assert_int_equal(ipc_receive(pair[1], &got, fds, &n), 1);
	assert_int_equal(got.type, IPC_LISTING);
	assert_int_equal(got.generation, 7);
	assert_int_equal(n, 1);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
}

/* A child that is not itself any more must not be able to fill the master's table of descriptors.
 */
static void of_what_is_no_message_nothing_stays(void **state)
{
	char byte = 1;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * 8)];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control};
	struct ipc_message got;
	int fds[IPC_FDS_MAX];
	size_t n = 1, before = open_descriptors();

	(void)state;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * 8);
	for (size_t i = 0; i < 8; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &pair[0], sizeof(int));
	assert_int_equal(sendmsg(pair[0], &msg, MSG_NOSIGNAL), 1);
	assert_int_equal(ipc_receive(pair[1], &got, fds, &n), -1);
	assert_int_equal(n, 0);
	assert_int_equal(open_descriptors(), before);
}

static void children_say_what_is_theirs(void **state)
{
	static const struct {
		enum ipc_type type;
		bool worker, shipper;
	} rows[] = {{IPC_READY, true, true}, {IPC_FAILED, true, true}, {IPC_TIP, true, true},
		{IPC_SHIP, false, true}, {IPC_LISTING, true, false}, {IPC_SETUP, false, false},
		{IPC_COMMIT, false, false}, {IPC_OBSERVE, false, false},
		{(enum ipc_type)99, false, false}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ipc_message m = {.type = rows[i].type};
		assert_int_equal(ipc_from_child_ok(&m, false), rows[i].worker);
		assert_int_equal(ipc_from_child_ok(&m, true), rows[i].shipper);
	}
}

static void a_cause_that_is_in_no_row_is_not_taken(void **state)
{
	struct ipc_message m = {.type = IPC_SHIP};

	(void)state;
	m.ship.cause = CAUSES;
	assert_false(ipc_from_child_ok(&m, true));
	m.ship.cause = CAUSES - 1;
	assert_true(ipc_from_child_ok(&m, true));
	m.ship.totals_cause = UINT32_MAX;
	assert_false(ipc_from_child_ok(&m, true));
}

static void what_is_no_text_and_no_truth_is_not_taken(void **state)
{
	struct ipc_message m = {.type = IPC_FAILED};

	(void)state;
	memset(m.text, 'x', sizeof m.text);
	assert_false(ipc_from_child_ok(&m, false));
	m.text[sizeof m.text - 1] = 0;
	assert_true(ipc_from_child_ok(&m, false));
	memset(m.chain, 'x', sizeof m.chain);
	assert_false(ipc_from_child_ok(&m, false));
	m = (struct ipc_message){.type = IPC_SHIP};
	memset(&m.ship.known, 2, 1);
	assert_false(ipc_from_child_ok(&m, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_with_its_descriptors),
		cmocka_unit_test(of_what_is_no_message_nothing_stays),
		cmocka_unit_test(children_say_what_is_theirs),
		cmocka_unit_test(a_cause_that_is_in_no_row_is_not_taken),
		cmocka_unit_test(what_is_no_text_and_no_truth_is_not_taken),
	};
	return cmocka_run_group_tests(tests, open_pair, close_pair);
}
