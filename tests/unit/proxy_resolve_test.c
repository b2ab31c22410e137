/* Names, asked of a real unbound on loopback, of hosts text, and of servers that never answer. */
#include "resolve.h"
#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static uint16_t server_port, silent_port;
static pid_t server;
static int silent_fd;
static struct addr loopback;

static const char zone_text[] =
	"$ORIGIN example.org.\n$TTL 300\n"
	"@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n"
	"v4 A 192.0.2.1\nv4 A 192.0.2.2\n"
	"v6 AAAA 2001:db8::1\n"
	"both A 192.0.2.1\nboth A 192.0.2.2\nboth A 192.0.2.3\nboth AAAA 2001:db8::1\n"
	"c1 CNAME c2\nc2 CNAME c3\nc3 CNAME both\n"
	"nowhere CNAME missing\n"
	"text TXT \"no address\"\n"
	"intranet A 192.0.2.80\n"
	"mapped AAAA ::ffff:192.0.2.9\n";

/* --- peers ------------------------------------------------------------------------------------ */

static int bind_at(int type, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A port that is free for both kinds of sockets; the UDP one is left open. */
static int bind_any(uint16_t *port)
{
	for (;;) {
		struct sockaddr_in a;
		socklen_t n = sizeof a;
		int udp = bind_at(SOCK_DGRAM, 0), tcp;

		assert_int_equal(getsockname(udp, (struct sockaddr *)&a, &n), 0);
		*port = ntohs(a.sin_port);
		tcp = bind_at(SOCK_STREAM, *port);
		close(tcp);
		if (tcp >= 0)
			return udp;
		close(udp);
	}
}

static void write_server_files(uint16_t dead)
{
	FILE *f = fopen("zone", "w");

	fputs(zone_text, f);
	for (int i = 1; i <= 120; i++)
		fprintf(f, "many A 198.51.100.%d\n", i);
	fclose(f);
	f = fopen("unbound.conf", "w");
	fprintf(f,
		"server:\n interface: 127.0.0.1@%u\n do-daemonize: no\n username: \"\"\n chroot: "
		"\"\"\n"
		" pidfile: \"\"\n directory: \".\"\n use-syslog: no\n logfile: \"unbound.log\"\n"
		" do-not-query-localhost: no\n module-config: \"iterator\"\n"
		" local-zone: \"corp.test\" static\n local-data: \"wiki.corp.test A 192.0.2.90\"\n"
		"remote-control:\n control-enable: no\n"
		"auth-zone:\n name: example.org\n zonefile: zone\n for-upstream: yes\n"
		"forward-zone:\n name: \"dead.example\"\n forward-addr: 127.0.0.1@%u\n"
		"forward-zone:\n name: \".\"\n forward-addr: 127.0.0.1@%u\n",
		server_port, dead, dead);
	fclose(f);
}

static bool server_is_up(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(server_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (int i = 0; i < 500 && waitpid(server, NULL, WNOHANG) == 0; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool up = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;

		close(fd);
		if (up)
			return true;
		usleep(10000);
	}
	return false;
}

static bool start_server(void)
{
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/usr/sbin/unbound", "unbound", "-d", "-p", "-c", "unbound.conf",
			(char *)NULL);
		_exit(127);
	}
	return server_is_up();
}

static void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

/* Between choosing a port and using it somebody else may take it. */
static int set_up(void **state)
{
	bool up = false;

	(void)state;
	silent_fd = bind_any(&silent_port);
	assert_true(addr_parse(SPAN("127.0.0.1"), &loopback));
	for (int i = 0; i < 10 && !up; i++) {
		uint16_t dead;
		int a = bind_any(&server_port), b = bind_any(&dead);

		close(a);
		close(b);
		write_server_files(dead);
		up = start_server();
	}
	assert_true(up);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop_server();
	close(silent_fd);
	return 0;
}

/* --- asking ----------------------------------------------------------------------------------- */

struct answer {
	struct loop *loop;
	unsigned times;
	bool running;
	enum resolve_result result;
	char text[1200]; /* addresses, a space behind each */
	size_t n;
};

static void on_answer(void *arg, enum resolve_result result, const struct addr *v, size_t n)
{
	struct answer *a = arg;

	a->times++;
	a->result = result;
	a->n = n;
	a->text[0] = 0;
	for (size_t i = 0; i < n; i++) {
		char one[ADDR_TEXT_MAX];

		addr_format(&v[i], one);
		strcat(strcat(a->text, one), " ");
	}
	if (a->running)
		loop_stop(a->loop);
}

