/*
 * Named blobs in one block. A pack has exactly one valid layout (blobs in the order of the table,
 * gaps of zeros up to the next multiple of 16, nothing behind the last), so that checking is simple
 * and equal contents give equal bytes. Numbers are the machine's own: a pack never leaves it.
 */
#include "pack.h"

#include <assert.h>

#define PACK_MAGIC "stilepk1"
#define PACK_ALIGN 16

struct pack_head {
	char magic[8];
	uint32_t n;
	uint32_t zero;
};

struct pack_entry {
	char name[PACK_NAME_MAX + 1]; /* padded with NUL, at least one */
	uint64_t at, n;
};

static_assert(sizeof(struct pack_head) == PACK_ALIGN, "the table starts aligned");
static_assert(sizeof(struct pack_entry) == 3 * PACK_ALIGN, "the blobs start aligned");

#define PACK_BLOBS (sizeof((struct pack_writer *)0)->v / sizeof((struct pack_writer *)0)->v[0])

static uint64_t aligned(uint64_t n)
{
	return (n + PACK_ALIGN - 1) & ~(uint64_t)(PACK_ALIGN - 1);
}

static uint64_t table_end(uint32_t n)
{
	return sizeof(struct pack_head) + (uint64_t)n * sizeof(struct pack_entry);
}

void pack_start(struct pack_writer *w)
{
	memset(w, 0, sizeof(*w));
}

void pack_add(struct pack_writer *w, const char *name, struct span data)
{
	assert(w->n < sizeof(w->v) / sizeof(w->v[0]));
	assert(name[0] && strlen(name) <= PACK_NAME_MAX);
	for (unsigned i = 0; i < w->n; i++)
		assert(strcmp(w->v[i].name, name) != 0);
	memcpy(w->v[w->n].name, name, strlen(name) + 1);
	buf_span(&w->v[w->n].data, data);
	w->n++;
}

static void add_table(struct pack_writer *w)
{
	struct pack_head head = {.magic = PACK_MAGIC, .n = w->n};
	uint64_t at = table_end(w->n);

	buf_add(&w->out, &head, sizeof(head));
	for (unsigned i = 0; i < w->n; i++) {
		struct pack_entry entry = {.at = at, .n = w->v[i].data.n};

		memcpy(entry.name, w->v[i].name, sizeof(entry.name));
		buf_add(&w->out, &entry, sizeof(entry));
		at = aligned(at + entry.n);
	}
}

bool pack_finish(struct pack_writer *w, struct span *out)
{
	static const char zeros[PACK_ALIGN];

	buf_reset(&w->out);
	add_table(w);
	for (unsigned i = 0; i < w->n; i++) {
		if (w->v[i].data.failed)
			return false;
		buf_add(&w->out, zeros, aligned(w->out.n) - w->out.n);
		buf_span(&w->out, buf_spanof(&w->v[i].data));
	}
	*out = buf_spanof(&w->out);
	return !w->out.failed;
}

void pack_drop(struct pack_writer *w)
{
	for (unsigned i = 0; i < w->n; i++)
		buf_free(&w->v[i].data);
	buf_free(&w->out);
	w->n = 0;
}

static struct pack_entry entry_at(struct span pack, uint32_t i)
{
	struct pack_entry entry;

	memcpy(&entry, pack.p + table_end(i), sizeof(entry));
	return entry;
}

static bool zeros_only(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static bool good_name(struct span pack, uint32_t i, const struct pack_entry *entry)
{
	size_t n = strnlen(entry->name, sizeof(entry->name));

	if (n == 0 || n == sizeof(entry->name))
		return false;
	if (!zeros_only(entry->name + n, sizeof(entry->name) - n))
		return false;
	for (uint32_t k = 0; k < i; k++) {
		struct pack_entry other = entry_at(pack, k);

		if (memcmp(other.name, entry->name, sizeof(other.name)) == 0)
			return false;
	}
	return true;
}

bool pack_check(struct span pack, struct err *e)
{
	struct pack_head head;
	uint64_t end;

	if (pack.n < sizeof(head))
		return err_set(e, "pack of %zu bytes: too short", pack.n);
	memcpy(&head, pack.p, sizeof(head));
	if (memcmp(head.magic, PACK_MAGIC, sizeof(head.magic)) != 0 || head.zero)
		return err_set(e, "pack: not a pack of this version");
	if (head.n > PACK_BLOBS || pack.n < table_end(head.n))
		return err_set(e, "pack: table of %u blobs does not fit", head.n);
	end = table_end(head.n);
	for (uint32_t i = 0; i < head.n; i++) {
		struct pack_entry entry = entry_at(pack, i);

		if (!good_name(pack, i, &entry))
			return err_set(e, "pack: blob %u: bad or repeated name", i);
		if (entry.at != aligned(end) || entry.at > pack.n || entry.n > pack.n - entry.at)
			return err_set(e, "pack: blob %u lies outside or out of order", i);
		if (!zeros_only(pack.p + end, entry.at - end))
			return err_set(e, "pack: something hides before blob %u", i);
		end = entry.at + entry.n;
	}
	if (end != pack.n)
		return err_set(e, "pack: %zu bytes behind the last blob", pack.n - (size_t)end);
	return true;
}

bool pack_get(struct span pack, const char *name, struct span *out)
{
	struct pack_head head;

	memcpy(&head, pack.p, sizeof(head));
	for (uint32_t i = 0; i < head.n; i++) {
		struct pack_entry entry = entry_at(pack, i);

		if (strcmp(entry.name, name) != 0)
			continue;
		*out = span_of(pack.p + entry.at, entry.n);
		return true;
	}
	return false;
}
