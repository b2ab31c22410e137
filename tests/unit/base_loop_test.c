/* The loop: what a caller may rely on about order, time-outs and events that were never set up. */
#include "clock.h"
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct seen {
	struct loop *l;
	struct loop_ev ev[4];
	struct loop_deadline deadline;
	int fd[2];
	char order[16];
	size_t n;
	short what;
};

static int start(void **state)
{
	static struct seen s;

	memset(&s, 0, sizeof(s));
	s.l = loop_new();
	*state = &s;
	return s.l && pipe2(s.fd, O_NONBLOCK) == 0 ? 0 : -1;
}

static int stop(void **state)
{
	struct seen *s = *state;

	for (int i = 0; i < 4; i++)
		loop_del(&s->ev[i]);
	loop_free(s->l);
	loop_free(NULL);
	close(s->fd[0]);
	close(s->fd[1]);
	return 0;
}

static void note(struct seen *s, char c)
{
	if (s->n < sizeof(s->order) - 1)
		s->order[s->n++] = c;
}

static void on_read(int fd, short what, void *arg)
{
	struct seen *s = arg;
	char c;

	s->what = what;
	note(s, read(fd, &c, 1) == 1 ? c : '!');
}

static void on_time(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd;
	s->what = what;
	note(s, 't');
}

static void on_over(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd, (void)what;
	note(s, 'e');
	loop_stop(s->l);
}

static void on_defer(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd;
	(void)what;
	note(s, 'd');
}

static void defers_first(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd;
	(void)what;
	note(s, '1');
	loop_defer(&s->ev[2]);
	loop_defer(&s->ev[2]); /* once is once */
	assert_true(loop_pending(&s->ev[2]));
}

static void second(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	note(arg, '2');
}

static void third_is_next_turn(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	note(arg, '3');
}

static void deferred_runs_in_the_same_turn_behind_what_is_ready(void **state)
{
	struct seen *s = *state;

	assert_int_equal(write(s->fd[1], "x", 1), 1);
	loop_init(&s->ev[0], s->l, s->fd[0], LOOP_READ, defers_first, s);
	loop_init(&s->ev[1], s->l, s->fd[1], LOOP_WRITE, second, s);
	loop_init(&s->ev[2], s->l, -1, 0, on_defer, s);
	loop_init(&s->ev[3], s->l, -1, 0, third_is_next_turn, s);
	assert_false(loop_pending(&s->ev[2]));
	loop_add(&s->ev[0], -1);
	loop_add(&s->ev[1], -1);
	loop_add(&s->ev[3], 5);
	loop_run(s->l);
	assert_string_equal(s->order[0] == '1' ? "12d3" : "21d3", s->order);
	assert_false(loop_pending(&s->ev[2]));
}

static void timer_fires_once_and_the_loop_ends(void **state)
{
	struct seen *s = *state;
	uint64_t from = clock_mono_ms();

	loop_init(&s->ev[0], s->l, -1, 0, on_time, s);
	loop_run(s->l); /* nothing pending: returns at once */
	loop_add(&s->ev[0], 20);
	assert_true(loop_pending(&s->ev[0]));
	loop_run(s->l);
	assert_string_equal(s->order, "t");
	assert_int_equal(s->what, LOOP_TIMEOUT);
	assert_true(clock_mono_ms() - from >= 19);
	assert_false(loop_pending(&s->ev[0]));
}

/* --- deadlines */

static void on_deadline(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd;
	s->what = what;
	note(s, 'D');
}

static void move_on(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd;
	(void)what;
	note(s, 'm');
	loop_deadline_set(&s->deadline, 40);
}

