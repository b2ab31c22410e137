/*
 * Reading a policy file into a model. What is named is read before what names it (roles, schedules,
 * services and lists before rules), whatever the order in the file, so that every reference is
 * resolved, or refused with its line, the moment it is met.
 */
#include "catalogue.h"
#include "model.h"

#include "file.h"

#include <stdlib.h>

#define WINDOWS_MAX 256 /* of one schedule */

static const struct port_range default_ports[] = {{80, 80}, {443, 443}};

/* --- zone, inside, ports, geo --- */

static bool load_zone(const struct load *l, const struct conf_node *root)
{
	const char *name = NULL;
	struct err e;

	if (!conf_string(l->c, root, "zone", &name, l->p))
		return false;
	/* Hours without a zone would be an hour off half of the year, and nobody would know why. */
	if (!name && conf_get(root, "schedules"))
		return conf_error(l->c, conf_get(root, "schedules"), l->p,
			"schedules need a time zone; expected zone = \"Europe/London\" or the "
			"like");
	if (!name)
		name = "UTC";
	if (!zone_compile(name, &l->m->section[SECTION_ZONE], &e))
		return conf_error(l->c, conf_get(root, "zone") ? conf_get(root, "zone") : root,
			l->p, "%s", e.text);
	l->m->zone = model_text(l->m, span_str(name));
	return true;
}

static bool load_top_ports(const struct load *l, const struct conf_node *root)
{
	if (conf_get(root, "ports"))
		return load_ports(l, root, &l->m->ports);
	size_t first = model_count(l->m, SECTION_PORT);
	for (size_t i = 0; i < sizeof default_ports / sizeof *default_ports; i++)
		model_push(l->m, SECTION_PORT, &default_ports[i]);
	l->m->ports = model_run_from(l->m, SECTION_PORT, first);
	return true;
}

static bool load_top_flag(
	const struct load *l, const struct conf_node *root, const char *name, uint32_t bit)
{
	bool set = false;

	if (!conf_bool(l->c, root, name, &set, l->p))
		return false;
	l->m->flags |= set ? bit : 0;
	return true;
}

/* Shown to people, and followed by them where it is a URL: nothing else may be made a link. */
static bool load_conduct(const struct load *l, const struct conf_node *root)
{
	return load_text(l, root, "conduct", &l->m->conduct);
}

static bool load_geo(const struct load *l, const struct conf_node *root)
{
	const char *file = NULL;
	struct err e = {"out of memory"};

	if (!conf_string(l->c, root, "geo", &file, l->p))
		return false;
	l->m->geo = file != NULL;
	if (!file || !l->m->path)
		return true;
	char *path = path_beside(l->m->path, file);
	bool ok = path &&
		  geo_compile(path, &l->m->section[SECTION_GEO4], &l->m->section[SECTION_GEO6], &e);
	free(path);
	return ok || conf_error(l->c, conf_get(root, "geo"), l->p, "%s", e.text);
}

/* --- roles --- */

