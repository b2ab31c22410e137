/* Cases, their samples, and the figures made of them. Or cases and their counts. */
#ifndef STILE_BENCH_ROUNDS_H
#define STILE_BENCH_ROUNDS_H

#include "bench.h"

#define ROUNDS	   15
#define ROUNDS_MAX 101
#define COUNT_MAX  1000000
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
	size_t count;	     /* so many operations are counted; 0: they are timed */
	const char *section; /* that is being filled */
	struct bench_case cases[CASES_MAX];
	size_t n;
	struct bench_case *last; /* that was added, also where it is not kept */
	double load;		 /* average of a minute, at the start */
	double others;		 /* share of all cores that other work took meanwhile */
	double seconds;		 /* of wall time */
	double own_ns;		 /* CPU of processes of ours */
};

void bench_open_section(struct bench *b, const char *name);
/* All cases once to warm up, then b->rounds times; fills in the figures. */
void bench_rounds(struct bench *b);
/* Each case b->count times to warm up, and as often to be counted. */
void bench_count(struct bench *b);
/* By its name callgrind knows what is counted: each call, with all that is called within. */
void bench_counted_call(const struct bench_case *c, size_t n);
/* NULL where the section did not run. */
const struct bench_case *bench_find(const struct bench *b, const char *section, const char *name);

void bench_print_text(const struct bench *b);
void bench_print_json(const struct bench *b);
/* What the program was built with, then section and case of what was counted, in that order. */
void bench_print_counted(const struct bench *b);

#endif
