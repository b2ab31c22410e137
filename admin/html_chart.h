/* Charts as SVG inside a page: drawn here, not in the browser, so that the page needs no script. */
#ifndef STILE_HTML_CHART_H
#define STILE_HTML_CHART_H

#include "table.h"

/* A figure with the table's chart; `id` makes its names unique on the page. Nothing where the table
 * has no chart or no row with a value. */
void html_chart(struct buf *b, const struct table *t, size_t id);
/* Text cleaned of control characters and escaped, at most `max` characters of it. */
void html_text(struct buf *b, const char *text, size_t max);

#endif
