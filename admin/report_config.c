/*
 * The proxy's file, read for three settings only: reports may run where the rest of it (keys,
 * certificates) cannot be read.
 */
#include "report_config.h"

#include "conf.h"
#include "file.h"

#include <stdlib.h>

void report_source_drop(struct report_source *s)
{
	if (s->redis)
		explicit_bzero(s->redis, strlen(s->redis));
	free(s->journal);
	free(s->redis);
	free(s->policy);
	free(s->zone);
	explicit_bzero(&s->login, sizeof s->login);
	buf_free(&s->ca);
	*s = (struct report_source){0};
}

/* The zone of the policy that the file names; a policy that cannot be read is said, and costs the
 * zone only. */
static void take_zone(const struct cli *c, const char *policy, struct report_source *out)
{
	struct problems p = {0};
	const char *zone = NULL;
	struct conf *f = policy ? conf_load(policy, &p) : NULL;
	if (f && conf_string(f, conf_root(f), "zone", &zone, &p) && zone)
		out->zone = strdup(zone);
	if (p.errors)
		cli_fail(c, 0, "the zone of the policy is not known, days are those of UTC:");
	problems_print(&p, stderr);
	problems_free(&p);
	conf_free(f);
}

/* Defaults are those of proxy.cfg(5). */
static bool take_settings(
	const char *path, const struct conf *f, struct report_source *out, struct problems *p)
{
	const struct conf_node *root = conf_root(f), *audit = NULL;
	const char *redis = "redis://127.0.0.1:6379/0", *journal = "journal",
		   *policy = "policy.cfg";
	bool ok = conf_string(f, root, "policy", &policy, p) &&
		  conf_group(f, root, "audit", &audit, p) &&
		  (!audit || (conf_string(f, audit, "redis", &redis, p) &&
				     conf_string(f, audit, "journal", &journal, p)));
	if (!ok)
		return false;
	if (*redis)
		out->redis = strdup(redis);
	else
		out->journal = path_beside(path, journal);
	out->policy = path_beside(path, policy);
	return out->policy && (out->redis || out->journal);
}

static int take_config(const char *path, struct report_source *out)
{
	struct problems p = {0};
	struct conf *f = conf_load(path, &p);
	bool ok = f && take_settings(path, f, out, &p);
	problems_print(&p, stderr);
	problems_free(&p);
	conf_free(f);
	return ok ? CLI_OK : CLI_BAD_FILE;
}

/* Options stand above the settings of -c; but a login of its Redis is for no other one. */
static bool take_login(const struct cli *c, const char *config, struct report_source *out)
{
	struct problems p = {0};
	const struct conf_node *audit = NULL;
	struct conf *f = config && !cli_value(c, "redis") ? conf_load(config, &p) : NULL;
	struct redis_login login = {.where = f ? config : "", .url = out->redis};
	char *password = NULL, *ca = NULL;
	bool ok =
		!f ||
		(conf_group(f, conf_root(f), "audit", &audit, &p) &&
			(!audit || (conf_string(f, audit, "redis_user", &login.user, &p) &&
					   conf_string(f, audit, "redis_password_file",
						   &login.password_file, &p) &&
					   conf_string(f, audit, "redis_ca", &login.ca_file, &p))));
	if (login.password_file && *login.password_file)
		login.password_file = password = path_beside(config, login.password_file);
	if (login.ca_file && *login.ca_file)
		login.ca_file = ca = path_beside(config, login.ca_file);
	if (cli_has(c, "redis-user"))
		login.user = cli_value(c, "redis-user");
	if (cli_has(c, "redis-password-file"))
		login.password_file = cli_value(c, "redis-password-file");
	if (cli_has(c, "redis-ca"))
		login.ca_file = cli_value(c, "redis-ca");
	ok = ok && redis_login_read(&login, &out->login, &out->ca, &p);
	problems_print(&p, stderr);
	problems_free(&p);
	conf_free(f);
	free(password);
	free(ca);
	return ok;
}

static void replace(char **old, const char *by)
{
	free(*old);
	*old = by ? strdup(by) : NULL;
}

int report_source_choose(const struct cli *c, const char *policy, struct report_source *out)
{
	const char *redis = cli_value(c, "redis"), *journal = cli_value(c, "journal");
	const char *config = cli_value(c, "config"), *zone = cli_value(c, "zone");
	struct err e = {""};
	*out = (struct report_source){0};
	if (redis && journal)
		return cli_usage(c, "--redis and --journal are two sources; name one");
	if (!redis && !journal && !config)
		return cli_usage(c, "where are the records? --redis, --journal or -c");
	int code = config ? take_config(config, out) : CLI_OK;
	if (code != CLI_OK)
		return code;
	if (redis || journal) {
		replace(&out->redis, redis);
		replace(&out->journal, journal);
	}
	if (policy)
		replace(&out->policy, policy);
	if (zone)
		replace(&out->zone, zone);
	else
		take_zone(c, out->policy, out);
	if (redis && !redis_url(redis, &out->login, &e))
		return cli_fail(c, CLI_FOUND, "--redis: %s", e.text);
	return !out->redis || take_login(c, config, out) ? CLI_OK : CLI_BAD_FILE;
}
