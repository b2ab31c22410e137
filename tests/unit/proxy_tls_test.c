/*
 * TLS sessions against clients of libssl, over sockets that take little and peers that read slowly:
 * every byte once and in order, in few calls, and an end behind the last one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE (256 << 10)

static struct tls_server *server;
static struct tls_shared *shared;
static SSL_CTX *clients;
static SSL_SESSION *offered; /* by the next client; NULL: none */
static int tickets;	     /* that clients got */
static char pattern[3 * PIECE];

struct pair {
	int ours, theirs;
	struct tls *t;
	SSL *client;
};

static size_t slurp(const char *name, char *p, size_t n)
{
	FILE *f = fopen(name, "r");
	size_t got = f ? fread(p, 1, n, f) : 0;

	if (f)
		fclose(f);
	return got;
}

static int on_ticket(SSL *s, SSL_SESSION *session)
{
	(void)s, (void)session;
	tickets++;
	return 0;
}

static int set_up(void **state)
{
	static const uint8_t secret[32] = "not so secret";
	char pem[8192], key[8192];
	size_t pem_n, key_n;
	struct err e;

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* clients of this test meet a closed socket */
	if (system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
		   "-days 2 -subj /CN=proxy.example -keyout key.pem -out cert.pem 2>/dev/null"))
		return -1;
	pem_n = slurp("cert.pem", pem, sizeof pem);
	key_n = slurp("key.pem", key, sizeof key);
	server = tls_server_new(span_of(pem, pem_n), span_of(key, key_n), secret, &e);
	shared = tls_shared_new();
	clients = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(clients, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_session_cache_mode(clients, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(clients, on_ticket);
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (char)(i * 31 + i / 251);
	return server && shared && clients ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	SSL_CTX_free(clients);
	tls_server_free(server);
	tls_shared_free(shared);
	return 0;
}

static bool wants(const SSL *s, int r)
{
	int error = SSL_get_error(s, r);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* An established session. sndbuf 0: as it is; fragment: RFC 6066 4, 0: records of full size. */
static struct pair greet(int kind, int version, int sndbuf, uint8_t fragment)
{
	enum tls_answer a = TLS_READ;
	struct pair p;
	int fds[2], r = -1;

	assert_int_equal(socketpair(AF_UNIX, kind | SOCK_NONBLOCK, 0, fds), 0);
	p = (struct pair){.ours = fds[0], .theirs = fds[1], .client = SSL_new(clients)};
	if (sndbuf)
		setsockopt(p.ours, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf);
	SSL_set_min_proto_version(p.client, version);
	SSL_set_max_proto_version(p.client, version);
	if (fragment)
		assert_int_equal(SSL_set_tlsext_max_fragment_length(p.client, fragment), 1);
	if (offered)
		assert_int_equal(SSL_set_session(p.client, offered), 1);
	SSL_set_read_ahead(p.client, 1);
	SSL_set_fd(p.client, p.theirs);
	SSL_set_connect_state(p.client);
	p.t = tls_accept(server, shared, p.ours);
	assert_non_null(p.t);
	for (int turn = 0; turn < 100 && (r != 1 || a != TLS_DONE); turn++) {
		r = SSL_do_handshake(p.client);
		assert_true(r == 1 || wants(p.client, r));
		a = tls_handshake(p.t);
		assert_int_not_equal(a, TLS_FAILED);
	}
	assert_int_equal(r, 1);
	assert_int_equal(a, TLS_DONE);
	return p;
}

static void part(struct pair *p)
{
	tls_free(p->t, false);
	close(p->ours);
	SSL_free(p->client);
	close(p->theirs);
	ERR_clear_error();
}

/* What the client reads now, at most n; behind the `at` bytes that it has. */
static size_t hear(struct pair *p, size_t at, size_t n)
{
	static char got[PIECE];
	int r = SSL_read(p->client, got, (int)n);

	if (r <= 0)
		return 0;
	assert_true(at + (size_t)r <= sizeof pattern);
	assert_memory_equal(got, pattern + at, r);
	return (size_t)r;
}

static size_t hear_all(struct pair *p, size_t at)
{
	size_t sum = 0, more;

	while ((more = hear(p, at + sum, PIECE)))
		sum += more;
	return sum;
}

static bool heard_the_end(const struct pair *p)
{
	return SSL_get_shutdown(p->client) & SSL_RECEIVED_SHUTDOWN;
}

/* As a flow does: pieces, and of each the rest first. The client reads when it has to, `sip` bytes
 * at a time. Answers how many it has read when all were taken. */
static size_t tell(struct pair *p, size_t piece, size_t sip)
{
	size_t said = 0, heard = 0;

	for (size_t end = piece; said < sizeof pattern; end += piece) {
		if (end > sizeof pattern)
			end = sizeof pattern;
		while (said < end) {
			ssize_t took = tls_write(p->t, pattern + said, end - said);

			assert_true(took >= 0);
			said += (size_t)took;
			if (said < end)
				heard += hear(p, heard, sip);
		}
	}
	return heard;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Whoever took all bytes has them on their way: an end right behind them loses none. */
static void every_byte_comes_once_and_before_the_end(void **state)
{
	static const struct {
		int sndbuf;
		uint8_t fragment;
		size_t piece, sip;
	} rows[] = {
		{0, 0, PIECE, PIECE},
		{0, 0, 100001, 1000},
		{1, 0, PIECE, 3000},
		{1, 0, 16384, 16384},
		{1, 0, 1000, 500},
		{60000, 0, PIECE, 5000},
		{60000, TLSEXT_max_fragment_length_512, PIECE, PIECE},
		{1, TLSEXT_max_fragment_length_512, PIECE, 5000},
		{1, TLSEXT_max_fragment_length_1024, 50000, 700},
	};

	(void)state;
	for (size_t i = 0; i < 4 * (sizeof rows / sizeof *rows); i++) {
		bool patient = i & 2; /* then there is room for the word of the end, too */
		struct pair p = greet(
			SOCK_STREAM, versions[i & 1], rows[i / 4].sndbuf, rows[i / 4].fragment);
		size_t heard = tell(&p, rows[i / 4].piece, rows[i / 4].sip);

		if (patient)
			heard += hear_all(&p, heard);
		tls_shut(p.t);
		shutdown(p.ours, SHUT_WR);
		heard += hear_all(&p, heard);
		assert_int_equal(heard, sizeof pattern);
		assert_true(!patient || heard_the_end(&p));
		part(&p);
	}
}

/* One message of this kind of socket is what one call sent: tickets of TLS 1.3, too. */
static void a_piece_is_sent_with_one_call(void **state)
{
	static char got[PIECE];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_SEQPACKET, versions[i], 200000, 0);

		assert_int_equal(recv(p.theirs, got, sizeof got, 0), -1);
		assert_int_equal(tls_write(p.t, pattern, 100000), 100000);
		assert_in_range(recv(p.theirs, got, sizeof got, 0), 100000 + 7 * 20, 102000);
		assert_int_equal(recv(p.theirs, got, sizeof got, 0), -1);
		part(&p);
	}
}

static void sessions_are_resumed(void **state)
{
	static const struct {
		int version, first, again; /* tickets of a full handshake, of one with a ticket */
	} rows[] = {{TLS1_2_VERSION, 1, 0}, {TLS1_3_VERSION, 2, 1}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_STREAM, rows[i].version, 0, 0);

		tickets = rows[i].version == TLS1_2_VERSION; /* it came with the handshake */
		assert_int_equal(tls_write(p.t, pattern, 10), 10);
		assert_int_equal(hear(&p, 0, 10), 10);
		assert_int_equal(tickets, rows[i].first);
		offered = SSL_SESSION_dup(SSL_get0_session(p.client)); /* its own is spoilt */
		part(&p);

		p = greet(SOCK_STREAM, rows[i].version, 0, 0);
		assert_true(SSL_session_reused(p.client));
		tickets = 0;
		assert_int_equal(tls_write(p.t, pattern, 10), 10);
		assert_int_equal(tls_write(p.t, pattern + 10, 10), 10);
		assert_int_equal(hear(&p, 0, 10) + hear(&p, 10, 10), 20);
		assert_int_equal(tickets, rows[i].again);
		part(&p);
		SSL_SESSION_free(offered);
		offered = NULL;
	}
}

