/*
 * How to reach Redis and who we are there, put together from a URL, settings and files. The proxy's
 * master and stile-report both read it here, so that both mean the same.
 */
#ifndef STILE_REDIS_LOGIN_H
#define STILE_REDIS_LOGIN_H

#include "buf.h"
#include "problem.h"
#include "redis.h"

/* As people wrote it; NULL or "": not said. What is said here goes before what the URL says. */
struct redis_login {
	const char *where; /* whom problems with the values themselves are told of: a file, or "" */
	const char *url, *user, *password_file, *ca_file;
};

/* Fills *out, and *ca with the text that out->ca points to. False: errors are in *p. A password
 * file that others may read is a finding. */
bool redis_login_read(
	const struct redis_login *l, struct redis_options *out, struct buf *ca, struct problems *p);
/* One line of 1-255 bytes. `out` has room for 256. */
bool redis_password_read(const char *file, char *out, struct problems *p);

#endif
