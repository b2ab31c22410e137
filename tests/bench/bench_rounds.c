#include "bench_rounds.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SAMPLE_NS 8e6 /* what a sample of bench_work should cost at least */
#define N_MAX	  ((size_t)1 << 26)

/* --- adding ----------------------------------------------------------------------------------- */

void bench_open_section(struct bench *b, const char *name)
{
	b->section = name;
}

/* Where it is not kept, the next one takes its place. */
static struct bench_case *add(struct bench *b, const char *name, void *arg, bool kept)
{
	assert(b->n < CASES_MAX);
	struct bench_case *c = &b->cases[b->n];

	*c = (struct bench_case){.section = b->section, .name = name, .arg = arg};
	b->last = c;
	b->n += kept;
	return c;
}

void bench_work(struct bench *b, const char *name, bench_work_fn *fn, void *arg)
{
	struct bench_case *c = add(b, name, arg, true);

	c->work = fn;
	c->n = 16;
}

void bench_sample(
	struct bench *b, const char *name, enum bench_unit unit, bench_sample_fn *fn, void *arg)
{
	struct bench_case *c = add(b, name, arg, b->count == 0);

	c->unit = unit;
	c->sample = fn;
}

bool bench_counting(const struct bench *b)
{
	return b->count > 0;
}

void bench_note(struct bench *b, const char *fmt, ...)
{
	struct bench_case *c = b->last;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->note, sizeof c->note, fmt, ap);
	va_end(ap);
}

void bench_own(struct bench *b, double cpu_ns)
{
	b->own_ns += cpu_ns;
}

/* --- running ---------------------------------------------------------------------------------- */

static double work_ns(struct bench_case *c)
{
	double before = bench_clock(CLOCK_THREAD_CPUTIME_ID);

	c->work(c->arg, c->n);
	return bench_clock(CLOCK_THREAD_CPUTIME_ID) - before;
}

static double sample(struct bench_case *c)
{
	return c->work ? work_ns(c) / (double)c->n : c->sample(c->arg);
}

static void warm_up(struct bench_case *c)
{
	if (!c->work) {
		c->sample(c->arg);
		return;
	}
	while (work_ns(c) < SAMPLE_NS && c->n < N_MAX)
		c->n *= 2;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void figure(struct bench_case *c, unsigned n)
{
	double v[ROUNDS_MAX];

	memcpy(v, c->samples, n * sizeof *v);
	qsort(v, n, sizeof *v, by_size);
	c->least = v[0];
	c->median = v[n / 2];
	c->spread = c->median > 0 ? (v[(n - 1) - n / 4] - v[n / 4]) / c->median : 0;
}

/* Seconds that all cores together were busy since the start of the machine, with what its host
 * took. */
static double busy(void)
{
	unsigned long long user, nice, sys, idle, wait, irq, soft, steal;
	FILE *f = fopen("/proc/stat", "r");
	int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys,
			    &idle, &wait, &irq, &soft, &steal)
		  : 0;

	if (f)
		fclose(f);
	return n == 8 ? (double)(user + nice + sys + irq + soft + steal) /
				(double)sysconf(_SC_CLK_TCK)
		      : 0;
}

static void others(struct bench *b, double busy_s, double own_ns)
{
	double share =
		(busy_s - own_ns / 1e9) / (b->seconds * (double)sysconf(_SC_NPROCESSORS_ONLN));

	b->others = share > 0 ? share : 0;
}

void bench_rounds(struct bench *b)
{
	double before = bench_clock(CLOCK_MONOTONIC), busy_before = busy();
	double own = bench_clock(CLOCK_PROCESS_CPUTIME_ID) + b->own_ns;

	if (getloadavg(&b->load, 1) != 1)
		b->load = 0;
	for (size_t i = 0; i < b->n; i++)
		warm_up(&b->cases[i]);
	for (unsigned r = 0; r < b->rounds; r++)
		for (size_t i = 0; i < b->n; i++)
			b->cases[i].samples[r] = sample(&b->cases[i]);
	for (size_t i = 0; i < b->n; i++)
		figure(&b->cases[i], b->rounds);
	b->seconds = (bench_clock(CLOCK_MONOTONIC) - before) / 1e9;
	others(b, busy() - busy_before, bench_clock(CLOCK_PROCESS_CPUTIME_ID) + b->own_ns - own);
}

__attribute__((noinline)) void bench_counted_call(const struct bench_case *c, size_t n)
{
	c->work(c->arg, n);
	__asm__ volatile("" ::: "memory"); /* no tail call: the end of this is the end of that */
}

void bench_count(struct bench *b)
{
	for (size_t i = 0; i < b->n; i++) {
		b->cases[i].work(b->cases[i].arg, b->count);
		bench_counted_call(&b->cases[i], b->count);
	}
}

const struct bench_case *bench_find(const struct bench *b, const char *section, const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->cases[i].section, section) == 0 &&
			strcmp(b->cases[i].name, name) == 0)
			return &b->cases[i];
	return NULL;
}
