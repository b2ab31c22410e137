/* Cases, their samples, and the figures made of them. */
#ifndef STILE_BENCH_ROUNDS_H
#define STILE_BENCH_ROUNDS_H

#include "bench.h"

#define ROUNDS	   15
#define ROUNDS_MAX 101
#define CASES_MAX  64

struct bench_case {
	const char *section, *name;
	enum bench_unit unit;
	char note[120];
	bench_work_fn *work; /* or */
	bench_sample_fn *sample;
	void *arg;
	size_t n; /* operations of a sample of `work` */
	double samples[ROUNDS_MAX];
	double median, least;
	double spread; /* between the quartiles, as a share of the median */
};

struct bench {
	unsigned rounds;
	const char *section; /* that is being filled */
	struct bench_case cases[CASES_MAX];
	size_t n;
	double load;	/* average of a minute, at the start */
	double others;	/* share of all cores that other work took meanwhile */
	double seconds; /* of wall time */
	double own_ns;	/* CPU of processes of ours */
};

void bench_open_section(struct bench *b, const char *name);
/* All cases once to warm up, then b->rounds times; fills in the figures. */
void bench_rounds(struct bench *b);
/* NULL where the section did not run. */
const struct bench_case *bench_find(const struct bench *b, const char *section, const char *name);

void bench_print_text(const struct bench *b);
void bench_print_json(const struct bench *b);

#endif
