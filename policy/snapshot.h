/*
 * The bytes of a snapshot, for the policy library alone. One block: this header, then arrays of
 * fixed-size records (sections.def), each aligned to 8. What refers to something else does so by
 * index, so the block may lie anywhere; snapshot_open() has checked every index before anybody
 * follows one. Bytes are the machine's own order: a snapshot never leaves its host.
 */
#ifndef STILE_SNAPSHOT_H
#define STILE_SNAPSHOT_H

#include "geo.h"
#include "policy.h"
#include "schedule.h"
#include "zone.h"

#include <assert.h>

#define SNAPSHOT_MAGIC	 UINT64_C(0x31706e73656c6974) /* "tilesnp1" in memory, little-endian */
#define SNAPSHOT_VERSION 2u
#define SNAPSHOT_NONE	 UINT32_MAX /* no such index */

enum section {
#define SECTION(name, type, text) SECTION_##name,
#include "sections.def"
#undef SECTION
	SECTION_COUNT
};

/* A string in SECTION_TEXT; not NUL-terminated. */
struct text {
	uint32_t at, n;
};

/* Some consecutive records of one section. */
struct run {
	uint32_t first, n;
};

/* Records that people name have `struct text name` as their first member. */

/* Where it was written. `file` is empty for the policy file itself, else the included file. */
struct source {
	struct text file;
	uint32_t line;
	uint32_t pad;
};

struct port_range {
	uint16_t from, to; /* both included */
};

/* ISO 3166 alpha-2. */
struct country {
	char code[2];
};

struct snap_role {
	struct text name;
	struct source source;
	struct run users, groups; /* SECTION_MEMBER */
	struct run networks;	  /* SECTION_PREFIX */
	uint32_t everyone;	  /* 0 or 1 */
	uint32_t pad;
};

struct snap_schedule {
	struct text name, written;
	struct source source;
	struct run windows; /* SECTION_WINDOW */
};

struct snap_category {
	struct text name;
	uint32_t listed; /* names that lists put into it */
	uint32_t pad;
};

#define SERVICE_BUILT_IN 1u /* from the catalogue; its source's line is the catalogue's */
#define SERVICE_REPLACES 2u /* the policy's own, in place of the catalogue's of that name */

struct snap_service {
	struct text name, title, zone, origin; /* origin: the setting `source` */
	struct source source;
	struct run categories; /* SECTION_SERVICE_CATEGORY */
	uint32_t flags;
	uint32_t hosts; /* how many it lists, all parts together */
};

/* A host or suffix that some rule names in `to` or `except`. */
struct snap_target {
	struct text name;
	uint32_t scope; /* enum scope bits */
	uint32_t pad;
};

/* What a rule's list names, as one number, so that lists are sorted and searched as numbers. */
enum item_kind { ITEM_SERVICE, ITEM_CATEGORY, ITEM_TARGET };
#define ITEM_KIND_SHIFT 28
#define ITEM_ID_MASK	((UINT32_C(1) << ITEM_KIND_SHIFT) - 1)

static inline uint32_t item_key(enum item_kind kind, uint32_t id)
{
	return (uint32_t)kind << ITEM_KIND_SHIFT | id;
}

static inline enum item_kind item_kind(uint32_t key)
{
	return (enum item_kind)(key >> ITEM_KIND_SHIFT);
}

static inline uint32_t item_id(uint32_t key)
{
	return key & ITEM_ID_MASK;
}

/* One bit of 64 for a key: a host whose keys share no bit with a list cannot match the list. */
static inline uint64_t item_bit(uint32_t key)
{
	return UINT64_C(1) << (key * UINT32_C(0x9e3779b1) >> 26);
}

/* The names of one `to` or `except`: keys ascending, and ranges. Both empty: nothing was named. */
struct snap_list {
	uint64_t bits;	   /* item_bit() of all keys */
	struct run items;  /* SECTION_ITEM */
	struct run ranges; /* SECTION_PREFIX */
};

/* struct rate_limit without a hole, so that the same rate is the same bytes. interval_us 0: none.
 */
struct snap_rate {
	uint64_t interval_us;
	uint32_t burst, count, period_s, pad;
};

