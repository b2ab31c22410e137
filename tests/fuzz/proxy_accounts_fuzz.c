/*
 * Any bytes as the file of users, as the file of groups, or as the table that is made of them. What
 * is accepted becomes a table that opens; each line of users that has a hash finds it there, and
 * what opens answers without a step outside.
 */
#include "accounts.h"

#include "fuzz.h"

static const char some_users[] =
	"anna:$2y$05$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01234\n"
	"ben:$2y$05$bbcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01234\n";
static const char some_groups[] = "comms: anna ben\nyouth: ben carla\n";

static void ask(const struct accounts *a, struct span user)
{
	struct span group[IDENTITY_GROUPS_MAX], hash = accounts_hash(a, user);
	size_t n = accounts_groups(a, user, group), sum = hash.n;

	must(n <= IDENTITY_GROUPS_MAX && (hash.n == 0 || hash.p[hash.n] == 0));
	while (n > 0)
		sum += strlen(group[--n].p);
	hash = accounts_some_hash(a, sum);
	must(hash.n == 0 || hash.p[hash.n] == 0);
}

/* The table was made of it: a user's line is one with a colon, and the colon ends the name. */
static void find_all(const struct accounts *a, struct span text)
{
	while (text.n) {
		struct span line = span_cut(&text, '\n');

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (span_trim(line).n == 0 || line.p[0] == '#')
			continue;
		struct span name = span_cut(&line, ':');
		must(span_eq(accounts_hash(a, name), line));
		ask(a, name);
	}
}

static void try_files(struct span users, struct span groups, bool said)
{
	static struct fuzz_file first, second;
	struct problems p = {0};
	struct buf block = {0};
	struct err e;
	const char *u = fuzz_file(&first, users), *g = fuzz_file(&second, groups);
	bool ok = accounts_compile(u, g, &block, &p);

	must(ok == (p.errors == 0));
	if (ok) {
		const struct accounts *a = accounts_open(buf_spanof(&block), &e);
		must(a != NULL);
		if (said)
			find_all(a, users);
		ask(a, SPAN("ben"));
		ask(a, SPAN("nobody"));
	}
	problems_free(&p);
	buf_free(&block);
}

/* A good table with bytes laid over: two bytes of place, one that is put there. */
static void try_table(struct span in)
{
	static struct fuzz_file first, second;
	static struct buf good;
	struct problems p = {0};
	struct err e;

	if (!good.n)
		must(accounts_compile(fuzz_file(&first, span_str(some_users)),
			fuzz_file(&second, span_str(some_groups)), &good, &p));
	char *block = malloc(good.n);
	must(block);
	memcpy(block, good.p, good.n);
	for (size_t i = 0; i + 3 <= in.n; i += 3) {
		uint16_t at;

		memcpy(&at, in.p + i, 2);
		block[at % good.n] = in.p[i + 2];
	}
	const struct accounts *a = accounts_open(span_of(block, good.n), &e);
	if (a) {
		ask(a, SPAN("anna"));
		ask(a, SPAN("ben"));
		ask(a, SPAN("zoe"));
	}
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	if (data[0] % 3 == 0)
		try_files(in, span_str(some_groups), true);
	else if (data[0] % 3 == 1)
		try_files(span_str(some_users), in, false);
	else
		try_table(in);
	return 0;
}
