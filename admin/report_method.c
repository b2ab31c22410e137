/* How figures are counted, in words: said with every output, the same in every report. */
#include "report_lay.h"

void method_minutes(struct report *r)
{
	report_paragraph(r, "method",
		"Active minutes: a UTC minute is active when a person's traffic with the core "
		"hosts of one service, added up over tabs, workers, nodes, roles and rules, came "
		"to %d bytes or more, %d or more of them sent. With less it is open, idle.",
		ACTIVE_BYTES, ACTIVE_BYTES_UP);
}

void method_once(struct report *r)
{
	report_paragraph(r, "method",
		"A minute is a minute: in one row, and in the total, a person's minute counts "
		"once, as active if it was active with any service. A minute with two services "
		"stands in both their rows, so rows may add up to more than the total. A minute "
		"with one service under several roles, rules, purposes or zones belongs to the "
		"one with most core bytes, to the first by name where they are equal.");
}

void method_counts(struct report *r)
{
	report_paragraph(r, "method",
		"Accesses were given. Refused: the policy says no. Limited: a limit was spent. "
		"Challenges asked for a login and refused nobody. People are distinct pseudonyms "
		"with anything in the row; what came without a login counts in accesses and "
		"bytes, never in people or minutes.");
}

void method_folding(struct report *r, const struct report_ask *q)
{
	unsigned long long fold = q->fold_below;
	report_paragraph(r, "method",
		"Rows of fewer than %llu people are folded into one, and the smallest others with "
		"them as long as the fold holds one row or fewer than %llu people, so that it "
		"cannot be computed back from the total. Rows in which nobody is known have no "
		"people and stay. The total is shown however few they are. Reports that overlap "
		"can be subtracted from each other; folding cannot prevent it.",
		fold, fold);
}

void method_errors(struct report *r)
{
	report_paragraph(r, "method",
		"Known errors: apps that load by themselves make active minutes while nobody "
		"looks; long reading, typing and talking by text make too few, and so does a video "
		"that comes from a service's cdn; several people on one account "
		"are one person, one person on several accounts is several; hosts that several "
		"services share add bytes but no minutes. How much this comes to in scenes that "
		"were watched is in minutes.md of the documentation.");
}

void method_coverage(struct report *r)
{
	report_paragraph(r, "method",
		"Coverage: each node leaves a mark in every minute in which it records; minutes "
		"recorded are these marks, against the minutes of the period that have passed, in "
		"the zone named above (UTC where none is). Lost records are those of which only "
		"the number is known; unreadable lines are in no figure.");
}
