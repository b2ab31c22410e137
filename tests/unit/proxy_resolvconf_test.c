/* The system's DNS servers and search list, as resolv.conf(5) has them. */
#include "resolvconf.h"

#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
	const char *text, *servers, *search;
} rows[] = {
	{"nameserver 192.0.2.1\nnameserver 2001:db8::1\n", "192.0.2.1 2001:db8::1", ""},
	{"nameserver\t192.0.2.1\r\n  nameserver \t 192.0.2.2 # a comment", "192.0.2.1 192.0.2.2",
		""},
	{"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver192.0.2.3\n", "", ""},
	{"nameserver\nnameserver x\nnameserver 300.1.1.1\nnameserver fe80::1%eth0\n", "", ""},
	{"search a.example b.example\n", "", "a.example b.example"},
	{"search\ta.example\tB.Example.\noptions ndots:2\n", "", "a.example b.example"},
	{"domain a.example\nsearch b.example c.example\n", "", "b.example c.example"},
	{"search b.example c.example\ndomain a.example\n", "", "a.example"},
	{"search 192.0.2.1 a..example c.example\n", "", "c.example"},
	{"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n"
	 "nameserver 192.0.2.5\nnameserver 192.0.2.6\nnameserver 192.0.2.7\nnameserver 192.0.2.8\n"
	 "nameserver 192.0.2.9\n",
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8",
		""},
	{"search a.x b.x c.x d.x e.x f.x g.x h.x i.x\n", "", "a.x b.x c.x d.x e.x f.x g.x h.x"},
	{"", "", ""},
	{"\n\n \n", "", ""},
};

static void said(const struct settings *s, struct buf *servers, struct buf *search)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->servers.n; i++) {
		assert_int_equal(s->servers.v[i].port, 53);
		addr_format(&s->servers.v[i].addr, text);
		buf_adds(servers, i ? " " : "");
		buf_adds(servers, text);
	}
	for (size_t i = 0; i < s->search.n; i++) {
		buf_adds(search, i ? " " : "");
		buf_adds(search, s->search.v[i]);
	}
}

static void each_line_is_read_as_the_system_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		static struct settings s;
		struct buf servers = {0}, search = {0};

		memset(&s, 0, sizeof s);
		resolvconf_read(span_str(rows[i].text), &s);
		said(&s, &servers, &search);
		assert_string_equal(servers.p ? servers.p : "", rows[i].servers);
		assert_string_equal(search.p ? search.p : "", rows[i].search);
		buf_free(&servers);
		buf_free(&search);
	}
}

static void settings_of_ones_own_go_first(void **state)
{
	static struct settings s;

	(void)state;
	s.search.n = 1;
	memcpy(s.search.v[0], "own.example", sizeof "own.example");
	resolvconf_read(SPAN("search a.example b.example\nnameserver 192.0.2.1\n"), &s);
	assert_int_equal(s.search.n, 1);
	assert_string_equal(s.search.v[0], "own.example");
	assert_int_equal(s.servers.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_read_as_the_system_does),
		cmocka_unit_test(settings_of_ones_own_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
