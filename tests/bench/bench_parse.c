/* What comes in, read where it lies: heads, a body in chunks, the first bytes of a tunnel. */
#include "bench.h"

#include "body.h"
#include "head.h"
#include "hello.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#define CHUNKS	   8
#define CHUNK_SIZE 4096

struct parse {
	struct span connect, get, response;
	struct buf chunked, hello;
	struct hello_reader *reader;
};

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

static const char response_head[] = "HTTP/1.1 200 OK\r\n"
				    "Date: Mon, 02 Mar 2026 10:00:00 GMT\r\n"
				    "Server: nginx/1.24.0\r\n"
				    "Content-Type: text/html; charset=utf-8\r\n"
				    "Content-Length: 31873\r\n"
				    "Connection: keep-alive\r\n"
				    "Cache-Control: public, max-age=300, must-revalidate\r\n"
				    "ETag: \"65e2f1a0-7c81\"\r\n"
				    "Last-Modified: Sat, 28 Feb 2026 08:13:04 GMT\r\n"
				    "Vary: Accept-Encoding, Cookie\r\n"
				    "Strict-Transport-Security: max-age=31536000\r\n"
				    "X-Content-Type-Options: nosniff\r\n"
				    "\r\n";

/* --- work ------------------------------------------------------------------------------------- */

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

static void parse_response(void *arg, size_t n)
{
	const struct span *head = arg;
	struct head_response out;

	for (size_t i = 0; i < n; i++) {
		bench_keep(head->p);
		if (head_parse_response(*head, false, &out) != HEAD_DONE)
			bench_fail("a head is not parsed: %s", head_error_text(out.error));
		bench_keep(&out);
	}
}

static void follow(void *arg, size_t n)
{
	const struct parse *p = arg;
	struct body body;
	size_t used;

	for (size_t i = 0; i < n; i++) {
		bench_keep(p->chunked.p);
		body_start(&body, BODY_CHUNKED, 0);
		if (body_take(&body, buf_spanof(&p->chunked), &used) != BODY_DONE)
			bench_fail("a body does not end");
		bench_keep(&body);
	}
}

static void read_hello(void *arg, size_t n)
{
	const struct parse *p = arg;
	char name[HOST_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		if (hello_read(p->reader, buf_spanof(&p->hello), name) != HELLO_TLS)
			bench_fail("a ClientHello is not read");
		bench_keep(name);
	}
}

/* --- samples ---------------------------------------------------------------------------------- */

static void make_chunked(struct buf *out)
{
	static const char chunk[CHUNK_SIZE];

	for (int i = 0; i < CHUNKS; i++) {
		buf_printf(out, "%x\r\n", CHUNK_SIZE);
		buf_add(out, chunk, sizeof chunk);
		buf_adds(out, "\r\n");
	}
	buf_adds(out, "0\r\n\r\n");
}

/* As OpenSSL's client writes it. */
static void make_hello(struct buf *out)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
	char *p, name[] = "static-eu1.cdn.example.org";

	SSL_set_tlsext_host_name(ssl, name);
	SSL_set_bio(ssl, in, sent);
	if (SSL_connect(ssl) != -1)
		bench_fail("a client that nobody answers is connected");
	long n = BIO_get_mem_data(sent, &p);

	buf_add(out, p, (size_t)n);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* --- the section ------------------------------------------------------------------------------ */

static void note(struct bench *b, struct span head)
{
	struct head_request out;

	if (head_parse_request(head, &out) != HEAD_DONE)
		bench_fail("a head is not parsed: %s", head_error_text(out.error));
	bench_note(b, "%zu bytes, %zu fields", head.n, out.n);
}

static void *begin(struct bench *b)
{
	struct parse *p = calloc(1, sizeof *p);

	if (!p || !(p->reader = hello_new()))
		bench_fail("out of memory");
	p->connect = SPAN(connect_head);
	p->get = SPAN(get_head);
	p->response = SPAN(response_head);
	make_chunked(&p->chunked);
	make_hello(&p->hello);
	bench_work(b, "CONNECT head", parse, &p->connect);
	note(b, p->connect);
	bench_work(b, "http GET head, browser-like", parse, &p->get);
	note(b, p->get);
	bench_work(b, "response head", parse_response, &p->response);
	bench_note(b, "%zu bytes", p->response.n);
	bench_work(b, "chunked body", follow, p);
	bench_note(b, "%d chunks of %d bytes", CHUNKS, CHUNK_SIZE);
	bench_work(b, "ClientHello", read_hello, p);
	bench_note(b, "%zu bytes; by OpenSSL", p->hello.n);
	return p;
}

static void end(void *state)
{
	struct parse *p = state;

	hello_free(p->reader);
	buf_free(&p->chunked);
	buf_free(&p->hello);
	free(p);
}

const struct bench_section bench_parse = {"parse", begin, end};
