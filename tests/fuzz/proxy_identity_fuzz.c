/*
 * Any bytes as the value of Proxy-Authorization, and any name and password as a client writes them:
 * a name that is taken from them has no control character, and what was written by RFC 7617 is read
 * as what it was.
 */
#include "identity.h"

#include "fuzz.h"

static bool is_malformed(struct span value, char name[IDENTITY_USER_MAX + 1])
{
	static struct identity_checker *c;
	static struct loop *loop;
	struct identity_check *handle;
	enum identity_result result;
	struct err e;

	if (!c) {
		static void *cache;

		loop = loop_new();
		cache = calloc(1, identity_cache_size());
		must(loop && cache);
		c = identity_new(&(struct identity_options){.loop = loop, .cache = cache}, &e);
		must(c != NULL);
	}
	/* nobody has an account: all that can be read is wrong, and no hash is made */
	must(identity_check(c, value, &result, name, NULL, NULL, &handle) && !handle);
	must(result == IDENTITY_MALFORMED || result == IDENTITY_WRONG);
	must(result != IDENTITY_MALFORMED || !name[0]);
	for (const char *p = name; *p; p++)
		must((unsigned char)*p >= ' ' && *p != 127 && *p != ':');
	return result == IDENTITY_MALFORMED;
}

static void encode(struct buf *b, struct span s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_addc(b, i + k <= s.n ? digits[v >> (18 - 6 * k) & 63] : '=');
	}
}

static bool is_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

/* user:password */
static void try_written(struct span login)
{
	char name[IDENTITY_USER_MAX + 1];
	struct buf value = {0};
	struct span password = login, user = span_cut(&password, ':');

	buf_adds(&value, "Basic ");
	encode(&value, login);
	bool bad = is_malformed(buf_spanof(&value), name);
	if (!password.p || !is_text(login) || user.n > IDENTITY_USER_MAX)
		must(bad);
	else if (password.n <= 128)
		must(!bad && span_is(user, name));
	buf_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[IDENTITY_USER_MAX + 1];
	struct span in = span_of(data, size);

	is_malformed(in, name);
	try_written(in);
	return 0;
}
