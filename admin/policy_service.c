/* stile-policy service: what a host is in the eyes of the policy, a line each. */
#include "policy_commands.h"

#include "explain.h"
#include "jsonout.h"
#include "opened.h"

static const struct cli_option options[] = {
	{0, "policy", "POLICY", false,
		"a policy, whose services and lists are added to the catalogue"},
	{0, "json", NULL, false, "print JSON"},
	{0},
};

static void print_line(const struct snapshot *s, const struct host *h, const struct target *t)
{
	struct buf part = {0}, service = {0}, zone = {0}, categories = {0};
	for (size_t i = 0; i < t->services; i++) {
		struct span z = snapshot_service_zone(s, t->service[i].service);
		const char *plus = i ? "+" : "";
		buf_printf(&service, "%s%.*s", plus,
			SPAN_ARG(snapshot_service(s, t->service[i].service)));
		buf_printf(&part, "%s%s", plus, part_word((enum service_part)t->service[i].part));
		buf_printf(&zone, "%s%.*s", plus, z.n ? (int)z.n : 1, z.n ? z.p : "-");
	}
	struct span category[HOST_CATEGORIES_MAX];
	size_t n = host_categories(s, t, category);
	for (size_t i = 0; i < n; i++)
		buf_printf(&categories, "%s%.*s", i ? "," : "", SPAN_ARG(category[i]));
	printf("%s\t%s\t%s\t%s\t%s\n", h->name, service.n ? service.p : "-", part.n ? part.p : "-",
		zone.n ? zone.p : "-", categories.n ? categories.p : "-");
	buf_free(&service);
	buf_free(&part);
	buf_free(&zone);
	buf_free(&categories);
}

static struct js *one_json(const struct snapshot *s, const struct host *h, const struct target *t)
{
	struct js *v = js_object(), *services = js_list(), *categories = js_list();
	for (size_t i = 0; i < t->services; i++) {
		size_t k = t->service[i].service;
		struct js *one = js_object();
		js_put(one, "service", js_text(snapshot_service(s, k)));
		js_put(one, "title", js_text_or_null(snapshot_service_title(s, k)));
		js_put(one, "part",
			js_text(span_str(part_word((enum service_part)t->service[i].part))));
		js_put(one, "zone", js_text_or_null(snapshot_service_zone(s, k)));
		js_add(services, one);
	}
	struct span category[HOST_CATEGORIES_MAX];
	size_t n = host_categories(s, t, category);
	for (size_t i = 0; i < n; i++)
		js_add(categories, js_text(category[i]));
	js_put(v, "host", js_text(host_span(h)));
	js_put(v, "services", services);
	js_put(v, "categories", categories);
	return v;
}

static int print_hosts(struct cli *c, const struct snapshot *s, struct js *list)
{
	for (size_t i = 0; i < cli_operands(c); i++) {
		struct host h;
		struct target t = {0};
		uint16_t port;
		if (!explain_host(span_str(cli_operand(c, i)), 443, &h, &port))
			return cli_usage(c, "'%s' is no host name", cli_operand(c, i));
		policy_classify(s, &h, &t);
		if (list)
			js_add(list, one_json(s, &h, &t));
		else
			print_line(s, &h, &t);
	}
	return CLI_OK;
}

static int run(struct cli *c)
{
	const char *path = cli_value(c, "policy");
	struct opened_policy o;
	bool ok = path ? policy_open(path, &o) : policy_open_catalogue(&o);
	struct js *list = cli_has(c, "json") ? js_list() : NULL;
	int code = ok ? print_hosts(c, o.snapshot, list) : CLI_BAD_FILE;
	if (list) {
		struct js *v = js_object();
		js_put(v, "report", js_text(SPAN("service")));
		js_put(v, "version", js_number(1));
		js_put(v, "policy", js_text_or_null(span_str(path)));
		js_put(v, "hosts", list);
		if (code == CLI_OK)
			js_print(v);
		else
			js_drop(v);
	}
	policy_close(&o);
	return code;
}

const struct cli_command policy_service_command = {
	.name = "service",
	.help = "says which service, part, zone and categories a host belongs to, a line each",
	.operands = "HOST...",
	.min = 1,
	.max = CLI_ANY,
	.options = options,
	.about = "Columns are separated by tabs: host, service, part, zone, categories. '-' stands "
		 "for "
		 "unknown, '+' joins services that share the host. Without --policy the built-in "
		 "catalogue answers.",
	.run = run,
};