static struct resolver *make(struct loop *l, const char *hosts, const uint16_t *ports,
	size_t n_servers, const char *const *search, size_t n_search, unsigned timeout_ms)
{
	struct addr servers[2] = {loopback, loopback};
	struct resolver_options o = {.hosts = span_str(hosts),
		.servers = servers,
		.ports = ports,
		.n_servers = n_servers,
		.search = search,
		.n_search = n_search,
		.timeout_ms = timeout_ms};
	struct err e;
	struct resolver *r = resolver_new(l, &o, &e);

	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static void host(const char *name, struct host *h)
{
	assert_true(host_parse(span_str(name), h));
}

static void ask(
	struct resolver *r, struct loop *l, const char *name, struct answer *a, bool *inside)
{
	struct resolve *handle;
	struct host h;

	*a = (struct answer){.loop = l};
	host(name, &h);
	resolve_start(r, &h, on_answer, a, &handle);
	*inside = a->times > 0;
	assert_int_equal(*inside, handle == NULL);
	if (!*inside) {
		a->running = true;
		loop_run(l);
	}
	assert_int_equal(a->times, 1);
}

struct want {
	const char *name;
	enum resolve_result result;
	const char *text;
};

static void sort_v4(char *text)
{
	/* servers rotate; rows with several IPv4 addresses are compared as sets */
	char *word[32], copy[1200], *save = NULL;
	size_t n = 0;

	strcpy(copy, text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (!strchr(word[i], ':') && !strchr(word[k], ':') &&
				strcmp(word[k], word[i]) < 0) {
				char *t = word[i];

				word[i] = word[k];
				word[k] = t;
			}
	text[0] = 0;
	for (size_t i = 0; i < n; i++)
		strcat(strcat(text, word[i]), " ");
}

static void check(struct resolver *r, struct loop *l, const struct want *w, size_t n, int inside)
{
	for (size_t i = 0; i < n; i++) {
		struct answer a;
		bool was_inside;

		ask(r, l, w[i].name, &a, &was_inside);
		sort_v4(a.text);
		if (a.result != w[i].result || strcmp(a.text, w[i].text) != 0)
			fail_msg("%s: %d, '%s'", w[i].name, a.result, a.text);
		if (inside >= 0 && inside != was_inside)
			fail_msg("%s: inside %d", w[i].name, was_inside);
	}
}
#define CHECK(r, l, rows, inside) check(r, l, rows, sizeof rows / sizeof rows[0], inside)

/* --- the tests ----------------------------------------------------------------------------------
 */

static const struct want from_server[] = {
	{"v4.example.org", RESOLVE_OK, "192.0.2.1 192.0.2.2 "},
	{"V4.Example.ORG.", RESOLVE_OK, "192.0.2.1 192.0.2.2 "},
	{"v6.example.org", RESOLVE_OK, "2001:db8::1 "},
	{"both.example.org", RESOLVE_OK, "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3 "},
	{"c1.example.org", RESOLVE_OK, "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3 "},
	{"nowhere.example.org", RESOLVE_NO_NAME, ""},
	{"missing.example.org", RESOLVE_NO_NAME, ""},
	{"text.example.org", RESOLVE_NO_NAME, ""},
	{"mapped.example.org", RESOLVE_OK, "::ffff:192.0.2.9 "},
	{"x.dead.example", RESOLVE_FAILED, ""},
};

static void a_server_answers_and_then_the_cache_does(void **state)
{
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &server_port, 1, NULL, 0, 8000);
	size_t cached = sizeof from_server / sizeof from_server[0] - 1;

	(void)state;
	CHECK(r, l, from_server, -1);
	check(r, l, from_server, cached, 1);
	resolver_free(r);
	loop_free(l);
}

static void a_long_answer_comes_over_tcp_and_is_cut_to_sixteen(void **state)
{
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &server_port, 1, NULL, 0, 8000);
	struct answer a;
	bool inside;

	(void)state;
	ask(r, l, "many.example.org", &a, &inside);
	assert_int_equal(a.result, RESOLVE_OK);
	assert_int_equal(a.n, RESOLVE_ADDRS_MAX);
	resolver_free(r);
	loop_free(l);
}

static void literals_are_answered_at_once(void **state)
{
	static const struct want rows[] = {
		{"192.0.2.7", RESOLVE_OK, "192.0.2.7 "},
		{"[2001:db8::7]", RESOLVE_OK, "2001:db8::7 "},
	};
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &silent_port, 1, NULL, 0, 300);

	(void)state;
	CHECK(r, l, rows, 1);
	resolver_free(r);
	loop_free(l);
}

