/*
 * The client of the control socket: one line out, one JSON object in, which --json prints as it is
 * and otherwise a function for each command puts into words.
 */
#include "ctl.h"

#include "buf.h"
#include "conf.h"
#include "control.h"
#include "file.h"
#include "observe.h"
#include "settings.h"
#include "units.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#define EXIT_USAGE 2
#define ANSWER_MAX (64u << 20)
#define WAIT_MS	   70000 /* a little longer than the proxy's own bound */

static const char usage_text[] =
	"usage: stile-proxy ctl -c FILE COMMAND [WHO] [OPTION ...]\n"
	"\n"
	"Speaks to the running proxy over the socket that FILE names (control).\n"
	"\n"
	"commands:\n"
	"  status        workers, policy, journal and shipper\n"
	"  reload        loads configuration and policy anew; says what came of it\n"
	"  connections   what is open, a line each\n"
	"  drain         as the signal TERM: no new connections, then the end\n"
	"  observe       break-glass: refusals by rules are only recorded for a time\n"
	"  limits        what WHO (a user, or a pseudonym) has used and has left today\n"
	"\n"
	"options:\n"
	"  -c FILE        configuration, see proxy.cfg(5)\n"
	"  --json         the answer as JSON\n"
	"  --for TIME     observe: how long, as in 30m; at most 8h\n"
	"  --reason TEXT  observe, --grant: why, as it will be recorded\n"
	"  --end          observe: refusals are enforced again\n"
	"  --grant MORE   limits: more for today, as 30m of minutes or 500M of bytes\n"
	"  --rule RULE    limits: under this rule alone\n"
	"  --help         this text\n"
	"\n"
	"Exit status: 0 done, 1 it could not be done, 2 wrong usage.\n";

struct options {
	const char *config, *command, *who, *time, *reason, *more, *rule;
	bool json, end;
};

