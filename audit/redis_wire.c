/*
 * The wire to Redis. TLS is a layer over the same socket that does not block: OpenSSL says what it
 * waits for, we wait with the deadline and ask again. The server must show a certificate that leads
 * to the given authority and carries the name that was dialled; there is no way to switch that off.
 */
#include "redis_wire.h"

#include "addr.h"
#include "redis_dial.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
	int fd;
	unsigned timeout_ms; /* for what is said only */
	BIO_METHOD *method;
	SSL_CTX *ctx;
	SSL *ssl; /* NULL: plain */
};

/* One turn: bytes that moved, or what the wire waits for (poll events), or neither: it ended. */
struct turn {
	size_t moved;
	short wait;
};

/* --- plain ------------------------------------------------------------------------------------ */

static struct turn plain_turn(struct wire *w, void *in, const void *out, size_t n)
{
	const ssize_t got = in ? recv(w->fd, in, n, 0) : send(w->fd, out, n, MSG_NOSIGNAL);
	if (got > 0)
		return (struct turn){.moved = (size_t)got};
	if (got == 0)
		errno = 0;
	else if (errno == EAGAIN || errno == EINTR)
		return (struct turn){.wait = in ? POLLIN : POLLOUT};
	return (struct turn){0};
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE in whoever uses us. */
static int bio_write(BIO *b, const char *p, int n)
{
	const struct wire *w = BIO_get_data(b);
	const ssize_t put = send(w->fd, p, (size_t)n, MSG_NOSIGNAL);
	BIO_clear_retry_flags(b);
	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(b);
	return (int)put;
}

static int bio_read(BIO *b, char *p, int n)
{
	const struct wire *w = BIO_get_data(b);
	const ssize_t got = recv(w->fd, p, (size_t)n, 0);
	BIO_clear_retry_flags(b);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	return (int)got;
}

static long bio_control(BIO *b, int command, long number, void *p)
{
	(void)b, (void)number, (void)p;
	return command == BIO_CTRL_FLUSH;
}

static BIO *bio_over(struct wire *w)
{
	BIO *b;
	w->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stile wire");
	if (!w->method || !BIO_meth_set_write(w->method, bio_write) ||
		!BIO_meth_set_read(w->method, bio_read) ||
		!BIO_meth_set_ctrl(w->method, bio_control) || !(b = BIO_new(w->method)))
		return NULL;
	BIO_set_data(b, w);
	BIO_set_init(b, 1);
	return b;
}

/* The certificates of a PEM text, into the store or, when it is NULL, only read. */
static size_t read_authorities(struct span pem, X509_STORE *store)
{
	size_t n = 0;
	X509 *x;
	BIO *b = pem.n && pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	while (b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		if (!store || X509_STORE_add_cert(store, x))
			n++;
		X509_free(x);
	}
	BIO_free(b);
	ERR_clear_error();
	return n;
}

bool redis_ca_ok(struct span pem, struct err *e)
{
	return read_authorities(pem, NULL) > 0 ||
	       err_set(e, "expected certificates in PEM form (-----BEGIN CERTIFICATE-----)");
}

static bool tls_failed(enum cause *why, struct err *e, const char *what)
{
	const unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	*why = CAUSE_TLS;
	err_set(e, "Redis: %s: %s", what, reason ? reason : "the server closed the connection");
	ERR_clear_error();
	return false;
}

/* The library's macro casts const away, which our warnings forbid; it only reads the name. */
static bool set_name(SSL *ssl, const char *host)
{
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		       (void *)(uintptr_t)host) == 1;
}

/* A literal address is looked for among the certificate's addresses, a name among its names. */
static bool expect_name(SSL *ssl, const char *host)
{
	struct addr a;
	if (addr_parse(span_str(host), &a))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	return SSL_set1_host(ssl, host) && set_name(ssl, host);
}