static const char hosts_text[] = "# a comment\r\n"
				 "127.0.0.1\tOne.example  two.example # more\n"
				 "127.0.0.2 two.example\n"
				 "  ::1 two.example\r\n"
				 "127.0.0.1 two.example\n"
				 "fe80::1%lo0 zone.example\n"
				 "300.1.1.1 bad.example\n"
				 "127.0.0.3 -.exa/mple good.example\n"
				 "127.0.0.4 khub.test printer sub.one.example 10.0.0.1\n"
				 "\n127.0.0.5 last.example";

static void hosts_lines_answer_without_asking_anybody(void **state)
{
	static const struct want rows[] = {
		{"one.example", RESOLVE_OK, "127.0.0.1 "},
		{"ONE.EXAMPLE.", RESOLVE_OK, "127.0.0.1 "},
		{"two.example", RESOLVE_OK, "::1 127.0.0.1 127.0.0.2 "},
		{"good.example", RESOLVE_OK, "127.0.0.3 "},
		{"khub.test", RESOLVE_OK, "127.0.0.4 "},
		{"printer", RESOLVE_OK, "127.0.0.4 "},
		{"sub.one.example", RESOLVE_OK, "127.0.0.4 "},
		{"last.example", RESOLVE_OK, "127.0.0.5 "},
		/* blocked zones stay blocked around the names */
		{"other.test", RESOLVE_NO_NAME, ""},
		{"x.invalid", RESOLVE_NO_NAME, ""},
		{"x.onion", RESOLVE_NO_NAME, ""},
		{"x.home.arpa", RESOLVE_NO_NAME, ""},
	};
	static const struct want asked[] = {
		{"zone.example", RESOLVE_TIMEOUT, ""},
		{"bad.example", RESOLVE_TIMEOUT, ""},
		{"three.one.example", RESOLVE_TIMEOUT, ""},
	};
	struct loop *l = loop_new();
	struct resolver *r = make(l, hosts_text, &silent_port, 1, NULL, 0, 200);

	(void)state;
	CHECK(r, l, rows, 1);
	CHECK(r, l, asked, 0);
	resolver_free(r);
	loop_free(l);
}

static void names_without_a_dot_are_searched(void **state)
{
	static const char *const search[] = {"nothing.example.org", "example.org", "corp.test"};
	static const struct want rows[] = {
		{"intranet", RESOLVE_OK, "192.0.2.80 "},
		{"wiki", RESOLVE_OK, "192.0.2.90 "},
		{"printer", RESOLVE_OK, "127.0.0.4 "},
		{"both", RESOLVE_OK, "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3 "},
		/* a dot means that the name is whole */
		{"v4.nothing", RESOLVE_FAILED, ""},
		/* the opened zone is opened as a whole */
		{"wiki.corp.test", RESOLVE_OK, "192.0.2.90 "},
	};
	struct loop *l = loop_new();
	struct resolver *r = make(l, hosts_text, &server_port, 1, search, 3, 8000);

	(void)state;
	CHECK(r, l, rows, -1);
	CHECK(r, l, rows, -1); /* and again, from the cache, within the call or not */
	resolver_free(r);
	loop_free(l);
}

static void a_bad_search_domain_is_an_error(void **state)
{
	static const char *const bad[] = {"exa mple"};
	static const char *const many[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
	struct resolver_options o = {.search = bad, .n_search = 1, .timeout_ms = 100};
	struct loop *l = loop_new();
	struct err e;

	(void)state;
	assert_null(resolver_new(l, &o, &e));
	assert_non_null(strstr(e.text, "exa mple"));
	o.search = many;
	o.n_search = 9;
	assert_null(resolver_new(l, &o, &e));
	loop_free(l);
}

static void a_silent_server_costs_the_time_that_was_given(void **state)
{
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &silent_port, 1, NULL, 0, 400);
	uint64_t from = clock_mono_ms();
	struct answer a;
	bool inside;

	(void)state;
	ask(r, l, "v4.example.org", &a, &inside);
	assert_int_equal(a.result, RESOLVE_TIMEOUT);
	assert_in_range(clock_mono_ms() - from, 390, 2000);
	resolver_free(r);
	loop_free(l);
}

