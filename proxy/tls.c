/*
 * TLS towards clients with libssl. A session keeps no buffer while it is idle; tickets are sealed
 * with a key that all workers derive from one secret, so that any of them resumes any session.
 */
#include "tls.h"

#include "digest.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_KEYS 80 /* SSL_CTX_set_tlsext_ticket_keys(3): name, HMAC key, AES key */

struct tls_server {
	SSL_CTX *ctx;
	int64_t expires;
};

/* A session is the library's own object: nothing of ours is needed beside it. */
static SSL *ssl(const struct tls *t)
{
	return (SSL *)(uintptr_t)t;
}

static bool why(struct err *e, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return err_set(e, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

/* --- certificates ------------------------------------------------------------------------------
 */

static int64_t end_of(X509 *cert)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;
	bool ok = epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(cert)) == 1;

	ASN1_TIME_free(epoch);
	return ok ? (int64_t)days * 86400 + seconds : 0;
}

static BIO *text_of(struct span pem)
{
	return pem.n > INT_MAX ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
}

static bool use_chain(struct tls_server *s, struct span chain, struct err *e)
{
	BIO *in = text_of(chain);
	X509 *cert = in ? PEM_read_bio_X509_AUX(in, NULL, NULL, NULL) : NULL, *next;
	bool ok = cert && SSL_CTX_use_certificate(s->ctx, cert) == 1;

	if (ok)
		s->expires = end_of(cert);
	X509_free(cert);
	while (ok && (next = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(s->ctx, next) != 1) {
			X509_free(next);
			ok = false;
		}
	BIO_free(in);
	if (!ok)
		return why(e, "the file holds no usable certificate in PEM form");
	ERR_clear_error(); /* the end of the file was read as an error */
	return true;
}

static bool use_key(struct tls_server *s, struct span key, struct err *e)
{
	BIO *in = text_of(key);
	EVP_PKEY *k = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
	bool ok = k && SSL_CTX_use_PrivateKey(s->ctx, k) == 1 &&
		  SSL_CTX_check_private_key(s->ctx) == 1;

	EVP_PKEY_free(k);
	BIO_free(in);
	return ok || why(e, "the private key is not that of the certificate, or not in PEM form "
			    "without a password");
}

/* --- contexts ------------------------------------------------------------------------------------
 */

static int choose_http(SSL *s, const unsigned char **out, unsigned char *n, const unsigned char *in,
	unsigned in_n, void *arg)
{
	static const unsigned char http[] = "\x08http/1.1";
	unsigned char *picked;

	(void)s, (void)arg;
	if (SSL_select_next_proto(&picked, n, http, sizeof http - 1, in, in_n) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_tickets(SSL_CTX *ctx, const uint8_t *secret)
{
	struct digest *d = digest_new();
	uint8_t keys[3 * SHA256_LEN];
	bool ok;

	if (!d)
		return false;
	for (char part = 0; part < 3; part++) {
		struct span parts[] = {SPAN("stile session tickets "), span_of(&part, 1)};

		digest_hmac(d, span_of(secret, 32), parts, 2, keys + part * SHA256_LEN);
	}
	ok = SSL_CTX_set_tlsext_ticket_keys(ctx, keys, TICKET_KEYS) == 1;
	explicit_bzero(keys, sizeof keys);
	digest_free(d);
	return ok;
}

static bool set_up(SSL_CTX *ctx, const uint8_t *secret)
{
	static const unsigned char name[] = "stile";

	/* clients do close without close_notify; that is an end, not an error */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_http, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, name, sizeof name - 1) == 1 &&
	       set_tickets(ctx, secret);
}

struct tls_server *tls_server_new(
	struct span chain, struct span key, const uint8_t *secret, struct err *e)
{
	struct tls_server *s = calloc(1, sizeof *s);

	if (s)
		s->ctx = SSL_CTX_new(TLS_server_method());
	if (s && s->ctx && !set_up(s->ctx, secret))
		why(e, "TLS cannot be set up");
	else if (s && s->ctx && use_chain(s, chain, e) && use_key(s, key, e))
		return s;
	else if (!s || !s->ctx)
		err_set(e, "out of memory");
	tls_server_free(s);
	return NULL;
}

void tls_server_free(struct tls_server *s)
{
	if (!s)
		return;
	SSL_CTX_free(s->ctx); /* counted: sessions hold it as well */
	free(s);
}

int64_t tls_server_expires(const struct tls_server *s)
{
	return s->expires;
}

/* --- sessions
 * -------------------------------------------------------------------------------------- */

struct tls *tls_accept(struct tls_server *s, int fd)
{
	SSL *t = SSL_new(s->ctx);

	if (t && SSL_set_fd(t, fd) == 1) {
		SSL_set_accept_state(t);
		return (struct tls *)t;
	}
	SSL_free(t);
	return NULL;
}

void tls_free(struct tls *t, bool spoiled)
{
	if (!t)
		return;
	if (spoiled)
		SSL_set_quiet_shutdown(ssl(t), 1);
	else
		tls_shut(t);
	SSL_free(ssl(t));
}

static enum tls_answer answer(const struct tls *t, int r)
{
	int error = SSL_get_error(ssl(t), r);

	ERR_clear_error();
	if (error == SSL_ERROR_WANT_READ)
		return TLS_READ;
	return error == SSL_ERROR_WANT_WRITE ? TLS_WRITE : TLS_FAILED;
}

struct span tls_name(const struct tls *t)
{
	return span_str(SSL_get_servername(ssl(t), TLSEXT_NAMETYPE_host_name));
}

enum tls_answer tls_handshake(struct tls *t)
{
	int r = SSL_do_handshake(ssl(t));

	return r == 1 ? TLS_DONE : answer(t, r);
}

/* What SSL_read and SSL_write say, in our words. */
static ssize_t outcome(struct tls *t, int r)
{
	int error;

	if (r > 0)
		return r;
	error = SSL_get_error(ssl(t), r);
	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TLS_AGAIN;
	default:
		return TLS_BROKE;
	}
}

static int bounded(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
	return outcome(t, SSL_read(ssl(t), p, bounded(n)));
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
	ssize_t sent = n ? outcome(t, SSL_write(ssl(t), p, bounded(n))) : 0;

	return n && sent == 0 ? TLS_BROKE : sent;
}

bool tls_buffered(const struct tls *t)
{
	return SSL_has_pending(ssl(t)) == 1;
}

void tls_shut(struct tls *t)
{
	if (SSL_is_init_finished(ssl(t)) && !(SSL_get_shutdown(ssl(t)) & SSL_SENT_SHUTDOWN))
		SSL_shutdown(ssl(t));
	ERR_clear_error();
}
