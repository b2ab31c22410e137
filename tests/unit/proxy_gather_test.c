/* Bytes on their way to a socket that takes only some of them. */
#include "gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct gather_room room;
static int ours, theirs;
static struct gather g;

static int open_pair(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	ours = fds[0], theirs = fds[1];
	room.n = 0;
	g = (struct gather){.room = &room, .fd = ours};
	return 0;
}

static int close_pair(void **state)
{
	(void)state;
	gather_free(&g);
	close(ours);
	close(theirs);
	return 0;
}

/* A socket that is full: what is put next is kept. */
static void fill(void)
{
	static const char bytes[4096];

	while (send(ours, bytes, sizeof bytes, 0) > 0)
		;
}

static size_t drain(void)
{
	static char away[1 << 16];
	size_t sum = 0;
	ssize_t n;

	while ((n = recv(theirs, away, sizeof away, 0)) > 0)
		sum += (size_t)n;
	return sum;
}

static void what_is_put_goes_with_one_call(void **state)
{
	char got[100];

	(void)state;
	assert_true(gather_put(&g, "one ", 4));
	assert_true(gather_put(&g, "two", 3));
	assert_int_equal(recv(theirs, got, sizeof got, 0), -1);
	assert_int_equal(gather_send(&g), GATHER_GONE);
	assert_int_equal(recv(theirs, got, sizeof got, 0), 7);
	assert_memory_equal(got, "one two", 7);
	assert_int_equal(gather_send(&g), GATHER_GONE);
	assert_int_equal(recv(theirs, got, sizeof got, 0), -1);
}

static void what_the_socket_does_not_take_leaves_the_room_and_goes_first(void **state)
{
	char got[100];

	(void)state;
	fill();
	assert_true(gather_put(&g, "first", 5));
	assert_int_equal(gather_send(&g), GATHER_KEPT);
	assert_int_equal(room.n, 0);
	assert_non_null(g.kept);
	assert_false(gather_put(&g, "second", 6));
	assert_int_equal(room.n, 0);
	drain();
	assert_int_equal(gather_send(&g), GATHER_GONE);
	assert_null(g.kept);
	assert_true(gather_put(&g, "second", 6));
	assert_int_equal(gather_send(&g), GATHER_GONE);
	assert_int_equal(recv(theirs, got, sizeof got, 0), 11);
	assert_memory_equal(got, "firstsecond", 11);
}

static void a_full_room_is_emptied_for_more(void **state)
{
	static const char much[sizeof room.bytes + 1];
	size_t came = 0;

	(void)state;
	assert_false(gather_put(&g, much, sizeof much));
	assert_true(gather_put(&g, much, sizeof room.bytes));
	while (!gather_put(&g, "x", 1)) /* the socket takes a part at a time */
		came += drain(), gather_send(&g);
	assert_int_equal(gather_send(&g), GATHER_GONE);
	assert_int_equal(came + drain(), sizeof room.bytes + 1);
}

static void a_broken_socket_stays_broken_and_leaves_the_room_empty(void **state)
{
	(void)state;
	fill();
	assert_true(gather_put(&g, "kept", 4));
	assert_int_equal(gather_send(&g), GATHER_KEPT);
	shutdown(theirs, SHUT_RD);
	assert_int_equal(gather_send(&g), GATHER_BROKE);
	assert_false(gather_put(&g, "more", 4));
	assert_int_equal(gather_send(&g), GATHER_BROKE);
	assert_int_equal(room.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
		TEST(what_is_put_goes_with_one_call),
		TEST(what_the_socket_does_not_take_leaves_the_room_and_goes_first),
		TEST(a_full_room_is_emptied_for_more),
		TEST(a_broken_socket_stays_broken_and_leaves_the_room_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
