/* What differs between two policies, gathered and put into words, between the command and the two
 * that print. */
#ifndef STILE_POLICY_DIFF_H
#define STILE_POLICY_DIFF_H

#include "compare.h"
#include "explain.h"
#include "policy_commands.h"

/* The same change of one person for some sites. */
struct diff_row {
	struct compare_who who;
	enum compare_level level;
	struct buf when; /* a schedule, or "always" */
	struct buf answer[2];
	struct compare_answer first[2]; /* of the first site; the others' are the same */
	struct buf sites;		/* struct compare_site */
};

struct diff {
	const char *path[2];
	const struct snapshot *s[2];
	bool rules;	 /* changes of the deciding rule alone are shown too */
	struct buf rows; /* struct diff_row; those of one person stand together */
	size_t found[COMPARE_ANSWER + 1];
	struct compare_count looked_at;
};

static inline struct diff_row *diff_rows(const struct diff *d, size_t *n)
{
	*n = d->rows.n / sizeof(struct diff_row);
	return (void *)d->rows.p;
}

/* What holds for all, where it differs: zone, tls_only, sni_match, conduct. */
struct diff_setting {
	const char *name;
	struct span value[2];
};
#define DIFF_SETTINGS 4
size_t diff_settings(const struct diff *d, struct diff_setting out[DIFF_SETTINGS]);

bool diff_shows(const struct diff *d, enum compare_level level);
/* "allow by lunch (30 minutes a day, 4 MB/s)". */
void diff_put_answer(const struct compare_answer *a, struct buf *out);
/* All kinds that are limited, and what comes then; nothing where none is. */
void diff_put_limits(const struct rule_view *r, struct buf *out);

void diff_print_text(const struct diff *d);
void diff_print_json(const struct diff *d);

#endif
