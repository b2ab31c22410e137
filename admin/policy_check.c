/* stile-policy check: is the file right, and does it say what it seems to say? */
#include "policy_commands.h"

#include "clock.h"
#include "jsonout.h"
#include "opened.h"

static const struct cli_option options[] = {
	{0, "at", "TIME", false,
		"the moment at which the policy is looked at, \"YYYY-MM-DD\" or \"YYYY-MM-DD "
		"HH:MM\" in "
		"its zone; now"},
	{0, "json", NULL, false, "print JSON"},
	{0},
};

static void print_line(const char *path, const struct opened_policy *o)
{
	const struct problems *p = &o->problems;
	bool colours = cli_colours(stdout);
	printf("%s: ", path);
	if (o->snapshot)
		printf("%zu rules, %zu roles, %zu services, zone %.*s, catalogue %.*s: ",
			snapshot_rules(o->snapshot), snapshot_roles(o->snapshot),
			snapshot_services(o->snapshot), SPAN_ARG(snapshot_zone_name(o->snapshot)),
			SPAN_ARG(snapshot_catalogue_version(o->snapshot)));
	if (!o->snapshot)
		printf("%s%zu %s%s, not usable\n", cli_style(colours, CLI_BAD), p->errors,
			p->errors == 1 ? "error" : "errors", cli_style(colours, CLI_PLAIN));
	else if (p->findings)
		printf("%s%zu %s%s\n", cli_style(colours, CLI_WARN), p->findings,
			p->findings == 1 ? "finding" : "findings", cli_style(colours, CLI_PLAIN));
	else
		printf("%sok%s\n", cli_style(colours, CLI_GOOD), cli_style(colours, CLI_PLAIN));
}

static struct js *problem_list(const struct problems *p, enum problem_kind kind)
{
	struct js *list = js_list();
	for (size_t i = 0; i < p->n; i++) {
		const struct problem *one = &p->v[i];
		if (one->kind != kind)
			continue;
		struct js *v = js_object();
		js_put(v, "file", js_text(span_str(one->file)));
		js_put(v, "line", one->line ? js_number(one->line) : js_null());
		if (kind == PROBLEM_FINDING)
			js_put(v, "code", js_text_or_null(span_str(one->code)));
		js_put(v, "text", js_text(span_str(one->text)));
		js_add(list, v);
	}
	return list;
}

static void print_json(const char *path, const struct opened_policy *o)
{
	const struct snapshot *s = o->snapshot;
	struct js *v = js_object();
	js_put(v, "report", js_text(SPAN("check")));
	js_put(v, "version", js_number(1));
	js_put(v, "policy", js_text(span_str(path)));
	js_put(v, "usable", js_bool(s != NULL));
	js_put(v, "rules", s ? js_number(snapshot_rules(s)) : js_null());
	js_put(v, "roles", s ? js_number(snapshot_roles(s)) : js_null());
	js_put(v, "services", s ? js_number(snapshot_services(s)) : js_null());
	js_put(v, "zone", s ? js_text(snapshot_zone_name(s)) : js_null());
	js_put(v, "catalogue", s ? js_text(snapshot_catalogue_version(s)) : js_null());
	js_put(v, "errors", problem_list(&o->problems, PROBLEM_ERROR));
	js_put(v, "findings", problem_list(&o->problems, PROBLEM_FINDING));
	js_put(v, "error_count", js_number(o->problems.errors));
	js_put(v, "finding_count", js_number(o->problems.findings));
	js_print(v);
}

static int run(struct cli *c)
{
	const char *path = cli_operand(c, 0), *at = cli_value(c, "at");
	int64_t now_s = clock_wall_ms() / 1000;
	struct opened_policy o;
	if (policy_open_try(path, &o)) {
		if (at && !snapshot_parse_time(o.snapshot, span_str(at), &now_s)) {
			policy_close(&o);
			return cli_usage(c, "--at '%s' is no time: \"YYYY-MM-DD HH:MM\"", at);
		}
		policy_lint(path, o.snapshot, now_s, &o.problems);
	}
	if (cli_has(c, "json")) {
		print_json(path, &o);
	} else {
		problems_print(&o.problems, stdout);
		print_line(path, &o);
	}
	int code = !o.snapshot ? CLI_BAD_FILE : o.problems.findings ? CLI_FOUND : CLI_OK;
	policy_close(&o);
	return code;
}

const struct cli_command policy_check_command = {
	.name = "check",
	.help = "says what is wrong with a policy file, and what in it can hardly be meant",
	.operands = "POLICY",
	.min = 1,
	.max = 1,
	.options = options,
	.about =
		"Errors make the file unusable (exit 78). Findings do not (exit 1): rules that can "
		"never decide, reviews that are overdue, names that nothing uses, services that "
		"overlap.",
	.run = run,
};
