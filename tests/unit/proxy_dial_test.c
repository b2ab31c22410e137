/* Happy Eyeballs against listeners that answer, refuse and swallow. */
#include "dial.h"
#include "clock.h"
#include "tun_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct result {
	struct loop *loop;
	unsigned times;
	int fd, error;
	struct addr addr;
};

static void on_dialled(void *arg, struct loop_watch *won, const struct addr *addr, int error)
{
	struct result *r = arg;
	struct loop_watch watch;

	r->times++;
	r->fd = won ? won->fd : -1;
	if (won) {
		loop_watch_move(r->loop, won, &watch, NULL, NULL);
		loop_unwatch(r->loop, &watch);
	}
	r->error = error;
	if (addr)
		r->addr = *addr;
	assert_int_equal(won != NULL, addr != NULL);
	loop_stop(r->loop);
}

static struct addr at(const char *text)
{
	struct addr a;

	assert_true(addr_parse(span_str(text), &a));
	return a;
}

/* Port 0: any, told in *port. */
static int listen_at(const char *text, uint16_t *port, int backlog)
{
	struct addr a = at(text);
	struct sockaddr_storage s;
	socklen_t n = addr_to_sockaddr(&a, *port, &s);
	int on = 1, fd = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&s, n) < 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(listen(fd, backlog), 0);
	n = sizeof s;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&s, &n), 0);
	addr_from_sockaddr((struct sockaddr *)&s, &a, port);
	return fd;
}

#define FILL 8

/* A listener whose queue is full: what comes is neither answered nor refused. */
struct hole {
	int listener, fill[FILL];
};

