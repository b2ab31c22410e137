/*
 * What a host, a person and an address are under a snapshot. A host name is looked up once for each
 * of its suffixes, the longest first: the first suffix that a service lists decides the service,
 * while categories and the names in rules come from all of them.
 */
#include "domain.h"
#include "snapshot.h"

static void add_service(struct target *out, const struct name_tag *tag)
{
	if (out->services == POLICY_TAGS_MAX)
		return;
	out->service[out->services++] = (struct service_tag){(uint16_t)tag->id, tag->part};
}

static void add_category(struct target *out, const struct name_tag *tag)
{
	for (size_t i = 0; i < out->categories; i++)
		if (out->category[i] == tag->id)
			return;
	if (out->categories < sizeof out->category / sizeof *out->category)
		out->category[out->categories++] = (uint16_t)tag->id;
}

static void add_name(struct target *out, const struct name_tag *tag)
{
	if (out->names < POLICY_TAGS_MAX)
		out->name[out->names++] = tag->id;
}

/* `scope`: is the entry the host itself or something above it? `services`: is none longer? */
static void add_entry(const struct snapshot *s, const struct name_entry *e, enum scope scope,
	bool services, struct target *out)
{
	const struct name_tag *tags = snapshot_at_TAG(s, NULL) + e->tags;

	for (size_t i = 0; i < e->tag_count; i++) {
		if (!(tags[i].scope & scope))
			continue;
		switch ((enum tag_kind)tags[i].kind) {
		case TAG_SERVICE:
			if (services)
				add_service(out, &tags[i]);
			break;
		case TAG_CATEGORY:
			add_category(out, &tags[i]);
			break;
		case TAG_TARGET:
			add_name(out, &tags[i]);
			break;
		}
	}
}

void policy_classify(const struct snapshot *s, const struct host *h, struct target *out)
{
	struct span rest = host_span(h);
	enum scope scope = SCOPE_SELF;

	out->services = out->categories = out->names = 0;
	while (rest.n) {
		const struct name_entry *e = snapshot_name(s, rest);

		if (e)
			add_entry(s, e, scope, out->services == 0, out);
		if (h->literal)
			return;
		span_cut(&rest, '.');
		scope = SCOPE_BELOW;
	}
}

/* --- labels --- */

/* Names of the services, joined by "+"; what does not fit is left out whole. */
static void join_services(const struct snapshot *s, const struct target *t, char *out, size_t cap)
{
	struct buf b;

	buf_init_fixed(&b, out, cap);
	for (size_t i = 0; i < t->services; i++) {
		struct span name = snapshot_service(s, t->service[i].service);

		if (b.n + name.n + 2 > cap)
			return;
		if (b.n)
			buf_addc(&b, '+');
		buf_span(&b, name);
	}
}

static void copy_cut(struct span s, char *out, size_t cap)
{
	if (s.n >= cap)
		s.n = cap - 1;
	memcpy(out, s.p, s.n);
	out[s.n] = 0;
}

void policy_label(const struct snapshot *s, const struct host *h, const struct target *t,
	enum rule_record record, char *out, size_t cap)
{
	assert(cap > 0);
	out[0] = 0;
	if (record == RECORD_NONE)
		copy_cut(SPAN("other"), out, cap);
	else if (record == RECORD_SERVICE && t->services)
		join_services(s, t, out, cap);
	else if (record == RECORD_SERVICE && !h->literal)
		copy_cut(domain_registrable(host_span(h)), out, cap);
	else
		copy_cut(host_span(h), out, cap);
}

/* --- people --- */

static bool named(const struct snapshot *s, struct run members, struct span who)
{
	const struct text *v = snapshot_at_MEMBER(s, NULL) + members.first;

	for (size_t i = 0; i < members.n; i++)
		if (span_eq(snapshot_span(s, v[i]), who))
			return true;
	return false;
}

static bool in_group(
	const struct snapshot *s, const struct snap_role *r, const struct span *groups, size_t n)
{
	if (r->groups.n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (named(s, r->groups, groups[i]))
			return true;
	return false;
}

uint64_t policy_roles(
	const struct snapshot *s, struct span user, const struct span *groups, size_t n)
{
	size_t count;
	const struct snap_role *v = snapshot_at_ROLE(s, &count);
	uint64_t held = s->everyone;

	for (size_t i = 0; i < count; i++)
		if (named(s, v[i].users, user) || in_group(s, &v[i], groups, n))
			held |= UINT64_C(1) << i;
	return held;
}

/* --- countries --- */

static const char *country4(const struct snapshot *s, uint32_t a)
{
	size_t low = 0, high;
	const struct geo4 *v = snapshot_at_GEO4(s, &high);

	/* The last run that begins at or before the address. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v[mid].from <= a)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? v[low - 1].code : NULL;
}

static const char *country6(const struct snapshot *s, uint64_t a)
{
	size_t low = 0, high;
	const struct geo6 *v = snapshot_at_GEO6(s, &high);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v[mid].from <= a)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? v[low - 1].code : NULL;
}

static uint64_t big_endian(const uint8_t *b, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | b[i];
	return v;
}

void policy_country(const struct snapshot *s, const struct addr *a, char out[3])
{
	struct addr plain = policy_plain_address(a);
	const char *code = plain.v4 ? country4(s, (uint32_t)big_endian(plain.b + 12, 4))
				    : country6(s, big_endian(plain.b, 8));

	memset(out, 0, 3);
	if (code)
		memcpy(out, code, 2);
}

struct addr policy_plain_address(const struct addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	struct addr plain = *a;

	if (a->v4 || (memcmp(a->b, mapped, 12) != 0 && memcmp(a->b, nat64, 12) != 0))
		return plain;
	memcpy(plain.b, mapped, 12);
	plain.v4 = true;
	return plain;
}