/* The last byte that was sealed is not taken before all of them are on their way. */
static void bytes_that_wait_are_not_all_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_STREAM, versions[i], 1, 0);
		size_t heard = 0;
		ssize_t took = tls_write(p.t, pattern, PIECE);

		assert_int_equal(took, PIECE - 1);
		assert_int_equal(tls_write(p.t, pattern + PIECE - 1, 1), 0);
		while (tls_write(p.t, pattern + PIECE - 1, 1) == 0)
			heard += hear(&p, heard, 4000);
		assert_in_range(heard, 1, PIECE - 1);
		heard += hear_all(&p, heard);
		assert_int_equal(heard, PIECE);
		part(&p);
	}
}

static void an_end_while_bytes_wait_leaves_no_broken_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_STREAM, versions[i], 1, 0);

		assert_int_equal(tls_write(p.t, pattern, PIECE), PIECE - 1);
		tls_free(p.t, false); /* its word of the end has no place behind half a record */
		p.t = NULL;
		close(p.ours);
		p.ours = -1;
		assert_in_range(hear_all(&p, 0), 0, PIECE - 1);
		assert_false(heard_the_end(&p));
		part(&p);
	}
}

static void a_client_that_leaves_while_bytes_wait_is_met(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_STREAM, versions[i], 1, 0);

		assert_int_equal(tls_write(p.t, pattern, PIECE), PIECE - 1);
		close(p.theirs);
		p.theirs = -1;
		assert_int_equal(tls_write(p.t, pattern + PIECE - 1, 1), TLS_BROKE);
		assert_int_equal(tls_write(p.t, pattern + PIECE - 1, 1), TLS_BROKE);
		part(&p);
	}
}

