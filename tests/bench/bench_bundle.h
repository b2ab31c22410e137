/*
 * What people and rules there are. The policy is of a hundred rules. Most of those between the
 * first and the last name the hosts that are asked for as well and fail on the role, so that none
 * is passed over by the cheap test of its list alone.
 */
#ifndef STILE_BENCH_BUNDLE_H
#define STILE_BENCH_BUNDLE_H

#include "identity.h"
#include "policy.h"

#define BENCH_RULES 100

/* The snapshot, which lies in *bytes. The last rule allows staff, which is everyone who is known,
 * www.youtube.com and all of council.example. */
const struct snapshot *bench_policy(struct buf *bytes);
/* Of one person, anna, in no group; the table lies in *bytes. */
const struct accounts *bench_accounts(struct buf *bytes);

#endif