static bool tls_prepare(struct wire *w, const struct redis_options *o)
{
	w->ctx = SSL_CTX_new(TLS_client_method());
	if (!w->ctx || !SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION) ||
		!read_authorities(o->ca, SSL_CTX_get_cert_store(w->ctx)))
		return false;
	SSL_CTX_set_verify(w->ctx, SSL_VERIFY_PEER, NULL);
	/* answers say their own length: a connection cut short is never taken for a whole one */
	SSL_CTX_set_options(w->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(
		w->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	w->ssl = SSL_new(w->ctx);
	BIO *b = w->ssl ? bio_over(w) : NULL;
	if (b)
		SSL_set_bio(w->ssl, b, b);
	return b && expect_name(w->ssl, o->host);
}

static short tls_waits_for(SSL *ssl, int result)
{
	const int what = SSL_get_error(ssl, result);
	return what == SSL_ERROR_WANT_READ ? POLLIN : what == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
}

static bool say_verification(SSL *ssl, const char *host, enum cause *why, struct err *e)
{
	const long v = SSL_get_verify_result(ssl);
	const bool name = v == X509_V_ERR_HOSTNAME_MISMATCH || v == X509_V_ERR_IP_ADDRESS_MISMATCH;
	*why = name ? CAUSE_CERTIFICATE_NAME : CAUSE_CERTIFICATE;
	ERR_clear_error();
	return err_set(e, "Redis: the certificate of %s is not accepted: %s", host,
		X509_verify_cert_error_string(v));
}

static bool handshake(struct wire *w, const struct redis_options *o, uint64_t until,
	enum cause *why, struct err *e)
{
	for (;;) {
		ERR_clear_error();
		const int result = SSL_connect(w->ssl);
		if (result == 1)
			return true;
		const short wait = tls_waits_for(w->ssl, result);
		if (!wait && SSL_get_verify_result(w->ssl) != X509_V_OK)
			return say_verification(w->ssl, o->host, why, e);
		if (!wait)
			return tls_failed(why, e, "TLS could not begin");
		if (redis_wait(w->fd, wait, until))
			continue;
		*why = CAUSE_SLOW;
		return err_set(e,
			"Redis: TLS did not begin within %u ms (does this port speak TLS?)",
			w->timeout_ms);
	}
}

static struct turn tls_turn(struct wire *w, void *in, const void *out, size_t n)
{
	size_t moved = 0;
	ERR_clear_error();
	errno = 0;
	const int result =
		in ? SSL_read_ex(w->ssl, in, n, &moved) : SSL_write_ex(w->ssl, out, n, &moved);
	if (result == 1)
		return (struct turn){.moved = moved};
	return (struct turn){.wait = tls_waits_for(w->ssl, result)};
}

/* --- both ------------------------------------------------------------------------------------- */

struct wire *wire_open(
	const struct redis_options *o, uint64_t until, enum cause *why, struct err *e)
{
	struct wire *w = calloc(1, sizeof *w);
	if (!w) {
		*why = CAUSE_LOCAL;
		err_set(e, "Redis: out of memory");
		return NULL;
	}
	*why = CAUSE_UNREACHABLE;
	w->timeout_ms = o->timeout_ms;
	w->fd = redis_dial(o, until, e);
	if (w->fd < 0)
		goto out;
	if (!o->tls)
		return w;
	if (!tls_prepare(w, o))
		tls_failed(why, e, "TLS cannot be prepared");
	else if (handshake(w, o, until, why, e))
		return w;
out:
	wire_free(w);
	return NULL;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	SSL_free(w->ssl);
	SSL_CTX_free(w->ctx);
	BIO_meth_free(w->method);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static struct turn turn(struct wire *w, void *in, const void *out, size_t n)
{
	return w->ssl ? tls_turn(w, in, out, n) : plain_turn(w, in, out, n);
}

static void say_end(struct wire *w, const char *doing, enum cause *why, struct err *e)
{
	*why = CAUSE_CLOSED;
	if (w->ssl && ERR_peek_error())
		tls_failed(why, e, doing);
	else if (errno)
		err_sys(e, "Redis: %s failed", doing);
	else
		err_set(e, "Redis: the server closed the connection");
}

bool wire_write(
	struct wire *w, const void *p, size_t n, uint64_t until, enum cause *why, struct err *e)
{
	const char *at = p, *end = at + n;
	while (at < end) {
		const struct turn t = turn(w, NULL, at, (size_t)(end - at));
		at += t.moved;
		if (t.moved)
			continue;
		if (!t.wait) {
			say_end(w, "writing", why, e);
			return false;
		}
		if (!redis_wait(w->fd, t.wait, until)) {
			*why = CAUSE_SLOW;
			return err_set(e, "Redis: takes no command within %u ms", w->timeout_ms);
		}
	}
	return true;
}

size_t wire_read(
	struct wire *w, void *mem, size_t n, uint64_t until, enum cause *why, struct err *e)
{
	for (;;) {
		const struct turn t = turn(w, mem, NULL, n);
		if (t.moved)
			return t.moved;
		if (!t.wait) {
			say_end(w, "reading", why, e);
			return 0;
		}
		if (!redis_wait(w->fd, t.wait, until)) {
			*why = CAUSE_SLOW;
			err_set(e, "Redis: no answer within %u ms", w->timeout_ms);
			return 0;
		}
	}
}
