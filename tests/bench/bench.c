/*
 * What stile's own work costs: `make bench`. Sections (bench_*.c) add cases, bench_rounds.c runs
 * them, bench_print.c prints. docs/performance.md tells how to read the figures.
 */
#include "bench_rounds.h"

#include "log.h"

#include <ftw.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct bench_section *const sections[] = {&bench_parse, &bench_decide, &bench_login,
	&bench_record, &bench_usage, &bench_limits, &bench_judge, &bench_journal, &bench_ship,
	&bench_pieces};
#define SECTIONS (sizeof sections / sizeof sections[0])

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

void bench_empty(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

_Noreturn void bench_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* Every file of a run lies below one folder, which goes with the program. */
static char scratch[4096];

static void leave_scratch(void)
{
	if (chdir("/") == 0)
		bench_empty(scratch);
}

static void enter_scratch(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(scratch, sizeof scratch, "%s/stile-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(scratch) || chdir(scratch) != 0)
		bench_fail("%s: %m", scratch);
	atexit(leave_scratch);
}

static void usage(FILE *to)
{
	fputs("usage: bench [--json] [--rounds N | --count N] [SECTION...]\nsections:", to);
	for (size_t i = 0; i < SECTIONS; i++)
		fprintf(to, " %s", sections[i]->name);
	fputc('\n', to);
}

static bool wanted(const struct bench_section *s, char **names)
{
	bool all = !*names;

	for (; *names; names++)
		if (strcmp(*names, s->name) == 0)
			return true;
	return all;
}

static void check_names(char **names)
{
	for (; *names; names++) {
		bool known = false;

		for (size_t i = 0; i < SECTIONS; i++)
			known = known || strcmp(*names, sections[i]->name) == 0;
		if (!known) {
			usage(stderr);
			exit(2);
		}
	}
}

static void run(struct bench *b, char **names)
{
	void *state[SECTIONS] = {NULL};

	for (size_t i = 0; i < SECTIONS; i++)
		if (wanted(sections[i], names)) {
			bench_open_section(b, sections[i]->name);
			state[i] = sections[i]->begin(b);
		}
	(b->count ? bench_count : bench_rounds)(b);
	for (size_t i = 0; i < SECTIONS; i++)
		if (state[i])
			sections[i]->end(state[i]);
}

static size_t number(const char *text, uint64_t most)
{
	uint64_t n;

	if (!span_u64(span_str(text), most, &n) || n == 0) {
		usage(stderr);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'}, {"count", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'}, {0}};
	struct bench b = {.rounds = ROUNDS};
	bool json = false;

	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'h' || o == '?')
			return usage(o == 'h' ? stdout : stderr), o == 'h' ? 0 : 2;
		if (o == 'r')
			b.rounds = (unsigned)number(optarg, ROUNDS_MAX);
		if (o == 'c')
			b.count = number(optarg, COUNT_MAX);
		json = json || o == 'j';
	}
	check_names(argv + optind);
	log_open("bench", LOG_LEVEL_WARN);
	enter_scratch();
	run(&b, argv + optind);
	(b.count ? bench_print_counted : json ? bench_print_json : bench_print_text)(&b);
	return 0;
}