static bool dig(struct hole *h, const char *text, uint16_t *port)
{
	struct addr a = at(text);
	struct sockaddr_storage s;

	h->listener = listen_at(text, port, 0);
	for (int i = 0; i < FILL; i++)
		h->fill[i] = -1;
	if (h->listener < 0)
		return false;
	for (int i = 0; i < FILL; i++) {
		socklen_t n = addr_to_sockaddr(&a, *port, &s);

		h->fill[i] = socket(s.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(h->fill[i], (struct sockaddr *)&s, n);
		usleep(2000);
	}
	return true;
}

static void close_hole(struct hole *h)
{
	for (int i = 0; i < FILL; i++)
		close(h->fill[i]);
	close(h->listener);
}

/* A hole, and a listener at another address with the same port, which others may have taken there.
 */
static int dig_beside(struct hole *h, const char *hole, const char *text, uint16_t *port)
{
	for (int i = 0; i < 20; i++) {
		int listener;

		*port = 0;
		assert_true(dig(h, hole, port));
		listener = listen_at(text, port, 16);
		if (listener >= 0)
			return listener;
		close_hole(h);
	}
	fail_msg("no port is free at both addresses");
	return -1;
}

static size_t open_files(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static struct result dial(
	const struct addr *v, size_t n, uint16_t port, unsigned timeout_ms, uint64_t *took)
{
	struct result r = {.loop = loop_new(), .fd = -2};
	size_t before = open_files();
	uint64_t from = clock_mono_ms();

	assert_non_null(dial_start(r.loop, v, n, port, timeout_ms, on_dialled, &r));
	assert_int_equal(r.times, 0);
	loop_run(r.loop);
	assert_int_equal(r.times, 1);
	*took = clock_mono_ms() - from;
	/* whatever else was tried is closed */
	assert_int_equal(open_files(), before + (r.fd >= 0));
	loop_free(r.loop);
	return r;
}

static void the_winner_is_connected_nonblocking_and_without_delay(void **state)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port, 16), on = 0, peer;
	struct addr v[] = {at("127.0.0.1")};
	socklen_t n = sizeof on;
	uint64_t took;
	struct result r = dial(v, 1, port, 2000, &took);
	char c;

	(void)state;
	assert_int_equal(r.error, 0);
	assert_true(addr_eq(&r.addr, &v[0]));
	assert_true(fcntl(r.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(r.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(r.fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
	assert_true(on);
	peer = accept(listener, NULL, NULL);
	assert_int_equal(write(r.fd, "x", 1), 1);
	assert_int_equal(read(peer, &c, 1), 1);
	close(peer);
	close(r.fd);
	close(listener);
}

static bool has_a_caller(int listener, int wait_ms)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	return poll(&p, 1, wait_ms) == 1;
}

/* The kernel acknowledges by itself 0.2 s later: a run that was held up so long tells nothing. */
static void the_first_bytes_end_the_handshake(void **state)
{
	struct addr v[] = {at("127.0.0.1")};
	bool told = false;

	(void)state;
	for (int i = 0; i < 20 && !told; i++) {
		uint16_t port = 0;
		int listener = listen_at("127.0.0.1", &port, 16);
		uint64_t from = clock_mono_ms(), took;
		struct result r = dial(v, 1, port, 2000, &took);
		bool before = has_a_caller(listener, 0);

		assert_int_equal(r.error, 0);
		assert_int_equal(write(r.fd, "x", 1), 1);
		bool behind = has_a_caller(listener, 100);

		if (clock_mono_ms() - from < 150) {
			told = true;
			assert_false(before);
			assert_true(behind);
		}
		close(r.fd);
		close(listener);
	}
	assert_true(told);
}

static void who_says_nothing_is_acknowledged_soon(void **state)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port, 16);
	struct addr v[] = {at("127.0.0.1")};
	uint64_t took;
	struct result r = dial(v, 1, port, 2000, &took);

	(void)state;
	assert_int_equal(r.error, 0);
	assert_true(has_a_caller(listener, 1000));
	close(r.fd);
	close(listener);
}

static void servers_that_greet_are_acknowledged_at_once(void **state)
{
	static const uint16_t greet[] = {
		25, 21, 143, 110, 119, 587, 22, 23, 873, 2222, 2525, 3306, 4190, 5900};
	struct addr v[] = {at("127.0.0.77")};
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof greet / sizeof *greet; i++) {
		uint16_t port = greet[i];
		int listener = listen_at("127.0.0.77", &port, 16);
		uint64_t took;
		struct result r;

		if (listener < 0)
			continue;
		seen++;
		r = dial(v, 1, port, 2000, &took);
		assert_int_equal(r.error, 0);
		assert_true(has_a_caller(listener, 100));
		close(r.fd);
		close(listener);
	}
	if (!seen) {
		print_message("skipped: low ports may not be taken here\n");
		skip();
	}
}

enum { TOLD_AT_ONCE, TOLD_LATE, NOT_POSSIBLE };

static void on_enough(int fd, short what, void *arg);

/* In a process of its own, whose network it is. */
static int dial_a_shut_window(void)
{
	struct result r = {.loop = loop_new(), .fd = -2};
	struct addr v[] = {at(TUN_PEER)};
	struct loop_ev timer;
	struct tun_peer t;

	if (!tun_begin(&t, r.loop))
		return NOT_POSSIBLE;
	loop_init(&timer, r.loop, -1, 0, on_enough, r.loop);
	loop_add(&timer, 3000);
	dial_start(r.loop, v, 1, 443, 2500, on_dialled, &r);
	for (int i = 0; i < 2 && !t.ack_ms; i++) /* the dialler stops it, too */
		loop_run(r.loop);
	return r.fd >= 0 && t.ack_ms && t.ack_ms - t.syn_ms < 150 ? TOLD_AT_ONCE : TOLD_LATE;
}

/* No first bytes could go to it: without an acknowledgement it would wait for the kernel's 0.2 s.
 */
