/*
 * Host names: one open-addressing table of 64-bit hashes over every name that services, lists and
 * rules mention. While it is built, tags hang on a name as a linked list; in the snapshot they are
 * runs, shared between names with the same tags (a list of a million names has one run). Only this
 * file knows the hash.
 */
#include "model.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOTS_LEAST 64

struct link {
	struct name_tag tag;
	uint32_t next; /* index + 1, newest first */
};

struct names {
	struct buf entries; /* struct name_entry; `tags` is a link's index + 1 here */
	struct buf links;   /* struct link */
	struct name_slot *slots;
	size_t slot_count;
	bool failed;
};

static uint64_t hash(struct span s)
{
	return XXH3_64bits(s.p, s.n);
}

static uint32_t check_of(uint64_t h)
{
	return (uint32_t)(h >> 32);
}

static struct name_entry *entries(const struct names *n)
{
	return (struct name_entry *)(void *)n->entries.p;
}

static struct link *links(const struct names *n)
{
	return (struct link *)(void *)n->links.p;
}

static size_t entry_count(const struct names *n)
{
	return n->entries.n / sizeof(struct name_entry);
}

struct names *names_new(void)
{
	struct names *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->slot_count = SLOTS_LEAST;
	n->slots = calloc(n->slot_count, sizeof *n->slots);
	if (!n->slots) {
		free(n);
		return NULL;
	}
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	buf_free(&n->entries);
	buf_free(&n->links);
	free(n->slots);
	free(n);
}

/* The slot in which the name is or would be. A free slot always ends the walk. */
static size_t slot_of(const struct name_slot *slots, size_t count, const struct name_entry *entry,
	const char *text, struct span name, uint64_t h)
{
	size_t at = h & (count - 1);

	for (; slots[at].entry; at = (at + 1) & (count - 1)) {
		const struct name_entry *e = &entry[slots[at].entry - 1];

		if (slots[at].check == check_of(h) && e->len == name.n &&
			memcmp(text + e->text, name.p, name.n) == 0)
			break;
	}
	return at;
}

static void grow(struct names *n, const char *text)
{
	size_t count = n->slot_count * 2;
	struct name_slot *slots = calloc(count, sizeof *slots);

	if (!slots) {
		n->failed = true;
		return;
	}
	for (size_t i = 0; i < entry_count(n); i++) {
		const struct name_entry *e = &entries(n)[i];
		uint64_t h = hash(span_of(text + e->text, e->len));
		size_t at = h & (count - 1);

		while (slots[at].entry)
			at = (at + 1) & (count - 1);
		slots[at] = (struct name_slot){check_of(h), (uint32_t)i + 1};
	}
	free(n->slots);
	n->slots = slots;
	n->slot_count = count;
}

/* The entry of the name, made if there is none; NULL without memory. */
static struct name_entry *entry_for(struct model *m, struct span name)
{
	struct names *n = m->names;
	uint64_t h = hash(name);

	if (entry_count(n) * 3 >= n->slot_count * 2)
		grow(n, m->section[SECTION_TEXT].p);
	if (n->failed)
		return NULL;
	size_t at =
		slot_of(n->slots, n->slot_count, entries(n), m->section[SECTION_TEXT].p, name, h);
	if (!n->slots[at].entry) {
		struct name_entry fresh = {.text = model_text(m, name).at, .len = (uint8_t)name.n};

		buf_add(&n->entries, &fresh, sizeof fresh);
		n->failed = n->entries.failed || m->section[SECTION_TEXT].failed;
		if (n->failed)
			return NULL;
		n->slots[at] = (struct name_slot){check_of(h), (uint32_t)entry_count(n)};
	}
	return &entries(n)[n->slots[at].entry - 1];
}

static bool same_tag(const struct name_tag *a, const struct name_tag *b)
{
	return a->id == b->id && a->kind == b->kind && a->part == b->part && a->scope == b->scope;
}

bool names_add(struct model *m, struct span name, struct name_tag tag)
{
	struct names *n = m->names;

	assert(name.n > 0 && name.n <= HOST_MAX);
	if (entry_count(n) >= NAMES_MAX)
		return false;
	struct name_entry *e = entry_for(m, name);
	if (!e)
		return true;
	for (uint32_t i = e->tags; i; i = links(n)[i - 1].next)
		if (same_tag(&links(n)[i - 1].tag, &tag))
			return true;
	struct link l = {tag, e->tags};
	buf_add(&n->links, &l, sizeof l);
	n->failed = n->failed || n->links.failed;
	if (!n->failed)
		e->tags = (uint32_t)(n->links.n / sizeof l);
	return true;
}

/* The first link of a name; 0: none. */
static uint32_t first_link(const struct model *m, struct span name)
{
	const struct names *n = m->names;
	size_t at = slot_of(
		n->slots, n->slot_count, entries(n), m->section[SECTION_TEXT].p, name, hash(name));

	return n->slots[at].entry ? entries(n)[n->slots[at].entry - 1].tags : 0;
}

