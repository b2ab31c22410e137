/* Policies written down in tests: a text becomes a snapshot, from memory or through a file in the
 * scratch folder. */
#ifndef STILE_TEST_POLICY_SCRATCH_H
#define STILE_TEST_POLICY_SCRATCH_H

#include "model.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((unused)) static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Fails the test with all problems on stderr. The buffer is the snapshot's memory. */
__attribute__((unused)) static const struct snapshot *snapshot_of_file(
	const char *path, struct buf *out)
{
	struct problems p = {0};
	struct err e = {""};
	bool ok = policy_compile(path, out, &p);

	problems_print(&p, stderr);
	problems_free(&p);
	assert_true(ok);
	const struct snapshot *s = snapshot_open(out->p, out->n, &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

/* From memory, with a country database made of two blocks: 175.45.176.0/24 is KP, 212.27.48.0/24
 * FR, 2a05:8000::/17 KP. */
__attribute__((unused)) static const struct snapshot *snapshot_of_text(
	const char *text, struct buf *out)
{
	static const struct geo4 v4[] = {{0, "", 0}, {0xaf2db000, "KP", 0}, {0xaf2db100, "", 0},
		{0xd41b3000, "FR", 0}, {0xd41b3100, "", 0}};
	static const struct geo6 v6[] = {{0, "", {0}}, {UINT64_C(0x2a05800000000000), "KP", {0}},
		{UINT64_C(0x2a06000000000000), "", {0}}};
	struct problems p = {0};
	struct err e = {""};
	struct model m;
	struct conf *c = conf_parse("test.cfg", span_str(text), &p);

	assert_true(model_init(&m, NULL));
	bool ok = c && model_load(&m, c, &p);
	problems_print(&p, stderr);
	problems_free(&p);
	assert_true(ok);
	buf_add(&m.section[SECTION_GEO4], v4, sizeof v4);
	buf_add(&m.section[SECTION_GEO6], v6, sizeof v6);
	assert_true(model_compile(&m, out, &e));
	model_free(&m);
	conf_free(c);
	const struct snapshot *s = snapshot_open(out->p, out->n, &e);
	if (!s)
		fail_msg("%s", e.text);
	return s;
}

#endif
