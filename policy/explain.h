/*
 * A question in words (who, from where, to what, when) as the facts that policy_evaluate() takes.
 * One place for all that ask without a connection, so that their answers cannot differ.
 */
#ifndef STILE_EXPLAIN_H
#define STILE_EXPLAIN_H

#include "policy.h"

/* Empty spans are "not said". */
struct explain_ask {
	struct span user;	   /* nobody: not asked yet, so an answer may be NEED(identity) */
	bool no_login;		   /* … or nobody can log in */
	const struct span *groups; /* of the user */
	size_t group_count;
	struct span client;	  /* address; 0.0.0.0, which no network holds */
	struct span host;	  /* host[:port]; port 443; Unicode and bare IPv6 are fine */
	struct span address;	  /* that the host has; else public, of no country */
	struct span at;		  /* "YYYY-MM-DD" or "YYYY-MM-DD HH:MM", local; else now_s */
	const struct span *acked; /* rules under which the user's acknowledgement holds */
	size_t acked_count;
	const struct span *spent; /* "RULE:KIND" or "RULE": limits that are spent */
	size_t spent_count;
	int64_t now_s;
};

/* facts point into the same struct: it must stay where it is. */
struct explained {
	struct host host;
	struct target target;
	struct facts facts;
};

/* What is not named counts as not acknowledged and not spent. False, with what was expected
 * instead, when the words make no sense. */
bool explain_facts(const struct snapshot *s, const struct explain_ask *ask, struct explained *out,
	struct err *e);
/* The answer, with all that the question leaves open about acknowledgements filled in. */
void explain_answer(
	const struct snapshot *s, struct explained *x, struct verdict *v, struct trace *t);
/* "allow", "deny", "need", or "coach" for a refusal that lasts until the person acknowledges. */
const char *answer_word(const struct verdict *v);
/* host[:port] as people type it; the port may be missing: then `otherwise`. */
bool explain_host(struct span typed, uint16_t otherwise, struct host *host, uint16_t *port);
/* "identity", "address", "ack", "limit"; "-" for none. */
const char *need_word(enum need n);

#endif
