/* The journal as a source: each record becomes rollups on the way. One journal is one node's. */
#include "source.h"

#include "journal_read.h"

#include <stdio.h>

struct reading {
	struct tally *t;
	struct record_decoder *decoder;
	const struct raw_taker *raw; /* or NULL */
	size_t node;
	bool named, any;  /* any: something was read */
	unsigned percent; /* last told */
};

/* "node NAME, …", as the start mark of every chain says. */
static void note_node(struct reading *r, const struct record *rec)
{
	struct span text = record_get(rec, FIELD_TEXT), lead = SPAN("node ");
	if (r->named || !span_is(record_get(rec, FIELD_WHAT), "start") || !span_starts(text, lead))
		return;
	text = span_of(text.p + lead.n, text.n - lead.n);
	tally_node_name(r->t, r->node, span_cut(&text, ','));
	r->named = true;
}

/* Ends, first sights and policies add nothing to the figures: reading them would cost half the
 * time. A record begins with its kind. */
static bool counts(struct span body)
{
	static const enum record_kind kinds[] = {
		RECORD_ACCESS, RECORD_USAGE, RECORD_ACK, RECORD_MARK};
	struct span lead = SPAN("{\"k\":\"");
	if (!span_starts(body, lead))
		return true;
	body = span_of(body.p + lead.n, body.n - lead.n);
	struct span word = span_cut(&body, '"');
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (span_is(word, record_word(kinds[i])))
			return true;
	for (unsigned k = 0; k < RECORD_COUNT; k++)
		if (span_is(word, record_word((enum record_kind)k)))
			return false;
	return true; /* no kind at all: the decoder says so */
}

static void give_raw(const struct reading *r, const struct record *rec)
{
	struct span day = record_get(rec, FIELD_DAY);
	size_t i;
	if (!period_index(tally_period(r->t), day, &i))
		return;
	tally_raw_day(r->t, r->node, day);
	if (rec->kind == RECORD_ACCESS)
		r->raw->take(r->raw->arg, rec);
}

static bool take(void *arg, const char *writer, const char *chain, uint64_t seq, struct span body)
{
	struct reading *r = arg;
	struct rollup rollups[ROLLUP_PER_RECORD];
	struct record rec;
	(void)writer, (void)chain, (void)seq;
	r->any = true;
	if (!counts(body))
		return true;
	if (!record_decode(r->decoder, body, &rec, NULL)) {
		tally_bad(r->t, 1);
		return true;
	}
	if (rec.kind == RECORD_MARK)
		note_node(r, &rec);
	if (r->raw)
		give_raw(r, &rec);
	size_t n = rollup_of(&rec, rollups);
	for (size_t i = 0; i < n; i++)
		tally_add(r->t, r->node, rollups[i].hash, rollups[i].day,
			span_str(rollups[i].field), rollups[i].add, span_str(rollups[i].text));
	return !tally_failed(r->t);
}

static void tell(void *arg, uint64_t done, uint64_t all)
{
	struct reading *r = arg;
	unsigned percent = all ? (unsigned)(done * 100 / all) : 100;
	if (percent == r->percent)
		return;
	r->percent = percent;
	fprintf(stderr, "\rreading the journal: %u%%", percent);
}

bool source_journal_read(const char *root, struct tally *t, const struct raw_taker *raw,
	bool progress, struct err *e)
{
	struct reading r = {.t = t, .raw = raw, .decoder = record_decoder_new()};
	uint64_t bad = 0;
	if (!r.decoder)
		return err_set(e, "out of memory");
	r.node = tally_node_open(t, SPAN(""));
	bool ok = journal_walk(root, take, progress ? tell : NULL, &r, &bad, e);
	tally_bad(t, bad);
	record_decoder_free(r.decoder);
	if (progress)
		fputs("\r\033[K", stderr);
	if (ok && tally_failed(t))
		return err_set(e, "out of memory");
	/* every writer begins with a mark: a folder without one was meant to be another */
	if (ok && !r.any && bad == 0)
		return err_set(e,
			"%s holds no journal; expected the folder that audit.journal of proxy.cfg "
			"names",
			root);
	return ok;
}
