/*
 * Any bytes as what a dead writer left behind. After the repair no line is torn, nothing before the
 * last newline has gone, the next writer can go on from the tip, and a second repair finds nothing
 * to do.
 */
#include "journal_repair.h"

#include "fuzz.h"
#include "journal_read.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char chain[] = "00112233445566778899aabbccddeeff";

/* The folder that the run began in. */
static int folder(void)
{
	static int dir = -1;

	if (dir < 0)
		dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0);
	return dir;
}

static void put(unsigned long number, struct span bytes, char file[96])
{
	struct segment_name name = {.number = number, .first_seq = number};
	int fd;

	memcpy(name.chain, chain, sizeof name.chain);
	segment_name_format(&name, file);
	fd = openat(folder(), file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, bytes.p ? bytes.p : "", bytes.n) == (ssize_t)bytes.n);
	close(fd);
}

static size_t size_of(const char *file)
{
	struct stat st;

	must(fstatat(folder(), file, &st, 0) == 0);
	return (size_t)st.st_size;
}

/* Of what was there the beginning is, and at least all whole lines. */
static void check_kept(const char *file, struct span was)
{
	static char now[1 << 16];
	int fd = openat(folder(), file, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, now, sizeof now);
	size_t lines = was.n;

	while (lines > 0 && was.p[lines - 1] != '\n')
		lines--;
	must(fd >= 0 && n >= 0 && (size_t)n <= was.n && memcmp(now, was.p, (size_t)n) == 0);
	must((size_t)n >= lines || memchr(was.p, 0, was.n) != NULL);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_before before, again;
	struct span second = span_of(data, size < 60000 ? size : 60000),
		    first = span_cut(&second, '|');
	char file[2][96];
	unsigned long last;
	struct err e;

	put(1, first, file[0]);
	if (second.p)
		put(2, second, file[1]);
	must(journal_repair(folder(), &before, &last, &e));
	must(last == (second.p ? 2 : 1));
	must(before.cut_bytes ==
		first.n + second.n - size_of(file[0]) - (second.p ? size_of(file[1]) : 0));
	check_kept(file[0], first);
	if (second.p)
		check_kept(file[1], second);
	must(journal_repair(folder(), &again, &last, &e) && again.cut_bytes == 0);
	must(again.any == before.any && again.bad_lines == before.bad_lines);
	must(again.tip.seq == before.tip.seq && strcmp(again.chain, before.chain) == 0);
	unlinkat(folder(), file[0], 0);
	if (second.p)
		unlinkat(folder(), file[1], 0);
	return 0;
}
