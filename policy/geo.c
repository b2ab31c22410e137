/*
 * A country database becomes two sorted arrays. The search tree is walked once from left to right,
 * which is address order, and neighbours of one country are put together.
 *
 * In a tree for IPv6 the IPv4 addresses hang below 96 zero bits. That part is walked as IPv4 and
 * skipped in the IPv6 walk, wherever it is met: databases alias it again under ::ffff:0:0/96,
 * 2001::/32 and 2002::/16. The file is not trusted: the number of steps is bounded, so that records
 * that point back or across cannot keep us busy.
 */
#include "geo.h"

#include <assert.h>
#include <maxminddb.h>

#define V4_DEPTH    32
#define V6_DEPTH    64 /* struct geo6 goes no deeper */
#define V4_ROOT	    96 /* zero bits above the IPv4 addresses in a tree for IPv6 */
#define STEPS_EXTRA 4096
/* A node is met once; the factor leaves room for trees that share branches. */
#define STEPS_PER_NODE 16

struct record {
	uint64_t value; /* of a search node: its number */
	uint8_t type;	/* MMDB_RECORD_TYPE_… */
	MMDB_entry_s entry;
};

struct walk {
	MMDB_s *db;
	struct err *e;
	struct buf *out;
	bool v6;
	bool has_v4_root;
	uint64_t v4_root;    /* node to skip while walking IPv6 */
	uint64_t steps_left; /* of this walk */
	bool any;	     /* something was emitted: */
	char last[2];
	bool have_cached; /* the country at this offset of the data */
	uint32_t cached_at;
	char cached[2];
};

static bool damaged(const struct walk *w, const char *what)
{
	return err_set(w->e, "%s: damaged country database: %s", w->db->filename, what);
}

static void emit(struct walk *w, uint64_t at, const char code[2])
{
	if (w->any && memcmp(w->last, code, 2) == 0)
		return;
	w->any = true;
	memcpy(w->last, code, 2);
	if (w->v6) {
		struct geo6 g = {.from = at};
		memcpy(g.code, code, 2);
		buf_add(w->out, &g, sizeof(g));
	} else {
		struct geo4 g = {.from = (uint32_t)at};
		memcpy(g.code, code, 2);
		buf_add(w->out, &g, sizeof(g));
	}
}

static bool is_country(const MMDB_entry_data_s *d)
{
	return d->has_data && d->type == MMDB_DATA_TYPE_UTF8_STRING && d->data_size == 2 &&
	       d->utf8_string[0] >= 'A' && d->utf8_string[0] <= 'Z' && d->utf8_string[1] >= 'A' &&
	       d->utf8_string[1] <= 'Z';
}

/* False: the data cannot be read. *found false: there is no such value, or no country in it. */
static bool read_code(
	struct walk *w, MMDB_entry_s *entry, const char *const *path, bool *found, char code[2])
{
	MMDB_entry_data_s d;
	int status = MMDB_aget_value(entry, &d, path);

	*found = false;
	if (status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR)
		return true;
	if (status != MMDB_SUCCESS)
		return damaged(w, MMDB_strerror(status));
	if (is_country(&d)) {
		memcpy(code, d.utf8_string, 2);
		*found = true;
	}
	return true;
}

/* The two layouts in the field; a network without a country is unknown. */
static bool country_of(struct walk *w, MMDB_entry_s *entry, char code[2])
{
	static const char *const maxmind[] = {"country", "iso_code", NULL};
	static const char *const flat[] = {"country_code", NULL};
	bool found;

	if (!w->have_cached || w->cached_at != entry->offset) {
		memset(w->cached, 0, 2);
		if (!read_code(w, entry, maxmind, &found, w->cached) ||
			(!found && !read_code(w, entry, flat, &found, w->cached)))
			return false;
		w->have_cached = true;
		w->cached_at = entry->offset;
	}
	memcpy(code, w->cached, 2);
	return true;
}

static bool read_node(struct walk *w, uint64_t node, struct record *left, struct record *right)
{
	MMDB_search_node_s n;

	if (w->steps_left-- == 0) {
		w->steps_left = 0;
		return damaged(w, "its search tree has circles");
	}
	int status = node <= UINT32_MAX ? MMDB_read_node(w->db, (uint32_t)node, &n)
					: MMDB_INVALID_NODE_NUMBER_ERROR;
	if (status != MMDB_SUCCESS)
		return damaged(w, MMDB_strerror(status));
	*left = (struct record){n.left_record, n.left_record_type, n.left_record_entry};
	*right = (struct record){n.right_record, n.right_record_type, n.right_record_entry};
	return true;
}

