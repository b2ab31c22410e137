/* The look of reports on a page: for screens, light and dark, and for A4. */
#ifndef STILE_HTML_STYLE_H
#define STILE_HTML_STYLE_H

extern const char html_style[];

#endif
