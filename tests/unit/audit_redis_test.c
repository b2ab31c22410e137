/* The Redis client against a real redis-server, and against peers that are worse than one. */
#include "redis.h"

#include "file.h"
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
		{"rediss://h", "h 6379 0 - - tls"},
		{"rediss://u:p@[::1]:7000/2", "::1 7000 2 u p tls"},
		{"rediss:h", NULL},
		{"rediss://", NULL},
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
		snprintf(got, sizeof got, "%s %u %u %s %s%s", o.host, o.port, o.db,
			o.user[0] ? o.user : "-", o.password[0] ? o.password : "-",
			o.tls ? " tls" : "");
		if (!cases[i].want)
			fail_msg("%s was taken as %s", cases[i].url, got);
		assert_string_equal(got, cases[i].want);
	}
	struct err e;
	assert_false(redis_url("redis://u:secret@h:x", &(struct redis_options){.port = 0}, &e));
	assert_null(strstr(e.text, "secret"));
}

static void a_login_is_taken_out_of_an_address(void **state)
{
	static const char *const cases[][2] = {
		{"redis://user:p%40ss@[::1]:6380/15", "redis://[::1]:6380/15"},
		{"rediss://:a@b@redis.example", "rediss://redis.example"},
		{"redis://redis.example/1", "redis://redis.example/1"},
		{"unix:/run/a://b@c/redis.sock", "unix:/run/a://b@c/redis.sock"},
		{"http://user:secret@h", "http://h"},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char url[64];
		snprintf(url, sizeof url, "%s", cases[i][0]);
		redis_url_strip(url);
		assert_string_equal(url, cases[i][1]);
	}
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

/* What was given: how many pairs, and their bytes in an order-bound sum. */
struct given {
	size_t pairs, bytes;
	uint32_t sum;
};

static void give_sum(struct given *g, struct span s)
{
	g->bytes += s.n;
	for (size_t i = 0; i < s.n; i++)
		g->sum = g->sum * 31 + (unsigned char)s.p[i];
}

static void give(void *arg, struct span name, struct span value)
{
	struct given *g = arg;
	g->pairs++;
	give_sum(g, name);
	give_sum(g, value);
}

/* The pieces in which bytes come end anywhere, so names and values of many lengths are sent. */
static void pairs_are_given_as_they_come(void **state)
{
	(void)state;
	enum { FIELDS = 3000 };
	struct redis *r = connected();
	struct err e = {{0}};
	struct given want = {0}, got = {0};
	char *mem = malloc(200000);
	for (size_t i = 0; i < 200000; i++)
		mem[i] = (char)(i * 13 + i / 256);
	redis_words(r, &e, "DEL", "pairs", NULL);
	for (size_t i = 0; i < FIELDS; i++) {
		char name[16];
		snprintf(name, sizeof name, "%zu", i);
		const struct span set[] = {SPAN("HSET"), SPAN("pairs"), span_str(name),
			span_of(mem + i, i % 500 ? i % 97 : 150000)};
		assert_int_equal(redis_command(r, set, 4, &e)->num, 1);
	}
	const struct redis_reply *a = redis_words(r, &e, "HGETALL", "pairs", NULL);
	assert_int_equal(a->n, 2 * FIELDS);
	for (size_t i = 0; i < a->n; i += 2)
		give(&want, a->v[i].str, a->v[i + 1].str);
	const struct span all[] = {SPAN("HGETALL"), SPAN("pairs")}, none[] = {all[0], SPAN("none")},
			  ping[] = {SPAN("PING")};
	assert_true(redis_send(r, all, 2, &e) && redis_send(r, none, 2, &e));
	assert_true(redis_send(r, ping, 1, &e) && redis_send(r, all, 2, &e));
	a = redis_receive_pairs(r, give, &got, &e);
	assert_true(a->type == REDIS_ARRAY && a->n == 2 * FIELDS && !a->v);
	assert_int_equal(want.pairs, FIELDS);
	assert_memory_equal(&want, &got, sizeof want);
	a = redis_receive_pairs(r, give, &got, &e);
	assert_true(a->type == REDIS_ARRAY && a->n == 0);
	a = redis_receive_pairs(r, give, &got, &e);
	assert_true(a->type == REDIS_STRING && span_is(a->str, "PONG"));
	assert_memory_equal(&want, &got, sizeof want);
	a = redis_receive(r, &e); /* elements are kept again */
	assert_true(a->n == 2 * FIELDS && a->v[1].type == REDIS_STRING);
	a = redis_words(r, &e, "SET", "pairs", "x", NULL);
	assert_true(redis_send(r, all, 2, &e));
	a = redis_receive_pairs(r, give, &got, &e);
	assert_true(a->type == REDIS_ERROR && redis_why(r) == cause_of_answer(a->str));
	assert_int_equal(got.pairs, FIELDS);
	redis_free(r);
	free(mem);
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

/* What is kept has a length that may be reached, what is given has not. */
static void pairs_may_be_longer_than_an_answer_that_is_kept(void **state)
{
	(void)state;
	enum { PIECE = 8 << 20, PIECES = REDIS_REPLY_BYTES / PIECE + 1 };
	struct redis *r = connected();
	struct err e = {{0}};
	struct given got = {0};
	char *big = calloc(1, PIECE);
	const struct span all[] = {SPAN("HGETALL"), SPAN("long")};
	for (char name[] = "a"; name[0] < 'a' + PIECES; name[0]++) {
		const struct span set[] = {
			SPAN("HSET"), all[1], span_str(name), span_of(big, PIECE)};
		assert_int_equal(redis_command(r, set, 4, &e)->num, 1);
	}
	free(big);
	assert_true(redis_send(r, all, 2, &e));
	const struct redis_reply *a = redis_receive_pairs(r, give, &got, &e);
	if (!a)
		fail_msg("%s", e.text);
	assert_int_equal(got.pairs, PIECES);
	assert_int_equal(got.bytes, PIECES * (PIECE + 1UL));
	assert_null(redis_command(r, all, 2, &e));
	assert_non_null(strstr(e.text, "longer than"));
	redis_free(r);
	r = connected();
	assert_int_equal(redis_words(r, &e, "DEL", "long", NULL)->num, 1);
	redis_free(r);
}

static void what_is_no_pairs_is_not_taken_for_them(void **state)
{
	(void)state;
	static const struct {
		const char *says;
		size_t pairs; /* given before */
		const char *error;
	} cases[] = {
		{"*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", 1, "closed the connection"},
		{"*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$3\r\nd", 1, "closed the connection"},
		{"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", 0, "no pairs"},
		{"*4\r\n$1\r\na\r\n$1\r\nb\r\n:3\r\n$1\r\nd\r\n", 1, "no pairs"},
		{"*4\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n$1\r\nd\r\n", 1, "no pairs"},
		{"*4\r\n$1\r\na\r\n$1\r\nb\r\n-ERR x\r\n$1\r\nd\r\n", 1, "no pairs"},
		{"*2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", 0, "no pairs"},
		{"*2\r\n*0\r\n*1\r\n*1\r\n$1\r\nc\r\n", 0, "no pairs"},
		{"*2000000000\r\n", 0, "not understood"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer p = {.says = cases[i].says, .repeat = 1};
		peer_start(&p);
		struct err e = {{0}};
		struct given got = {0};
		struct redis_options o = {.host = "127.0.0.1", .port = p.port, .timeout_ms = 3000};
		struct redis *r = redis_connect(&o, &e);
		const struct span ping[] = {SPAN("PING")};
		assert_true(r && redis_send(r, ping, 1, &e));
		if (redis_receive_pairs(r, give, &got, &e))
			fail_msg("case %zu was taken", i);
		if (!strstr(e.text, cases[i].error) || got.pairs != cases[i].pairs)
			fail_msg("case %zu: %zu pairs, %s", i, got.pairs, e.text);
		assert_null(redis_receive(r, &e));
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

/* --- TLS and causes --------------------------------------------------------------------------- */

/* Two authorities; of the first a certificate for localhost and one for another name. */
static const char certificates[] =
	"set -e; mkdir -p tls; cd tls; "
	"ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'; "
	"for ca in ours theirs; do openssl req -x509 $ec -days 30 -subj /CN=$ca -keyout $ca.key "
	"-out $ca.pem; done; "
	"leaf() { openssl req $ec -subj /CN=$1 -keyout $1.key -out $1.csr; "
	"printf 'subjectAltName=%s\n' \"$2\" >$1.ext; "
	"openssl x509 -req -in $1.csr -CA ours.pem -CAkey ours.key -CAcreateserial -days 20 "
	"-extfile $1.ext -out $1.pem; }; "
	"leaf right DNS:localhost,IP:127.0.0.1; leaf other DNS:redis.example";

static struct buf ours, theirs;
static struct redis_server tls_right, tls_other;
static char port_right[8], port_other[8];

static bool start_tls(
	struct redis_server *s, char port[8], const char *ca, const char *pem, const char *key)
{
	snprintf(port, 8, "%u", free_port());
	const char *const own[] = {"--tls-port", port, "--tls-auth-clients", "no",
		"--tls-ca-cert-file", ca, "--tls-cert-file", pem, "--tls-key-file", key};
	memcpy(s->more, own, sizeof own);
	return redis_server_start(s, NULL, NULL);
}

static struct redis_options over_tls(const char *host, const char *port, const struct buf *ca)
{
	struct redis_options o = {.tls = true, .timeout_ms = 2000, .ca = buf_spanof(ca)};
	snprintf(o.host, sizeof o.host, "%s", host);
	o.port = (uint16_t)atoi(port);
	return o;
}

static void tls_carries_any_bytes_both_ways(void **state)
{
	(void)state;
	static const char *const hosts[] = {"localhost", "127.0.0.1"};
	for (size_t h = 0; h < 2; h++) {
		struct redis_options o = over_tls(hosts[h], port_right, &ours);
		struct err e = {{0}};
		struct redis *r = redis_connect(&o, &e);
		if (!r)
			fail_msg("%s: %s", hosts[h], e.text);
		size_t n = 3 << 20;
		char *big = malloc(n);
		for (size_t i = 0; i < n; i++)
			big[i] = (char)(i * 7 + i / 256);
		const struct span set[] = {SPAN("SET"), SPAN("big"), span_of(big, n)};
		assert_true(redis_command(r, set, 3, &e)->type == REDIS_STRING);
		const struct redis_reply *a = redis_words(r, &e, "GET", "big", NULL);
		assert_true(a && span_eq(a->str, set[2]));
		free(big);
		for (int i = 0; i < 3000; i++)
			assert_true(redis_send(
				r, (const struct span[]){SPAN("ECHO"), SPAN("x")}, 2, &e));
		for (int i = 0; i < 3000; i++)
			assert_true(span_is(redis_receive(r, &e)->str, "x"));
		redis_free(r);
	}
}

static void a_server_that_cannot_prove_itself_is_refused(void **state)
{
	(void)state;
	const struct {
		const char *host, *port;
		const struct buf *ca;
		enum cause why;
		const char *text;
	} cases[] = {
		{"127.0.0.1", port_right, &theirs, CAUSE_CERTIFICATE, "is not accepted"},
		{"127.0.0.1", port_other, &ours, CAUSE_CERTIFICATE_NAME, "mismatch"},
		{"localhost", port_other, &ours, CAUSE_CERTIFICATE_NAME, "mismatch"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct redis_options o = over_tls(cases[i].host, cases[i].port, cases[i].ca);
		struct err e = {{0}};
		enum cause why = CAUSE_NONE;
		assert_null(redis_open(&o, &why, &e));
		assert_string_equal(cause_word(why), cause_word(cases[i].why));
		assert_non_null(strstr(e.text, cases[i].text));
		assert_null(redis_connect(&o, &e));
		assert_non_null(strstr(e.text, cause_advice(cases[i].why)));
	}
}

static void tls_with_a_plain_server_and_the_other_way_round_are_told(void **state)
{
	(void)state;
	struct err e = {{0}};
	enum cause why = CAUSE_NONE;
	struct redis_options o = over_tls("127.0.0.1", port_right, &ours);
	o.port = tls_right.port;
	o.timeout_ms = 300; /* Redis waits for the end of a line that never comes */
	assert_null(redis_open(&o, &why, &e));
	assert_string_equal(cause_word(why), "slow");
	assert_non_null(strstr(e.text, "does this port speak TLS?"));
	struct peer p = {.says = "HTTP/1.1 400 Bad Request\r\n\r\n", .repeat = 1};
	peer_start(&p);
	o.port = p.port;
	assert_null(redis_open(&o, &why, &e));
	assert_string_equal(cause_word(why), "tls");
	pthread_join(p.thread, NULL);
	close(p.fd);
	o = over_tls("127.0.0.1", port_right, &ours);
	o.tls = false;
	struct redis *r = redis_open(&o, &why, &e);
	assert_non_null(r);
	assert_null(redis_words(r, &e, "PING", NULL));
	assert_string_equal(cause_word(redis_why(r)), "closed");
	redis_free(r);
}

static void a_stopped_server_costs_the_time_out_under_tls_too(void **state)
{
	(void)state;
	struct err e = {{0}};
	enum cause why = CAUSE_NONE;
	struct redis_options o = over_tls("127.0.0.1", port_right, &ours);
	o.timeout_ms = 300;
	struct redis *r = redis_connect(&o, &e);
	assert_non_null(r);
	kill(tls_right.pid, SIGSTOP);
	uint64_t begin = clock_mono_ms();
	assert_null(redis_words(r, &e, "PING", NULL));
	struct redis *second = redis_open(&o, &why, &e);
	uint64_t took = clock_mono_ms() - begin;
	kill(tls_right.pid, SIGCONT);
	assert_null(second);
	assert_string_equal(cause_word(redis_why(r)), "slow");
	assert_string_equal(cause_word(why), "slow");
	assert_true(took >= 580 && took < 2500);
	redis_free(r);
}

static void error_answers_have_their_cause(void **state)
{
	(void)state;
	static const struct {
		const char *answer, *word;
	} cases[] = {
		{"OOM command not allowed when used memory > 'maxmemory'.", "memory"},
		{"WRONGPASS invalid username-password pair or user is disabled.", "password"},
		{"NOAUTH Authentication required.", "password"},
		{"NOPERM this user has no permissions to run the 'sadd' command", "acl"},
		{"READONLY You can't write against a read only replica.", "readonly"},
		{"LOADING Redis is loading the dataset in memory", "loading"},
		{"MISCONF Redis is configured to save RDB snapshots", "disk"},
		{"MOVED 15924 127.0.0.1:7001", "cluster"},
		{"BUSY Redis is busy running a script.", "busy"},
		{"ERR max number of clients reached", "closed"},
		{"ERR unknown command", "refused"},
		{"", "refused"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(
			cause_word(cause_of_answer(span_str(cases[i].answer))), cases[i].word);
}

static void what_is_no_certificate_is_no_authority(void **state)
{
	(void)state;
	struct err e = {{0}};
	assert_true(redis_ca_ok(buf_spanof(&ours), NULL));
	assert_false(redis_ca_ok(SPAN(""), &e));
	assert_false(redis_ca_ok(SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n"), &e));
	assert_non_null(strstr(e.text, "PEM"));
}

static int start_secure(void **state)
{
	(void)state;
	char cwd[200];
	static char right[2][300], other[2][300], ca[300];
	if (system(certificates) != 0 || !getcwd(cwd, sizeof cwd))
		return -1;
	snprintf(right[0], 300, "%s/tls/right.pem", cwd);
	snprintf(right[1], 300, "%s/tls/right.key", cwd);
	snprintf(other[0], 300, "%s/tls/other.pem", cwd);
	snprintf(other[1], 300, "%s/tls/other.key", cwd);
	snprintf(ca, sizeof ca, "%s/tls/ours.pem", cwd);
	if (!file_read("tls/ours.pem", 1 << 16, &ours, NULL) ||
		!file_read("tls/theirs.pem", 1 << 16, &theirs, NULL))
		return -1;
	return start_tls(&tls_right, port_right, ca, right[0], right[1]) &&
			       start_tls(&tls_other, port_other, ca, other[0], other[1])
		       ? 0
		       : -1;
}

static int start(void **state)
{
	(void)state;
	return redis_server_start(&server, NULL, NULL) ? start_secure(state) : -1;
}

static int stop(void **state)
{
	(void)state;
	redis_server_kill(&server);
	redis_server_kill(&tls_right);
	redis_server_kill(&tls_other);
	buf_free(&ours);
	buf_free(&theirs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read_or_refused),
		cmocka_unit_test(a_login_is_taken_out_of_an_address),
		cmocka_unit_test(each_type_of_answer_comes_through),
		cmocka_unit_test(any_bytes_and_a_megabyte_pass_both_ways),
		cmocka_unit_test(pipelined_answers_come_in_order),
		cmocka_unit_test(a_unix_socket_and_a_database_can_be_named),
		cmocka_unit_test(login_is_done_and_a_wrong_one_is_said),
		cmocka_unit_test(nobody_listening_is_an_error_at_once),
		cmocka_unit_test(a_stopped_server_costs_the_time_out_and_no_more),
		cmocka_unit_test(one_deadline_bounds_many_commands),
		cmocka_unit_test(bad_peers_break_the_connection_and_nothing_else),
		cmocka_unit_test(pairs_are_given_as_they_come),
		cmocka_unit_test(pairs_may_be_longer_than_an_answer_that_is_kept),
		cmocka_unit_test(what_is_no_pairs_is_not_taken_for_them),
		cmocka_unit_test(an_endless_answer_is_cut_off),
		cmocka_unit_test(tls_carries_any_bytes_both_ways),
		cmocka_unit_test(a_server_that_cannot_prove_itself_is_refused),
		cmocka_unit_test(tls_with_a_plain_server_and_the_other_way_round_are_told),
		cmocka_unit_test(a_stopped_server_costs_the_time_out_under_tls_too),
		cmocka_unit_test(error_answers_have_their_cause),
		cmocka_unit_test(what_is_no_certificate_is_no_authority),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
