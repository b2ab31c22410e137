/* The Redis client against a real redis-server, and against peers that are worse than one. */
#include "redis.h"

#include "redis_server.h"

#include <pthread.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct redis_server server;

static struct redis *connected(void)
{
	struct err e = {{0}};
	struct redis_options o = redis_server_options(&server);
	struct redis *r = redis_connect(&o, &e);
	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static void urls_are_read_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *url, *want; /* host port db user password; NULL: refused */
	} cases[] = {
		{"redis://127.0.0.1:6379/0", "127.0.0.1 6379 0 - -"},
		{"redis://localhost", "localhost 6379 0 - -"},
		{"redis://h/", "h 6379 0 - -"},
		{"redis://h:7000/15", "h 7000 15 - -"},
		{"redis://[::1]:7000/2", "::1 7000 2 - -"},
		{"redis://[::1]", "::1 6379 0 - -"},
		{"redis://stile:p%40ss%2f@h:1", "h 1 0 stile p@ss/"},
		{"redis://:pw@h", "h 6379 0 - pw"},
		{"redis://u:a@b@h", "h 6379 0 u a@b"},
		{"unix:/run/redis.sock", "/run/redis.sock 0 0 - -"},
		{"unix:/run/redis.sock?db=3", "/run/redis.sock 0 3 - -"},
		{"unix:relative", NULL},
		{"unix:/x?dbb=3", NULL},
		{"rediss://h", NULL},
		{"http://h", NULL},
		{"redis://", NULL},
		{"redis:///0", NULL},
		{"redis://h:0", NULL},
		{"redis://h:65536", NULL},
		{"redis://h/x", NULL},
		{"redis://h/99999", NULL},
		{"redis://[::1", NULL},
		{"redis://[::1]x", NULL},
		{"redis://u:%4@h", NULL},
		{"redis://u:%zz@h", NULL},
		{"redis://u:%00@h", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct redis_options o;
		struct err e = {{0}};
		char got[1024] = "";
		if (!redis_url(cases[i].url, &o, &e)) {
			if (cases[i].want)
				fail_msg("%s: %s", cases[i].url, e.text);
			assert_true(e.text[0]);
			continue;
		}
		snprintf(got, sizeof got, "%s %u %u %s %s", o.host, o.port, o.db,
			o.user[0] ? o.user : "-", o.password[0] ? o.password : "-");
		if (!cases[i].want)
			fail_msg("%s was taken as %s", cases[i].url, got);
		assert_string_equal(got, cases[i].want);
	}
	struct err e;
	assert_false(redis_url("redis://u:secret@h:x", &(struct redis_options){.port = 0}, &e));
	assert_null(strstr(e.text, "secret"));
}

static void each_type_of_answer_comes_through(void **state)
{
	(void)state;
	struct redis *r = connected();
	struct err e = {{0}};
	const struct redis_reply *a = redis_words(r, &e, "SET", "k", "v", NULL);
	assert_true(a->type == REDIS_STRING && span_is(a->str, "OK"));
	a = redis_words(r, &e, "GET", "k", NULL);
	assert_true(a->type == REDIS_STRING && span_is(a->str, "v"));
	a = redis_words(r, &e, "GET", "none", NULL);
	assert_int_equal(a->type, REDIS_NIL);
	a = redis_words(r, &e, "INCRBY", "n", "-7", NULL);
	assert_true(a->type == REDIS_INT && a->num == -7);
	a = redis_words(r, &e, "NOSUCH", NULL);
	assert_true(a->type == REDIS_ERROR && span_starts(a->str, SPAN("ERR ")));
	a = redis_words(r, &e, "EVAL", "return {1, {'a', {}, false}, 'z'}", "0", NULL);
	assert_true(a->type == REDIS_ARRAY && a->n == 3);
	assert_int_equal(a->v[0].num, 1);
	assert_true(a->v[1].type == REDIS_ARRAY && a->v[1].n == 3);
	assert_true(span_is(a->v[1].v[0].str, "a"));
	assert_true(a->v[1].v[1].type == REDIS_ARRAY && a->v[1].v[1].n == 0);
	assert_int_equal(a->v[1].v[2].type, REDIS_NIL);
	assert_true(span_is(a->v[2].str, "z"));
	redis_free(r);
}

