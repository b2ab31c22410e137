/* A line a connection, from what the worker keeps of it anyway. */
#include "listing.h"

#include "buf.h"
#include "clock.h"
#include "conn.h"
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const states[] = {
#define STATE(name, step, bound, late, text) #name,
#include "states.def"
#undef STATE
};

static void word(struct buf *b, const char *key, struct span v)
{
	if (v.n == 0)
		return;
	buf_printf(b, ",\"%s\":", key);
	buf_json(b, v);
}

static void state_word(const struct conn *c, char out[16])
{
	size_t i = 0;

	for (const char *s = states[c->state]; *s && i < 15; s++)
		out[i++] = (char)tolower((unsigned char)*s);
	out[i] = 0;
}

static void access_members(const struct access *a, uint64_t now, struct buf *b)
{
	struct rule_view rule = {.line = 0};

	if (a->rule >= 0)
		snapshot_rule(a->bundle->policy, (size_t)a->rule, &rule);
	buf_printf(b, ",\"access_s\":%llu", (unsigned long long)(now - a->begun_ms) / 1000);
	word(b, "kind", a->tunnel ? SPAN("tunnel") : SPAN("http"));
	word(b, "to", span_str(a->to));
	word(b, "rule", rule.name);
	word(b, "person", span_str(a->person));
	if (a->let_through)
		buf_adds(b, ",\"observed\":true");
}

static void line(const struct conn *c, uint64_t now, struct buf *b)
{
	const struct access *a = &c->access;
	char state[16];

	state_word(c, state);
	buf_printf(b, "%s{\"worker\":%u,\"state\":\"%s\",\"age_s\":%llu,\"up\":%llu,\"down\":%llu",
		b->n ? ",\n" : "", c->w->index, state,
		(unsigned long long)(now - c->since_ms) / 1000,
		(unsigned long long)(a->bundle ? a->up : 0),
		(unsigned long long)(a->bundle ? a->down : 0));
	if (a->bundle)
		access_members(a, now, b);
	buf_addc(b, '}');
}

int listing_make(const struct worker *w)
{
	uint64_t now = clock_mono_ms();
	struct buf b = {0};
	size_t n = 0;
	int fd = memfd_create("stile-listing", MFD_CLOEXEC);

	for (const struct conn *c = w->conns; c && n < LISTING_MAX; c = c->next, n++)
		line(c, now, &b);
	if (n < w->n_conns)
		buf_printf(&b, "%s{\"worker\":%u,\"left_out\":%zu}", b.n ? ",\n" : "", w->index,
			w->n_conns - n);
	if (fd >= 0 && (b.failed || !write_all(fd, b.p ? b.p : "", b.n))) {
		close(fd);
		fd = -1;
		errno = ENOMEM;
	}
	buf_free(&b);
	return fd;
}
