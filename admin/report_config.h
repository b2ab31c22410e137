/* Where reports find their records and the zone of their days: options, or the proxy's own file. */
#ifndef STILE_REPORT_CONFIG_H
#define STILE_REPORT_CONFIG_H

#include "cli.h"
#include "redis_login.h"

/* Strings are owned; NULL where nothing is known. Either journal or redis is set. */
struct report_source {
	char *journal, *redis, *policy, *zone;
	struct redis_options login; /* where redis is set */
	struct buf ca;		    /* login.ca points into it */
};

/* Reads --redis, --journal, -c and --zone; `policy` (or NULL) stands above the one of -c. CLI_OK,
 * or the exit code after a word on stderr. */
int report_source_choose(const struct cli *c, const char *policy, struct report_source *out);
void report_source_drop(struct report_source *s);

/* Their lines in a command's table of options. */
#define REPORT_SOURCE_OPTIONS                                                                      \
	{0, "redis", "URL", false,                                                                 \
		"read Redis: redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] or "                       \
		"unix:/PATH; rediss:// for TLS"},                                                  \
		{0, "redis-user", "NAME", false, "the user of Redis"},                             \
		{0, "redis-password-file", "FILE", false, "a file with the password of Redis"},    \
		{0, "redis-ca", "FILE", false,                                                     \
			"PEM certificates to which that of a rediss:// server must lead"},         \
		{0, "journal", "DIR", false, "read a journal folder, or a copy of one"},           \
		{'c', "config", "FILE", false,                                                     \
			"take audit.redis (where it is empty: audit.journal) and the zone of the " \
			"policy from this proxy.cfg"},                                             \
	{                                                                                          \
		0, "zone", "NAME", false,                                                          \
			"zone of the days, as in Europe/London; that of the policy with -c, else " \
			"UTC"                                                                      \
	}

#endif