static void any_bytes_and_a_megabyte_pass_both_ways(void **state)
{
	(void)state;
	struct redis *r = connected();
	struct err e = {{0}};
	size_t n = 1 << 20;
	char *big = malloc(n);
	for (size_t i = 0; i < n; i++)
		big[i] = (char)(i * 7 + i / 256);
	const struct span set[] = {SPAN("SET"), span_of("\0k\r\n", 4), span_of(big, n)};
	assert_true(redis_command(r, set, 3, &e)->type == REDIS_STRING);
	const struct redis_reply *a = redis_command(r, (struct span[]){SPAN("GET"), set[1]}, 2, &e);
	assert_true(span_eq(a->str, set[2]));
	free(big);
	redis_free(r);
}

static void pipelined_answers_come_in_order(void **state)
{
	(void)state;
	struct redis *r = connected();
	struct err e = {{0}};
	for (int i = 0; i < 5000; i++) {
		char text[16];
		snprintf(text, sizeof text, "%d", i);
		const struct span echo[] = {SPAN("ECHO"), span_str(text)};
		assert_true(redis_send(r, echo, 2, &e));
	}
	for (int i = 0; i < 5000; i++) {
		char text[16];
		snprintf(text, sizeof text, "%d", i);
		const struct redis_reply *a = redis_receive(r, &e);
		assert_non_null(a);
		assert_true(span_is(a->str, text));
	}
	redis_free(r);
}

static void a_unix_socket_and_a_database_can_be_named(void **state)
{
	(void)state;
	char cwd[200], url[300];
	struct redis_options o;
	struct err e = {{0}};
	assert_non_null(getcwd(cwd, sizeof cwd));
	snprintf(url, sizeof url, "unix:%s/%s/s.sock?db=3", cwd, server.dir);
	if (!redis_url(url, &o, &e))
		fail_msg("%s", e.text);
	struct redis *r = redis_connect(&o, &e);
	assert_non_null(r);
	assert_non_null(redis_words(r, &e, "SET", "only-in-3", "x", NULL));
	redis_free(r);
	r = connected();
	assert_int_equal(redis_words(r, &e, "GET", "only-in-3", NULL)->type, REDIS_NIL);
	redis_free(r);
}

static void login_is_done_and_a_wrong_one_is_said(void **state)
{
	(void)state;
	struct err e = {{0}};
	struct redis *r = connected();
	assert_true(redis_words(r, &e, "ACL", "SETUSER", "stile", "on", ">pw", "~*", "+@all", NULL)
			    ->type == REDIS_STRING);
	redis_free(r);
	struct redis_options o = redis_server_options(&server);
	snprintf(o.user, sizeof o.user, "stile");
	snprintf(o.password, sizeof o.password, "pw");
	r = redis_connect(&o, &e);
	assert_non_null(r);
	assert_true(span_is(redis_words(r, &e, "ACL", "WHOAMI", NULL)->str, "stile"));
	redis_free(r);
	snprintf(o.password, sizeof o.password, "secret");
	assert_null(redis_connect(&o, &e));
	assert_non_null(strstr(e.text, "WRONGPASS"));
	assert_null(strstr(e.text, "secret"));
}

static void nobody_listening_is_an_error_at_once(void **state)
{
	(void)state;
	struct err e = {{0}};
	struct redis_options o = {.host = "127.0.0.1", .timeout_ms = 2000};
	o.port = free_port();
	uint64_t begin = clock_mono_ms();
	assert_null(redis_connect(&o, &e));
	assert_true(clock_mono_ms() - begin < 1500);
	assert_non_null(strstr(e.text, "Connection refused"));
	snprintf(o.host, sizeof o.host, "no-such-host.invalid");
	assert_null(redis_connect(&o, &e));
	assert_true(clock_mono_ms() - begin < 5000);
	assert_non_null(strstr(e.text, "no-such-host.invalid"));
}

static void a_stopped_server_costs_the_time_out_and_no_more(void **state)
{
	(void)state;
	struct err e = {{0}};
	struct redis_options o = redis_server_options(&server);
	o.timeout_ms = 300;
	struct redis *r = redis_connect(&o, &e);
	assert_non_null(r);
	kill(server.pid, SIGSTOP);
	uint64_t begin = clock_mono_ms();
	const struct redis_reply *a = redis_words(r, &e, "PING", NULL);
	uint64_t took = clock_mono_ms() - begin;
	kill(server.pid, SIGCONT);
	assert_null(a);
	assert_true(took >= 290 && took < 1500);
	assert_non_null(strstr(e.text, "no answer"));
	assert_null(
		redis_words(r, &e, "PING", NULL)); /* broken for good: answers would be shifted */
	redis_free(r);
}

