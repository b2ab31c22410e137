/*
 * Making and mapping the bundle: files in, one sealed block of bytes out; nothing changes unless
 * all of it is right.
 */
#include "bundle.h"

#include "certificates.h"
#include "credentials.h"
#include "digest.h"
#include "file.h"
#include "interfaces.h"
#include "log.h"
#include "pack.h"
#include "resolvconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES     32
#define HOSTS_MAX     (8u << 20)
#define RESOLV_MAX    (64u << 10)
#define SYSTEM_RESOLV "/etc/resolv.conf"
#define SYSTEM_HOSTS  "/etc/hosts"

/* The key's file: 64 hex digits and a newline; made where missing, readable by its owner only. */
/* For a check: a key that is not there yet is none of the file's faults. */
static bool will_be_made(const char *path, uint8_t out[KEY_BYTES])
{
	if (access(path, F_OK) == 0 || errno != ENOENT)
		return false;
	memset(out, 0, KEY_BYTES);
	log_info("config", "%s will be made at the first start", path);
	return true;
}

static bool pseudonym_key(const char *path, uint8_t out[KEY_BYTES], struct problems *p)
{
	struct err e = {""};
	struct buf text = {0};
	char fresh[KEY_BYTES * 2 + 2];
	uint8_t random[KEY_BYTES];
	bool made = false, ok;

	random_bytes(random, sizeof random);
	hex_encode(random, sizeof random, fresh);
	fresh[KEY_BYTES * 2] = '\n';
	ok = file_make(path, span_of(fresh, KEY_BYTES * 2 + 1), 0600, &made, &e) &&
	     file_read(path, 1024, &text, &e);
	if (made && ok)
		log_info("config",
			"made %s: keep it secret, back it up, and copy it to every node of this "
			"installation",
			path);
	if (!ok)
		problem_error(p, path, 0, "%s", e.text);
	else if (!hex_decode(span_trim(span_of(text.p, text.n ? text.n - 1 : 0)), out, KEY_BYTES))
		ok = (problem_error(p, path, 1,
			      "expected 64 hex digits and a newline: the pseudonym key"),
			false);
	explicit_bzero(random, sizeof random);
	explicit_bzero(fresh, sizeof fresh);
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_free(&text);
	return ok;
}

/* What names no server of its own uses those of the system, and its search list. */
static void system_resolver(struct settings *s)
{
	struct buf text = {0};

	if (file_read(SYSTEM_RESOLV, RESOLV_MAX, &text, NULL))
		resolvconf_read(buf_spanof(&text), s);
	if (s->servers.n == 0 && addr_parse(SPAN("127.0.0.1"), &s->servers.v[0].addr))
		s->servers.v[s->servers.n++].port = 53;
	buf_free(&text);
}

static bool add_hosts(struct pack_writer *w, const char *path, struct problems *p)
{
	struct buf text = {0};
	struct err e = {""};
	/* the system's own may be missing: that is no name, not a slip */
	bool none = !*path || (strcmp(path, SYSTEM_HOSTS) == 0 && access(path, F_OK) != 0);
	bool ok = none || file_read(path, HOSTS_MAX, &text, &e);

	if (!ok)
		problem_error(p, path, 0, "%s", e.text);
	pack_add(w, "hosts", buf_spanof(&text));
	buf_free(&text);
	return ok;
}

static bool add_policy(struct pack_writer *w, const char *path, struct problems *p)
{
	struct buf bytes = {0};
	bool ok = policy_compile(path, &bytes, p);

	if (ok)
		pack_add(w, "policy", buf_spanof(&bytes));
	buf_free(&bytes);
	return ok;
}

static bool add_accounts(struct pack_writer *w, const struct settings *s, struct problems *p)
{
	struct buf block = {0};
	bool ok = true;

	if (*s->users) {
		ok = accounts_compile(s->users, *s->groups ? s->groups : NULL, &block, p);
		if (ok)
			pack_add(w, "accounts", buf_spanof(&block));
		if (block.p)
			explicit_bzero(block.p, block.n);
	} else if (*s->groups) {
		problem_error(p, s->file, 0, "identity.groups is set but identity.users is not");
		ok = false;
	}
	buf_free(&block);
	return ok;
}