static bool is_v4_root(const struct walk *w, const struct record *r)
{
	return w->v6 && w->has_v4_root && r->type == MMDB_RECORD_TYPE_SEARCH_NODE &&
	       r->value == w->v4_root;
}

/* The country of the first network below a node that lies too deep for struct geo6. */
static bool first_below(struct walk *w, struct record r, unsigned depth, bool *found, char code[2])
{
	struct record left, right;

	if (r.type == MMDB_RECORD_TYPE_DATA)
		return country_of(w, &r.entry, code) && (*found = true);
	if (r.type != MMDB_RECORD_TYPE_SEARCH_NODE || is_v4_root(w, &r) || *found)
		return r.type != MMDB_RECORD_TYPE_INVALID || damaged(w, "a record leads nowhere");
	if (depth == 128)
		return damaged(w, "its search tree is too deep");
	if (!read_node(w, r.value, &left, &right))
		return false;
	return first_below(w, left, depth + 1, found, code) &&
	       (*found || first_below(w, right, depth + 1, found, code));
}

static bool walk_deep(struct walk *w, const struct record *r, unsigned depth, uint64_t at)
{
	char code[2] = {0};
	bool found = false;

	if (!w->v6)
		return damaged(w, "its search tree is too deep for IPv4");
	if (!first_below(w, *r, depth, &found, code))
		return false;
	emit(w, at, code);
	return true;
}

/* `at` is the first address of the record, in the walk's width. Goes at most V6_DEPTH calls deep.
 */
static bool walk_record(struct walk *w, const struct record *r, unsigned depth, uint64_t at)
{
	unsigned width = w->v6 ? V6_DEPTH : V4_DEPTH;
	struct record left, right, data = *r;
	char code[2] = {0};

	if (r->type == MMDB_RECORD_TYPE_INVALID)
		return damaged(w, "a record leads nowhere");
	if (r->type == MMDB_RECORD_TYPE_SEARCH_NODE && !is_v4_root(w, r)) {
		if (depth == width)
			return walk_deep(w, r, depth, at);
		return read_node(w, r->value, &left, &right) &&
		       walk_record(w, &left, depth + 1, at) &&
		       walk_record(w, &right, depth + 1, at | UINT64_C(1) << (width - 1 - depth));
	}
	if (r->type == MMDB_RECORD_TYPE_DATA && !country_of(w, &data.entry, code))
		return false;
	emit(w, at, code);
	return true;
}

static struct record root(void)
{
	return (struct record){.value = 0, .type = MMDB_RECORD_TYPE_SEARCH_NODE};
}

static struct walk walk_start(MMDB_s *db, struct buf *out, bool v6, struct err *e)
{
	return (struct walk){
		.db = db,
		.e = e,
		.out = out,
		.v6 = v6,
		.steps_left = (uint64_t)db->metadata.node_count * STEPS_PER_NODE + STEPS_EXTRA,
	};
}

/* Where the IPv4 addresses begin: the root of a tree for IPv4, 96 steps to the left in one for IPv6
 * (fewer when one record holds them all). */
static bool find_v4(struct walk *w, struct record *out)
{
	struct record right;

	*out = root();
	if (w->db->metadata.ip_version == 4)
		return true;
	for (unsigned i = 0; i < V4_ROOT && out->type == MMDB_RECORD_TYPE_SEARCH_NODE; i++) {
		if (!read_node(w, out->value, out, &right))
			return false;
	}
	return true;
}

static bool walk_both(MMDB_s *db, struct buf *v4, struct buf *v6, struct err *e)
{
	struct walk four = walk_start(db, v4, false, e), six = walk_start(db, v6, true, e);
	static const char unknown[2];
	struct record r4, r6 = root();

	if (!find_v4(&four, &r4) || !walk_record(&four, &r4, 0, 0))
		return false;
	if (db->metadata.ip_version == 4) {
		emit(&six, 0, unknown);
		return true;
	}
	six.has_v4_root = r4.type == MMDB_RECORD_TYPE_SEARCH_NODE;
	six.v4_root = r4.value;
	return walk_record(&six, &r6, 0, 0);
}

bool geo_compile(const char *path, struct buf *v4, struct buf *v6, struct err *e)
{
	MMDB_s db;
	int status = MMDB_open(path, MMDB_MODE_MMAP, &db);

	if (status == MMDB_FILE_OPEN_ERROR)
		return err_sys(e, "%s: cannot be opened", path);
	if (status != MMDB_SUCCESS)
		return err_set(e, "%s: no country database (expected an .mmdb file): %s", path,
			MMDB_strerror(status));
	bool ok = walk_both(&db, v4, v6, e);
	MMDB_close(&db);
	if (ok && (v4->failed || v6->failed))
		return err_set(e, "%s: out of memory", path);
	return ok;
}
