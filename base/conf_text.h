/*
 * The text of a configuration before libconfig sees it: included files put in place, and everything
 * checked that libconfig 1.5 lets pass or reports without saying where or what it expected.
 */
#ifndef STILE_CONF_TEXT_H
#define STILE_CONF_TEXT_H

#include "buf.h"
#include "problem.h"

#define CONF_BYTES_MAX	 (4u << 20) /* with all that is included */
#define CONF_STRING_MAX	 65536
#define CONF_INCLUDE_MAX 10    /* files within files */
#define CONF_DEPTH_MAX	 64    /* groups and lists within each other */
#define CONF_MEMBERS_MAX 16384 /* of one group; libconfig compares each with each */

struct conf_place {
	unsigned file; /* into files */
	unsigned line;
};

struct conf_text {
	struct buf flat; /* what libconfig reads */
	char **files;
	size_t n_files;
	struct conf_place *lines; /* of flat line i + 1 */
	size_t n_lines, cap_lines;
	struct conf_place *settings; /* in the order in which libconfig makes them, but the root */
	size_t n_settings, cap_settings;
};

/* False after at least one problem was added; conf_text_free is due in any case. */
bool conf_text_load(struct conf_text *t, const char *path, struct problems *p);
bool conf_text_parse(struct conf_text *t, const char *name, struct span text, struct problems *p);
void conf_text_free(struct conf_text *t);

/* Where a line of `flat`, counted from 1, came from. */
struct conf_place conf_text_place(const struct conf_text *t, unsigned flat_line);

#endif