static bool load_members(
	const struct load *l, const struct conf_node *g, const char *name, struct run *out)
{
	const struct conf_node *v;
	size_t first = model_count(l->m, SECTION_MEMBER);
	bool ok = true;

	if (!conf_strings(l->c, g, name, &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++) {
		struct span member = span_str(conf_string_at(v, i));
		struct text t = model_text(l->m, member);

		if (member.n == 0 || member.n > POLICY_TEXT_MAX)
			ok = conf_error(l->c, conf_at(v, i), l->p,
				"%s has a name of %zu bytes; expected 1 to %d", name, member.n,
				POLICY_TEXT_MAX);
		model_push(l->m, SECTION_MEMBER, &t);
	}
	*out = model_run_from(l->m, SECTION_MEMBER, first);
	return ok;
}

static bool load_role(const struct load *l, const struct conf_node *g)
{
	struct snap_role r = {0};
	bool everyone = false, ok;

	if (!load_name(l, g, span_str(conf_name(g)), "a role"))
		return false;
	if (conf_kind(g) != CONF_GROUP)
		return conf_error(l->c, g, l->p,
			"role \"%s\" must be a group, as in %s = { groups = [ \"staff\" ]; }",
			conf_name(g), conf_name(g));
	ok = load_only(l, g, KEY_ROLE);
	r.name = model_text(l->m, span_str(conf_name(g)));
	r.source = load_source(l, g);
	ok = load_members(l, g, "users", &r.users) && ok;
	ok = load_members(l, g, "groups", &r.groups) && ok;
	ok = load_prefixes(l, g, "networks", &r.networks) && ok;
	ok = conf_bool(l->c, g, "everyone", &everyone, l->p) && ok;
	r.everyone = everyone;
	if (ok && !everyone && r.users.n + r.groups.n + r.networks.n == 0)
		ok = conf_error(l->c, g, l->p,
			"nobody can hold role \"%s\"; expected users, groups, networks or everyone "
			"= true",
			conf_name(g));
	if (r.users.n || r.groups.n || everyone)
		l->m->flags |= SNAPSHOT_WANTS_IDENTITY;
	model_push(l->m, SECTION_ROLE, &r);
	return ok;
}

static bool load_roles(const struct load *l, const struct conf_node *root)
{
	const struct conf_node *roles;
	bool ok = true;

	if (!conf_group(l->c, root, "roles", &roles, l->p))
		return false;
	if (roles && conf_len(roles) > POLICY_ROLES_MAX)
		return conf_error(l->c, roles, l->p, "%zu roles; expected %d at most",
			conf_len(roles), POLICY_ROLES_MAX);
	for (size_t i = 0; roles && i < conf_len(roles); i++)
		ok = load_role(l, conf_at(roles, i)) && ok;
	return ok;
}

/* --- schedules --- */

static bool load_schedule(const struct load *l, const struct conf_node *n)
{
	struct week_window windows[WINDOWS_MAX];
	struct snap_schedule s = {0};
	struct err e;

	if (!load_name(l, n, span_str(conf_name(n)), "a schedule"))
		return false;
	if (conf_kind(n) != CONF_STRING)
		return conf_error(l->c, n, l->p,
			"schedule \"%s\" must be a string, as in \"Mon-Fri 08:00-18:00\"",
			conf_name(n));
	struct span written = span_str(conf_string_value(n));
	int count = schedule_parse(written, windows, WINDOWS_MAX, &e);
	size_t first = model_count(l->m, SECTION_WINDOW);
	for (int i = 0; i < count; i++)
		model_push(l->m, SECTION_WINDOW, &windows[i]);
	s.name = model_text(l->m, span_str(conf_name(n)));
	s.written = model_text(l->m, written);
	s.source = load_source(l, n);
	s.windows = model_run_from(l->m, SECTION_WINDOW, first);
	/* Kept even when it is wrong: the rules that name it are not wrong for that. */
	model_push(l->m, SECTION_SCHEDULE, &s);
	if (count < 0)
		return conf_error(l->c, n, l->p, "schedule \"%s\": %s", conf_name(n), e.text);
	return true;
}

static bool load_schedules(const struct load *l, const struct conf_node *root)
{
	const struct conf_node *v;
	bool ok = true;

	if (!conf_group(l->c, root, "schedules", &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++)
		ok = load_schedule(l, conf_at(v, i)) && ok;
	return ok;
}

/* --- the whole --- */

static bool load_catalogue(const struct load *l, struct conf *c, const struct conf_node *policy)
{
	const struct load in = {l->m, c, l->p};
	const char *version = "";
	bool ok = load_only(&in, conf_root(c), KEY_CATALOGUE);

	ok = conf_string(c, conf_root(c), "version", &version, l->p) && ok;
	l->m->catalogue = model_text(l->m, span_str(version));
	return load_services(&in, conf_root(c), true, conf_get(policy, "services")) && ok;
}

static bool load_all(const struct load *l, struct conf *catalogue)
{
	const struct conf_node *root = conf_root(l->c);
	bool ok = load_only(l, root, KEY_TOP);

	ok = load_zone(l, root) && ok;
	ok = load_prefixes(l, root, "inside", &l->m->inside) && ok;
	ok = load_top_ports(l, root) && ok;
	ok = load_top_flag(l, root, "tls_only", SNAPSHOT_TLS_ONLY) && ok;
	ok = load_top_flag(l, root, "sni_match", SNAPSHOT_SNI_MATCH) && ok;
	ok = load_conduct(l, root) && ok;
	ok = load_geo(l, root) && ok;
	ok = load_roles(l, root) && ok;
	ok = load_schedules(l, root) && ok;
	ok = load_catalogue(l, catalogue, root) && ok;
	ok = load_services(l, root, false, conf_get(conf_root(catalogue), "services")) && ok;
	ok = load_lists(l, root) && ok;
	return load_rules(l, root) && ok;
}

bool model_load(struct model *m, const struct conf *c, struct problems *p)
{
	const struct load l = {m, c, p};
	struct conf *catalogue = conf_parse("catalogue.cfg", catalogue_text(), p);

	if (!catalogue)
		return false;
	bool ok = load_all(&l, catalogue);
	conf_free(catalogue);
	if (ok && model_failed(m))
		problem_error(p, conf_file(c, conf_root(c)), 0,
			"the policy with its lists does not fit into memory");
	return ok && !model_failed(m);
}
