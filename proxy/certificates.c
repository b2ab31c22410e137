/*
 * Certificates are tried before they get into a bundle: a chain with a wrong key is a problem of
 * the file, told with its name, and never reaches a worker.
 */
#include "certificates.h"

#include "clock.h"
#include "file.h"
#include "log.h"
#include "tls.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PEM_MAX	  (1u << 20)
#define DAY_S	  86400
#define WARN_DAYS 14

static bool readable_by_others(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH));
}

/* A certificate that has ended is no reason to stop serving, but one to shout. */
static void watch(const struct settings_listen *l, const struct tls_server *tls)
{
	int64_t left = tls_server_expires(tls) - clock_wall_ms() / 1000;

	if (left < 0)
		log_error("config", "%s has expired: clients refuse it", l->certificate);
	else if (left < WARN_DAYS * DAY_S)
		log_warn("config", "%s expires in %lld days", l->certificate,
			(long long)left / DAY_S);
	if (readable_by_others(l->key))
		log_warn("config", "%s can be read by others than its owner", l->key);
}

static void part(size_t listener, const char *what, char out[PACK_NAME_MAX + 1])
{
	snprintf(out, PACK_NAME_MAX + 1, "tls-%zu-%s", listener, what);
}

static bool add_one(
	struct pack_writer *w, const struct settings_listen *l, size_t listener, struct problems *p)
{
	static const uint8_t any_secret[32];
	struct buf chain = {0}, key = {0};
	struct err e = {""};
	struct tls_server *tls = NULL;
	char name[PACK_NAME_MAX + 1];

	if (!file_read(l->certificate, PEM_MAX, &chain, &e))
		problem_error(p, l->certificate, 0, "%s", e.text);
	else if (!file_read(l->key, PEM_MAX, &key, &e))
		problem_error(p, l->key, 0, "%s", e.text);
	else if (!(tls = tls_server_new(buf_spanof(&chain), buf_spanof(&key), any_secret, &e)))
		problem_error(p, l->certificate, 0, "%s", e.text);
	if (tls) {
		watch(l, tls);
		part(listener, "chain", name);
		pack_add(w, name, buf_spanof(&chain));
		part(listener, "key", name);
		pack_add(w, name, buf_spanof(&key));
	}
	if (key.p)
		explicit_bzero(key.p, key.n);
	buf_free(&chain);
	buf_free(&key);
	tls_server_free(tls);
	return tls != NULL;
}

bool certificates_add(struct pack_writer *w, const struct settings *s, struct problems *p)
{
	bool ok = true;

	for (size_t i = 0; i < s->listen.n; i++)
		if (*s->listen.v[i].certificate)
			ok &= add_one(w, &s->listen.v[i], i, p);
	return ok;
}

bool certificates_get(struct span pack, size_t listener, struct span *chain, struct span *key)
{
	char chain_name[PACK_NAME_MAX + 1], key_name[PACK_NAME_MAX + 1];

	part(listener, "chain", chain_name);
	part(listener, "key", key_name);
	return pack_get(pack, chain_name, chain) && pack_get(pack, key_name, key);
}
