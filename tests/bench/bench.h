/*
 * Figures of CPU time. Every case is run once a round, round after round, so that whatever else the
 * machine does falls on all cases alike; a figure is the median of the rounds. Wall time is never a
 * figure but where a name says so.
 *
 * The same cases can be counted instead: each is done a fixed number of times, and callgrind, told
 * by instructions.py what to look at, counts the instructions of that.
 */
#ifndef STILE_BENCH_H
#define STILE_BENCH_H

#include "buf.h"

#include <time.h>

struct bench;

enum bench_unit {
	BENCH_NS,	  /* CPU nanoseconds of one operation */
	BENCH_PER_SECOND, /* operations in a second of wall time */
};

/* Does the operation n times, on the calling thread. */
typedef void bench_work_fn(void *arg, size_t n);
/* One sample, measured by the case itself. */
typedef double bench_sample_fn(void *arg);

/* Each adds a case to the present section; `arg` must live until the section ends. How many
 * operations make a sample is found out for bench_work. */
void bench_work(struct bench *b, const char *name, bench_work_fn *fn, void *arg);
void bench_sample(
	struct bench *b, const char *name, enum bench_unit unit, bench_sample_fn *fn, void *arg);
/* Words behind the figure of the case added last. */
void bench_note(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Cases are counted in this run, not timed; those of bench_sample are left out. */
bool bench_counting(const struct bench *b);
/* CPU time of a process of ours that is not to count as other work. */
void bench_own(struct bench *b, double cpu_ns);
/* Takes a folder below the working directory away, with all in it. */
void bench_empty(const char *path);
/* Says why, and ends the program. */
_Noreturn void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* begin adds the cases, in an empty folder that is the working directory, and returns what its end
 * gets; NULL: it has none. */
struct bench_section {
	const char *name;
	void *(*begin)(struct bench *b);
	void (*end)(void *state);
};
extern const struct bench_section bench_parse, bench_decide, bench_login, bench_record, bench_usage,
	bench_limits, bench_judge, bench_journal, bench_ship, bench_pieces;

static inline double bench_clock(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		bench_fail("reading a clock failed");
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The compiler must not leave out what made this. */
static inline void bench_keep(const void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

#endif