static void a_deadline_comes_once_and_not_before_its_time(void **state)
{
	struct seen *s = *state;
	uint64_t from = clock_mono_ms();

	loop_deadline_init(&s->deadline, s->l, on_deadline, s);
	loop_deadline_set(&s->deadline, 20);
	loop_run(s->l);
	assert_string_equal(s->order, "D");
	assert_int_equal(s->what, LOOP_TIMEOUT);
	assert_true(clock_mono_ms() - from >= 20);
	loop_deadline_set(&s->deadline, 0); /* and again */
	loop_run(s->l);
	assert_string_equal(s->order, "DD");
}

/* Its timer comes at the first time; at 20 it was moved on. */
static void a_deadline_that_is_moved_on_comes_at_its_last_time(void **state)
{
	struct seen *s = *state;
	uint64_t from = clock_mono_ms();

	loop_deadline_init(&s->deadline, s->l, on_deadline, s);
	loop_init(&s->ev[0], s->l, -1, 0, move_on, s);
	loop_init(&s->ev[1], s->l, -1, 0, on_time, s);
	loop_deadline_set(&s->deadline, 30);
	loop_add(&s->ev[0], 20);
	loop_add(&s->ev[1], 40);
	loop_run(s->l);
	assert_string_equal(s->order, "mtD");
	assert_true(clock_mono_ms() - from >= 59);
}

static void a_deadline_can_come_sooner(void **state)
{
	struct seen *s = *state;

	loop_deadline_init(&s->deadline, s->l, on_deadline, s);
	loop_init(&s->ev[0], s->l, -1, 0, on_time, s);
	loop_deadline_set(&s->deadline, 60000);
	loop_deadline_set(&s->deadline, 10);
	loop_add(&s->ev[0], 200);
	loop_run(s->l); /* nothing is left of the minute */
	assert_string_equal(s->order, "Dt");
}

static void no_deadline_comes_that_was_taken_back(void **state)
{
	struct seen *s = *state;

	loop_deadline_init(&s->deadline, s->l, on_deadline, s);
	loop_deadline_set(&s->deadline, 10);
	loop_deadline_set(&s->deadline, -1);
	loop_run(s->l);
	loop_deadline_set(&s->deadline, 60000);
	loop_deadline_drop(&s->deadline);
	loop_deadline_drop(&s->deadline);
	loop_run(s->l);
	assert_string_equal(s->order, "");
	loop_deadline_set(&s->deadline, 10);
	loop_run(s->l);
	assert_string_equal(s->order, "D");
}

static void stop_it(int fd, short what, void *arg);

struct circle {
	struct loop *l;
	struct loop_deadline d[4];
	int met;
};

/* Whoever is met first takes the next one away, whose memory may be used again, moves the third
 * and stops the loop. */
static void takes_another_away(int fd, short what, void *arg)
{
	struct circle *c = arg;

	(void)fd;
	(void)what;
	if (c->met++)
		return;
	for (int i = 0; i < 4; i++)
		if (c->d[i].due_ms) {
			loop_deadline_drop(&c->d[i]);
			memset(&c->d[i], 0xee, sizeof c->d[i]);
			break;
		}
	for (int i = 3; i >= 0; i--)
		if (c->d[i].l == c->l && c->d[i].due_ms) {
			loop_deadline_set(&c->d[i], 60000);
			break;
		}
	loop_stop(c->l);
}

static void who_is_met_may_take_away_and_move_others_of_the_same_time(void **state)
{
	struct seen *s = *state;
	struct circle c = {.l = s->l};

	for (int i = 0; i < 4; i++) {
		loop_deadline_init(&c.d[i], s->l, takes_another_away, &c);
		loop_deadline_set(&c.d[i], 10);
	}
	loop_run(s->l);
	assert_int_equal(c.met, 1); /* stopped in the middle */
	loop_init(&s->ev[0], s->l, -1, 0, stop_it, s);
	loop_add(&s->ev[0], 100);
	loop_run(s->l);
	assert_int_equal(c.met, 2); /* one was dropped, one has another minute */
	for (int i = 0; i < 4; i++)
		if (c.d[i].l == s->l)
			loop_deadline_drop(&c.d[i]);
}

