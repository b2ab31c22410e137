/*
 * From a model to a snapshot: the table of host names is finished, what can be known of roles is
 * worked out once, and the sections are laid one behind the other. Nothing in the block depends on
 * where, when or by whom it was made, so the same files give the same bytes.
 */
#include "model.h"

static const size_t record_size[SECTION_COUNT] = {
#define SECTION(name, type, text) [SECTION_##name] = sizeof(type),
#include "sections.def"
#undef SECTION
};

static void pad_to_8(struct buf *out, size_t start)
{
	static const char zeros[8];
	size_t over = (out->n - start) % 8;

	if (over)
		buf_add(out, zeros, 8 - over);
}

static void sum_up_roles(const struct model *m, struct snapshot *head)
{
	for (size_t i = 0; i < model_count(m, SECTION_ROLE); i++) {
		const struct snap_role *r = model_at(m, SECTION_ROLE, i);
		uint64_t bit = UINT64_C(1) << i;

		head->everyone |= r->everyone ? bit : 0;
		head->by_person |= r->everyone || r->users.n || r->groups.n ? bit : 0;
		head->by_network |= r->networks.n ? bit : 0;
	}
}

/* False when the block would be too large for 32-bit offsets. */
static bool lay_out(const struct model *m, struct snapshot *head)
{
	uint64_t at = (sizeof *head + 7) / 8 * 8;

	for (size_t i = 0; i < SECTION_COUNT; i++) {
		head->section[i].at = (uint32_t)at;
		head->section[i].n = (uint32_t)(m->section[i].n / record_size[i]);
		if (at > UINT32_MAX)
			return false;
		at += (m->section[i].n + 7) / 8 * 8;
	}
	head->size = at;
	return true;
}

bool model_compile(struct model *m, struct buf *out, struct err *e)
{
	size_t start = out->n;
	struct snapshot head;

	if (!names_finish(m) || model_failed(m))
		return err_set(e, "out of memory");
	/* Padding goes into the block too. */
	memset(&head, 0, sizeof head);
	head.magic = SNAPSHOT_MAGIC;
	head.version = SNAPSHOT_VERSION;
	head.flags = m->flags;
	head.zone = m->zone;
	head.catalogue = m->catalogue;
	head.conduct = m->conduct;
	head.inside = m->inside;
	head.ports = m->ports;
	sum_up_roles(m, &head);
	if (!lay_out(m, &head))
		return err_set(e, "the policy with its lists is larger than 4 GB");
	buf_reserve(out, head.size);
	buf_add(out, &head, sizeof head);
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		pad_to_8(out, start);
		buf_add(out, m->section[i].p, m->section[i].n);
	}
	pad_to_8(out, start);
	return !out->failed || err_set(e, "out of memory");
}

static bool compile(struct model *m, const struct conf *c, const char *path, struct buf *out,
	struct problems *p)
{
	struct err e;

	if (!model_init(m, path)) {
		problem_error(p, path, 0, "out of memory");
		return false;
	}
	if (!model_load(m, c, p))
		return false;
	if (!model_compile(m, out, &e)) {
		problem_error(p, path, 0, "%s", e.text);
		return false;
	}
	return true;
}

bool policy_compile(const char *path, struct buf *out, struct problems *p)
{
	struct conf *c = conf_load(path, p);
	struct model m;

	if (!c)
		return false;
	bool ok = compile(&m, c, path, out, p);
	model_free(&m);
	conf_free(c);
	return ok;
}
