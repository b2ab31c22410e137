/*
 * The text of a segment, in one place for writer and reader: the first line, and the front of each
 * record's line. journal.h tells the format.
 */
#ifndef STILE_JOURNAL_LINE_H
#define STILE_JOURNAL_LINE_H

#include "buf.h"
#include "chain.h"
#include "record.h"

#define SEGMENT_MAGIC "stile-journal 1"
/* A record's line without newline: seq, hash, two blanks, body. */
#define JOURNAL_LINE_MAX (20 + 1 + 2 * SHA256_LEN + 1 + RECORD_MAX)

void journal_line_head(struct buf *out, const char *chain, const struct chain_tip *before);
void journal_line_add(struct buf *out, const struct chain_tip *at, struct span body);
/* The first line without its newline; *before is the tip before the first record. */
bool journal_line_head_parse(
	struct span line, char chain[CHAIN_NAME_LEN + 1], struct chain_tip *before);
/* "<seq> <hash> <body>"; one form only, so that a changed byte never goes unseen. The hash is as
 * long as one, but may be any text: whoever knows what it must be compares, others parse it. */
bool journal_line_parse(struct span line, uint64_t *seq, struct span *hash, struct span *body);
/* These are the digits of it. */
bool journal_hash_is(struct span digits, const uint8_t hash[SHA256_LEN]);
/* 64 lower-case hex digits. */
bool journal_hash_parse(struct span digits, uint8_t out[SHA256_LEN]);
bool journal_chain_ok(struct span name);

#endif
