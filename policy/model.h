/*
 * A policy while it is being read: the snapshot's sections, still growing. The loader fills them
 * with records whose references are resolved already (it reads what is named before what names it);
 * the compiler adds the table of host names and puts everything into one block.
 */
#ifndef STILE_MODEL_H
#define STILE_MODEL_H

#include "conf.h"
#include "snapshot.h"

struct names;

struct model {
	const char *path; /* of the policy file; NULL: from memory, and nothing else is opened */
	struct buf section[SECTION_COUNT];
	struct names *names;
	uint32_t flags;
	struct text zone, catalogue, conduct;
	struct run inside, ports;
	bool geo; /* a country database is named */
};

/* False: out of memory. */
bool model_init(struct model *m, const char *path);
void model_free(struct model *m);
/* Anything that could not be kept for lack of memory, so far. */
bool model_failed(const struct model *m);

/* Reads a parsed policy, the built-in catalogue and (with a path) lists and databases into an empty
 * model. False when there was an error; all are in *p. */
bool model_load(struct model *m, const struct conf *c, struct problems *p);
/* Puts the block together behind what *out holds. */
bool model_compile(struct model *m, struct buf *out, struct err *e);

/* --- growing (model.c) --- */

struct text model_text(struct model *m, struct span s);
struct span model_span(const struct model *m, struct text t);
size_t model_count(const struct model *m, enum section s);
/* Record i; moves when its section grows. */
void *model_at(const struct model *m, enum section s, size_t i);
void model_push(struct model *m, enum section s, const void *record);
/* The records from `first` to the end. */
struct run model_run_from(const struct model *m, enum section s, size_t first);
/* Index of the record of that name in a section of named records, or -1. */
int32_t model_find(const struct model *m, enum section s, struct span name);
/* The name in that section that `wanted` was perhaps meant to be, or an empty span. */
struct span model_nearest(const struct model *m, enum section s, struct span wanted);
/* The category of that name, made if there is none; -1 when there are too many. */
int32_t model_category(struct model *m, struct span name);

/* --- parts of the loader --- */

struct load {
	struct model *m;
	const struct conf *c;
	struct problems *p;
};

enum key_group { KEY_TOP, KEY_CATALOGUE, KEY_ROLE, KEY_SERVICE, KEY_LIST, KEY_RULE, KEY_LIMITS };

/* load_common.c: what several parts of the file have in common. All report what is wrong. */
bool load_only(const struct load *l, const struct conf_node *group, enum key_group keys);
/* Letters, digits and . _ -, beginning with a letter or digit, at most POLICY_NAME_MAX: such names
 * stand in records, tables and on command lines without quotes. `what`: "a role", … */
bool load_name(
	const struct load *l, const struct conf_node *at, struct span name, const char *what);
/* An optional member for people to read: one line, at most POLICY_TEXT_MAX bytes. */
bool load_text(const struct load *l, const struct conf_node *g, const char *name, struct text *out);
/* The same of one string that is there; `what` names it in errors. */
bool load_line(
	const struct load *l, const struct conf_node *at, const char *what, struct text *out);
/* The index of `word` among `words` (NULL-terminated); says what is known where it is not there. */
bool load_word(const struct load *l, const struct conf_node *g, const char *name,
	const char *const *words, int *out);
bool load_ports(const struct load *l, const struct conf_node *g, struct run *out);
bool load_prefix(
	const struct load *l, const struct conf_node *n, struct span text, struct prefix *out);
/* Members of an array that all are prefixes. */
bool load_prefixes(
	const struct load *l, const struct conf_node *g, const char *name, struct run *out);
struct source load_source(const struct load *l, const struct conf_node *n);
/* "name" is no `what`; did you mean …? Always false. */
bool load_unknown(const struct load *l, const struct conf_node *at, enum section s,
	const char *what, struct span name);

/* load_services.c: `services` of a policy or, with `built_in`, of the catalogue. */
bool load_services(const struct load *l, const struct conf_node *root, bool built_in,
	const struct conf_node *replacing);
/* load_lists.c */
bool load_lists(const struct load *l, const struct conf_node *root);
/* load_rules.c */
bool load_rules(const struct load *l, const struct conf_node *root);
/* load_limits.c: a rule's `limits`, and what hangs on them and on its action: `remember`,
 * `purposes`. */
bool load_limits(const struct load *l, const struct conf_node *rule, struct snap_rule *r);

/* --- host names (names.c) --- */

#define NAMES_MAX 16000000u

struct names *names_new(void);
void names_free(struct names *n);
/* Adds a tag to a canonical name. Failure of memory sticks. False: too many names. */
bool names_add(struct model *m, struct span name, struct name_tag tag);
/* The id of the tag of that kind and scope on exactly this name, or -1. */
int32_t names_find(const struct model *m, struct span name, enum tag_kind kind, enum scope scope);
bool names_has(const struct model *m, struct span name, enum tag_kind kind, uint32_t id);
/* How many tags of that kind the name has. */
size_t names_count(const struct model *m, struct span name, enum tag_kind kind);
/* Moves what was added into the sections SLOT, NAME and TAG. */
bool names_finish(struct model *m);

#endif
