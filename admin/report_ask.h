/*
 * What every report is asked: for which days, from where, in which format, to where. Commands add
 * their own questions; reading the source and writing the result is the same for all.
 */
#ifndef STILE_REPORT_ASK_H
#define STILE_REPORT_ASK_H

#include "report_config.h"
#include "source.h"
#include "table.h"

enum report_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV, FORMAT_HTML };

struct report_ask {
	struct report_source source;
	struct period period;
	enum dim by[DIM_COUNT]; /* the tables, in order */
	size_t nby;
	uint64_t fold_below;
	enum report_format format;
	bool bom;
	const char *output; /* NULL: stdout */
};

/* Lines in a command's table of options. */
#define REPORT_PERIOD_OPTIONS                                                                      \
	{0, "from", "DAY", false,                                                                  \
		"first day: YYYY-MM-DD, today or yesterday; six days before today"},               \
	{                                                                                          \
		0, "to", "DAY", false, "last day, included; today"                                 \
	}
#define REPORT_FOLD_OPTION                                                                         \
	{                                                                                          \
		0, "fold", "N", false, "fold rows of fewer than N people; 5"                       \
	}
#define REPORT_OUTPUT_OPTIONS                                                                      \
	{0, "format", "FORMAT", false, "text, json, csv or html; text"},                           \
		{0, "json", NULL, false, "the same as --format json"},                             \
		{0, "bom", NULL, false,                                                            \
			"begin CSV with a byte order mark, by which some spreadsheets know "       \
			"UTF-8"},                                                                  \
	{                                                                                          \
		'o', "output", "FILE", false, "write to this file, at once and whole"              \
	}

/* Reads these options and those of the source. `policy`: as in report_source_choose(). CLI_OK, or
 * the exit code after a word on stderr. */
int report_ask(const struct cli *c, const char *policy, struct report_ask *q);
int report_ask_fold(const struct cli *c, struct report_ask *q);
/* --by, each of `known`; without any: the first `usual` of them. `words`: for the message. */
int report_ask_by(const struct cli *c, struct report_ask *q, const enum dim *known, size_t nknown,
	size_t usual, const char *words);
bool report_asks(const struct report_ask *q, enum dim d);
void report_ask_drop(struct report_ask *q);

/* Fills the tally; `raw` may be NULL. CLI_OK, or the exit code after a word on stderr. */
int report_read(const struct cli *c, const struct report_ask *q, struct tally *t,
	const struct raw_taker *raw);
/* Writes the report and frees it. `ok`: it could be laid out. */
int report_put(const struct cli *c, const struct report_ask *q, struct report *r, bool ok);

#endif
