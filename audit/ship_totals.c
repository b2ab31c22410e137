/* When which part of the exchange is due, and what may be said to be known after it. */
#include "ship_totals.h"

#include "clock.h"
#include "totals_hear.h"
#include "totals_tell.h"

#include <stdio.h>
#include <stdlib.h>

struct ship_totals {
	const struct totals_door *door;
	struct totals_figures figures;
	struct totals_tell tell;
	struct totals_hear hear;
	uint64_t hear_due;	/* monotonic */
	uint64_t unknown_until; /* Redis lost something: others tell it again by then */
	bool more;		/* the last hearing left something to do at once */
	struct totals_trouble hearing, telling;
};

struct ship_totals *ship_totals_new(const struct totals_door *door, const char *node)
{
	struct ship_totals *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->door = door;
	tell_start(&t->tell, door, node);
	if (hear_start(&t->hear, door, node, &t->figures))
		return t;
	ship_totals_free(t);
	return NULL;
}

void ship_totals_free(struct ship_totals *t)
{
	if (!t)
		return;
	tell_free(&t->tell);
	hear_free(&t->hear);
	free(t);
}

const struct totals_figures *ship_totals_figures(const struct ship_totals *t)
{
	return &t->figures;
}

bool ship_totals_busy(const struct ship_totals *t)
{
	return t->more || t->tell.more;
}

/* Whether what was on its way has arrived is not known: then it is told again. */
void ship_totals_connected(struct ship_totals *t)
{
	t->tell.more = t->more = false;
	t->hear_due = 0;
	hear_anew(&t->hear);
}

/* What others had told is known here, but not what they told last: until they have told all of it
 * again, nobody knows. */
void ship_totals_lost(struct ship_totals *t)
{
	t->unknown_until = clock_mono_ms() + TOTALS_LOST_MS;
	t->door->known(t->door->arg, 0);
	tell_anew(&t->tell);
	hear_anew(&t->hear);
}

void totals_refused(
	const struct redis *r, const struct redis_reply *a, struct totals_trouble *wrong)
{
	wrong->cause = redis_why(r);
	err_set(&wrong->said, "%.*s", (int)(a->str.n > 200 ? 200 : a->str.n), a->str.p);
}

static bool check_own(
	struct ship_totals *t, struct redis *r, struct totals_trouble *wrong, struct err *e)
{
	bool lost;
	if (!tell_ask(&t->tell, r, e))
		return false;
	const struct redis_reply *a = redis_receive(r, e);
	if (!a)
		return false;
	if (a->type == REDIS_ERROR)
		totals_refused(r, a, wrong);
	tell_answer(&t->tell, a, &lost);
	if (lost)
		ship_totals_lost(t);
	return true;
}

static bool hear(struct ship_totals *t, struct redis *r, struct err *e)
{
	struct totals_trouble wrong = {CAUSE_NONE, {""}};
	const uint64_t began = clock_mono_ms();
	bool whole;
	t->hear_due = began + TOTALS_HEAR_MS;
	if (!check_own(t, r, &wrong, e) || !hear_round(&t->hear, r, &whole, &wrong, e))
		return false;
	t->hearing = wrong;
	t->more = !whole && !wrong.said.text[0];
	if (!whole || began < t->unknown_until)
		return true;
	t->figures.heard_ms = began;
	t->door->known(t->door->arg, began + TOTALS_KNOWN_MS);
	return true;
}

static bool tell(struct ship_totals *t, struct redis *r, struct err *e)
{
	struct totals_trouble wrong = {CAUSE_NONE, {""}};
	if (!tell_send(&t->tell, r, e) || !tell_receive(&t->tell, r, &t->figures.told, &wrong, e))
		return false;
	if (t->tell.batches)
		t->telling = wrong;
	return true;
}

/* Each way keeps its trouble until it has gone well; what is not heard is said first. */
static void show(struct ship_totals *t)
{
	struct totals_trouble w = t->hearing.said.text[0] ? t->hearing : t->telling;
	if (w.said.text[0])
		cause_advise(w.cause, &w.said);
	t->figures.cause = w.cause;
	snprintf(t->figures.text, sizeof t->figures.text, "%.*s", (int)sizeof t->figures.text - 1,
		w.said.text);
}

bool ship_totals_step(struct ship_totals *t, struct redis *r, struct err *e)
{
	if ((t->more || clock_mono_ms() >= t->hear_due) && !hear(t, r, e))
		return false;
	if (!tell(t, r, e))
		return false;
	show(t);
	return true;
}
