/* stile-policy test: does the policy answer what its tables of expectations say it must? */
#include "policy_commands.h"

#include "expect.h"
#include "file.h"
#include "jsonout.h"
#include "opened.h"

#include <stdlib.h>

#define TABLE_MAX (16U << 20)

static const struct cli_option options[] = {
	{0, "json", NULL, false, "print JSON"},
	{0},
};

/* What the tables said, together. */
struct run {
	struct cli *c;
	const struct snapshot *s;
	struct js *tables; /* NULL: people read */
	struct expect_counts all;
};

static struct js *lines_of(struct span text)
{
	struct js *list = js_list();
	while (text.n > 0)
		js_add(list, js_text(span_cut(&text, '\n')));
	return list;
}

static void add_json(
	struct run *r, const char *name, const struct expect_counts *n, struct span failures)
{
	struct js *o = js_object();
	js_put(o, "table", js_text(span_str(name)));
	js_put(o, "passed", js_number(n->passed));
	js_put(o, "failed", js_number(n->failed));
	js_put(o, "wrong", js_number(n->wrong));
	js_put(o, "failures", lines_of(failures));
	js_add(r->tables, o);
}

static int run_table(struct run *r, const char *name, struct span table)
{
	struct expect_counts one = {0};
	char *failures = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&failures, &n);
	if (!out)
		return cli_fail(r->c, CLI_FOUND, "out of memory");
	expect_run(r->s, table, name, out, &one);
	if (fclose(out) != 0) {
		free(failures);
		return cli_fail(r->c, CLI_FOUND, "out of memory");
	}
	if (r->tables)
		add_json(r, name, &one, span_of(failures, n));
	else
		fwrite(failures, 1, n, stdout);
	free(failures);
	r->all.passed += one.passed;
	r->all.failed += one.failed;
	r->all.wrong += one.wrong;
	return CLI_OK;
}

static int run_tables(struct run *r)
{
	int code = CLI_OK;
	for (size_t i = 1; code == CLI_OK && i < cli_operands(r->c); i++) {
		const char *path = cli_operand(r->c, i);
		struct buf table = {0};
		struct err e;
		code = file_read(path, TABLE_MAX, &table, &e)
			       ? run_table(r, path, buf_spanof(&table))
			       : cli_fail(r->c, CLI_BAD_FILE, "%s", e.text);
		buf_free(&table);
	}
	return code;
}

static void print_counts(const struct run *r)
{
	bool bad = cli_colours(stdout) && (r->all.failed || r->all.wrong);

	printf("%u passed, %s%u failed", r->all.passed, cli_style(bad, CLI_BAD), r->all.failed);
	if (r->all.wrong)
		printf(", %u not understood", r->all.wrong);
	printf("%s\n", cli_style(bad, CLI_PLAIN));
}

/* No case at all is no success: somebody believes that something was tested. */
static int sum_up(const struct run *r)
{
	if (r->tables) {
		struct js *o = js_object();
		js_put(o, "report", js_text(SPAN("test")));
		js_put(o, "version", js_number(1));
		js_put(o, "policy", js_text(span_str(cli_operand(r->c, 0))));
		js_put(o, "passed", js_number(r->all.passed));
		js_put(o, "failed", js_number(r->all.failed));
		js_put(o, "wrong", js_number(r->all.wrong));
		js_put(o, "tables", r->tables);
		js_print(o);
	} else {
		print_counts(r);
	}
	if (r->all.wrong)
		return CLI_BAD_FILE;
	if (!r->all.passed && !r->all.failed)
		cli_fail(r->c, CLI_FOUND, "the tables hold no case");
	return r->all.failed == 0 && r->all.passed > 0 ? CLI_OK : CLI_FOUND;
}

static int run(struct cli *c)
{
	struct opened_policy o;
	struct run r = {.c = c, .tables = cli_has(c, "json") ? js_list() : NULL};
	int code = CLI_BAD_FILE;
	if (policy_open(cli_operand(c, 0), &o)) {
		r.s = o.snapshot;
		code = run_tables(&r);
	}
	if (code == CLI_OK)
		code = sum_up(&r);
	else if (r.tables)
		js_drop(r.tables);
	policy_close(&o);
	return code;
}

const struct cli_command policy_test_command = {
	.name = "test",
	.help = "runs tables of expectations, a line a case, and says which fail",
	.operands = "POLICY TABLE...",
	.min = 2,
	.max = CLI_ANY,
	.options = options,
	.about =
		"A case is a question, '=>' and what must be answered:\n"
		"user=anna groups=comms,web host=www.facebook.com at=\"2026-11-23 12:30\" => allow "
		"rule=campaigns\n"
		"Before it: user, groups, client, host, address, at, login=none, acked=RULE,... "
		"(accepted under that rule), spent=RULE:KIND,... (that limit of the rule is "
		"spent). "
		"Behind it: a decision (allow, deny, coach, need), rule, reason, need, limit, "
		"role, "
		"service, part, country; '-' is none. A case without 'at' must hold at every time "
		"at "
		"which a schedule begins or ends.",
	.run = run,
};