/* The library answers such a wish by itself, at any time. */
static void new_keys_while_bytes_wait(void **state)
{
	struct pair p = greet(SOCK_STREAM, TLS1_3_VERSION, 1, 0);
	size_t said = 0, heard = 0;
	bool full = false;
	ssize_t got;
	char byte;

	(void)state;
	for (int turn = 0; said < sizeof pattern || heard < said; turn++) {
		if (turn % 16 == 0) {
			assert_int_equal(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
			assert_int_equal(SSL_write(p.client, "x", 1), 1);
			while ((got = tls_read(p.t, &byte, 1)) == TLS_FULL)
				heard += hear(&p, heard, 1000), full = true;
			assert_int_equal(got, 1);
		}
		if (said < sizeof pattern) {
			ssize_t took = tls_write(p.t, pattern + said, sizeof pattern - said);

			assert_true(took >= 0);
			said += (size_t)took;
		}
		heard += hear(&p, heard, 10000);
	}
	assert_true(full);
	part(&p);
}

static size_t ask(struct pair *p, size_t n)
{
	size_t said = 0;
	int r;

	while (said < n && (r = SSL_write(p->client, pattern + said, (int)(n - said))) > 0)
		said += (size_t)r;
	return said;
}

static void a_read_takes_many_records_and_says_when_nothing_is_left(void **state)
{
	static char got[PIECE];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_STREAM, versions[i], 0, 0);

		assert_int_equal(ask(&p, 100000), 100000);
		assert_int_equal(tls_read(p.t, got, 7), 7);
		assert_false(tls_drained(p.t));
		assert_true(tls_buffered(p.t));
		assert_int_equal(tls_read(p.t, got + 7, sizeof got - 7), 100000 - 7);
		assert_memory_equal(got, pattern, 100000);
		assert_true(tls_drained(p.t));
		assert_int_equal(tls_read(p.t, got, sizeof got), TLS_AGAIN);

		/* what an earlier read has met says nothing of now */
		assert_int_equal(ask(&p, 20), 20);
		assert_int_equal(tls_read(p.t, got, 10), 10);
		assert_int_equal(ask(&p, 5), 5);
		assert_int_equal(tls_read(p.t, got + 10, 10), 10);
		assert_false(tls_drained(p.t));
		assert_int_equal(tls_read(p.t, got, sizeof got), 5);
		assert_true(tls_drained(p.t));

		assert_int_equal(ask(&p, 5), 5);
		SSL_shutdown(p.client);
		assert_int_equal(tls_read(p.t, got, sizeof got), 5);
		assert_false(tls_drained(p.t)); /* of the end nobody tells */
		assert_int_equal(tls_read(p.t, got, sizeof got), 0);
		assert_int_equal(tls_read(p.t, got, sizeof got), 0);
		part(&p);
	}
}