/* --- words ---------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static unsigned long long number_of(const json_t *o, const char *key)
{
	return (unsigned long long)json_integer_value(json_object_get(o, key));
}

static const char *amount(unsigned long long bytes, char out[24])
{
	static const char units[] = "BKMGT";
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < sizeof units - 1)
		v /= 1024, u++;
	snprintf(out, 24, u ? "%.1f %c" : "%.0f %c", v, units[u]);
	return out;
}

static const char *lapse(unsigned long long s, char out[32])
{
	if (s >= 86400)
		snprintf(out, 32, "%llud %lluh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(out, 32, "%lluh %llum", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(out, 32, "%llum %llus", s / 60, s % 60);
	else
		snprintf(out, 32, "%llus", s);
	return out;
}

static void say_workers(const json_t *answer)
{
	const json_t *w;
	size_t i;

	printf("\n%6s %8s %12s %8s %10s %9s %9s\n", "worker", "pid", "connections", "tunnels",
		"accesses", "refusals", "restarts");
	json_array_foreach(json_object_get(answer, "workers"), i, w) printf(
		"%6llu %8llu %12llu %8llu %10llu %9llu %9llu%s\n", number_of(w, "worker"),
		number_of(w, "pid"), number_of(w, "connections"), number_of(w, "tunnels"),
		number_of(w, "accesses"), number_of(w, "refusals"), number_of(w, "restarts"),
		json_is_true(json_object_get(w, "ready")) ? "" : "  starting");
}

static void say_journal(const json_t *j)
{
	const json_t *left = json_object_get(j, "space_left_s");
	char a[24], b[24], t[32];

	printf("journal  %s, %s not in Redis, %llu records lost%s\n",
		amount(number_of(j, "bytes"), a), amount(number_of(j, "backlog_bytes"), b),
		number_of(j, "lost"),
		json_is_true(json_object_get(j, "failing")) ? ", FAILING" : "");
	if (json_is_integer(left))
		printf("         space for %s at the present rate\n",
			lapse((unsigned long long)json_integer_value(left), t));
	printf("         %llu of %llu minutes of this day recorded\n",
		number_of(j, "recorded_minutes"), number_of(j, "passed_minutes"));
}

static void say_totals(const json_t *t)
{
	const json_t *age = json_object_get(t, "age_s");

	printf("totals   %s", text_of(t, "state"));
	if (number_of(t, "nodes"))
		printf(", %llu of %llu other nodes heard of late", number_of(t, "nodes_seen"),
			number_of(t, "nodes"));
	if (number_of(t, "nodes") && json_is_number(age))
		printf(", %.1f s ago", json_number_value(age));
	if (strcmp(text_of(t, "cause"), "none") != 0)
		printf("; trouble: %s", text_of(t, "cause"));
	if (number_of(t, "refused"))
		printf("; the table was full %llu times", number_of(t, "refused"));
	putchar('\n');
}

static void say_status(const json_t *answer)
{
	const json_t *policy = json_object_get(answer, "policy"),
		     *ship = json_object_get(answer, "shipper"),
		     *observe = json_object_get(answer, "observe");
	char t[32];

	printf("stile-proxy %s on %s, %s, up %s\n", text_of(answer, "version"),
		text_of(answer, "node"), text_of(answer, "state"),
		lapse(number_of(answer, "uptime_s"), t));
	if (json_is_object(observe))
		printf("OBSERVE  refusals are only recorded, for another %s; reason: %s\n",
			lapse(number_of(observe, "left_s"), t), text_of(observe, "reason"));
	printf("policy   %.12s in force since %s, %llu rules; reloads %llu, failed %llu\n",
		text_of(policy, "digest"), text_of(policy, "in_force_since"),
		number_of(policy, "rules"), number_of(policy, "reloads"),
		number_of(policy, "reloads_failed"));
	say_journal(json_object_get(answer, "journal"));
	printf("shipper  %s", text_of(ship, "state"));
	if (number_of(ship, "failures"))
		printf(", %llu failures in a row", number_of(ship, "failures"));
	if (number_of(ship, "alarms"))
		printf(", %llu chains set aside", number_of(ship, "alarms"));
	if (*text_of(ship, "trouble"))
		printf(": %s", text_of(ship, "trouble"));
	putchar('\n');
	say_totals(json_object_get(answer, "totals"));
	if (*text_of(answer, "certificate_ends"))
		printf("TLS      the next certificate ends %s\n",
			text_of(answer, "certificate_ends"));
	say_workers(answer);
}

static void say_connections(const json_t *answer)
{
	char age[32], up[24], down[24];
	const json_t *c;
	size_t i;

	printf("%6s %-9s %9s %9s %9s  %-24s %-16s %s\n", "worker", "state", "age", "up", "down",
		"to", "rule", "person");
	json_array_foreach(json_object_get(answer, "connections"), i, c)
	{
		if (json_object_get(c, "left_out")) {
			printf("%6llu and %llu more\n", number_of(c, "worker"),
				number_of(c, "left_out"));
			continue;
		}
		printf("%6llu %-9s %9s %9s %9s  %-24s %-16s %s%s\n", number_of(c, "worker"),
			text_of(c, "state"), lapse(number_of(c, "age_s"), age),
			amount(number_of(c, "up"), up), amount(number_of(c, "down"), down),
			*text_of(c, "to") ? text_of(c, "to") : "-",
			*text_of(c, "rule") ? text_of(c, "rule") : "-",
			*text_of(c, "person") ? text_of(c, "person") : "-",
			json_is_true(json_object_get(c, "observed")) ? " (observed)" : "");
	}
}

static void say_text(const json_t *answer)
{
	printf("%s\n", text_of(answer, "text"));
	if (*text_of(answer, "digest"))
		printf("policy %s\n", text_of(answer, "digest"));
	if (*text_of(answer, "notes"))
		printf("%s\n", text_of(answer, "notes"));
}

static void say_budget(const json_t *rule, const char *key, bool bytes)
{
	const json_t *b = json_object_get(rule, key);
	unsigned long long limit = number_of(b, "limit"), more = number_of(b, "granted");
	char x[24], y[24], z[24];

	if (!b)
		return;
	if (bytes)
		printf("  %s of %s", amount(number_of(b, "used"), x), amount(limit + more, y));
	else
		printf("  %llu of %llu minutes", number_of(b, "used"), limit + more);
	if (more && bytes)
		printf(" (%s of them granted)", amount(more, z));
	else if (more)
		printf(" (%llu of them granted)", more);
}

static void say_limits(const json_t *answer)
{
	const json_t *r;
	size_t i;
	char a[24];

	if (!json_object_get(answer, "person")) { /* of a grant */
		say_text(answer);
		return;
	}
	printf("person %s, until %s\n", text_of(answer, "person"), text_of(answer, "day_ends"));
	json_array_foreach(json_object_get(answer, "rules"), i, r)
	{
		const json_t *tunnels = json_object_get(r, "tunnels"),
			     *requests = json_object_get(r, "requests");

		printf("%-16s", text_of(r, "rule"));
		say_budget(r, "minutes", false);
		say_budget(r, "bytes", true);
		if (tunnels)
			printf("  %llu of %llu tunnels", number_of(tunnels, "open"),
				number_of(tunnels, "limit"));
		if (requests)
			printf("  %llu requests in %llu s", number_of(requests, "limit"),
				number_of(requests, "period_s"));
		if (json_object_get(r, "bandwidth"))
			printf("  %s/s",
				amount(number_of(json_object_get(r, "bandwidth"), "limit"), a));
		if (*text_of(r, "acknowledged_until"))
			printf("  acknowledged until %s", text_of(r, "acknowledged_until"));
		putchar('\n');
	}
}

