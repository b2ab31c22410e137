/*
 * Checking without a start: what a start would read is read, and the addresses that it would listen
 * on are tried. What cannot be told from here is said, and is no error.
 */
#include "check.h"

#include "bundle.h"
#include "conf.h"
#include "control.h"
#include "listener.h"
#include "master.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Does a proxy run with this configuration? */
enum running { RUNNING_NOT, RUNNING, RUNNING_UNKNOWN };

struct check {
	const char *config;
	const struct conf *conf;
	enum running running;
	struct problems *p;
};

static enum running is_running(const struct settings *s)
{
	int fd = *s->control ? control_connect(s->control) : -1;

	if (fd >= 0) {
		close(fd);
		return RUNNING;
	}
	return *s->control && (errno == ENOENT || errno == ECONNREFUSED) ? RUNNING_NOT
									 : RUNNING_UNKNOWN;
}

/* NULL: it is an error. */
static const char *excuse(const struct check *c, int why)
{
	if (why == EACCES || why == EPERM)
		return "this account may not listen there";
	if (why == EADDRINUSE && c->running == RUNNING)
		return "it is in use, and a proxy with this configuration is running";
	if (why == EADDRINUSE && c->running == RUNNING_UNKNOWN)
		return "it is in use, and whether by this proxy its control socket does not tell";
	return NULL;
}

/* `n` may be NULL: a default. */
static void try_address(
	const struct check *c, const struct conf_node *n, struct settings_address at)
{
	const char *file = n ? conf_file(c->conf, n) : c->config, *not_checked;
	unsigned line = n ? conf_line(n) : 0;
	char text[ADDR_TEXT_MAX];
	int why = listener_try(&at);

	if (why == 0)
		return;
	addr_format(&at.addr, text);
	not_checked = excuse(c, why);
	if (not_checked)
		fprintf(stderr, "%s:%u: not checked: %s port %u: %s\n", file, line, text, at.port,
			not_checked);
	else
		problem_error(c->p, file, line, "cannot listen on %s port %u: %s", text, at.port,
			strerror(why));
}

/* The file was read before: it is read once more for its lines. */
static void try_addresses(const char *config, const struct settings *s, struct problems *p)
{
	struct conf *conf = conf_load(config, p);
	struct check c = {config, conf, is_running(s), p};
	const struct conf_node *list;

	if (!conf)
		return;
	list = conf_get(conf_root(conf), "listen");
	for (size_t i = 0; i < s->listen.n; i++)
		try_address(&c, list && i < conf_len(list) ? conf_at(list, i) : NULL,
			s->listen.v[i].at);
	if (s->metrics.port)
		try_address(&c, conf_get(conf_root(conf), "metrics"), s->metrics);
	conf_free(conf);
}

static void say_fine(const char *config, const struct bundle *b)
{
	printf("%s: fine: %zu rules, %zu roles, %zu services%s\n", config,
		snapshot_rules(b->policy), snapshot_roles(b->policy), snapshot_services(b->policy),
		b->accounts ? "" : ", no login");
}

int check_main(const char *config)
{
	struct problems p = {0};
	int shipper, fd = bundle_make(config, NULL, &shipper, &p);
	struct err e = {""};
	struct bundle *b = fd >= 0 ? bundle_open(fd, &e) : NULL;

	if (b)
		try_addresses(config, b->settings, &p);
	problems_print(&p, stderr);
	if (fd >= 0 && !b)
		fprintf(stderr, "%s: %s\n", config, e.text);
	bool fine = b && p.errors == 0;
	if (fine)
		say_fine(config, b);
	problems_free(&p);
	bundle_unref(b);
	if (fd >= 0) {
		close(fd);
		close(shipper);
	}
	return fine ? 0 : EXIT_CONFIG;
}