static void a_shut_window_is_acknowledged_at_once(void **state)
{
	int status = 0, tries = 0;

	(void)state;
	do {
		pid_t pid = fork();

		if (pid == 0)
			_exit(dial_a_shut_window());
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
	} while (WEXITSTATUS(status) == TOLD_LATE && ++tries < 5);
	if (WEXITSTATUS(status) == NOT_POSSIBLE) {
		print_message("skipped: no TUN device may be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), TOLD_AT_ONCE);
}

static void a_refusal_goes_on_at_once(void **state)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port, 16);
	struct addr v[] = {at("127.0.0.2"), at("127.0.0.3"), at("127.0.0.1")};
	uint64_t took;
	struct result r = dial(v, 3, port, 5000, &took);

	(void)state;
	assert_true(r.fd >= 0 && addr_eq(&r.addr, &v[2]));
	assert_in_range(took, 0, 200);
	close(r.fd);
	close(listener);
}

static void all_refused_gives_the_last_error(void **state)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port, 16);
	struct addr v[] = {at("127.0.0.2"), at("127.0.0.3")};
	uint64_t took;
	struct result r;

	(void)state;
	close(listener);
	r = dial(v, 2, port, 5000, &took);
	assert_int_equal(r.fd, -1);
	assert_int_equal(r.error, ECONNREFUSED);
	assert_in_range(took, 0, 200);
}

static void what_cannot_even_start_is_told_later(void **state)
{
	/* no socket may connect to a broadcast address */
	struct addr v[] = {at("255.255.255.255")};
	uint64_t took;
	struct result r = dial(v, 1, 9, 5000, &took);

	(void)state;
	assert_int_equal(r.fd, -1);
	assert_true(r.error == EACCES || r.error == ENETUNREACH);
	assert_in_range(took, 0, 200);
	r = dial(v, 0, 9, 5000, &took);
	assert_int_equal(r.fd, -1);
	assert_int_equal(r.error, EADDRNOTAVAIL);
}

static void a_black_hole_costs_a_quarter_of_a_second(void **state)
{
	uint16_t port = 0;
	struct hole h;
	int listener;
	struct addr v[] = {at("127.0.0.2"), at("127.0.0.1")};
	uint64_t took;
	struct result r;

	(void)state;
	listener = dig_beside(&h, "127.0.0.2", "127.0.0.1", &port);
	r = dial(v, 2, port, 5000, &took);
	assert_true(r.fd >= 0 && addr_eq(&r.addr, &v[1]));
	assert_in_range(took, 240, 1000);
	close(r.fd);
	close(listener);
	close_hole(&h);
}

static void dead_ipv6_falls_back_to_ipv4(void **state)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port, 16);
	struct addr v[] = {at("::1"), at("127.0.0.1")};
	uint64_t took;
	struct hole h;
	struct result r = dial(v, 2, port, 5000, &took); /* refused, or there is no IPv6 */

	(void)state;
	assert_true(r.fd >= 0 && addr_eq(&r.addr, &v[1]));
	assert_in_range(took, 0, 200);
	close(r.fd);
	if (!dig(&h, "::1", &port)) {
		print_message("skipped: there is no ::1 here\n");
		close(listener);
		skip();
	}
	r = dial(v, 2, port, 5000, &took);
	assert_true(r.fd >= 0 && addr_eq(&r.addr, &v[1]));
	assert_in_range(took, 240, 1000);
	close(r.fd);
	close_hole(&h);
	close(listener);
}

/* Who filled the queue goes first: they ask again when the dialler does, and could take the room.
 */
static void make_room(int fd, short what, void *arg)
{
	struct hole *h = arg;

	(void)fd, (void)what;
	for (int i = 0; i < FILL; i++) {
		close(h->fill[i]);
		h->fill[i] = -1;
	}
	fcntl(h->listener, F_SETFL, O_NONBLOCK);
	for (int peer; (peer = accept(h->listener, NULL, NULL)) >= 0; close(peer))
		;
}

