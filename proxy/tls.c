/*
 * TLS towards clients with libssl. A session keeps no buffer while it is idle; tickets are sealed
 * with a key that all workers derive from one secret, so that any of them resumes any session.
 *
 * What the library seals is gathered (gather.h) and sent when it returns; what it reads comes in
 * large pieces.
 */
#include "tls.h"

#include "digest.h"
#include "gather.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Read by one call: four records of the usual ciphers of TLS 1.3, so that none of them is cut where
 * they come whole (the library fetches the rest of one by a call of its own). 3: its alignment. */
#define READ_AHEAD  (4 * (TLS_RECORD_MAX + 22) + 3)
#define TICKET_KEYS 80 /* SSL_CTX_set_tlsext_ticket_keys(3): name, HMAC key, AES key */

struct tls_server {
	SSL_CTX *ctx;
	int64_t expires;
};

struct tls_shared {
	BIO_METHOD *way;
	struct gather_room room;
};

struct tls {
	SSL *ssl;
	struct gather out;
	uint8_t tickets; /* to be sent with the first bytes */
	uint32_t owed;	 /* plain bytes that are sealed already, and will be offered again */
	bool drained;	 /* the last read emptied the socket */
	bool ended;	 /* … and met its end */
	bool lost;	 /* … or a failure */
};

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
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_http, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_num_tickets(ctx, 0);			 /* of the handshake itself */
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

/* --- the way to the socket -----------------------------------------------------------------------
 */

static int way_out(BIO *b, const char *p, int n)
{
	struct tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (gather_put(&t->out, p, (size_t)n))
		return n;
	BIO_set_retry_write(b);
	return -1;
}

/* A failure is told by the kernel once, and an end afterwards. */
static int way_in(BIO *b, char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t got;

	BIO_clear_retry_flags(b);
	if (t->lost)
		return -1;
	do
		got = recv(t->out.fd, p, (size_t)n, 0);
	while (got < 0 && errno == EINTR);
	t->drained = got < n;
	t->ended = got == 0;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(b);
	else if (got < 0)
		t->lost = true;
	return (int)got;
}

static long way_asked(BIO *b, int what, long number, void *p)
{
	const struct tls *t = BIO_get_data(b);

	(void)number, (void)p;
	if (what == BIO_CTRL_EOF)
		return t->ended;
	return what == BIO_CTRL_FLUSH; /* that is done behind each call of the library */
}

struct tls_shared *tls_shared_new(void)
{
	struct tls_shared *shared = malloc(sizeof *shared);

	if (!shared)
		return NULL;
	shared->room.n = 0;
	shared->way = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stile");
	if (shared->way && BIO_meth_set_write(shared->way, way_out) &&
		BIO_meth_set_read(shared->way, way_in) && BIO_meth_set_ctrl(shared->way, way_asked))
		return shared;
	ERR_clear_error();
	tls_shared_free(shared);
	return NULL;
}

void tls_shared_free(struct tls_shared *shared)
{
	if (!shared)
		return;
	BIO_meth_free(shared->way);
	free(shared);
}

/* --- sessions ------------------------------------------------------------------------------------
 */

static bool open_way(struct tls *t, const BIO_METHOD *way)
{
	BIO *b = BIO_new(way);

	if (!b)
		return false;
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b);
	return true;
}

struct tls *tls_accept(struct tls_server *s, struct tls_shared *shared, int fd)
{
	struct tls *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->out = (struct gather){.room = &shared->room, .fd = fd};
	t->ssl = SSL_new(s->ctx);
	if (t->ssl && open_way(t, shared->way)) {
		SSL_set_accept_state(t->ssl);
		return t;
	}
	ERR_clear_error();
	SSL_free(t->ssl);
	free(t);
	return NULL;
}

void tls_free(struct tls *t, bool spoiled)
{
	if (!t)
		return;
	if (spoiled)
		SSL_set_quiet_shutdown(t->ssl, 1);
	else
		tls_shut(t);
	SSL_free(t->ssl);
	gather_free(&t->out);
	free(t);
}

