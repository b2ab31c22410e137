/*
 * Figures as a table for people and as JSON for machines, and the sum that the sections are there
 * for: what the audit of a tunnel costs in all.
 */
#include "bench_rounds.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* --- the machine ------------------------------------------------------------------------------ */

struct machine {
	long cores;
	char model[96], kernel[80];
};

static void model_of(char *out, size_t cap)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	snprintf(out, cap, "unknown processor");
	while (f && fgets(line, sizeof line, f)) {
		struct span rest = span_str(line), key = span_cut(&rest, ':');

		if (!span_is(span_trim(key), "model name"))
			continue;
		rest = span_trim(span_cut(&rest, '\n'));
		snprintf(out, cap, "%.*s", SPAN_ARG(rest));
		break;
	}
	if (f)
		fclose(f);
}

static struct machine machine_read(void)
{
	struct machine m = {.cores = sysconf(_SC_NPROCESSORS_ONLN)};
	struct utsname u;

	model_of(m.model, sizeof m.model);
	snprintf(m.kernel, sizeof m.kernel, "%s", uname(&u) == 0 ? u.release : "unknown kernel");
	return m;
}

/* --- the sum ---------------------------------------------------------------------------------- */

/* A record of usage tells a minute of a person under a rule; so many tunnels share it. */
#define SHARE 10.0

struct part {
	const char *section, *name;
	double times; /* a tunnel */
};

static const struct part parts[] = {
	{"record", "encode access", 1},
	{"record", "encode end", 1},
	{"record", "encode usage", 1 / SHARE},
	{"usage", "add, first bytes of a tunnel", 1},
	{"usage", "add, further bytes", 1},
	{"journal", "a record, by the outbox, 256 a hand-over", 2 + 1 / SHARE},
	{"ship", "a record, shipper", 2 + 1 / SHARE},
};
#define PARTS (sizeof parts / sizeof parts[0])

/* False: a section that it needs did not run. */
static bool sum(const struct bench *b, double *ns)
{
	*ns = 0;
	for (size_t i = 0; i < PARTS; i++) {
		const struct bench_case *c = bench_find(b, parts[i].section, parts[i].name);

		if (!c)
			return false;
		*ns += c->median * parts[i].times;
	}
	return true;
}

static double redis_ns(const struct bench *b)
{
	const struct bench_case *c = bench_find(b, "ship", "a record, Redis");

	return c ? c->median * (2 + 1 / SHARE) : 0;
}

/* --- text ------------------------------------------------------------------------------------- */

/* printf counts bytes, and µ has two. */
static void print_number(double v, enum bench_unit unit)
{
	if (unit == BENCH_PER_SECOND)
		printf("%10.0f 1/s", v);
	else if (v >= 10000)
		printf("%10.1f µs ", v / 1000);
	else
		printf("%10.1f ns ", v);
}

static void print_case(const struct bench *b, const struct bench_case *c, bool first)
{
	printf("%-8s %-48s", first ? c->section : "", c->name);
	print_number(c->median, c->unit);
	printf(" %7.0f ", 100 * c->spread);
	print_number(c->least, c->unit);
	printf(" %8u  %s\n", b->rounds, c->note);
}

static void print_sum(const struct bench *b)
{
	double all;

	if (!sum(b, &all))
		return;
	printf("\naudit in all, per tunnel; %.0f tunnels share a usage record\n", SHARE);
	for (size_t i = 0; i < PARTS; i++) {
		double ns = bench_find(b, parts[i].section, parts[i].name)->median;

		printf("%-8s %-41s x %-6.1f %10.2f µs\n", parts[i].section, parts[i].name,
			parts[i].times, ns * parts[i].times / 1000);
	}
	printf("%-8s %-50s %10.2f µs\n", "in all", "on the proxy", all / 1000);
	printf("%-8s %-50s %10.2f µs\n", "", "in Redis, on its machine", redis_ns(b) / 1000);
}