/* The second begins and is refused at 250 ms; the first is let in when the kernel asks again. */
static void the_first_may_still_win_after_the_second_began(void **state)
{
	struct result r = {.loop = loop_new(), .fd = -2};
	struct addr v[] = {at("127.0.0.2"), at("127.0.0.3")};
	uint64_t from = clock_mono_ms();
	struct loop_ev timer;
	uint16_t port = 0;
	struct hole h;

	(void)state;
	assert_true(dig(&h, "127.0.0.2", &port));
	loop_init(&timer, r.loop, -1, 0, make_room, &h);
	loop_add(&timer, 400);
	assert_non_null(dial_start(r.loop, v, 2, port, 8000, on_dialled, &r));
	loop_run(r.loop);
	assert_true(r.fd >= 0 && addr_eq(&r.addr, &v[0]));
	assert_in_range(clock_mono_ms() - from, 400, 7000);
	close(r.fd);
	loop_free(r.loop);
	close_hole(&h);
}

static void nobody_answers_until_the_deadline(void **state)
{
	uint16_t port = 0;
	struct hole h, g;
	struct addr v[] = {at("127.0.0.2"), at("127.0.0.3"), at("127.0.0.4")};
	uint64_t took;
	struct result r;

	(void)state;
	assert_true(dig(&h, "127.0.0.2", &port));
	assert_true(dig(&g, "127.0.0.3", &port));
	/* the third is refused meanwhile: the answer is still the time */
	r = dial(v, 3, port, 700, &took);
	assert_int_equal(r.fd, -1);
	assert_int_equal(r.error, ETIMEDOUT);
	assert_in_range(took, 690, 2000);
	close_hole(&h);
	close_hole(&g);
}

static void on_enough(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	loop_stop(arg);
}

static void who_cancels_is_not_told_and_nothing_stays_open(void **state)
{
	uint16_t port = 0;
	struct hole h;
	struct addr v[] = {at("127.0.0.2"), at("127.0.0.1")};
	struct result r = {.loop = loop_new()};
	struct loop_ev enough;
	size_t before;

	(void)state;
	assert_true(dig(&h, "127.0.0.2", &port));
	before = open_files();
	dial_cancel(dial_start(r.loop, v, 2, port, 5000, on_dialled, &r));
	assert_int_equal(open_files(), before);
	loop_init(&enough, r.loop, -1, 0, on_enough, r.loop);
	loop_add(&enough, 300); /* the next attempt would have begun */
	loop_run(r.loop);
	assert_int_equal(r.times, 0);
	dial_cancel(NULL);
	loop_free(r.loop);
	close_hole(&h);
}

static void more_than_sixteen_addresses_are_cut(void **state)
{
	uint16_t port = 0;
	int listener = listen_at("127.0.0.1", &port, 16);
	struct addr v[20];
	uint64_t took;
	struct result r;

	(void)state;
	for (int i = 0; i < 20; i++)
		v[i] = i < 16 ? at("127.0.0.9") : at("127.0.0.1");
	r = dial(v, 20, port, 5000, &took);
	assert_int_equal(r.error, ECONNREFUSED);
	r = dial(v + 1, 16, port, 5000, &took);
	assert_true(r.fd >= 0);
	close(r.fd);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_winner_is_connected_nonblocking_and_without_delay),
		cmocka_unit_test(the_first_bytes_end_the_handshake),
		cmocka_unit_test(who_says_nothing_is_acknowledged_soon),
		cmocka_unit_test(servers_that_greet_are_acknowledged_at_once),
		cmocka_unit_test(a_shut_window_is_acknowledged_at_once),
		cmocka_unit_test(a_refusal_goes_on_at_once),
		cmocka_unit_test(all_refused_gives_the_last_error),
		cmocka_unit_test(what_cannot_even_start_is_told_later),
		cmocka_unit_test(a_black_hole_costs_a_quarter_of_a_second),
		cmocka_unit_test(dead_ipv6_falls_back_to_ipv4),
		cmocka_unit_test(the_first_may_still_win_after_the_second_began),
		cmocka_unit_test(nobody_answers_until_the_deadline),
		cmocka_unit_test(who_cancels_is_not_told_and_nothing_stays_open),
		cmocka_unit_test(more_than_sixteen_addresses_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
