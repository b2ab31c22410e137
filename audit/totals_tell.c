/*
 * A batch is four commands: the pairs into the hash, the same into the stream, and both keys live
 * two days longer. The hash goes first, so that whoever misses an entry of the stream finds it
 * there.
 */
#include "totals_tell.h"

#include "clock.h"
#include "digest.h"

#include <inttypes.h>
#include <stdio.h>

#define COMMANDS   4 /* of a batch with pairs; without: 2 */
#define LIVES_S	   "172800"
#define STREAM_MAX "1000"

void tell_start(struct totals_tell *t, const struct totals_door *door, const char *node)
{
	*t = (struct totals_tell){.door = door};
	snprintf(t->node, sizeof t->node, "%s", node);
	key_node(t->stream, span_str(node), "standing");
	random_bytes(&t->run, sizeof t->run);
}

void tell_free(struct totals_tell *t)
{
	buf_free(&t->text);
}

void tell_anew(struct totals_tell *t)
{
	t->door->again(t->door->arg);
	random_bytes(&t->run, sizeof t->run);
	t->n = 0;
	t->last[0] = 0;
	t->told_ms = t->looked_ms = 0;
}

/* --- does Redis still have it? ---------------------------------------------------------------- */

bool tell_ask(struct totals_tell *t, struct redis *r, struct err *e)
{
	const struct span argv[] = {SPAN("XREVRANGE"), span_str(t->stream), SPAN("+"), SPAN("-"),
		SPAN("COUNT"), SPAN("1")};
	return redis_send(r, argv, 6, e);
}

void tell_answer(const struct totals_tell *t, const struct redis_reply *a, bool *lost)
{
	*lost = false;
	if (a->type != REDIS_ARRAY || !t->last[0])
		return;
	const struct redis_reply *entry = a->n ? &a->v[0] : NULL;
	*lost = !entry || entry->type != REDIS_ARRAY || entry->n != 2 ||
		!span_is(entry->v[0].str, t->last);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void piece(struct totals_tell *t, size_t i)
{
	t->piece[i] = t->text.n;
}

/* Gathers pairs as text: field, value, field, value. */
static size_t gather(struct totals_tell *t)
{
	struct total own;
	size_t n = 0;
	buf_reset(&t->text);
	piece(t, 0);
	while (n < TELL_PAIRS) {
		if (!t->door->next(t->door->arg, &own, &t->slot[t->slots])) {
			t->more = false;
			break;
		}
		total_field(&own, &t->text);
		piece(t, 2 * n + 1);
		total_value(&own, &t->text);
		piece(t, 2 * n + 2);
		t->slots++;
		n++;
	}
	return n;
}

static size_t put_pairs(const struct totals_tell *t, size_t pairs, struct span *out)
{
	for (size_t i = 0; i < 2 * pairs; i++)
		out[i] = span_of(t->text.p + t->piece[i], t->piece[i + 1] - t->piece[i]);
	return 2 * pairs;
}

static bool send_hash(struct totals_tell *t, struct redis *r, size_t pairs, struct err *e)
{
	struct span argv[2 + 2 * TELL_PAIRS] = {SPAN("HSET"), span_str(t->hash)};
	const struct span lives[] = {SPAN("EXPIRE"), span_str(t->hash), SPAN(LIVES_S)};
	const size_t n = 2 + put_pairs(t, pairs, argv + 2);
	return redis_send(r, argv, n, e) && redis_send(r, lives, 3, e);
}

static bool send_entry(struct totals_tell *t, struct redis *r, size_t pairs, struct err *e)
{
	snprintf(t->run_text, sizeof t->run_text, "%016" PRIx64, t->run);
	snprintf(t->n_text, sizeof t->n_text, "%" PRIu64, ++t->n);
	struct span argv[10 + 2 * TELL_PAIRS] = {SPAN("XADD"), span_str(t->stream), SPAN("MAXLEN"),
		SPAN("~"), SPAN(STREAM_MAX), SPAN("*"), SPAN("r"), span_str(t->run_text), SPAN("n"),
		span_str(t->n_text)};
	const struct span lives[] = {SPAN("EXPIRE"), span_str(t->stream), SPAN(LIVES_S)};
	const size_t n = 10 + put_pairs(t, pairs, argv + 10);
	return redis_send(r, argv, n, e) && redis_send(r, lives, 3, e);
}

static bool send_batch(struct totals_tell *t, struct redis *r, size_t pairs, struct err *e)
{
	if (t->text.failed)
		return err_set(e, "out of memory");
	if (pairs && !send_hash(t, r, pairs, e))
		return false;
	if (!send_entry(t, r, pairs, e))
		return false;
	t->pairs[t->batches++] = pairs;
	return true;
}

bool tell_send(struct totals_tell *t, struct redis *r, struct err *e)
{
	const uint64_t now = clock_mono_ms();
	char day[11] = "";
	t->slots = t->batches = 0;
	if (!t->more && t->looked_ms && now - t->looked_ms < TOTALS_TELL_MS)
		return true;
	t->looked_ms = now;
	t->door->start(t->door->arg, clock_wall_ms(), day);
	key_day(t->hash, span_str(t->node), "standing", span_str(day));
	const bool silent = t->told_ms == 0 || now - t->told_ms >= TOTALS_ALIVE_MS;
	t->more = true;
	while (t->more && t->batches < TELL_STEP) {
		const size_t pairs = gather(t);
		if ((pairs || (silent && t->batches == 0)) && !send_batch(t, r, pairs, e))
			return false;
	}
	if (t->batches)
		t->told_ms = now;
	return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Reads the answers of one batch. *ok: all of them are what they should be. */
static bool take_batch(struct totals_tell *t, struct redis *r, bool pairs, bool *ok,
	struct totals_trouble *wrong, struct err *e)
{
	*ok = true;
	for (size_t i = pairs ? 0 : 2; i < COMMANDS; i++) {
		const struct redis_reply *a = redis_receive(r, e);
		if (!a)
			return false;
		if (i == 2 && a->type == REDIS_STRING) {
			*ok &= span_copy(a->str, t->last, sizeof t->last);
		} else if (a->type != REDIS_INT) {
			*ok = false;
			totals_refused(r, a, wrong);
		}
	}
	return true;
}

bool tell_receive(struct totals_tell *t, struct redis *r, uint64_t *told,
	struct totals_trouble *wrong, struct err *e)
{
	size_t at = 0;
	for (size_t b = 0; b < t->batches; b++) {
		const size_t pairs = t->pairs[b];
		bool ok;
		if (!take_batch(t, r, pairs > 0, &ok, wrong, e))
			return false;
		for (size_t i = 0; ok && i < pairs; i++)
			t->door->told(t->door->arg, t->slot[at + i]);
		*told += ok ? pairs : 0;
		at += pairs;
	}
	return true;
}