void bench_print_text(const struct bench *b)
{
	struct machine m = machine_read();

	printf("CPU time of one operation\n\n%-8s %-48s%10s     %7s %10s     %8s\n", "section",
		"operation", "median", "spread%", "least", "repeats");
	for (size_t i = 0; i < b->n; i++)
		print_case(b, &b->cases[i],
			i == 0 || strcmp(b->cases[i].section, b->cases[i - 1].section) != 0);
	print_sum(b);
	printf("\n%ld cores of %s, Linux %s; load %.2f at the start, other work took %.0f %% of "
	       "all "
	       "cores in these %.0f s\n",
		m.cores, m.model, m.kernel, b->load, 100 * b->others, b->seconds);
	printf("stile %s, built with %s (compiler %s)\n", STILE_VERSION, BENCH_FLAGS, __VERSION__);
	puts("spread: what the middle half of the samples covers, in per cent of the median");
}

void bench_print_counted(const struct bench *b)
{
	puts(BENCH_FLAGS " (compiler " __VERSION__ ")");
	for (size_t i = 0; i < b->n; i++)
		printf("%s\t%s\n", b->cases[i].section, b->cases[i].name);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_text(struct buf *o, const char *key, const char *text)
{
	buf_printf(o, "\"%s\": ", key);
	buf_json(o, span_str(text));
}

static void json_case(struct buf *o, const struct bench *b, const struct bench_case *c)
{
	struct span name = span_trim(span_str(c->name));

	buf_adds(o, "    {");
	json_text(o, "section", c->section);
	buf_adds(o, ", \"name\": ");
	buf_json(o, name);
	buf_adds(o, ", ");
	json_text(o, "unit", c->unit == BENCH_NS ? "ns" : "1/s");
	buf_printf(o,
		", \"median\": %.2f, \"least\": %.2f, \"spread_percent\": %.1f, \"repeats\": %u, ",
		c->median, c->least, 100 * c->spread, b->rounds);
	json_text(o, "note", c->note);
	buf_adds(o, "}");
}

static void json_machine(struct buf *o, const struct bench *b)
{
	struct machine m = machine_read();

	buf_printf(o, "  \"machine\": {\"cores\": %ld, ", m.cores);
	json_text(o, "model", m.model);
	buf_adds(o, ", ");
	json_text(o, "kernel", m.kernel);
	buf_printf(o, ", \"load\": %.2f, \"others_percent\": %.1f, \"seconds\": %.1f},\n", b->load,
		100 * b->others, b->seconds);
	buf_adds(o, "  \"build\": {");
	json_text(o, "version", STILE_VERSION);
	buf_adds(o, ", ");
	json_text(o, "flags", BENCH_FLAGS);
	buf_adds(o, ", ");
	json_text(o, "compiler", __VERSION__);
	buf_adds(o, "},\n");
}

static void json_sum(struct buf *o, const struct bench *b)
{
	double all;

	buf_adds(o, "  \"audit_per_tunnel\": ");
	if (sum(b, &all))
		buf_printf(o, "{\"proxy_ns\": %.1f, \"redis_ns\": %.1f, \"tunnels_a_usage\": %.0f}",
			all, redis_ns(b), SHARE);
	else
		buf_adds(o, "null");
}

void bench_print_json(const struct bench *b)
{
	struct buf o = {0};

	buf_adds(&o, "{\n  \"version\": 1,\n");
	json_machine(&o, b);
	buf_adds(&o, "  \"figures\": [\n");
	for (size_t i = 0; i < b->n; i++) {
		json_case(&o, b, &b->cases[i]);
		buf_adds(&o, i + 1 < b->n ? ",\n" : "\n");
	}
	buf_adds(&o, "  ],\n");
	json_sum(&o, b);
	buf_adds(&o, "\n}\n");
	if (o.failed)
		bench_fail("out of memory");
	fwrite(o.p, 1, o.n, stdout);
	buf_free(&o);
}
