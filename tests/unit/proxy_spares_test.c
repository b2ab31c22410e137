/* Connections that wait: who gets which, and when they go. */
#include "spares.h"


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct scene {
	struct loop *l;
	struct spares *s;
	struct addr a, b;
};

static void nobody(int fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	fail();
}

static void begin(struct scene *t, size_t most)
{
	t->l = loop_new();
	t->s = spares_new(t->l, most);
	assert_non_null(t->s);
	assert_true(addr_parse(SPAN("192.0.2.1"), &t->a));
	assert_true(addr_parse(SPAN("192.0.2.2"), &t->b));
}

static void end(struct scene *t)
{
	spares_free(t->s);
	loop_free(t->l);
}

/* Returns the number of the socket that waits; *peer is the other end. */
static int put(struct scene *t, const struct addr *to, uint16_t port, int *peer)
{
	struct loop_watch w;
	int v[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, v), 0);
	assert_true(loop_watch(t->l, &w, v[0], LOOP_READ | LOOP_WRITE, nobody, NULL));
	spares_put(t->s, &w, to, port);
	*peer = v[1];
	return v[0];
}

/* The number of the socket that is given, which is closed then; -1: none. */
static int take(struct scene *t, const struct addr *to, uint16_t port)
{
	struct loop_watch *from = spares_take(t->s, to, port), mine;
	int fd;

	if (!from)
		return -1;
	loop_watch_move(t->l, from, &mine, nobody, NULL);
	fd = mine.fd;
	loop_unwatch(t->l, &mine);
	close(fd);
	return fd;
}

static void on_end(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	loop_stop(arg);
}

static void turn(struct scene *t)
{
	struct loop_ev stop;

	loop_init(&stop, t->l, -1, 0, on_end, t->l);
	loop_add(&stop, 20);
	loop_run(t->l);
	loop_del(&stop);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void address_and_port_must_be_the_same(void **state)
{
	struct scene t;
	int peer, fd;

	(void)state;
	begin(&t, 4);
	fd = put(&t, &t.a, 80, &peer);
	assert_int_equal(take(&t, &t.b, 80), -1);
	assert_int_equal(take(&t, &t.a, 81), -1);
	assert_int_equal(spares_count(t.s), 1);
	assert_int_equal(take(&t, &t.a, 80), fd);
	assert_int_equal(take(&t, &t.a, 80), -1);
	close(peer);
	end(&t);
}

static void the_last_one_goes_first_and_the_oldest_makes_room(void **state)
{
	struct scene t;
	int peer[3], fd[3];

	(void)state;
	begin(&t, 2);
	for (int i = 0; i < 3; i++)
		fd[i] = put(&t, &t.a, 80, &peer[i]);
	assert_int_equal(spares_count(t.s), 2);
	assert_false(is_open(fd[0]));
	assert_int_equal(take(&t, &t.a, 80), fd[2]);
	assert_int_equal(take(&t, &t.a, 80), fd[1]);
	for (int i = 0; i < 3; i++)
		close(peer[i]);
	end(&t);
}

static void one_that_speaks_or_ends_is_closed(void **state)
{
	struct scene t;
	int peer[3], fd[3];

	(void)state;
	begin(&t, 4);
	for (int i = 0; i < 3; i++)
		fd[i] = put(&t, &t.a, 80, &peer[i]);
	turn(&t); /* all of them can be written: no news */
	assert_int_equal(spares_count(t.s), 3);
	assert_int_equal(write(peer[0], "x", 1), 1);
	close(peer[1]);
	turn(&t);
	assert_int_equal(spares_count(t.s), 1);
	assert_false(is_open(fd[0]) || is_open(fd[1]));
	assert_int_equal(take(&t, &t.a, 80), fd[2]);
	close(peer[0]);
	close(peer[2]);
	end(&t);
}

static void a_pool_without_room_closes(void **state)
{
	struct scene t;
	int peer, fd;

	(void)state;
	begin(&t, 0);
	fd = put(&t, &t.a, 80, &peer);
	assert_false(is_open(fd));
	assert_int_equal(take(&t, &t.a, 80), -1);
	close(peer);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_and_port_must_be_the_same),
		cmocka_unit_test(the_last_one_goes_first_and_the_oldest_makes_room),
		cmocka_unit_test(one_that_speaks_or_ends_is_closed),
		cmocka_unit_test(a_pool_without_room_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
