/*
 * Where figures come from. Both sources hand the tally the entries of rollup.h: the journal makes
 * them from its records, Redis keeps them; so the two cannot differ.
 */
#ifndef STILE_SOURCE_H
#define STILE_SOURCE_H

#include "tally.h"

/* `progress`: tell on stderr how far it is. False with *e: the tally is of no use. */
bool source_journal_read(const char *root, struct tally *t, bool progress, struct err *e);
bool source_redis_read(const char *url, struct tally *t, bool progress, struct err *e);

/* The URL as reports may show it: without the password. */
void source_redis_name(const char *url, char *out, size_t cap);

#endif
