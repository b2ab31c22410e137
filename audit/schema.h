/*
 * Names of keys in Redis. All keys of a node carry {node} as hash tag; one node writes only its own
 * keys; the list of nodes is the one shared key.
 *
 *   stile:nodes                      set of node names
 *   stile:{node}:id                  string: the node id bound to the name
 *   stile:{node}:tips                hash: chain → "seq:hash"
 *   stile:{node}:days                sorted set, all of score 0: "log:YYYY-MM-DD" and so on, the keys
 *                                    below that there are
 *   stile:{node}:log:YYYY-MM-DD      stream of records: c chain, s seq, h hash, b body
 *   stile:{node}:day:YYYY-MM-DD      hash of counters (rollup.h)
 *   stile:{node}:min:YYYY-MM-DD      hash of minutes (rollup.h)
 *   stile:{node}:standing:YYYY-MM-DD hash of the node's own totals of that day (totals.h)
 *   stile:{node}:standing            short stream of those that changed: r run, n number, then pairs
 */
#ifndef STILE_SCHEMA_H
#define STILE_SCHEMA_H

#include "span.h"

#define KEY_MAX	  192
#define KEY_NODES "stile:nodes"

/* Letters, digits, '-', '_', '.', 1-64 of them. */
bool node_name_ok(struct span name);
/* YYYY-MM-DD in digits; no calendar is asked. */
bool day_name_ok(struct span day);
void key_node(char out[KEY_MAX], struct span node, const char *what); /* what: id, tips, days, standing */
void key_day(
	char out[KEY_MAX], struct span node, const char *what, struct span day); /* log, day, min, standing */

#endif
