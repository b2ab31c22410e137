/*
 * First bytes of any kind: the answer is the same each time, once given it stays when more bytes
 * come, and a name is canonical, "?" or none.
 */
#include "hello.h"

#include "fuzz.h"

#define PREFIXES_MAX 16

static void check_name(const char *name)
{
	struct host h;

	if (*name == '\0' || strcmp(name, "?") == 0)
		return;
	must(host_parse(span_str(name), &h) && !h.literal && strcmp(h.name, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hello_reader *reader;
	struct span in = span_of(data, size);
	char name[HOST_MAX + 1], again[HOST_MAX + 1];
	enum hello_answer a, b;

	if (!reader)
		reader = hello_new();
	must(reader);
	a = hello_read(reader, in, name);
	check_name(name);
	must(a == HELLO_TLS || name[0] == '\0');
	must(hello_read(reader, in, again) == a && strcmp(name, again) == 0);
	for (size_t n = 0; n < in.n; n += in.n / PREFIXES_MAX + 1) {
		b = hello_read(reader, span_of(in.p, n), again);
		must(b == HELLO_MORE || (b == a && strcmp(name, again) == 0));
	}
	return 0;
}
