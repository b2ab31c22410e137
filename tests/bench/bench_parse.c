/* Heads as browsers send them, parsed in place. */
#include "bench.h"

#include "head.h"

#include <stdlib.h>

static const char connect_head[] =
	"CONNECT static-eu1.cdn.example.org:443 HTTP/1.1\r\n"
	"Host: static-eu1.cdn.example.org:443\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux aarch64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Proxy-Connection: keep-alive\r\n"
	"Proxy-Authorization: Basic YW5uYTpxdWlldC1zdGlsZS0yMDI2\r\n"
	"\r\n";
_Static_assert(sizeof connect_head - 1 == 261, "the name of the case says 261 bytes");

static const char get_head[] =
	"GET http://www.example.org/library/opening-hours?branch=central&day=monday HTTP/1.1\r\n"
	"Host: www.example.org\r\n"
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
	"Gecko) "
	"Chrome/126.0.0.0 Safari/537.36\r\n"
	"Accept: "
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
	"Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\n"
	"Accept-Encoding: gzip, deflate\r\n"
	"Referer: http://www.example.org/library/\r\n"
	"Cookie: session=8f14e45fceea167a5a36dedd4bea2543; consent=essential; theme=light\r\n"
	"Cache-Control: max-age=0\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"Proxy-Connection: keep-alive\r\n"
	"Proxy-Authorization: Basic YW5uYTpxdWlldC1zdGlsZS0yMDI2\r\n"
	"\r\n";

static void parse(void *arg, size_t n)
{
	const struct span *head = arg;
	struct head_request out;

	for (size_t i = 0; i < n; i++) {
		bench_keep(head->p);
		if (head_parse_request(*head, &out) != HEAD_DONE)
			bench_fail("a head is not parsed: %s", head_error_text(out.error));
		bench_keep(&out);
	}
}

static void note(struct bench *b, struct span head)
{
	struct head_request out;

	if (head_parse_request(head, &out) != HEAD_DONE)
		bench_fail("a head is not parsed: %s", head_error_text(out.error));
	bench_note(b, "%zu bytes, %zu fields", head.n, out.n);
}

static void *begin(struct bench *b)
{
	struct span *heads = calloc(2, sizeof *heads);

	if (!heads)
		bench_fail("out of memory");
	heads[0] = SPAN(connect_head);
	heads[1] = SPAN(get_head);
	bench_work(b, "CONNECT head", parse, &heads[0]);
	note(b, heads[0]);
	bench_work(b, "http GET head, browser-like", parse, &heads[1]);
	note(b, heads[1]);
	return heads;
}

const struct bench_section bench_parse = {"parse", begin, free};