int32_t names_find(const struct model *m, struct span name, enum tag_kind kind, enum scope scope)
{
	for (uint32_t i = first_link(m, name); i; i = links(m->names)[i - 1].next) {
		const struct name_tag *tag = &links(m->names)[i - 1].tag;

		if (tag->kind == kind && tag->scope == scope)
			return (int32_t)tag->id;
	}
	return -1;
}

bool names_has(const struct model *m, struct span name, enum tag_kind kind, uint32_t id)
{
	for (uint32_t i = first_link(m, name); i; i = links(m->names)[i - 1].next) {
		const struct name_tag *tag = &links(m->names)[i - 1].tag;

		if (tag->kind == kind && tag->id == id)
			return true;
	}
	return false;
}

size_t names_count(const struct model *m, struct span name, enum tag_kind kind)
{
	size_t count = 0;

	for (uint32_t i = first_link(m, name); i; i = links(m->names)[i - 1].next)
		count += links(m->names)[i - 1].tag.kind == kind;
	return count;
}

/* --- into the snapshot --- */

static int by_tag(const void *a, const void *b)
{
	const struct name_tag *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	return (x->scope > y->scope) - (x->scope < y->scope);
}

/* Runs of tags that were written already, by hash; the same shape as the table of names. */
struct runs {
	struct name_slot *slots; /* entry: first tag + 1; check: how many */
	size_t count, used;
};

static bool runs_grow(struct runs *r, const struct name_tag *tags)
{
	size_t count = r->count ? r->count * 2 : SLOTS_LEAST;
	struct name_slot *slots = calloc(count, sizeof *slots);

	if (!slots)
		return false;
	for (size_t i = 0; i < r->count; i++) {
		if (!r->slots[i].entry)
			continue;
		struct span s = span_of(
			tags + r->slots[i].entry - 1, r->slots[i].check * sizeof(struct name_tag));
		size_t at = hash(s) & (count - 1);

		while (slots[at].entry)
			at = (at + 1) & (count - 1);
		slots[at] = r->slots[i];
	}
	free(r->slots);
	r->slots = slots;
	r->count = count;
	return true;
}

/* First index of that run in SECTION_TAG, where it is put if it is not there. */
static bool run_of(
	struct model *m, struct runs *r, const struct name_tag *v, size_t n, uint32_t *first)
{
	struct buf *b = &m->section[SECTION_TAG];
	struct span want = span_of(v, n * sizeof *v);

	if (r->used * 3 >= r->count * 2 && !runs_grow(r, (struct name_tag *)(void *)b->p))
		return false;
	size_t at = hash(want) & (r->count - 1);
	for (; r->slots[at].entry; at = (at + 1) & (r->count - 1)) {
		struct span have = span_of(b->p + (r->slots[at].entry - 1) * sizeof *v,
			r->slots[at].check * sizeof *v);

		if (span_eq(have, want)) {
			*first = r->slots[at].entry - 1;
			return true;
		}
	}
	*first = (uint32_t)(b->n / sizeof *v);
	buf_add(b, v, n * sizeof *v);
	r->slots[at] = (struct name_slot){(uint32_t)n, *first + 1};
	r->used++;
	return !b->failed;
}

/* The tags of an entry, sorted, in `tags`. */
static size_t collect(const struct names *n, const struct name_entry *e, struct buf *tags)
{
	buf_reset(tags);
	for (uint32_t i = e->tags; i; i = links(n)[i - 1].next)
		buf_add(tags, &links(n)[i - 1].tag, sizeof(struct name_tag));
	size_t count = tags->n / sizeof(struct name_tag);
	if (count > 1)
		qsort(tags->p, count, sizeof(struct name_tag), by_tag);
	return count;
}

static bool finish_entries(struct model *m, struct runs *r, struct buf *tags)
{
	struct names *n = m->names;

	for (size_t i = 0; i < entry_count(n); i++) {
		struct name_entry *e = &entries(n)[i];
		size_t count = collect(n, e, tags);

		if (tags->failed || count > UINT16_MAX)
			return false;
		e->tag_count = (uint16_t)count;
		if (!run_of(m, r, (struct name_tag *)(void *)tags->p, count, &e->tags))
			return false;
	}
	return true;
}

bool names_finish(struct model *m)
{
	struct names *n = m->names;
	struct runs runs = {0};
	struct buf tags = {0};
	bool ok = !n->failed && finish_entries(m, &runs, &tags);

	free(runs.slots);
	buf_free(&tags);
	if (!ok)
		return false;
	buf_add(&m->section[SECTION_NAME], n->entries.p, n->entries.n);
	buf_add(&m->section[SECTION_SLOT], n->slots, n->slot_count * sizeof *n->slots);
	return true;
}

/* --- looking up --- */

const struct name_entry *snapshot_name(const struct snapshot *s, struct span name)
{
	size_t count;
	const struct name_slot *slots = snapshot_at_SLOT(s, &count);
	const struct name_entry *entry = snapshot_at_NAME(s, NULL);
	size_t at = slot_of(slots, count, entry, snapshot_at_TEXT(s, NULL), name, hash(name));

	return slots[at].entry ? &entry[slots[at].entry - 1] : NULL;
}
