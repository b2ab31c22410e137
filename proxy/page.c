/* The skeleton, the style sheet and the few pieces that pages are made of. */
#include "page.h"

/* Colours are variables, so that dark mode is another set of them and paper is always light. Text
 * has a contrast of 7 and more, and no meaning hangs on a colour alone. */
/* clang-format off */
const char page_style[] =
":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#4a545e;--line:#c9d0d7;--edge:#66707a;--card:#f2f5f7;--bar:#1f5f8b;"
"--link:#0b4a78;--mark:#8a3200}\n"
"@media screen and (prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e9ecef;--soft:#b9c1c9;--line:#48525c;--edge:#98a2ac;"
"--card:#1e242a;--bar:#78b7e6;--link:#9cccf2;--mark:#ffb787}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0;background:var(--bg);color:var(--fg);font:1rem/1.5 system-ui,'Noto Sans','Segoe UI',sans-serif;"
"overflow-wrap:anywhere}\n"
"main{max-width:48rem;margin:0 auto;padding:1.75rem 1.25rem 2.5rem}\n"
"nav{margin:-.4rem 0 1.25rem}\n"
"nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.25rem;list-style:none;margin:0;padding:0}\n"
"h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}\n"
"h2{font-size:1.2rem;line-height:1.3;margin:2rem 0 .6rem}\n"
"h3{font-size:1rem;line-height:1.3;margin:0}\n"
"p{margin:.6rem 0}\n"
"a{color:var(--link)}\n"
":focus-visible{outline:3px solid var(--bar);outline-offset:2px}\n"
".say{border-left:.4rem solid var(--bar);background:var(--card);padding:.7rem 1rem;margin:1rem 0}\n"
".say p{margin:0}\n"
".warn{border-left-color:var(--mark)}\n"
"strong.warn{color:var(--mark)}\n"
"dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.25rem 1.25rem;margin:.6rem 0}\n"
"dt{color:var(--soft)}\n"
"dd{margin:0}\n"
"ul.cards{list-style:none;margin:0;padding:0;display:grid;gap:.75rem}\n"
"ul.cards>li{border:1px solid var(--line);border-radius:.4rem;padding:.8rem 1rem;background:var(--card)}\n"
"ul.cards dl{font-size:.95rem;margin:.4rem 0 0}\n"
"ol.trace{padding-left:1.4rem;margin:.6rem 0}\n"
"svg.bar{display:block;width:100%;height:.8rem;margin:.35rem 0}\n"
".bar .of{fill:var(--bg);stroke:var(--edge)}\n"
".bar .is{fill:var(--bar)}\n"
".bar .at{stroke:var(--fg);stroke-width:2}\n"
"form p{margin:.8rem 0}\n"
"fieldset{border:1px solid var(--edge);border-radius:.4rem;margin:1rem 0;padding:.5rem 1rem .8rem}\n"
"legend{font-weight:600;padding:0 .35rem}\n"
"label{display:inline-block;padding:.2rem 0}\n"
"label.tick{display:flex;gap:.6rem;align-items:baseline}\n"
"input[type=text]{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--edge);border-radius:.3rem;"
"padding:.4rem .6rem;width:100%;max-width:26rem}\n"
"input[type=radio],input[type=checkbox]{width:1.1rem;height:1.1rem;flex:none;accent-color:var(--bar)}\n"
"a.go{display:inline-block;text-decoration:none}\n"
"button,a.go{font:inherit;font-weight:600;color:var(--bg);background:var(--bar);border:1px solid var(--bar);border-radius:.3rem;"
"padding:.5rem 1.2rem;cursor:pointer}\n"
".soft{color:var(--soft);font-size:.92rem}\n"
"footer{max-width:48rem;margin:0 auto;padding:0 1.25rem 2rem;color:var(--soft);font-size:.85rem}\n"
"@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin:0 0 .4rem}h1{font-size:1.45rem}}\n"
"@page{size:A4;margin:16mm}\n"
"@media print{:root{color-scheme:light;font-size:10pt}body{font-size:10pt}main,footer{max-width:none;padding:0}nav,form{display:none}"
"h2{break-after:avoid}ul.cards>li,dl,.say{break-inside:avoid}.bar .is{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";
/* clang-format on */

void page_begin(struct buf *b, struct span title)
{
	buf_adds(b, "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
		    "<title>");
	buf_html(b, title);
	buf_adds(b, "</title>\n<style>");
	buf_adds(b, page_style);
	buf_adds(b, "</style></head>\n<body><main>\n<h1>");
	buf_html(b, title);
	buf_adds(b, "</h1>\n");
}

void page_end(struct buf *b)
{
	buf_adds(b, "</main></body></html>\n");
}

void page_text(struct buf *b, const char *before, struct span text, const char *after)
{
	if (text.n == 0)
		return;
	buf_adds(b, "<p>");
	buf_adds(b, before);
	buf_html(b, text);
	buf_adds(b, after);
	buf_adds(b, "</p>\n");
}

void page_term(struct buf *b, const char *term, struct span text)
{
	if (text.n == 0)
		return;
	buf_printf(b, "<dt>%s</dt><dd>", term);
	buf_html(b, text);
	buf_adds(b, "</dd>\n");
}

void page_bar(struct buf *b, unsigned thousandths, unsigned mark)
{
	buf_printf(b,
		"<svg class=\"bar\" viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" "
		"aria-hidden=\"true\">"
		"<rect class=\"of\" x=\"0\" y=\"0\" width=\"1000\" height=\"20\"/>"
		"<rect class=\"is\" x=\"0\" y=\"0\" width=\"%u\" height=\"20\"/>",
		thousandths < 1000 ? thousandths : 1000);
	if (mark && mark < 1000)
		buf_printf(b, "<line class=\"at\" x1=\"%u\" y1=\"0\" x2=\"%u\" y2=\"20\"/>", mark,
			mark);
	buf_adds(b, "</svg>\n");
}
