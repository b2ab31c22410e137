/* The node's own chain. It is written seldom and waits for nobody. */
#include "chronicle.h"

#include "clock.h"
#include "journal.h"
#include "journal_read.h"
#include "log.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STEP_MS                                                                                    \
	2000 /* wall and monotonic time may part by this much in a tick: slewing, not stepping */

#define WHAT_CHANGED_MAX 2000 /* bytes of a policy record's text */

struct chronicle {
	struct journal *journal;
	const struct bundle *bundle;
	char digest[65]; /* of the policy in force */
	int64_t minute;	 /* last one with a checkpoint */
	int64_t wall_ms; /* at the last tick */
	uint64_t mono_ms;
	char day[11];	   /* the local day that `recorded` counts */
	uint64_t recorded; /* its checkpoints */
};

static const char *day_of(void *arg, int64_t wall_ms, char out[11])
{
	const struct chronicle *c = arg;

	snapshot_day(c->bundle->policy, wall_ms / 1000, out);
	return out;
}

static void stamp(struct chronicle *c, struct record *r, char day[11])
{
	int64_t now = clock_wall_ms();

	record_num(r, FIELD_T, (uint64_t)now);
	record_str(r, FIELD_DAY, span_str(day_of(c, now, day)));
}

static void write_down(struct chronicle *c, const struct record *r)
{
	char line[RECORD_MAX];
	struct buf b;

	buf_init_fixed(&b, line, sizeof line);
	if (record_encode(r, &b))
		journal_add(c->journal, buf_spanof(&b), NULL, NULL);
	else
		log_error("record", "a %s record is too large and is lost", record_word(r->kind));
	journal_hand_over(c->journal);
	journal_poll(c->journal);
}

static bool has_rule(const struct snapshot *p, struct span name)
{
	struct rule_view rule;

	for (size_t i = 0; i < snapshot_rules(p); i++) {
		snapshot_rule(p, i, &rule);
		if (span_eq(rule.name, name))
			return true;
	}
	return false;
}

/* Names of the rules of `of` that `other` has not, as many as fit. */
static void rules_only_in(
	const struct snapshot *of, const struct snapshot *other, const char *word, struct buf *out)
{
	struct rule_view rule;
	bool any = false;

	for (size_t i = 0; i < snapshot_rules(of) && out->n < WHAT_CHANGED_MAX; i++) {
		snapshot_rule(of, i, &rule);
		if (has_rule(other, rule.name))
			continue;
		buf_printf(out, "%s %.*s", any ? "," : word, SPAN_ARG(rule.name));
		any = true;
	}
}

/* What is in force, and which rules came and went; the digests tell whether others changed inside.
 */
static void what_changed(const struct snapshot *before, const struct snapshot *now, struct buf *out)
{
	buf_printf(out, "%zu rules, %zu roles, %zu services", snapshot_rules(now),
		snapshot_roles(now), snapshot_services(now));
	if (!before || before == now)
		return;
	rules_only_in(now, before, "; added rules:", out);
	rules_only_in(before, now, "; removed rules:", out);
}

void chronicle_policy(struct chronicle *c, const struct bundle *b)
{
	struct record r;
	char day[11];
	struct buf text;
	const struct snapshot *before = *c->digest ? c->bundle->policy : NULL;

	c->bundle = b;
	if (strcmp(c->digest, b->digest) == 0)
		return;
	record_init(&r, RECORD_POLICY);
	stamp(c, &r, day);
	record_str(&r, FIELD_DIGEST, span_str(b->digest));
	record_str(&r, FIELD_BEFORE, span_str(c->digest));
	record_str(&r, FIELD_CATALOGUE, snapshot_catalogue_version(b->policy));
	buf_init(&text);
	what_changed(before, b->policy, &text);
	record_str(&r, FIELD_TEXT, buf_spanof(&text));
	write_down(c, &r);
	buf_free(&text);
	memcpy(c->digest, b->digest, sizeof c->digest);
}

/* Our own records, so bytes suffice: the cost is that of reading, once at a start. */
static bool is_checkpoint_of(struct span body, const char *day)
{
	char of[32];

	snprintf(of, sizeof of, "\"day\":\"%s\"", day);
	return memmem(body.p, body.n, of, strlen(of)) &&
	       memmem(body.p, body.n, "\"what\":\"checkpoint\"", 19);
}

static void count_segment(struct chronicle *c, int dir, const struct segment_name *name)
{
	struct err e;
	struct journal_line line;
	struct segment_reader *r = segment_open(dir, name, &e);

	while (r && segment_next(r, 0, &line, &e) == SEGMENT_LINE)
		c->recorded += is_checkpoint_of(line.body, c->day);
	segment_close(r);
}

/* What masters before this one recorded of the day. */
static void count_recorded(struct chronicle *c, int dir)
{
	struct segment_name *v = NULL;
	size_t n = 0;
	struct err e;

	if (!segment_list(dir, &v, &n, &e))
		return;
	for (size_t i = n; i-- > 0;) {
		struct stat st;
		char file[96];

		segment_name_format(&v[i], file);
		if (fstatat(dir, file, &st, 0) == 0 && st.st_mtime < c->wall_ms / 1000 - 86400)
			break; /* and all before it */
		count_segment(c, dir, &v[i]);
	}
	free(v);
}