/* It sleeps until the next time-out, be it libevent's or one of the wheel. */
static void who_waits_takes_no_processor_time(void **state)
{
	struct seen *s = *state;
	struct timespec used;
	int64_t before;

	loop_init(&s->ev[0], s->l, s->fd[0], LOOP_READ | LOOP_PERSIST, on_read, s);
	loop_add(&s->ev[0], -1);
	loop_init(&s->ev[1], s->l, -1, 0, on_time, s);
	loop_add(&s->ev[1], 150);
	loop_deadline_init(&s->deadline, s->l, on_over, s);
	loop_deadline_set(&s->deadline, 400);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	before = used.tv_sec * 1000 + used.tv_nsec / 1000000;
	loop_run(s->l);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	assert_string_equal(s->order, "te");
	assert_true(used.tv_sec * 1000 + used.tv_nsec / 1000000 - before < 100);
	loop_deadline_drop(&s->deadline);
}

/* What each finds of libevent's is its own. */
static void a_process_may_have_several_loops(void **state)
{
	struct seen *s = *state;
	struct loop *other = loop_new();
	struct loop_ev ev;

	assert_non_null(other);
	loop_init(&ev, other, s->fd[0], LOOP_READ, on_read, s);
	loop_add(&ev, 60000);
	loop_init(&s->ev[0], s->l, -1, 0, on_time, s);
	loop_add(&s->ev[0], 1);
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	loop_run(s->l);
	assert_string_equal(s->order, "t");
	loop_run(other);
	assert_string_equal(s->order, "tx");
	loop_free(other);
}

static void adding_again_moves_the_timeout(void **state)
{
	struct seen *s = *state;
	uint64_t from = clock_mono_ms();

	loop_init(&s->ev[0], s->l, -1, 0, on_time, s);
	loop_add(&s->ev[0], 60000);
	loop_add(&s->ev[0], 10);
	loop_run(s->l);
	assert_true(clock_mono_ms() - from < 30000);
	assert_string_equal(s->order, "t");
}

static void stop_it(int fd, short what, void *arg)
{
	struct seen *s = arg;

	(void)fd;
	(void)what;
	note(s, 's');
	loop_stop(s->l);
}

static void persistent_event_without_timeout_stays_silent(void **state)
{
	struct seen *s = *state;

	loop_init(&s->ev[0], s->l, s->fd[0], LOOP_READ | LOOP_PERSIST, on_time, s);
	loop_init(&s->ev[1], s->l, -1, 0, stop_it, s);
	loop_add(&s->ev[0], 5);
	loop_add(&s->ev[0], -1);
	loop_add(&s->ev[1], 40);
	loop_run(s->l);
	assert_string_equal(s->order, "s");
	assert_true(loop_pending(&s->ev[0]));
}

static void reading_says_read_and_silence_says_timeout(void **state)
{
	struct seen *s = *state;

	loop_init(&s->ev[0], s->l, s->fd[0], LOOP_READ, on_read, s);
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	loop_add(&s->ev[0], 10000);
	loop_run(s->l);
	assert_int_equal(s->what, LOOP_READ);
	loop_add(&s->ev[0], 5);
	loop_run(s->l);
	assert_int_equal(s->what, LOOP_TIMEOUT);
	assert_string_equal(s->order, "x!");
}

static void edge_is_told_once_for_one_change(void **state)
{
	struct seen *s = *state;

	loop_init(&s->ev[0], s->l, s->fd[0], LOOP_READ | LOOP_EDGE | LOOP_PERSIST, second, s);
	loop_init(&s->ev[1], s->l, -1, 0, stop_it, s);
	assert_int_equal(write(s->fd[1], "x", 1), 1);
	loop_add(&s->ev[0], -1);
	loop_add(&s->ev[1], 30);
	loop_run(s->l); /* nobody reads the byte */
	assert_string_equal(s->order, "2s");
}

