/*
 * Bodies of any kind: how they were cut up makes no difference, and what is accepted as chunked is
 * what a second, slow reading by lines accepts. The first bytes say where to cut.
 */
#include "body.h"

#include "fuzz.h"

struct outcome {
	enum body_answer answer;
	size_t used;
};

static struct outcome take(enum head_body framing, uint64_t length, struct span in, uint32_t cuts)
{
	struct outcome o = {BODY_MORE, 0};
	struct body b;

	body_start(&b, framing, length);
	do {
		size_t n = in.n - o.used, used;

		if (cuts) {
			size_t step = 1 + (cuts >> 28);

			cuts = cuts * 1664525 + 1013904223;
			n = n < step ? n : step;
		}
		o.answer = body_take(&b, span_of(in.p + o.used, n), &used);
		must(used <= n && (used == n || o.answer != BODY_MORE));
		must(body_done(&b) == (o.answer == BODY_DONE));
		o.used += used;
	} while (o.answer == BODY_MORE && o.used < in.n);
	return o;
}

/* A line of `in` from *at without its CR LF; false when there is none. */
static bool next_line(struct span in, size_t *at, struct span *line)
{
	char *end = memmem(in.p + *at, in.n - *at, "\r\n", 2);

	if (!end)
		return false;
	*line = span_of(in.p + *at, (size_t)(end - (in.p + *at)));
	*at += line->n + 2;
	return true;
}

/* Reads the body that body.c called done from `in`, which ends where the body does. */
static void read_again(struct span in)
{
	struct span line;
	size_t at = 0;
	uint64_t size;

	do {
		char digits[32], *end;
		struct span rest;

		must(next_line(in, &at, &line));
		rest = line;
		must(span_copy(span_cut(&rest, ';'), digits, sizeof(digits)));
		size = strtoull(digits, &end, 16);
		must(*digits && *end == '\0');
		if (size == 0)
			break;
		must(size <= in.n - at && in.n - at - size >= 2);
		at += size;
		must(memcmp(in.p + at, "\r\n", 2) == 0);
		at += 2;
	} while (true);
	do {
		must(next_line(in, &at, &line));
		must(line.n == 0 || memchr(line.p, ':', line.n));
		must(line.n == 0 || (line.p[0] != ' ' && line.p[0] != '\t'));
	} while (line.n);
	must(at == in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t cuts;
	struct span in;
	struct outcome whole, pieces;

	if (size < sizeof(cuts))
		return 0;
	memcpy(&cuts, data, sizeof(cuts));
	in = span_of(data + sizeof(cuts), size - sizeof(cuts));
	whole = take(BODY_CHUNKED, 0, in, 0);
	pieces = take(BODY_CHUNKED, 0, in, cuts | 1);
	must(whole.answer == pieces.answer && whole.used == pieces.used);
	if (whole.answer == BODY_DONE)
		read_again(span_of(in.p, whole.used));

	whole = take(BODY_LENGTH, cuts % 512, in, 0);
	pieces = take(BODY_LENGTH, cuts % 512, in, cuts | 1);
	must(whole.answer == pieces.answer && whole.used == pieces.used);
	must((whole.answer == BODY_DONE) == (cuts % 512 <= in.n));
	must(whole.used == (cuts % 512 < in.n ? cuts % 512 : in.n));
	return 0;
}
