/*
 * stile-policy redis-acl: the users of Redis with the least that each needs, as lines to paste or
 * as an aclfile. A password never comes out: Redis takes its SHA-256 as well.
 */
#include "policy_commands.h"

#include "buf.h"
#include "digest.h"
#include "redis_login.h"
#include "schema.h"

#include <stdlib.h>

#define PREFIX_MAX 64

static const struct cli_option options[] = {
	{0, "node", "NODE", true,
		"a shipper for this node alone, named after it; without it one for all nodes"},
	{0, "prefix", "TEXT", false, "before the names of the users; stile-"},
	{0, "role", "ROLE", true, "only shipper, report, auditor or retention"},
	{0, "password-file", "ROLE=FILE", true,
		"the password of this role, one line; only its SHA-256 is printed"},
	{0, "format", "FORMAT", false, "command (ACL SETUSER lines) or aclfile; command"},
	{0},
};

static const struct role {
	const char *name, *text, *rules;
} roles[] = {
#define ACL_USER(name, text, rules) {name, text, rules},
#include "acls.def"
#undef ACL_USER
};
#define ROLES (sizeof roles / sizeof *roles)

struct request {
	const char *prefix;
	bool aclfile, wanted[ROLES];
	char hash[ROLES][2 * SHA256_LEN + 1]; /* "": no password named */
};

/* --- what is asked for ------------------------------------------------------------------------ */

static bool find_role(struct span word, size_t *out)
{
	for (size_t i = 0; i < ROLES; i++)
		if (span_is(word, roles[i].name)) {
			*out = i;
			return true;
		}
	return false;
}

static int read_roles(const struct cli *c, struct request *q)
{
	const char *word;
	size_t at;
	for (size_t i = 0; (word = cli_value_at(c, "role", i)) != NULL; i++) {
		if (!find_role(span_str(word), &at))
			return cli_usage(c,
				"--role '%s': expected shipper, report, auditor or retention",
				word);
		q->wanted[at] = true;
	}
	for (size_t i = 0; i < ROLES && !cli_has(c, "role"); i++)
		q->wanted[i] = true;
	return CLI_OK;
}

static bool hash_password(const char *file, char out[2 * SHA256_LEN + 1])
{
	struct problems p = {0};
	char password[256] = "";
	uint8_t hash[SHA256_LEN];
	bool ok = redis_password_read(file, password, &p);
	if (ok) {
		const struct span s = span_str(password);
		digest_sha256(&s, 1, hash);
		hex_encode(hash, sizeof hash, out);
	}
	explicit_bzero(password, sizeof password);
	problems_print(&p, stderr);
	problems_free(&p);
	return ok;
}

static int read_passwords(const struct cli *c, struct request *q)
{
	const char *word;
	for (size_t i = 0; (word = cli_value_at(c, "password-file", i)) != NULL; i++) {
		struct span file = span_str(word), role = span_cut(&file, '=');
		size_t at;
		if (!file.p || !file.n || !find_role(role, &at))
			return cli_usage(c,
				"--password-file '%s': expected ROLE=FILE, with shipper, report, "
				"auditor or retention",
				word);
		if (!hash_password(file.p, q->hash[at]))
			return CLI_BAD_FILE;
	}
	return CLI_OK;
}

/* Names of users go into lines that Redis splits at spaces. */
static bool plain(const char *s)
{
	return strlen(s) <= PREFIX_MAX && (!*s || node_name_ok(span_str(s)));
}

static int read_request(const struct cli *c, struct request *q)
{
	const char *format = cli_value(c, "format"), *prefix = cli_value(c, "prefix"), *node;
	q->prefix = prefix ? prefix : "stile-";
	q->aclfile = format && strcmp(format, "aclfile") == 0;
	if (format && !q->aclfile && strcmp(format, "command") != 0)
		return cli_usage(c, "--format '%s': expected command or aclfile", format);
	if (!plain(q->prefix))
		return cli_usage(c,
			"--prefix '%s': expected at most 64 letters, digits, '-', '_' and '.'",
			prefix);
	for (size_t i = 0; (node = cli_value_at(c, "node", i)) != NULL; i++)
		if (!node_name_ok(span_str(node)))
			return cli_usage(c,
				"--node '%s': expected 1-64 letters, digits, '-', '_' and '.'",
				node);
	const int code = read_roles(c, q);
	return code == CLI_OK ? read_passwords(c, q) : code;
}

/* --- printing --------------------------------------------------------------------------------- */

static void put_rules(struct buf *out, const char *rules, const char *node)
{
	for (const char *p = rules; *p; p++) {
		if (p[0] == '%' && p[1] == 'N') {
			buf_adds(out, node ? node : "*");
			p++;
		} else {
			buf_addc(out, *p);
		}
	}
}

static void put_line(struct buf *out, const struct request *q, size_t i, const char *node)
{
	buf_adds(out, q->aclfile ? "user " : "ACL SETUSER ");
	buf_printf(out, "%s%s%s%s", q->prefix, roles[i].name, node ? "-" : "", node ? node : "");
	/* what a user of that name had before is gone; in an aclfile users begin with nothing */
	buf_adds(out, q->aclfile ? " on " : " reset on ");
	if (q->hash[i][0])
		buf_printf(out, "#%s ", q->hash[i]);
	put_rules(out, roles[i].rules, node);
	buf_addc(out, '\n');
}

static void put_role(struct buf *out, const struct cli *c, const struct request *q, size_t i)
{
	const char *node = NULL;
	size_t n = 0;
	if (strcmp(roles[i].name, "shipper") == 0)
		while ((node = cli_value_at(c, "node", n)) != NULL) {
			put_line(out, q, i, node);
			n++;
		}
	if (n == 0)
		put_line(out, q, i, NULL);
}

static void say_missing(const struct cli *c, const struct request *q)
{
	for (size_t i = 0; i < ROLES; i++)
		if (q->wanted[i] && !q->hash[i][0])
			cli_fail(c, 0,
				"%s has no password yet and cannot log in: name one with "
				"--password-file %s=FILE",
				roles[i].name, roles[i].name);
}

static int run(struct cli *c)
{
	struct request q = {.prefix = ""};
	struct buf out = {0};
	const int code = read_request(c, &q);
	if (code != CLI_OK)
		return code;
	for (size_t i = 0; i < ROLES; i++)
		if (q.wanted[i])
			put_role(&out, c, &q, i);
	if (out.failed)
		return cli_fail(c, CLI_FOUND, "out of memory");
	fwrite(out.p, 1, out.n, stdout);
	say_missing(c, &q);
	buf_free(&out);
	return CLI_OK;
}

const struct cli_command policy_acl_command = {
	.name = "redis-acl",
	.help = "prints the users of Redis with the least that each needs",
	.operands = "",
	.min = 0,
	.max = 0,
	.options = options,
	.about = "shipper writes (audit.redis_user of the proxy), report reads figures and "
		 "refusals, "
		 "auditor reads all, retention deletes days by hand. Redis 7.0 or later. The user "
		 "\"default\" stays as it is: switch it off when the others work (ACL SETUSER "
		 "default "
		 "off).",
	.run = run,
};
