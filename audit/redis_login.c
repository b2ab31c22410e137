/* Reading what is needed to log in. No message repeats a password, nor a URL that may hold one. */
#include "redis_login.h"

#include "file.h"

#include <sys/stat.h>

#define PASSWORD_FILE_MAX 1024
#define CA_FILE_MAX	  (1U << 20)

static bool said(const char *s)
{
	return s && *s;
}

static void warn_of_readers(const char *file, struct problems *p)
{
	struct stat st;
	if (stat(file, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)))
		problem_finding(p, file, 0, "mode",
			"holds a password, and others than its owner may read or change it (mode "
			"%04o): chmod 600",
			(unsigned)st.st_mode & 07777);
}

bool redis_password_read(const char *file, char *out, struct problems *p)
{
	struct buf text = {0};
	struct err e = {""};
	bool ok = file_read(file, PASSWORD_FILE_MAX, &text, &e);
	if (!ok) {
		problem_error(p, file, 0, "%s", e.text);
	} else {
		struct span line = buf_spanof(&text);
		if (line.n && line.p[line.n - 1] == '\n')
			line.n--;
		ok = line.n > 0 && !memchr(line.p, '\n', line.n) && span_copy(line, out, 256);
		if (!ok)
			problem_error(p, file, 1, "expected one line of 1-255 bytes: a password");
		warn_of_readers(file, p);
	}
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_free(&text);
	return ok;
}

static bool take_user(const struct redis_login *l, struct redis_options *out, struct problems *p)
{
	if (!said(l->user) || span_copy(span_str(l->user), out->user, sizeof out->user))
		return true;
	problem_error(p, l->where, 0, "redis_user: expected at most 127 bytes");
	return false;
}

static bool take_authorities(const struct redis_login *l, const struct redis_options *out,
	struct buf *ca, struct problems *p)
{
	struct err e = {""};
	if (!out->tls && !said(l->ca_file))
		return true;
	if (!out->tls)
		problem_error(p, l->where, 0,
			"redis_ca is given, but the address of Redis does not begin with "
			"rediss://: "
			"without it nothing is encrypted or checked");
	else if (!said(l->ca_file))
		problem_error(p, l->where, 0,
			"rediss:// needs redis_ca: the certificates to which that of Redis must "
			"lead");
	else if (file_read(l->ca_file, CA_FILE_MAX, ca, &e) && redis_ca_ok(buf_spanof(ca), &e))
		return true;
	else
		problem_error(p, l->ca_file, 0, "%s", e.text);
	return false;
}

bool redis_login_read(
	const struct redis_login *l, struct redis_options *out, struct buf *ca, struct problems *p)
{
	struct err e = {""};
	if (!redis_url(l->url, out, &e)) {
		problem_error(p, l->where, 0, "%s", e.text);
		return false;
	}
	/* each is read although one is wrong: all problems are told at once */
	bool ok = take_user(l, out, p);
	if (said(l->password_file))
		ok &= redis_password_read(l->password_file, out->password, p);
	ok &= take_authorities(l, out, ca, p);
	if (ok && out->user[0] && !out->password[0]) {
		problem_error(p, l->where, 0,
			"a user of Redis is named, but no password: expected redis_password_file");
		ok = false;
	}
	out->ca = buf_spanof(ca);
	return ok;
}