static void one_deadline_bounds_many_commands(void **state)
{
	(void)state;
	struct err e = {{0}};
	struct redis *r = connected();
	uint64_t begin = clock_mono_ms();
	redis_deadline(r, begin + 400);
	for (int i = 0; i < 20; i++)
		if (!redis_words(r, &e, "BLPOP", "empty", "0.15", NULL))
			break;
	assert_true(clock_mono_ms() - begin < 1500);
	assert_null(redis_words(r, &e, "PING", NULL));
	redis_free(r);
}

/* A peer that says one thing and hangs up (or stays, when told so). */
struct peer {
	int fd;
	uint16_t port;
	const char *says;
	size_t repeat;
	bool stays;
	pthread_t thread;
};

static void *peer_run(void *arg)
{
	struct peer *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	char mem[512];
	if (read(fd, mem, sizeof mem) > 0)
		for (size_t i = 0; i < p->repeat; i++)
			if (send(fd, p->says, strlen(p->says), MSG_NOSIGNAL) < 0)
				break;
	while (p->stays && read(fd, mem, sizeof mem) > 0)
		;
	close(fd);
	return NULL;
}

static void peer_start(struct peer *p)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof in;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(listen(p->fd, 1), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&in, &n), 0);
	p->port = ntohs(in.sin_port);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

static void bad_peers_break_the_connection_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *says;
		size_t repeat;
		bool stays;
		const char *error;
	} cases[] = {
		{"", 0, false, "closed the connection"},
		{"$5\r\nab", 1, false, "closed the connection"},
		{"HTTP/1.1 400 Bad Request\r\n", 1, true, "not understood"},
		{"*2000000000\r\n", 1, true, "not understood"},
		{"*-5\r\n", 1, true, "not understood"},
		{"$-5\r\n", 1, true, "not understood"},
		{"*1\r\n", 50, true, "not understood"},
		{"$4000000000\r\n", 1, true, "no answer"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer p = {
			.says = cases[i].says, .repeat = cases[i].repeat, .stays = cases[i].stays};
		peer_start(&p);
		struct err e = {{0}};
		struct redis_options o = {.host = "127.0.0.1", .port = p.port, .timeout_ms = 500};
		struct redis *r = redis_connect(&o, &e);
		assert_non_null(r);
		if (redis_words(r, &e, "PING", NULL))
			fail_msg("case %zu was answered", i);
		if (!strstr(e.text, cases[i].error))
			fail_msg("case %zu: %s", i, e.text);
		redis_free(r);
		pthread_join(p.thread, NULL);
		close(p.fd);
	}
}

static void an_endless_answer_is_cut_off(void **state)
{
	(void)state;
	static char lump[1 << 16];
	memset(lump, 'x', sizeof lump - 1);
	memcpy(lump, "$900000000\r\n", 12);
	struct peer p = {.says = lump, .repeat = 4096};
	peer_start(&p);
	struct err e = {{0}};
	struct redis_options o = {.host = "127.0.0.1", .port = p.port, .timeout_ms = 20000};
	struct redis *r = redis_connect(&o, &e);
	assert_non_null(r);
	assert_null(redis_words(r, &e, "PING", NULL));
	assert_non_null(strstr(e.text, "longer than"));
	redis_free(r);
	pthread_join(p.thread, NULL);
	close(p.fd);
}

static int start(void **state)
{
	(void)state;
	return redis_server_start(&server, NULL, NULL) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	redis_server_kill(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read_or_refused),
		cmocka_unit_test(each_type_of_answer_comes_through),
		cmocka_unit_test(any_bytes_and_a_megabyte_pass_both_ways),
		cmocka_unit_test(pipelined_answers_come_in_order),
		cmocka_unit_test(a_unix_socket_and_a_database_can_be_named),
		cmocka_unit_test(login_is_done_and_a_wrong_one_is_said),
		cmocka_unit_test(nobody_listening_is_an_error_at_once),
		cmocka_unit_test(a_stopped_server_costs_the_time_out_and_no_more),
		cmocka_unit_test(one_deadline_bounds_many_commands),
		cmocka_unit_test(bad_peers_break_the_connection_and_nothing_else),
		cmocka_unit_test(an_endless_answer_is_cut_off),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