static void signals_arrive_as_events(void **state)
{
	struct seen *s = *state;

	loop_init_signal(&s->ev[0], s->l, SIGUSR1, stop_it, s);
	loop_add(&s->ev[0], -1);
	raise(SIGUSR1);
	loop_run(s->l);
	assert_string_equal(s->order, "s");
}

static void deleting_and_asking_need_no_set_up(void **state)
{
	struct seen *s = *state;

	assert_false(loop_pending(&s->ev[0]));
	loop_del(&s->ev[0]);
	loop_init(&s->ev[0], s->l, -1, 0, on_time, s);
	loop_defer(&s->ev[0]);
	loop_del(&s->ev[0]); /* also takes back what was deferred */
	loop_run(s->l);
	assert_string_equal(s->order, "");
}

static void descriptor_that_cannot_be_watched_times_out(void **state)
{
	struct seen *s = *state;
	int fd = open("plain", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	/* epoll refuses plain files, as it does everything when the kernel is short of watches */
	loop_init(&s->ev[0], s->l, fd, LOOP_READ, on_time, s);
	loop_add(&s->ev[0], 1000);
	loop_run(s->l);
	assert_string_equal(s->order, "t");
	assert_int_equal(s->what, LOOP_TIMEOUT);
	close(fd);
}

/* --- sockets -----------------------------------------------------------------------------------
 */

struct told {
	struct loop *l;
	struct loop_watch watch[2];
	int fd[2], peer[2];
	char order[32];
	size_t n;
	bool close_other; /* whoever is told first closes the other */
};

static void say(struct told *t, char who, short what)
{
	if (t->n + 4 < sizeof t->order) {
		t->order[t->n++] = who;
		if (what & LOOP_READ)
			t->order[t->n++] = 'r';
		if (what & LOOP_WRITE)
			t->order[t->n++] = 'w';
		if (what & LOOP_HANGUP)
			t->order[t->n++] = 'h';
	}
}

static void on_socket(int fd, short what, void *arg)
{
	struct told *t = arg;
	int me = fd == t->fd[0] ? 0 : 1;

	say(t, (char)('0' + me), what);
	if (t->close_other && t->watch[!me].fd >= 0) {
		loop_unwatch(t->l, &t->watch[!me]);
		close(t->fd[!me]);
		t->fd[!me] = dup(t->peer[me]); /* the same number, another socket */
		assert_true(loop_watch(t->l, &t->watch[!me], t->fd[!me], LOOP_READ, on_socket, t));
		t->close_other = false;
	}
	loop_stop(t->l);
}

static void on_end(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	loop_stop(arg);
}

/* What is told within a moment, one event a run. */
static const char *hear(struct told *t)
{
	struct loop_ev end;

	t->n = 0;
	for (int i = 0; i < 4; i++) {
		loop_init(&end, t->l, -1, 0, on_end, t->l);
		loop_add(&end, 20);
		loop_run(t->l);
		loop_del(&end);
	}
	t->order[t->n] = 0;
	return t->order;
}

static void pairs(struct told *t, uint8_t what)
{
	*t = (struct told){.l = loop_new()};
	for (int i = 0; i < 2; i++) {
		int v[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, v), 0);
		t->fd[i] = v[0];
		t->peer[i] = v[1];
		assert_true(loop_watch(t->l, &t->watch[i], v[0], what, on_socket, t));
	}
}

static void unpair(struct told *t)
{
	for (int i = 0; i < 2; i++) {
		loop_unwatch(t->l, &t->watch[i]);
		close(t->fd[i]);
		close(t->peer[i]);
	}
	loop_free(t->l);
}