static enum tls_answer answer(const struct tls *t, int r)
{
	int error = SSL_get_error(t->ssl, r);

	ERR_clear_error();
	if (error == SSL_ERROR_WANT_READ)
		return TLS_READ;
	return error == SSL_ERROR_WANT_WRITE ? TLS_WRITE : TLS_FAILED;
}

struct span tls_name(const struct tls *t)
{
	return span_str(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name));
}

/* Who greets only half holds a small buffer. Tickets of TLS 1.3 go with the first answer, in its
 * call: two, as the library has it, or one for that which was used (RFC 8446 4.6.1). */
static enum tls_answer greeted(struct tls *t)
{
	SSL_set_default_read_buffer_len(t->ssl, READ_AHEAD);
	if (SSL_version(t->ssl) == TLS1_3_VERSION)
		t->tickets = SSL_session_reused(t->ssl) ? 1 : 2;
	return TLS_DONE;
}

enum tls_answer tls_handshake(struct tls *t)
{
	enum gather_answer sent = gather_send(&t->out);
	enum tls_answer a;
	int r;

	t->drained = false;
	if (sent == GATHER_GONE) {
		r = SSL_do_handshake(t->ssl);
		a = r == 1 ? greeted(t) : answer(t, r);
		sent = gather_send(&t->out);
		if (sent == GATHER_GONE || a == TLS_FAILED)
			return a;
	}
	return sent == GATHER_KEPT ? TLS_WRITE : TLS_FAILED;
}

/* What SSL_read and SSL_write say, in our words. */
static ssize_t outcome(struct tls *t, int r)
{
	int error;

	if (r > 0)
		return r;
	error = SSL_get_error(t->ssl, r);
	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
		return TLS_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		return TLS_FULL;
	default:
		return TLS_BROKE;
	}
}

static int bounded(size_t n)
{
	return (int)(n < GATHER_PLAIN ? n : GATHER_PLAIN);
}

/* Record by record, until the socket is empty. What the library answers by itself is sent;
 * who writes next sees what became of it. */
ssize_t tls_read(struct tls *t, void *p, size_t n)
{
	size_t sum = 0;
	ssize_t got;

	t->drained = false; /* what an earlier read has met may have changed since */
	gather_send(&t->out);
	do {
		got = outcome(t, SSL_read(t->ssl, (char *)p + sum, bounded(n - sum)));
		sum += got > 0 ? (size_t)got : 0;
	} while (got > 0 && sum < n && (tls_buffered(t) || !t->drained));
	/* an end or a failure behind some bytes was met here, and the socket does not tell of it */
	t->drained &= got > 0 || got == TLS_AGAIN;
	gather_send(&t->out);
	return sum ? (ssize_t)sum : got;
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
	size_t done = t->owed;
	enum gather_answer sent = gather_send(&t->out);

	if (sent != GATHER_GONE)
		return sent == GATHER_KEPT ? 0 : TLS_BROKE;
	t->owed = 0;
	for (; t->tickets; t->tickets--)
		SSL_new_session_ticket(t->ssl); /* without one it goes as well */
	while (done < n) {
		ssize_t sealed =
			outcome(t, SSL_write(t->ssl, (const char *)p + done, bounded(n - done)));

		sent = gather_send(&t->out);
		if (sealed == 0 || sealed == TLS_BROKE || sent == GATHER_BROKE)
			return TLS_BROKE;
		if (sealed > 0)
			done += (size_t)sealed;
		if (sealed > 0 && sent == GATHER_KEPT)
			done -= t->owed = 1;
		if (sealed < 0 || sent == GATHER_KEPT)
			break;
	}
	return (ssize_t)done;
}

bool tls_buffered(const struct tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

bool tls_drained(const struct tls *t)
{
	return t->drained && !tls_buffered(t);
}

void tls_shut(struct tls *t)
{
	if (!SSL_is_init_finished(t->ssl) || SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
		return;
	if (gather_send(&t->out) == GATHER_GONE) {
		SSL_shutdown(t->ssl);
		gather_send(&t->out);
	}
	ERR_clear_error();
}
