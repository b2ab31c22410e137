#include "bench_bundle.h"

#include "bench.h"

#include "file.h"

#include <stdio.h>

/* anna:quiet-stile-2026, as stile-policy passwd makes it: yescrypt with libcrypt's usual cost */
#define USERS                                                                                      \
	SPAN("anna:$y$j9T$pXxwXxuanuVb9Ff.qp62b1$1.WZO7sLTpUxa8z3maE/1kO0t8JoEWsWho4BlVm7nnD\n")

static void middle_rule(FILE *f, int i)
{
	switch (i % 5) {
	case 0:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; to = [\"#social\", \"#video\"]; "
			"action = \"allow\"; },\n",
			i, i % 10);
		break;
	case 1:
		fprintf(f,
			"{ name = \"r%d\"; to = [\".s%d.example\", \"www.h%d.example\"]; "
			"action = \"allow\"; purpose = \"supplier %d\"; },\n",
			i, i, i, i);
		break;
	case 2:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; to = [\"youtube\", "
			"\"linkedin\"]; "
			"schedule = \"lunch\"; action = \"allow\"; },\n",
			i, i % 10);
		break;
	case 3:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; to = [\"#messaging\"]; "
			"action = \"deny\"; message = \"Not here.\"; },\n",
			i, i % 10);
		break;
	default:
		fprintf(f,
			"{ name = \"r%d\"; roles = [\"unit-%d\"]; action = \"allow\"; "
			"schedule = \"lunch\"; },\n",
			i, i % 10);
		break;
	}
}

static void write_policy(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		bench_fail("%s: %m", path);
	fputs("zone = \"Europe/London\"; ports = [\"80\", \"443\"];\nroles: {\n"
	      "communications = { groups = [\"comms\"]; }; staff = { everyone = true; };\n",
		f);
	for (int i = 0; i < 10; i++)
		fprintf(f, "unit-%d = { groups = [\"unit-%d\"]; };\n", i, i);
	fputs("};\nschedules: { lunch = \"Mon-Fri 12:00-14:00\"; };\nrules = (\n"
	      "{ name = \"first\"; roles = [\"communications\"]; to = [\"#social\"]; "
	      "action = \"allow\"; purpose = \"public campaigns\"; },\n",
		f);
	for (int i = 2; i < BENCH_RULES; i++)
		middle_rule(f, i);
	fputs("{ name = \"last\"; roles = [\"staff\"]; to = [\".council.example\", \"youtube\"]; "
	      "action = \"allow\"; } );\n",
		f);
	if (fclose(f) != 0)
		bench_fail("%s: %m", path);
}

const struct snapshot *bench_policy(struct buf *bytes)
{
	struct problems p = {0};
	struct err e;

	write_policy("policy.cfg");
	if (!policy_compile("policy.cfg", bytes, &p)) {
		problems_print(&p, stderr);
		bench_fail("the policy of this section does not compile");
	}
	problems_free(&p);
	const struct snapshot *s = snapshot_open(bytes->p, bytes->n, &e);

	if (!s)
		bench_fail("%s", e.text);
	if (snapshot_rules(s) != BENCH_RULES)
		bench_fail("%zu rules instead of %d", snapshot_rules(s), BENCH_RULES);
	return s;
}

const struct accounts *bench_accounts(struct buf *bytes)
{
	struct problems p = {0};
	struct err e;
	bool made;

	if (!file_make("users", USERS, 0600, &made, &e))
		bench_fail("%s", e.text);
	if (!accounts_compile("users", NULL, bytes, &p)) {
		problems_print(&p, stderr);
		bench_fail("the accounts of this section do not compile");
	}
	problems_free(&p);
	const struct accounts *a = accounts_open(buf_spanof(bytes), &e);

	if (!a)
		bench_fail("%s", e.text);
	return a;
}
