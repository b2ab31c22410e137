/*
 * The look of what stile itself says to people: one skeleton and one style sheet for refusals and
 * for the portal. No script, nothing fetched; the page's own policy (PAGE_CSP) lets nothing else
 * in.
 */
#ifndef STILE_PAGE_H
#define STILE_PAGE_H

#include "buf.h"

/* SHA-256 of the style sheet in base64; the unit test of page.c tells the right one. */
#define PAGE_STYLE_HASH "htfTn/Sk30/IzIoAM80rKTXO3rDvu8VFQUFPl5P+7FI="
/* Fields that go with every page. The referrer stays within the portal, or browsers would send its
 * forms with the origin "null". */
#define PAGE_FIELDS                                                                                \
	"Content-Security-Policy: default-src 'none'; style-src 'sha256-" PAGE_STYLE_HASH          \
	"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"                       \
	"X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n"

extern const char page_style[];

/* Everything up to the heading, which is `title`; its text is escaped here. */
void page_begin(struct buf *b, struct span title);
void page_end(struct buf *b);

/* A paragraph of literal HTML around escaped text; nothing where the text is empty. */
void page_text(struct buf *b, const char *before, struct span text, const char *after);
/* A row of a list of terms, which stands between "<dl>" and "</dl>"; nothing where empty. */
void page_term(struct buf *b, const char *term, struct span text);
/* A bar of so many thousandths; a mark where `mark` of them are. What it shows stands beside it as
 * text, so it says nothing itself. */
void page_bar(struct buf *b, unsigned thousandths, unsigned mark);

#endif
