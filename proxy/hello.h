/*
 * The first bytes of a tunnel: is it TLS, and for which name? OpenSSL reads the ClientHello (split,
 * post-quantum, whatever TLS allows); nothing is answered, nothing is decrypted.
 */
#ifndef STILE_HELLO_H
#define STILE_HELLO_H

#include "host.h"

#define HELLO_MAX 16384

enum hello_answer {
	HELLO_MORE, /* may be TLS, not complete yet */
	HELLO_TLS,  /* a ClientHello; name filled ("" without SNI) */
	HELLO_OTHER /* not TLS */
};

struct hello_reader;
/* One for each worker. NULL: libssl failed. */
struct hello_reader *hello_new(void);
void hello_free(struct hello_reader *h);
/* `in`: all bytes so far. name: canonical lower case; "?" when a server name is no host name. */
enum hello_answer hello_read(struct hello_reader *h, struct span in, char name[HOST_MAX + 1]);

#endif
