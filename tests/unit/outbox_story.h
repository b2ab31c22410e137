/* Journals with an outbox, and what became of what was kept. */
#ifndef STILE_TEST_OUTBOX_STORY_H
#define STILE_TEST_OUTBOX_STORY_H

#include <sys/resource.h>

#include "journal_story.h"

static inline int must_make(const char *path)
{
	struct err e = {""};
	int fd = outbox_make(path, &e);

	if (fd < 0)
		fail_msg("%s", e.text);
	return fd;
}

static inline struct outbox *must_map(int fd)
{
	struct err e = {""};
	struct outbox *o = outbox_open(fd, &e);

	if (!o)
		fail_msg("%s", e.text);
	return o;
}

static inline bool keep(struct journal *j, uint64_t i)
{
	char mem[128];

	return journal_keep(j, body_of(mem, i));
}

/* Each of the numbers from..to-1 stands there once, and in order. */
static inline void once_each(const char *path, uint64_t from, uint64_t to, struct story *s)
{
	*s = (struct story){.n_got = to, .got = calloc(1, to)};
	read_story(path, s, 0);
	assert_int_equal(s->backward, 0);
	for (uint64_t i = from; i < to; i++)
		if (s->got[i] != 1)
			fail_msg("record %" PRIu64 " stands there %u times", i, s->got[i]);
	free(s->got);
	s->got = NULL;
}

static inline void limit_files(rlim_t bytes)
{
	struct rlimit l;

	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

#endif