static void say_problems(const json_t *answer, FILE *to)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(answer, "problems"), i, p)
	{
		fputs(text_of(p, "file"), to);
		if (number_of(p, "line"))
			fprintf(to, ":%llu", number_of(p, "line"));
		fprintf(to, ": %s\n", text_of(p, "text"));
	}
}

/* --- the commands --------------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	void (*say)(const json_t *answer);
} commands[] = {{"status", say_status}, {"reload", say_text}, {"connections", say_connections},
	{"drain", say_text}, {"observe", say_text}, {"limits", say_limits}};
#define COMMANDS (sizeof commands / sizeof *commands)

static int wrong_usage(const char *why)
{
	fprintf(stderr, "stile-proxy ctl: %s\n%s", why, usage_text);
	return EXIT_USAGE;
}

/* NULL: fine; else what is wrong. */
static const char *observe_line(const struct options *o, struct buf *line)
{
	int64_t ms;

	if (o->end)
		return o->time || o->reason ? "--end stands alone"
					    : (buf_adds(line, "enforce"), NULL);
	if (!o->time || !o->reason)
		return "observe needs --for and --reason, or --end";
	if (!units_duration(span_str(o->time), &ms) || ms < 1000 || ms > OBSERVE_MAX_S * 1000)
		return "--for is out of range: expected 1s-8h, as in 30m";
	if (!*o->reason || strlen(o->reason) > OBSERVE_TEXT_MAX || strchr(o->reason, '\n'))
		return "--reason must be one line of 1 to 200 bytes";
	buf_printf(line, "observe %lld %s", (long long)ms / 1000, o->reason);
	return NULL;
}

static const char *grant_line(const struct options *o, struct buf *line)
{
	bool minutes;
	uint64_t n = 0;
	int64_t ms;

	if (!o->reason || !*o->reason || strlen(o->reason) > GRANT_REASON_MAX ||
		strchr(o->reason, '\n'))
		return "--grant needs a --reason of one line and 1 to 200 bytes";
	minutes = units_duration(span_str(o->more), &ms);
	if (minutes ? ms % 60000 || ms < 60000 || ms > 1440 * 60000
		    : !units_size(span_str(o->more), &n) || !n || n > GRANT_MAX)
		return "--grant is out of range: expected 1m-24h of minutes, or up to 16T of bytes";
	buf_printf(line, "grant %s %s %llu %s %s", o->who, minutes ? "minutes" : "bytes",
		minutes ? (unsigned long long)ms / 60000 : (unsigned long long)n,
		o->rule ? o->rule : "*", o->reason);
	return NULL;
}

static const char *limits_line(const struct options *o, struct buf *line)
{
	if (!o->who || !*o->who || strpbrk(o->who, " \n"))
		return "limits needs WHO, a name without spaces or a pseudonym";
	if (o->time || o->end || (!o->more && (o->reason || o->rule)))
		return "limits takes --grant with --reason, and --rule with these";
	if (o->rule && (!*o->rule || strpbrk(o->rule, " \n")))
		return "--rule is no name of a rule";
	if (o->more)
		return grant_line(o, line);
	buf_printf(line, "limits %s", o->who);
	return NULL;
}

static const char *request_line(const struct options *o, struct buf *line)
{
	if ((o->who || o->more || o->rule) && strcmp(o->command, "limits") != 0)
		return "WHO, --grant and --rule belong to limits";
	if (strcmp(o->command, "observe") == 0)
		return observe_line(o, line);
	if (strcmp(o->command, "limits") == 0)
		return limits_line(o, line);
	if (o->time || o->reason || o->end)
		return "--for, --reason and --end belong to observe";
	buf_adds(line, o->command);
	return NULL;
}

