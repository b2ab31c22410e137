/*
 * Services: the catalogue's and the policy's own go through the same code. A service of the policy
 * takes the place of the catalogue's of the same name, whole: nothing is merged, so that what
 * stands in the policy is all there is.
 */
#include "domain.h"
#include "model.h"

#include <stdlib.h>

static const char *const zones[] = {"internal", "external", "public", NULL};

static const struct part {
	enum service_part part;
	const char *key;
} parts[] = {
#define PART(name, key, word, text) {PART_##name, key},
#include "parts.def"
#undef PART
};

/* What people write where a host name belongs. */
static const char *hint(const char *s)
{
	struct addr a;

	if (s[0] == '.' || s[0] == '*')
		return "; a service's host covers the names below it without a dot or star before "
		       "it";
	if (strstr(s, "://") || strchr(s, '/'))
		return "; expected the name alone, without scheme and path";
	if (addr_parse(span_str(s), &a))
		return "; an address is no part of a service, rules may name it in `to`";
	if (strchr(s, ':'))
		return "; expected the name alone, rules name ports";
	return "; expected a name like \"social.example\"";
}

static bool load_host(
	const struct load *l, const struct conf_node *n, uint32_t service, enum service_part part)
{
	const struct name_tag tag = {
		.id = service, .kind = TAG_SERVICE, .part = (uint8_t)part, .scope = SCOPE_SUFFIX};
	const char *written = conf_string_value(n);
	char name[HOST_MAX + 1];

	if (!domain_to_ascii(span_str(written), name))
		return conf_error(
			l->c, n, l->p, "\"%.64s\" is no host name%s", written, hint(written));
	if (names_has(l->m, span_str(name), TAG_SERVICE, service))
		return conf_error(l->c, n, l->p, "host \"%s\" stands twice in this service", name);
	if (names_count(l->m, span_str(name), TAG_SERVICE) >= POLICY_TAGS_MAX)
		return conf_error(l->c, n, l->p, "host \"%s\" stands in more than %d services",
			name, POLICY_TAGS_MAX);
	if (!names_add(l->m, span_str(name), tag))
		return conf_error(l->c, n, l->p, "more than %u host names", NAMES_MAX);
	return true;
}

static bool load_part(const struct load *l, const struct conf_node *g, uint32_t service,
	const struct part *part, uint32_t *hosts)
{
	const struct conf_node *v;
	bool ok = true;

	if (!conf_strings(l->c, g, part->key, &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++)
		ok = load_host(l, conf_at(v, i), service, part->part) && ok;
	*hosts += v ? (uint32_t)conf_len(v) : 0;
	return ok;
}

static bool load_category(const struct load *l, const struct conf_node *n, size_t first)
{
	struct span name = span_str(conf_string_value(n));

	if (!load_name(l, n, name, "a category"))
		return false;
	int32_t id = model_category(l->m, name);
	if (id < 0)
		return conf_error(l->c, n, l->p, "more than %d categories", UINT16_MAX);
	for (size_t i = first; i < model_count(l->m, SECTION_SERVICE_CATEGORY); i++)
		if (*(uint16_t *)model_at(l->m, SECTION_SERVICE_CATEGORY, i) == id)
			return conf_error(
				l->c, n, l->p, "category \"%.*s\" stands twice", SPAN_ARG(name));
	uint16_t kept = (uint16_t)id;
	model_push(l->m, SECTION_SERVICE_CATEGORY, &kept);
	return true;
}

static bool load_categories(const struct load *l, const struct conf_node *g, struct run *out)
{
	size_t first = model_count(l->m, SECTION_SERVICE_CATEGORY);
	const struct conf_node *v;
	bool ok = true;

	if (!conf_strings(l->c, g, "categories", &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++)
		ok = load_category(l, conf_at(v, i), first) && ok;
	*out = model_run_from(l->m, SECTION_SERVICE_CATEGORY, first);
	return ok;
}

static bool load_service_zone(const struct load *l, const struct conf_node *g, struct text *out)
{
	int zone = -1;

	if (!load_word(l, g, "zone", zones, &zone))
		return false;
	if (zone >= 0)
		*out = model_text(l->m, span_str(zones[zone]));
	return true;
}

static bool load_service(const struct load *l, const struct conf_node *g, uint32_t flags)
{
	struct snap_service s = {.flags = flags};
	uint32_t id = (uint32_t)model_count(l->m, SECTION_SERVICE);
	struct span name = span_str(conf_name(g));
	bool ok;

	if (!load_name(l, g, name, "a service"))
		return false;
	if (conf_kind(g) != CONF_GROUP)
		return conf_error(l->c, g, l->p,
			"service \"%s\" must be a group, as in %s = { hosts = [ \"%s.example\" ]; "
			"}",
			name.p, name.p, name.p);
	if (id >= UINT16_MAX)
		return conf_error(l->c, g, l->p, "more than %d services", UINT16_MAX);
	s.name = model_text(l->m, name);
	s.source = load_source(l, g);
	ok = load_only(l, g, KEY_SERVICE);
	ok = load_text(l, g, "title", &s.title) && ok;
	ok = load_text(l, g, "source", &s.origin) && ok;
	ok = load_service_zone(l, g, &s.zone) && ok;
	ok = load_categories(l, g, &s.categories) && ok;
	for (size_t i = 0; i < PART_COUNT; i++)
		ok = load_part(l, g, id, &parts[i], &s.hosts) && ok;
	if (ok && s.hosts == 0)
		ok = conf_error(l->c, g, l->p,
			"service \"%s\" has no host; expected hosts = [ \"%s.example\" ] or the "
			"like",
			name.p, name.p);
	model_push(l->m, SECTION_SERVICE, &s);
	return ok;
}

static uint32_t flags_of(bool built_in, bool in_other)
{
	if (built_in)
		return SERVICE_BUILT_IN;
	return in_other ? SERVICE_REPLACES : 0;
}

bool load_services(const struct load *l, const struct conf_node *root, bool built_in,
	const struct conf_node *other)
{
	const struct conf_node *v;
	bool ok = true;

	if (!conf_group(l->c, root, "services", &v, l->p))
		return false;
	for (size_t i = 0; v && i < conf_len(v); i++) {
		const struct conf_node *g = conf_at(v, i);
		bool in_other = conf_get(other, conf_name(g)) != NULL;

		if (!built_in || !in_other)
			ok = load_service(l, g, flags_of(built_in, in_other)) && ok;
	}
	return ok;
}