static void a_socket_is_told_of_once_and_again_on_request(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	assert_string_equal(hear(&t), "");
	assert_int_equal(write(t.peer[0], "ab", 2), 2);
	assert_string_equal(hear(&t), "0r");
	assert_string_equal(hear(&t), "");
	loop_watch_again(t.l, &t.watch[0], LOOP_READ);
	assert_string_equal(hear(&t), "0r");
	loop_watch_again(t.l, &t.watch[0], LOOP_READ | LOOP_WRITE);
	assert_string_equal(hear(&t), "0rw");
	shutdown(t.peer[0], SHUT_WR);
	assert_string_equal(hear(&t), "0rwh");
	unpair(&t);
}

static void a_stop_loses_no_event_of_its_turn(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	assert_int_equal(write(t.peer[1], "b", 1), 1);
	assert_string_equal(hear(&t), "0r1r");
	unpair(&t);
}

static void an_event_of_a_closed_socket_is_not_its_successors(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	t.close_other = true;
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	assert_int_equal(write(t.peer[1], "b", 1), 1);
	assert_string_equal(hear(&t), "0r");
	unpair(&t);
}

/* --- many at once --- */

enum { CROWD = 8, ENOUGH = 200000 };

struct crowd {
	struct loop *l;
	struct loop_watch watch[CROWD];
	int peer[CROWD];
	size_t told;
	bool timed;
};

/* It is ready again before the turn is over, and so are all the others. */
static void on_busy(int fd, short what, void *arg)
{
	struct crowd *t = arg;
	char c;

	(void)what;
	if (++t->told == ENOUGH)
		loop_stop(t->l);
	for (int i = 0; i < CROWD; i++)
		if (t->watch[i].fd == fd) {
			assert_int_equal(read(fd, &c, 1), 1);
			assert_int_equal(write(t->peer[i], "x", 1), 1);
		}
}

static void on_crowds_time(int fd, short what, void *arg)
{
	struct crowd *t = arg;

	(void)fd, (void)what;
	t->timed = true;
	loop_stop(t->l);
}

static void sockets_that_are_always_ready_let_a_timer_have_its_turn(void **state)
{
	struct crowd t = {.l = loop_new()};
	struct loop_ev timer;

	(void)state;
	assert_non_null(t.l);
	for (int i = 0; i < CROWD; i++) {
		int v[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, v), 0);
		t.peer[i] = v[1];
		assert_true(loop_watch(t.l, &t.watch[i], v[0], LOOP_READ, on_busy, &t));
		assert_int_equal(write(v[1], "x", 1), 1);
	}
	loop_init(&timer, t.l, -1, 0, on_crowds_time, &t);
	loop_add(&timer, 5);
	loop_run(t.l);
	assert_true(t.timed);
	assert_true(t.told > CROWD);
	for (int i = 0; i < CROWD; i++) {
		int fd = t.watch[i].fd;

		loop_unwatch(t.l, &t.watch[i]);
		close(fd);
		close(t.peer[i]);
	}
	loop_free(t.l);
}

/* --- patience ---
 */

static void the_patient_are_told_after_all_others_one_in_a_turn(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	t.watch[0].patient = 1;
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	assert_int_equal(write(t.peer[1], "b", 1), 1);
	assert_string_equal(hear(&t), "1r0r");
	t.watch[1].patient = 1;
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	assert_int_equal(write(t.peer[1], "b", 1), 1);
	assert_string_equal(hear(&t), "0r1r");
	unpair(&t);
}

/* The one asks for turn after turn, the other speaks after the third. */
static void on_greedy(int fd, short what, void *arg)
{
	struct told *t = arg;
	int me = fd == t->fd[0] ? 0 : 1;

	say(t, (char)('0' + me), what);
	if (me == 1)
		return;
	if (t->n < 12)
		loop_watch_later(t->l, &t->watch[0], LOOP_READ);
	else
		loop_stop(t->l);
	if (t->n == 6)
		assert_int_equal(write(t->peer[1], "b", 1), 1);
}

