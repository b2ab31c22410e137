/*
 * The growing sections of a policy. Every section is a buffer of records, so that running out of
 * memory is noticed once, at the end.
 */
#include "model.h"
#include "nearest.h"

static const size_t record_size[SECTION_COUNT] = {
#define SECTION(name, type, text) [SECTION_##name] = sizeof(type),
#include "sections.def"
#undef SECTION
};

bool model_init(struct model *m, const char *path)
{
	*m = (struct model){.path = path, .names = names_new()};
	return m->names != NULL;
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < SECTION_COUNT; i++)
		buf_free(&m->section[i]);
	names_free(m->names);
	*m = (struct model){0};
}

bool model_failed(const struct model *m)
{
	for (size_t i = 0; i < SECTION_COUNT; i++)
		if (m->section[i].failed || m->section[i].n > UINT32_MAX)
			return true;
	return false;
}

struct text model_text(struct model *m, struct span s)
{
	struct buf *b = &m->section[SECTION_TEXT];
	struct text t = {(uint32_t)b->n, (uint32_t)s.n};

	if (s.n == 0)
		return (struct text){0};
	buf_add(b, s.p, s.n);
	return t;
}

struct span model_span(const struct model *m, struct text t)
{
	const struct buf *b = &m->section[SECTION_TEXT];

	if ((size_t)t.at + t.n > b->n || t.n == 0)
		return SPAN("");
	return span_of(b->p + t.at, t.n);
}

size_t model_count(const struct model *m, enum section s)
{
	return m->section[s].n / record_size[s];
}

void *model_at(const struct model *m, enum section s, size_t i)
{
	assert(i < model_count(m, s));
	return m->section[s].p + i * record_size[s];
}

void model_push(struct model *m, enum section s, const void *record)
{
	buf_add(&m->section[s], record, record_size[s]);
}

struct run model_run_from(const struct model *m, enum section s, size_t first)
{
	size_t n = model_count(m, s);

	return (struct run){(uint32_t)first, n > first ? (uint32_t)(n - first) : 0};
}

static struct span name_at(const struct model *m, enum section s, size_t i)
{
	struct text name;

	memcpy(&name, model_at(m, s, i), sizeof name);
	return model_span(m, name);
}

int32_t model_find(const struct model *m, enum section s, struct span name)
{
	size_t n = model_count(m, s);

	for (size_t i = 0; i < n; i++)
		if (span_eq(name_at(m, s, i), name))
			return (int32_t)i;
	return -1;
}

struct span model_nearest(const struct model *m, enum section s, struct span wanted)
{
	struct nearest best = nearest_to(wanted);
	size_t n = model_count(m, s);

	for (size_t i = 0; i < n; i++)
		nearest_try(&best, name_at(m, s, i));
	return best.found;
}

int32_t model_category(struct model *m, struct span name)
{
	int32_t id = model_find(m, SECTION_CATEGORY, name);

	if (id >= 0)
		return id;
	id = (int32_t)model_count(m, SECTION_CATEGORY);
	if (id > UINT16_MAX)
		return -1;
	struct snap_category c = {.name = model_text(m, name)};
	model_push(m, SECTION_CATEGORY, &c);
	return id;
}