/* struct limits_view without a hole. */
struct snap_limits {
	uint64_t bytes, bandwidth;
	struct snap_rate requests;
	uint32_t minutes, tunnels, grace_s;
	uint8_t warn, when_spent, without_redis, pad;
};

#define RULE_OBSERVE 1u /* mode = "observe" */
#define RULE_OPAQUE  2u
#define RULE_EMBEDS  4u

struct snap_rule {
	struct text name;
	uint64_t roles; /* 0: whoever it is */
	struct snap_list to, except;
	struct run ports;     /* SECTION_PORT; none: the policy's, for an allow; all, for a deny */
	struct run countries; /* SECTION_COUNTRY; none: all */
	uint32_t schedule;    /* or SNAPSHOT_NONE: always */
	uint32_t flags;
	uint8_t action; /* enum rule_action */
	uint8_t record; /* enum rule_record */
	uint8_t pad[6];
	struct snap_limits limits;
	uint32_t remember_s;
	uint32_t pad2;
	struct run purposes; /* SECTION_PURPOSE */
	struct source source;
	struct text message, purpose, owner, benefit, risk, risk_owner, review;
};

/* --- host names: SLOT is an open-addressing table over NAME, a power of two in size --- */

struct name_slot {
	uint32_t check; /* upper half of the name's hash */
	uint32_t entry; /* index + 1; 0: empty */
};

struct name_entry {
	uint32_t text; /* offset in SECTION_TEXT */
	uint32_t tags; /* first in SECTION_TAG */
	uint16_t tag_count;
	uint8_t len;
	uint8_t pad;
};

enum scope {
	SCOPE_SELF = 1,	 /* the name itself */
	SCOPE_BELOW = 2, /* names below it */
	SCOPE_SUFFIX = 3
};

enum tag_kind {
	TAG_SERVICE,
	TAG_CATEGORY, /* from a list; categories of services hang on the service */
	TAG_TARGET
};

struct name_tag {
	uint32_t id; /* of a service, category or target */
	uint8_t kind, part, scope, pad;
};

/* --- the block --- */

#define SNAPSHOT_TLS_ONLY	1u
#define SNAPSHOT_WANTS_IDENTITY 2u
#define SNAPSHOT_SNI_MATCH	4u

struct snapshot {
	uint64_t magic;
	uint32_t version, flags;
	uint64_t size;	       /* of the whole block */
	uint64_t everyone;     /* roles that hold for everyone known */
	uint64_t by_person;    /* roles that ask who somebody is */
	uint64_t by_network;   /* roles with networks */
	struct text zone;      /* its name */
	struct text catalogue; /* version of the built-in catalogue */
	struct text conduct;   /* the code of conduct */
	struct run inside;     /* SECTION_PREFIX */
	struct run ports;      /* SECTION_PORT */
	struct {
		uint32_t at; /* offset from the header's first byte, a multiple of 8 */
		uint32_t n;  /* records */
	} section[SECTION_COUNT];
};

/* Typed access: SECTION_ROLE as `const struct snap_role *snapshot_at_ROLE(s, &n)`; n may be NULL.
 */
#define SECTION(name, type, text)                                                                  \
	static inline const type *snapshot_at_##name(const struct snapshot *s, size_t *n)          \
	{                                                                                          \
		if (n)                                                                             \
			*n = s->section[SECTION_##name].n;                                         \
		return (const type *)((const char *)s + s->section[SECTION_##name].at);            \
	}
#include "sections.def"
#undef SECTION

static inline struct span snapshot_span(const struct snapshot *s, struct text t)
{
	return span_of(snapshot_at_TEXT(s, NULL) + t.at, t.n);
}

/* The zone's steps, at least one. */
const struct zone_step *snapshot_zone_steps(const struct snapshot *s, size_t *n);

/* --- evaluate.c --- */

/* All roles that hold: the person's, and those of the client's network. */
uint64_t facts_roles(const struct snapshot *s, const struct facts *f);

/* --- names.c --- */

/* The entry of exactly this name, or NULL. */
const struct name_entry *snapshot_name(const struct snapshot *s, struct span name);

#endif