/* Also of a file with errors: reload is the way to learn of them. */
static bool find_socket(const char *config, char out[SETTINGS_PATH_MAX])
{
	struct settings *s = calloc(1, sizeof *s);
	struct problems p = {0};
	bool read = s && settings_load(config, s, &p);
	char *standard = path_beside(config, "stile.sock");

	out[0] = 0;
	if (s && (read || *s->control))
		span_copy(span_str(s->control), out, SETTINGS_PATH_MAX);
	else if (standard && access(config, F_OK) == 0)
		span_copy(span_str(standard), out, SETTINGS_PATH_MAX);
	else
		problems_print(&p, stderr);
	if (read && !*out)
		fprintf(stderr, "stile-proxy ctl: %s sets control to none\n", config);
	problems_free(&p);
	free(standard);
	free(s);
	return *out != 0;
}

static bool converse(int fd, struct buf *line, struct buf *answer)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char part[65536];
	ssize_t n;

	buf_addc(line, '\n');
	if (line->failed || send(fd, line->p, line->n, MSG_NOSIGNAL) != (ssize_t)line->n)
		return false;
	do {
		if (poll(&wait, 1, WAIT_MS) <= 0)
			return false;
		n = recv(fd, part, sizeof part, 0);
		if (n > 0)
			buf_add(answer, part, (size_t)n);
	} while (n > 0 && answer->n < ANSWER_MAX);
	return n == 0 && !answer->failed && answer->n > 0;
}

static int show(const struct options *o, struct span answer)
{
	json_error_t e;
	json_t *doc = json_loadb(answer.p, answer.n, 0, &e);
	bool ok = json_is_true(json_object_get(doc, "ok"));

	if (!doc) {
		fprintf(stderr, "stile-proxy ctl: the answer is no JSON: %s\n", e.text);
		return 1;
	}
	if (o->json) {
		fwrite(answer.p, 1, answer.n, stdout);
	} else if (!ok) {
		say_problems(doc, stderr);
		fprintf(stderr, "%s\n", text_of(doc, "text"));
	} else {
		for (size_t i = 0; i < COMMANDS; i++)
			if (strcmp(commands[i].name, o->command) == 0)
				commands[i].say(doc);
	}
	json_decref(doc);
	return ok && fflush(stdout) == 0 ? 0 : 1;
}

static int run(const struct options *o, struct buf *line)
{
	char path[SETTINGS_PATH_MAX];
	struct buf answer = {0};
	int fd, code = 1;

	if (!find_socket(o->config, path))
		return 1;
	fd = control_connect(path);
	if (fd < 0)
		fprintf(stderr, "stile-proxy ctl: no stile-proxy answers at %s: %s\n", path,
			strerror(errno));
	else if (!converse(fd, line, &answer))
		fprintf(stderr, "stile-proxy ctl: the proxy gave no answer\n");
	else
		code = show(o, buf_spanof(&answer));
	if (fd >= 0)
		close(fd);
	buf_free(&answer);
	return code;
}

/* NULL: fine; else what is wrong. */
static const char *read_options(int argc, char **argv, struct options *o)
{
	static const struct {
		const char *name;
		size_t at;
	} with_value[] = {{"-c", offsetof(struct options, config)},
		{"--for", offsetof(struct options, time)},
		{"--reason", offsetof(struct options, reason)},
		{"--grant", offsetof(struct options, more)},
		{"--rule", offsetof(struct options, rule)}};

	for (int i = 1; i < argc; i++) {
		bool taken = false;

		for (size_t k = 0; k < sizeof with_value / sizeof *with_value && i + 1 < argc; k++)
			if (strcmp(argv[i], with_value[k].name) == 0) {
				*(const char **)((char *)o + with_value[k].at) = argv[++i];
				taken = true;
				break;
			}
		if (taken)
			continue;
		if (strcmp(argv[i], "--json") == 0)
			o->json = true;
		else if (strcmp(argv[i], "--end") == 0)
			o->end = true;
		else if (argv[i][0] != '-' && !o->command)
			o->command = argv[i];
		else if (argv[i][0] != '-' && !o->who)
			o->who = argv[i];
		else
			return "unknown or incomplete option";
	}
	if (!o->command)
		return "a command is missing";
	return o->config ? NULL : "-c FILE is missing";
}

static bool known(const char *command)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, command) == 0)
			return true;
	return false;
}

int ctl_main(int argc, char **argv)
{
	struct options o = {.json = false};
	struct buf line = {0};
	const char *wrong;
	int code;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return fputs(usage_text, stdout) < 0;
	wrong = read_options(argc, argv, &o);
	if (!wrong && !known(o.command))
		wrong = "there is no such command";
	if (!wrong)
		wrong = request_line(&o, &line);
	code = wrong ? wrong_usage(wrong) : run(&o, &line);
	buf_free(&line);
	return code;
}
