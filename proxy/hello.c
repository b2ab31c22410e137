/*
 * The ClientHello as OpenSSL reads it: a server handshake on memory that is given up the moment its
 * hello callback runs, so nothing is answered. Bytes that are plainly no TLS, or of which the first
 * record is not whole yet, never reach libssl.
 */
#include "hello.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#define RECORD_HEADER  5
#define TYPE_HANDSHAKE 0x16
#define MAJOR_TLS      0x03
#define CLIENT_HELLO   0x01
#define NAME_TYPE_HOST 0

struct hello_reader {
	SSL_CTX *ctx;
};

/* What the callback of one reading leaves behind. */
struct seen {
	bool hello;
	char *name;
};

/* RFC 6066 3: a list of names, of which only one of type host_name is in use. Literal addresses are
 * no server names. */
static void read_name(const uint8_t *p, size_t n, char name[HOST_MAX + 1])
{
	size_t len = n >= 5 ? (size_t)p[3] << 8 | p[4] : 0;
	struct host host;

	memcpy(name, "?", 2);
	if (n < 5 || ((size_t)p[0] << 8 | p[1]) != n - 2 || p[2] != NAME_TYPE_HOST || len != n - 5)
		return;
	if (host_parse(span_of(p + 5, len), &host) && !host.literal)
		memcpy(name, host.name, (size_t)host.len + 1);
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
	struct seen *seen = SSL_get_app_data(ssl);
	const unsigned char *p;
	size_t n;

	(void)alert;
	(void)arg;
	seen->hello = true;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n))
		read_name(p, n, seen->name);
	return SSL_CLIENT_HELLO_RETRY;
}

struct hello_reader *hello_new(void)
{
	struct hello_reader *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->ctx = SSL_CTX_new(TLS_server_method());
	if (!h->ctx) {
		ERR_clear_error();
		free(h);
		return NULL;
	}
	SSL_CTX_set_client_hello_cb(h->ctx, on_hello, NULL);
	return h;
}

void hello_free(struct hello_reader *h)
{
	if (!h)
		return;
	SSL_CTX_free(h->ctx);
	free(h);
}

/* MORE: the first record is not whole. TLS: it may be a ClientHello. */
static enum hello_answer check_start(struct span in)
{
	static const uint8_t start[] = {TYPE_HANDSHAKE, MAJOR_TLS};
	const uint8_t *p = (const uint8_t *)in.p;
	size_t n = in.n < sizeof(start) ? in.n : sizeof(start);

	if (n && memcmp(p, start, n) != 0)
		return HELLO_OTHER;
	if (in.n > RECORD_HEADER && p[RECORD_HEADER] != CLIENT_HELLO)
		return HELLO_OTHER;
	if (in.n < RECORD_HEADER || in.n - RECORD_HEADER < ((size_t)p[3] << 8 | p[4]))
		return HELLO_MORE;
	return HELLO_TLS;
}

/* An SSL object that reads `in` and writes nowhere. */
static SSL *open_ssl(SSL_CTX *ctx, struct span in, struct seen *seen)
{
	SSL *ssl = SSL_new(ctx);
	BIO *from = BIO_new_mem_buf(in.p, (int)in.n);
	BIO *to = BIO_new(BIO_s_null());

	if (!ssl || !from || !to) {
		BIO_free(to);
		BIO_free(from);
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_mem_eof_return(from, -1); /* the end of what is here is not the end of the stream */
	SSL_set_bio(ssl, from, to);
	SSL_set_app_data(ssl, seen);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* Out of memory reads as "not TLS": the tunnel's rules for opaque traffic then hold. */
static enum hello_answer ask_ssl(struct hello_reader *h, struct span in, char *name)
{
	struct seen seen = {.name = name};
	SSL *ssl = open_ssl(h->ctx, in, &seen);
	enum hello_answer a = HELLO_OTHER;
	int r;

	if (!ssl)
		goto out;
	r = SSL_do_handshake(ssl);
	if (seen.hello)
		a = HELLO_TLS;
	else if (SSL_get_error(ssl, r) == SSL_ERROR_WANT_READ)
		a = HELLO_MORE;
out:
	SSL_free(ssl);
	ERR_clear_error(); /* a queue that other users of libssl in this thread would read */
	return a;
}

enum hello_answer hello_read(struct hello_reader *h, struct span in, char name[HOST_MAX + 1])
{
	enum hello_answer a;

	name[0] = '\0';
	a = check_start(span_of(in.p, in.n < HELLO_MAX ? in.n : HELLO_MAX));
	if (a == HELLO_TLS)
		a = ask_ssl(h, span_of(in.p, in.n < HELLO_MAX ? in.n : HELLO_MAX), name);
	return a == HELLO_MORE && in.n >= HELLO_MAX ? HELLO_OTHER : a;
}