int bundle_seal(const char *name, struct span bytes, struct problems *p)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write_all(fd, bytes.p, bytes.n) &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
			0)
		return fd;
	problem_error(p, name, 0, "cannot be made: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int bundle_make(const char *config, const uint8_t login_key[32], int *shipper, struct problems *p)
{
	static const uint8_t none[KEY_BYTES];
	struct settings *s = calloc(1, sizeof *s);
	struct pack_writer w;
	uint8_t key[KEY_BYTES];
	struct span done;
	int fd = -1;
	bool ok;

	*shipper = -1;
	if (!s)
		return -1;
	pack_start(&w);
	ok = settings_load(config, s, p);
	if (ok) {
		/* every part is read although one is wrong: all problems are told at once */
		ok &= add_policy(&w, s->policy, p);
		ok &= add_accounts(&w, s, p);
		ok &= add_hosts(&w, s->hosts, p);
		ok &= certificates_add(&w, s, p);
		interfaces_add(&w);
		*shipper = credentials_make(s, p);
		ok &= *shipper >= 0;
	}
	ok = ok && p->errors == 0 &&
	     ((!login_key && will_be_made(s->pseudonym_key, key)) ||
		     pseudonym_key(s->pseudonym_key, key, p));
	if (ok) {
		if (s->servers.n == 0)
			system_resolver(s);
		pack_add(&w, "settings", span_of(s, sizeof *s));
		pack_add(&w, "pseudonym-key", span_of(key, sizeof key));
		pack_add(&w, "login-key", span_of(login_key ? login_key : none, KEY_BYTES));
		if (pack_finish(&w, &done))
			fd = bundle_seal("stile-bundle", done, p);
		else
			problem_error(p, config, 0, "out of memory");
	}
	if (fd < 0 && *shipper >= 0) {
		close(*shipper);
		*shipper = -1;
	}
	explicit_bzero(key, sizeof key);
	pack_drop(&w);
	explicit_bzero(s, sizeof *s);
	free(s);
	return fd;
}

static bool part(struct span pack, const char *name, size_t size, const void **out, struct err *e)
{
	struct span data;

	if (!pack_get(pack, name, &data) || data.n != size)
		return err_set(e, "the bundle's part \"%s\" is missing or has another size", name);
	*out = data.p;
	return true;
}

static bool parts(struct bundle *b, struct err *e)
{
	const void *settings = NULL, *pseudonyms = NULL, *logins = NULL;
	struct span data;
	uint8_t hash[SHA256_LEN];

	if (!pack_check(b->pack, e) ||
		!part(b->pack, "settings", sizeof(struct settings), &settings, e) ||
		!part(b->pack, "pseudonym-key", KEY_BYTES, &pseudonyms, e) ||
		!part(b->pack, "login-key", KEY_BYTES, &logins, e))
		return false;
	b->settings = settings;
	b->pseudonym_key = pseudonyms;
	b->login_key = logins;
	if (!pack_get(b->pack, "hosts", &b->hosts) || !pack_get(b->pack, "policy", &data))
		return err_set(e, "the bundle holds no policy");
	b->policy = snapshot_open(data.p, data.n, e);
	if (!b->policy)
		return false;
	digest_sha256(&data, 1, hash);
	hex_encode(hash, sizeof hash, b->digest);
	if (!pack_get(b->pack, "accounts", &data))
		return true;
	b->accounts = accounts_open(data, e);
	return b->accounts != NULL;
}

struct bundle *bundle_open(int fd, struct err *e)
{
	struct bundle *b = calloc(1, sizeof *b);
	struct stat st;
	void *at = MAP_FAILED;

	if (!b)
		return (void)err_set(e, "out of memory"), NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		err_sys(e, "the bundle cannot be mapped");
		free(b);
		return NULL;
	}
	b->refs = 1;
	b->pack = span_of(at, (size_t)st.st_size);
	if (parts(b, e))
		return b;
	bundle_unref(b);
	return NULL;
}

struct bundle *bundle_ref(struct bundle *b)
{
	b->refs++;
	return b;
}

void bundle_unref(struct bundle *b)
{
	if (!b || --b->refs > 0)
		return;
	munmap((void *)(uintptr_t)b->pack.p, b->pack.n);
	free(b);
}
