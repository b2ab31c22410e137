/* Making and mapping the credentials: a pack like the bundle, for one reader. */
#include "credentials.h"

#include "bundle.h"
#include "pack.h"
#include "redis_login.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool read_login(
	const struct settings *s, struct redis_options *out, struct buf *ca, struct problems *p)
{
	const struct redis_login login = {.where = s->file,
		.url = s->redis,
		.user = s->redis_user,
		.password_file = s->redis_password_file,
		.ca_file = s->redis_ca};
	bool ok = !*s->redis || redis_login_read(&login, out, ca, p);

	out->ca = (struct span){0}; /* a pointer is of no use in another process */
	return ok;
}

int credentials_make(struct settings *s, struct problems *p)
{
	struct redis_options o = {.timeout_ms = 0};
	struct buf ca = {0};
	struct pack_writer w;
	struct span done;
	int fd = -1;

	pack_start(&w);
	if (read_login(s, &o, &ca, p)) {
		pack_add(&w, "redis", span_of(&o, sizeof o));
		pack_add(&w, "redis-ca", buf_spanof(&ca));
		if (pack_finish(&w, &done)) {
			fd = bundle_seal("stile-credentials", done, p);
			explicit_bzero((void *)(uintptr_t)done.p, done.n);
		} else {
			problem_error(p, s->file, 0, "out of memory");
		}
	}
	redis_url_strip(s->redis);
	explicit_bzero(s->redis_user, sizeof s->redis_user);
	explicit_bzero(&o, sizeof o);
	pack_drop(&w);
	buf_free(&ca);
	return fd;
}

static bool take(struct credentials *c, struct err *e)
{
	struct span redis, ca;

	if (!pack_check(c->pack, e))
		return false;
	if (!pack_get(c->pack, "redis", &redis) || redis.n != sizeof c->redis ||
		!pack_get(c->pack, "redis-ca", &ca))
		return err_set(e, "the credentials are incomplete");
	memcpy(&c->redis, redis.p, sizeof c->redis);
	c->redis.ca = ca;
	return true;
}

struct credentials *credentials_open(int fd, struct err *e)
{
	struct credentials *c = calloc(1, sizeof *c);
	struct stat st;
	void *at = MAP_FAILED;

	if (!c)
		return (void)err_set(e, "out of memory"), NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED) {
		c->pack = span_of(at, (size_t)st.st_size);
		if (take(c, e))
			return c;
	} else {
		err_sys(e, "the credentials cannot be mapped");
	}
	credentials_free(c);
	return NULL;
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	if (c->pack.p)
		munmap((void *)(uintptr_t)c->pack.p, c->pack.n);
	explicit_bzero(c, sizeof *c);
	free(c);
}
