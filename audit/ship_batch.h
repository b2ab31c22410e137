/*
 * One call of append.lua in the making: records of one chain, and what they add to the figures,
 * summed up before they travel.
 */
#ifndef STILE_SHIP_BATCH_H
#define STILE_SHIP_BATCH_H

#include "buf.h"
#include "chain.h"
#include "record.h"
#include "schema.h"

struct ship_batch;

/* `records` at most in a batch. NULL: out of memory. */
struct ship_batch *ship_batch_new(unsigned records);
void ship_batch_free(struct ship_batch *b);
/* Empties it for another chain. `before` is the tip that the first record follows; `oldest`: the
 * journal has nothing older of the chain. */
void ship_batch_begin(
	struct ship_batch *b, const char *chain, const struct chain_tip *before, bool oldest);
/* No further record fits; ask before reading one. */
bool ship_batch_full(const struct ship_batch *b);
/* What of a record is stored; nothing: the tip moves over it all the same. */
enum ship_parts { PART_RECORD = 1, PART_FIGURES = 2 };
/* `r` is the decoded body, or NULL where it cannot be read: then it is stored under `day` and adds
 * nothing. Record after record without gaps. */
void ship_batch_add(struct ship_batch *b, const struct chain_tip *at, struct span body,
	const struct record *r, struct span day, unsigned parts);
unsigned ship_batch_records(const struct ship_batch *b);
uint64_t ship_batch_last(const struct ship_batch *b); /* its last number */
/* The whole command, valid until the batch changes. NULL: out of memory. */
const struct span *ship_batch_command(
	struct ship_batch *b, struct span sha, struct span node, struct span node_id, size_t *n);

#endif
