/*
 * An outbox that its writer left, with any bytes changed in it, as whoever took over a worker may
 * do. What is read from it lies within it, has its bounds and an order; cleared, it is as good as
 * new.
 */
#include "outbox.h"
#include "record.h"

#include "fuzz.h"

#include <unistd.h>

struct input {
	const uint8_t *p;
	size_t n;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	for (; bytes && in->n; bytes--, in->n--)
		v = v << 8 | *in->p++;
	return v;
}

/* Where its entries lie: the first one begins at the first byte. */
struct scene {
	int fd;
	struct outbox *o;
	const char *ring;
};

static const struct scene *scene(void)
{
	static struct scene s;
	struct outbox_entry x;
	struct err e;

	if (s.o)
		return &s;
	s.fd = outbox_make_unnamed(&e);
	must(s.fd >= 0);
	s.o = outbox_open(s.fd, &e);
	must(s.o && outbox_put(s.o, 1, SPAN("{}"), &x));
	s.ring = x.body.p - 16;
	return &s;
}

static void put_some(struct outbox *o, struct input *in)
{
	static char body[RECORD_MAX];
	struct outbox_entry x;

	memset(body, '{', sizeof body);
	for (uint64_t number = 1, n = take(in, 1); n; n--, number += 1 + take(in, 1) % 2)
		if (!outbox_put(o, number, span_of(body, take(in, 2) % RECORD_MAX + 1), &x))
			outbox_drop(o, x.end);
}

/* Of the first page, where the places are, or of anywhere. */
static void change_some(int fd, struct input *in)
{
	while (in->n) {
		size_t at = take(in, 1) % 2 ? take(in, 3) % OUTBOX_SIZE : take(in, 1);
		uint64_t word = take(in, 8);

		if (at < 16)
			continue; /* what names the format is checked before all else */
		if (at <= OUTBOX_SIZE - sizeof word)
			must(pwrite(fd, &word, sizeof word, (off_t)at) == sizeof word);
	}
}

static void read_all(const struct outbox *o, const char *ring)
{
	struct outbox_entry x = {.end = 0};
	bool damaged = false;
	size_t bytes = 0;

	for (uint64_t before = 0; outbox_next(o, &x, &damaged); before = x.number) {
		must(!damaged && x.number > before);
		must(x.body.n && x.body.n <= RECORD_MAX && !memchr(x.body.p, '\n', x.body.n));
		must(x.body.p >= ring && x.body.p + x.body.n <= ring + OUTBOX_SIZE - 4096);
		bytes += x.body.n;
		outbox_written(o, &x, "0123456789abcdef0123456789abcdef", bytes);
	}
	must(bytes <= OUTBOX_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scene *s = scene();
	struct input in = {data, size};
	struct outbox_entry x = {.end = 0};
	bool damaged = false;

	outbox_clear(s->o);
	put_some(s->o, &in);
	change_some(s->fd, &in);
	read_all(s->o, s->ring);
	outbox_clear(s->o);
	must(!outbox_next(s->o, &x, &damaged) && !damaged);
	must(outbox_put(s->o, 1, SPAN("{}"), &x));
	x = (struct outbox_entry){.end = 0};
	must(outbox_next(s->o, &x, &damaged) && x.number == 1);
	return 0;
}
