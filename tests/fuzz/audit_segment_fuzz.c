/*
 * Any bytes as a segment: the reader ends, never goes back, gives whole lines only in rising order,
 * and can go on from behind any of them.
 */
#include "journal_read.h"

#include "fuzz.h"

#include <fcntl.h>

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

static void read_all(const struct segment_name *name, uint64_t until, size_t size)
{
	struct err e;
	struct segment_reader *r = segment_open(folder(), name, &e);
	struct chain_tip tip;
	struct journal_line line;
	uint64_t before = 0;

	must(r);
	segment_base(r, &tip);
	for (enum segment_answer a; (a = segment_next(r, until, &line, &e)) == SEGMENT_LINE;) {
		uint64_t at = segment_offset(r);

		must(at > before && at <= size && (!until || at <= until));
		before = at;
		if (!line.whole)
			continue;
		must(line.seq >= name->first_seq && line.body.n > 0);
		tip.seq = line.seq;
		memcpy(tip.hash, line.hash, SHA256_LEN);
		must(segment_seek(r, at, &tip));
	}
	segment_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_name name = {.number = 1, .first_seq = 1};
	char file[96];
	int fd;

	if (size < 1)
		return 0;
	/* the first byte chooses where the chain stands and how far is read */
	name.first_seq = 1 + (data[0] & 1);
	memcpy(name.chain, chain, sizeof name.chain);
	segment_name_format(&name, file);
	fd = openat(folder(), file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)size - 1);
	close(fd);
	read_all(&name, 0, size - 1);
	read_all(&name, data[0] / 2 * 8, size - 1);
	unlinkat(folder(), file, 0);
	return 0;
}
