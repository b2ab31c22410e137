/*
 * Expectation tables: what a policy shall answer, a case a line, kept beside the policy.
 *
 *	# who asks for what                                              => what comes of it
 *	user=anna groups=comms,web client=192.0.2.7 host=www.facebook.com at="2026-11-23 12:30" =>
 *allow rule=campaigns
 *
 * Words are key=value, or key="value with blanks"; "#" begins a comment. Before "=>": user, groups,
 * client, host (with or without port), address, at, login=none where nobody can log in,
 * acked=RULE,… where the user has accepted, spent=RULE:KIND,… where a limit is spent. Behind it any
 * of decision (allow, deny, coach, need; the key may be left away), rule, reason, need, limit,
 *role, service, part, country; "-" is none. A case without `at` must hold whatever the time: it is
 *tried at every minute of the week at which a schedule begins or ends.
 */
#ifndef STILE_EXPECT_H
#define STILE_EXPECT_H

#include "policy.h"

#include <stdio.h>

#define EXPECT_LINE_MAX	  4096
#define EXPECT_GROUPS_MAX 64

/* What came of the lines of tables, added up. */
struct expect_counts {
	unsigned passed, failed;
	unsigned wrong; /* lines that are no case */
};

/* Runs all cases; says of each that fails `name:line:`, what was expected and what came, and of
 * each line that is no case what is wrong with it. Adds to *n; true if all passed. */
bool expect_run(const struct snapshot *s, struct span table, const char *name, FILE *out,
	struct expect_counts *n);

#endif