static void who_asks_for_later_turns_lets_others_go_first(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	t.watch[0].fn = t.watch[1].fn = on_greedy;
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	loop_run(t.l);
	t.order[t.n] = 0;
	assert_string_equal(t.order, "0r0r0r1r0r0r");
	unpair(&t);
}

/* Both want more and more, until they were told 20 times. */
static void on_greedy_patient(int fd, short what, void *arg)
{
	struct told *t = arg;
	int me = fd == t->fd[0] ? 0 : 1;

	(void)what;
	t->order[t->n++] = (char)('0' + me);
	if (t->n < 20)
		loop_watch_later(t->l, &t->watch[me], LOOP_READ);
	else
		loop_stop(t->l);
}

static void of_the_patient_one_goes_on_for_a_while(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	for (int i = 0; i < 2; i++) {
		t.watch[i].fn = on_greedy_patient;
		t.watch[i].patient = 8;
		assert_int_equal(write(t.peer[i], "a", 1), 1);
	}
	loop_run(t.l);
	t.order[t.n] = 0;
	assert_string_equal(t.order, "00000000111111110000");
	unpair(&t);
}

static void on_patient_that_ends(int fd, short what, void *arg)
{
	struct told *t = arg;
	int me = fd == t->fd[0] ? 0 : 1;

	(void)what;
	t->order[t->n++] = (char)('0' + me);
	loop_watch_later(t->l, &t->watch[me], LOOP_READ);
	loop_unwatch(t->l, &t->watch[me]);
	if (me == 1)
		loop_stop(t->l);
}

static void of_the_patient_one_may_end_in_its_turn(void **state)
{
	struct told t;

	(void)state;
	pairs(&t, LOOP_READ);
	for (int i = 0; i < 2; i++) {
		t.watch[i].fn = on_patient_that_ends;
		t.watch[i].patient = 8;
		assert_int_equal(write(t.peer[i], "a", 1), 1);
	}
	loop_run(t.l);
	t.order[t.n] = 0;
	assert_string_equal(t.order, "01");
	unpair(&t);
}

static void who_waits_for_a_turn_may_be_closed_or_move(void **state)
{
	struct told t, other;

	(void)state;
	pairs(&t, LOOP_READ);
	loop_watch_later(t.l, &t.watch[0], LOOP_READ);
	loop_watch_later(t.l, &t.watch[1], LOOP_READ);
	loop_unwatch(t.l, &t.watch[0]);
	other = t;
	loop_watch_move(t.l, &t.watch[1], &other.watch[1], on_socket, &other);
	assert_string_equal(hear(&t), "");
	assert_int_equal(other.n, 2);
	loop_watch_move(t.l, &other.watch[1], &t.watch[1], on_socket, &t);
	unpair(&t);
}

static void a_watch_goes_over_to_another_owner(void **state)
{
	struct told t, other;

	(void)state;
	pairs(&t, LOOP_READ);
	other = t;
	loop_watch_move(t.l, &t.watch[0], &other.watch[0], on_socket, &other);
	assert_int_equal(t.watch[0].fd, -1);
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	assert_string_equal(hear(&t), "");
	assert_int_equal(other.n, 2);
	loop_watch_move(t.l, &other.watch[0], &t.watch[0], on_socket, &t);
	unpair(&t);
}

/* The kernel's list has it as long as anybody has it open, so it must be taken out by its number.
 */
static void a_socket_that_others_keep_is_told_of_no_more(void **state)
{
	struct told t;
	int kept;

	(void)state;
	pairs(&t, LOOP_READ);
	kept = dup(t.fd[0]);
	loop_unwatch_shared(t.l, &t.watch[0]);
	loop_unwatch_shared(t.l, &t.watch[0]); /* nothing is left to do */
	assert_int_equal(write(t.peer[0], "a", 1), 1);
	assert_string_equal(hear(&t), "");
	/* one that is in the list still cannot be watched again */
	assert_true(loop_watch(t.l, &t.watch[0], t.fd[0], LOOP_READ, on_socket, &t));
	assert_string_equal(hear(&t), "0r");
	close(kept);
	unpair(&t);
}

