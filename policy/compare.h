/*
 * Which answers differ between two policies. The one function that decides is asked of both: for
 * everybody whom either can tell apart, for every service, name, list and range that either names
 * and for a host that none does, and for every minute of the week at which a schedule of either
 * begins or ends. Requests are CONNECTs to port 443 by a first visitor: nothing acknowledged, no
 * limit spent, addresses of no country. Who is in several groups has no case of his own.
 */
#ifndef STILE_COMPARE_H
#define STILE_COMPARE_H

#include "policy.h"
#include "schedule.h"

enum { COMPARE_OLD, COMPARE_NEW };

enum who_kind {
	WHO_NOBODY,  /* has not logged in and cannot */
	WHO_ANYBODY, /* has, and is in no group that a policy names */
	WHO_GROUP,
	WHO_USER,
	WHO_NETWORK /* has not logged in; the client is in that network */
};

/* Of people whom neither policy can tell apart, the first. */
struct compare_who {
	enum who_kind kind;
	char name[256];	   /* of the group, user or network; "" for none, cut where it is longer */
	uint64_t roles[2]; /* that hold, under each policy */
};

struct compare_site {
	char label[300]; /* service, "#category", ".suffix", host, range; "everything else" */
	char host[HOST_MAX + 1];
};

struct compare_answer {
	struct verdict v;
	struct rule_view rule; /* if v.rule >= 0 */
};

enum compare_level {
	COMPARE_SAME,
	COMPARE_RULE,	/* the same answer, but another rule or reason gives it */
	COMPARE_LIMITS, /* the same answer with other limits, or asked for anew after another time
			 */
	COMPARE_ANSWER
};

struct compare_change {
	enum compare_level level;
	const struct compare_who *who;
	const struct compare_site *site;
	const struct compare_answer *answer[2];
	const struct week_window *when; /* local minutes of the new policy's week, in order */
	size_t windows;
};

struct compare_count {
	size_t people, sites, moments; /* that were looked at */
};

/* Changes come by person, then by site; they live for the call. False: memory ran out. */
bool policy_compare(const struct snapshot *const s[2],
	void (*found)(void *arg, const struct compare_change *c), void *arg,
	struct compare_count *count);

#endif
