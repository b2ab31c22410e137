/*
 * Records as a busy day makes them: names, purposes and numbers of usual length, all fields filled
 * that the proxy fills for a known service. What is measured in one section is what is journaled
 * and shipped in the others.
 */
#ifndef STILE_BENCH_SAMPLES_H
#define STILE_BENCH_SAMPLES_H

#include "record.h"

/* Text that a sample points to; a different `i` is a different access, in the order of a stream in
 * which `people` take turns. */
struct sample {
	char id[40], user[33];
	char line[RECORD_MAX];
};

void sample_access(struct sample *s, unsigned i, struct record *r);
void sample_end(struct sample *s, unsigned i, struct record *r);
void sample_usage(struct sample *s, unsigned i, struct record *r);
/* The encoded record, in s->line. */
struct span sample_encode(struct sample *s, const struct record *r);
/* Line `i` of a stream: the access and the end of ten tunnels, then a usage record of them. */
struct span sample_line(struct sample *s, unsigned i);

#endif