struct times {
	struct loop *l;
	struct loop_watch watch[2];
	int fd[2][2];
	uint64_t mono[2];
	int64_t wall[2];
	int n;
};

static void on_both(int fd, short what, void *arg)
{
	struct times *t = arg;

	(void)fd, (void)what;
	t->mono[t->n] = loop_mono_ms(t->l);
	t->wall[t->n] = loop_wall_ms(t->l);
	usleep(20000);
	if (++t->n == 2)
		loop_stop(t->l);
}

static void time_stands_still_in_a_turn_and_only_there(void **state)
{
	struct times t = {.l = loop_new()};
	uint64_t before = clock_mono_ms();

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, t.fd[i]), 0);
		assert_true(loop_watch(t.l, &t.watch[i], t.fd[i][0], LOOP_READ, on_both, &t));
		assert_int_equal(write(t.fd[i][1], "x", 1), 1);
	}
	loop_run(t.l);
	assert_int_equal(t.n, 2);
	assert_true(t.mono[0] >= before && t.mono[0] == t.mono[1] && t.wall[0] == t.wall[1]);
	assert_true(loop_mono_ms(t.l) >= t.mono[0] + 39);
	assert_true(loop_wall_ms(t.l) > t.wall[0]);
	for (int i = 0; i < 2; i++) {
		loop_unwatch(t.l, &t.watch[i]);
		close(t.fd[i][0]);
		close(t.fd[i][1]);
	}
	loop_free(t.l);
}

int main(void)
{
#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		LOOP_TEST(deferred_runs_in_the_same_turn_behind_what_is_ready),
		LOOP_TEST(timer_fires_once_and_the_loop_ends),
		LOOP_TEST(who_waits_takes_no_processor_time),
		LOOP_TEST(a_process_may_have_several_loops),
		LOOP_TEST(adding_again_moves_the_timeout),
		LOOP_TEST(persistent_event_without_timeout_stays_silent),
		LOOP_TEST(reading_says_read_and_silence_says_timeout),
		LOOP_TEST(edge_is_told_once_for_one_change),
		LOOP_TEST(signals_arrive_as_events),
		LOOP_TEST(deleting_and_asking_need_no_set_up),
		LOOP_TEST(descriptor_that_cannot_be_watched_times_out),
		LOOP_TEST(a_deadline_comes_once_and_not_before_its_time),
		LOOP_TEST(a_deadline_that_is_moved_on_comes_at_its_last_time),
		LOOP_TEST(a_deadline_can_come_sooner),
		LOOP_TEST(no_deadline_comes_that_was_taken_back),
		LOOP_TEST(who_is_met_may_take_away_and_move_others_of_the_same_time),
		cmocka_unit_test(a_socket_is_told_of_once_and_again_on_request),
		cmocka_unit_test(a_stop_loses_no_event_of_its_turn),
		cmocka_unit_test(an_event_of_a_closed_socket_is_not_its_successors),
		cmocka_unit_test(sockets_that_are_always_ready_let_a_timer_have_its_turn),
		cmocka_unit_test(the_patient_are_told_after_all_others_one_in_a_turn),
		cmocka_unit_test(who_asks_for_later_turns_lets_others_go_first),
		cmocka_unit_test(of_the_patient_one_goes_on_for_a_while),
		cmocka_unit_test(of_the_patient_one_may_end_in_its_turn),
		cmocka_unit_test(who_waits_for_a_turn_may_be_closed_or_move),
		cmocka_unit_test(a_watch_goes_over_to_another_owner),
		cmocka_unit_test(a_socket_that_others_keep_is_told_of_no_more),
		cmocka_unit_test(time_stands_still_in_a_turn_and_only_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