struct chronicle *chronicle_open(int dir, const struct bundle *b, struct err *e)
{
	struct chronicle *c = calloc(1, sizeof *c);
	struct journal_options o = {
		.dir = dir, .node = b->settings->node, .day = day_of, .day_arg = c};

	if (!c)
		return (void)err_set(e, "out of memory"), NULL;
	c->bundle = b;
	c->wall_ms = clock_wall_ms();
	c->mono_ms = clock_mono_ms();
	c->minute = c->wall_ms / 60000;
	day_of(c, c->wall_ms, c->day);
	count_recorded(c, dir);
	c->journal = journal_open(&o, NULL, e);
	if (!c->journal) {
		free(c);
		return NULL;
	}
	chronicle_policy(c, b);
	return c;
}

static void add_tip(struct buf *b, const char *chain, const struct chain_tip *tip)
{
	if (!*chain)
		return;
	buf_printf(b, "%s%s:%llu:", b->n ? " " : "", chain, (unsigned long long)tip->seq);
	buf_hex(b, tip->hash, sizeof tip->hash);
}

static void checkpoint(struct chronicle *c, const struct child *children, size_t n)
{
	char tips[7000], day[11];
	struct chain_tip own;
	struct buf b;
	struct record r;

	buf_init_fixed(&b, tips, sizeof tips);
	journal_tip(c->journal, &own);
	add_tip(&b, journal_chain(c->journal), &own);
	for (size_t i = 0; i < n; i++)
		add_tip(&b, children[i].chain, &children[i].tip);
	record_init(&r, RECORD_MARK);
	stamp(c, &r, day);
	record_str(&r, FIELD_WHAT, SPAN("checkpoint"));
	record_str(&r, FIELD_TIPS, buf_spanof(&b));
	write_down(c, &r);
	if (strcmp(c->day, day) != 0) {
		memcpy(c->day, day, sizeof c->day);
		c->recorded = 0;
	}
	c->recorded++;
}

void chronicle_observe(struct chronicle *c, const char *text, uint64_t seconds)
{
	struct record r;
	char day[11];

	record_init(&r, RECORD_MARK);
	stamp(c, &r, day);
	record_str(&r, FIELD_WHAT, SPAN("observe"));
	record_num(&r, FIELD_N, seconds);
	record_str(&r, FIELD_TEXT, span_str(text));
	write_down(c, &r);
}

void chronicle_grant(struct chronicle *c, const char *person, const char *rule, const char *limit,
	uint64_t n, const char *reason)
{
	struct record r;
	char day[11];

	record_init(&r, RECORD_GRANT);
	stamp(c, &r, day);
	record_str(&r, FIELD_USER, span_str(person));
	record_str(&r, FIELD_RULE, span_str(rule));
	record_str(&r, FIELD_LIMIT, span_str(limit));
	record_num(&r, FIELD_N, n);
	record_str(&r, FIELD_TEXT, span_str(reason));
	write_down(c, &r);
}

void chronicle_coverage(const struct chronicle *c, uint64_t *recorded, uint64_t *passed)
{
	int64_t now = clock_wall_ms() / 1000, midnight = now;
	char day[11];

	snapshot_day(c->bundle->policy, now, day);
	snapshot_parse_time(c->bundle->policy, span_str(day), &midnight);
	*passed = now >= midnight ? (uint64_t)(now / 60 - midnight / 60) + 1 : 1;
	*recorded = strcmp(day, c->day) == 0 ? c->recorded : 0;
	if (*recorded > *passed) /* the clock went back */
		*recorded = *passed;
}

const char *chronicle_chain(const struct chronicle *c)
{
	return journal_chain(c->journal);
}

uint64_t chronicle_lost(const struct chronicle *c)
{
	return journal_lost(c->journal);
}

bool chronicle_failing(const struct chronicle *c)
{
	return journal_failing(c->journal);
}

static void clock_stepped(struct chronicle *c, int64_t by_ms)
{
	struct record r;
	char day[11], text[80];

	record_init(&r, RECORD_MARK);
	stamp(c, &r, day);
	record_str(&r, FIELD_WHAT, SPAN("clock"));
	snprintf(text, sizeof text, "the wall clock stepped by %+lld ms", (long long)by_ms);
	record_str(&r, FIELD_TEXT, span_str(text));
	write_down(c, &r);
	log_warn("clock", "%s", text);
}

void chronicle_tick(struct chronicle *c, const struct child *children, size_t n)
{
	int64_t wall = clock_wall_ms();
	uint64_t mono = clock_mono_ms();
	int64_t by = (wall - c->wall_ms) - (int64_t)(mono - c->mono_ms);

	journal_poll(c->journal);
	c->wall_ms = wall;
	c->mono_ms = mono;
	if (by > STEP_MS || by < -STEP_MS)
		clock_stepped(c, by);
	if (wall / 60000 != c->minute) {
		c->minute = wall / 60000;
		checkpoint(c, children, n);
	}
}

void chronicle_close(struct chronicle *c)
{
	if (!c)
		return;
	journal_close(c->journal, true);
	free(c);
}