/* A close with bytes unread is a reset here, which the kernel tells once. */
static void a_failure_behind_a_record_stays_one(void **state)
{
	static char got[PIECE];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pair p = greet(SOCK_STREAM, versions[i], 0, 0);

		assert_int_equal(tls_write(p.t, pattern, 10), 10);
		assert_int_equal(ask(&p, 1000), 1000);
		assert_int_equal(send(p.theirs, "\x17\x03\x03\x01\x00half", 9, 0), 9);
		close(p.theirs);
		p.theirs = -1;
		assert_int_equal(tls_read(p.t, got, sizeof got), 1000);
		assert_false(tls_drained(p.t));
		assert_int_equal(tls_read(p.t, got, sizeof got), TLS_BROKE);
		assert_int_equal(tls_read(p.t, got, sizeof got), TLS_BROKE);
		part(&p);
	}
}

static void a_handshake_waits_for_room(void **state)
{
	static const char bytes[1000];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fds[2], r = -1;
		enum tls_answer a = TLS_READ;
		SSL *client = SSL_new(clients);
		struct tls *t;
		char away[1000];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		t = tls_accept(server, shared, fds[0]);
		SSL_set_max_proto_version(client, versions[i]);
		SSL_set_fd(client, fds[1]);
		SSL_set_connect_state(client);
		assert_true(wants(client, SSL_do_handshake(client)));
		while (send(fds[0], bytes, sizeof bytes, 0) > 0)
			;
		assert_int_equal(tls_handshake(t), TLS_WRITE);
		assert_int_equal(tls_handshake(t), TLS_WRITE);
		while (recv(fds[1], away, sizeof away, 0) > 0)
			;
		for (int turn = 0; turn < 100 && (r != 1 || a != TLS_DONE); turn++) {
			a = tls_handshake(t);
			assert_int_not_equal(a, TLS_FAILED);
			r = SSL_do_handshake(client);
		}
		assert_int_equal(r, 1);
		assert_int_equal(a, TLS_DONE);
		tls_free(t, true);
		SSL_free(client);
		close(fds[0]), close(fds[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_comes_once_and_before_the_end),
		cmocka_unit_test(a_piece_is_sent_with_one_call),
		cmocka_unit_test(sessions_are_resumed),
		cmocka_unit_test(bytes_that_wait_are_not_all_taken),
		cmocka_unit_test(an_end_while_bytes_wait_leaves_no_broken_record),
		cmocka_unit_test(a_client_that_leaves_while_bytes_wait_is_met),
		cmocka_unit_test(new_keys_while_bytes_wait),
		cmocka_unit_test(a_read_takes_many_records_and_says_when_nothing_is_left),
		cmocka_unit_test(a_failure_behind_a_record_stays_one),
		cmocka_unit_test(a_handshake_waits_for_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