static void the_second_server_answers_for_a_dead_first(void **state)
{
	uint16_t ports[2] = {silent_port, server_port};
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", ports, 2, NULL, 0, 5000);
	struct answer a;
	char name[64];
	bool inside;

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s.example.org",
			i == 0	 ? "v4"
			: i == 1 ? "v6"
				 : "both");
		ask(r, l, name, &a, &inside);
		assert_int_equal(a.result, RESOLVE_OK);
	}
	resolver_free(r);
	loop_free(l);
}

static void a_server_that_comes_back_is_asked_again(void **state)
{
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &server_port, 1, NULL, 0, 1000);
	struct answer a;
	bool inside;

	(void)state;
	stop_server();
	ask(r, l, "v4.example.org", &a, &inside);
	assert_int_not_equal(a.result, RESOLVE_OK);
	assert_true(start_server());
	for (int i = 0; i < 100; i++) {
		ask(r, l, "both.example.org", &a, &inside);
		if (a.result == RESOLVE_OK)
			break;
		usleep(100000);
	}
	assert_int_equal(a.result, RESOLVE_OK);
	resolver_free(r);
	loop_free(l);
}

static void at_most_a_thousand_and_twenty_four_wait(void **state)
{
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &silent_port, 1, NULL, 0, 60000);
	static struct resolve *handle[1100];
	static struct answer a[1100];
	char name[64];
	struct host h;

	(void)state;
	memset(a, 0, sizeof a);
	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof name, "n%d.example.org", i);
		host(name, &h);
		resolve_start(r, &h, on_answer, &a[i], &handle[i]);
		assert_int_equal(a[i].times, i < 1024 ? 0 : 1);
		if (i >= 1024)
			assert_int_equal(a[i].result, RESOLVE_BUSY);
	}
	resolve_cancel(handle[0]);
	resolve_start(r, &h, on_answer, &a[0], &handle[0]);
	assert_non_null(handle[0]);
	resolver_free(r);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(a[i].times, 0);
	loop_free(l);
}

/* Cancelled ones are never told, even when their answer comes; the others are. */
static void who_cancels_is_not_told(void **state)
{
	static const char *const names[] = {"v4.example.org", "v6.example.org", "both.example.org"};
	struct loop *l = loop_new();
	struct resolver *r = make(l, "", &server_port, 1, NULL, 0, 3000);
	struct answer gone[3] = {{0}}, a;
	struct resolve *handle;
	struct host h;
	bool inside;

	(void)state;
	for (int i = 0; i < 3; i++) {
		host(names[i], &h);
		resolve_start(r, &h, on_answer, &gone[i], &handle);
		assert_non_null(handle);
		resolve_cancel(handle);
	}
	ask(r, l, "both.example.org", &a, &inside);
	assert_int_equal(a.result, RESOLVE_OK);
	ask(r, l, "c1.example.org", &a, &inside);
	for (int i = 0; i < 3; i++)
		assert_int_equal(gone[i].times, 0);
	resolve_cancel(NULL);
	resolver_free(r);
	loop_free(l);
}

static void a_retired_resolver_answers_what_it_was_asked(void **state)
{
	struct loop *l = loop_new();
	struct resolver *old = make(l, "", &server_port, 1, NULL, 0, 3000);
	struct resolver *idle = make(l, "", &server_port, 1, NULL, 0, 3000);
	struct answer a = {.loop = l};
	struct resolve *handle;
	struct host h;

	(void)state;
	host("both.example.org", &h);
	resolve_start(old, &h, on_answer, &a, &handle);
	assert_non_null(handle);
	resolver_retire(old);
	resolver_retire(idle);
	resolver_retire(NULL);
	loop_run(l); /* ends by itself: both are gone, and nothing of theirs is watched any more */
	assert_int_equal(a.times, 1);
	assert_int_equal(a.result, RESOLVE_OK);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_answers_and_then_the_cache_does),
		cmocka_unit_test(a_long_answer_comes_over_tcp_and_is_cut_to_sixteen),
		cmocka_unit_test(literals_are_answered_at_once),
		cmocka_unit_test(hosts_lines_answer_without_asking_anybody),
		cmocka_unit_test(names_without_a_dot_are_searched),
		cmocka_unit_test(a_bad_search_domain_is_an_error),
		cmocka_unit_test(a_silent_server_costs_the_time_that_was_given),
		cmocka_unit_test(the_second_server_answers_for_a_dead_first),
		cmocka_unit_test(a_server_that_comes_back_is_asked_again),
		cmocka_unit_test(at_most_a_thousand_and_twenty_four_wait),
		cmocka_unit_test(who_cancels_is_not_told),
		cmocka_unit_test(a_retired_resolver_answers_what_it_was_asked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
