/*
 * Any lines as the bodies of today's records, in a chain that is right. Reading ends, and whatever
 * the records say, each pair that is told of has its place, its figures are within their bounds,
 * and its text reads as itself.
 */
#include "today.h"

#include "fuzz.h"
#include "journal_line.h"
#include "journal_read.h"

#include <fcntl.h>
#include <sys/stat.h>

#define DAY0 1759968000

static const char chain[] = "00112233445566778899aabbccddeeff";
static const struct local_day day = {.from_s = DAY0, .to_s = DAY0 + 86400};

/* The folder that the run began in. */
static int root(void)
{
	static int dir = -1;

	if (dir < 0)
		dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0);
	return dir;
}

static int folder(void)
{
	static int dir = -1;

	if (dir < 0) {
		mkdirat(root(), "0", 0700);
		dir = openat(root(), "0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	must(dir >= 0);
	return dir;
}

static void put(struct span bodies)
{
	struct segment_name name = {.number = 1, .first_seq = 1};
	struct buf out = {0};
	struct chain_tip tip;
	char file[96];
	int fd;

	memcpy(name.chain, chain, sizeof name.chain);
	segment_name_format(&name, file);
	chain_start(SPAN("00112233445566778899aabbccddeeff"), &tip);
	journal_line_head(&out, chain, &tip);
	while (bodies.n) {
		struct span body = span_cut(&bodies, '\n');

		if (!body.n || body.n > RECORD_MAX)
			continue;
		chain_next(&tip, body);
		journal_line_add(&out, &tip, body);
	}
	fd = openat(folder(), file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && !out.failed && write(fd, out.p, out.n) == (ssize_t)out.n);
	close(fd);
	buf_free(&out);
}

static bool wants(void *arg, struct span rule)
{
	(void)arg;
	return rule.n > 0;
}

static bool counted(void *arg, const struct record *r, const char *at)
{
	(void)arg, (void)r;
	must(strcmp(at, chain) == 0);
	return false;
}

static bool limits(void *arg, bool minutes, size_t *i, struct span *rule)
{
	(void)arg;
	*rule = minutes ? SPAN("social") : SPAN("video");
	return (*i)++ == 0;
}

static uint32_t purpose(void *arg, struct span rule, struct span what)
{
	(void)arg, (void)rule;
	return what.n ? 1 : 0;
}

static void check(const struct total *sum)
{
	struct buf field = {0}, value = {0};
	struct total again;

	must(sum->bytes <= TOTAL_BYTES && sum->more_bytes <= TOTAL_BYTES);
	must(sum->more_minutes <= TOTAL_BYTES && total_minutes(sum) <= 1440);
	total_field(sum, &field);
	total_value(sum, &value);
	must(!field.failed && field.n <= TOTAL_FIELD_MAX && value.n <= TOTAL_VALUE_MAX);
	if (total_parse(buf_spanof(&field), buf_spanof(&value), &again))
		must(again.bytes == sum->bytes && total_minutes(&again) == total_minutes(sum));
	buf_free(&field);
	buf_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct today_door door = {NULL, wants, counted, limits, purpose};
	const struct today_options o = {.root = root(),
		.day = day,
		.now_ms = (DAY0 + 40000) * 1000LL,
		.acks_from_ms = (DAY0 - 86400) * 1000LL,
		.door = &door};
	struct err e = {""};
	struct today *t;
	struct total sum;
	enum today_answer a;

	put(span_of(data, size < 60000 ? size : 60000));
	t = today_new(&o, &e);
	must(t != NULL);
	while ((a = today_read(t, 1000, &e)) == TODAY_MORE)
		;
	must(a == TODAY_DONE);
	while (today_next(t, &sum))
		check(&sum);
	today_free(t);
	return 0;
}
