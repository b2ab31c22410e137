/* Pages: their policy lets in their own style sheet and no other; text cannot become markup. */
#include "page.h"

#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void base64(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			out[at++] = k <= n - i ? digits[v >> (18 - 6 * k) & 63] : '=';
	}
	out[at] = 0;
}

static void the_policy_names_the_style_sheet(void **state)
{
	struct span style = span_str(page_style);
	uint8_t hash[SHA256_LEN];
	char text[64];

	(void)state;
	digest_sha256(&style, 1, hash);
	base64(hash, sizeof hash, text);
	assert_string_equal(PAGE_STYLE_HASH, text);
	assert_non_null(strstr(PAGE_FIELDS, text));
	assert_null(strstr(page_style, "url("));
	assert_null(strstr(page_style, "<"));
}

static void text_stays_text(void **state)
{
	struct buf b = {0};

	(void)state;
	page_begin(&b, SPAN("<b>&\""));
	page_text(&b, "<em>", SPAN("<script>"), "</em>");
	page_text(&b, "nothing ", SPAN(""), "at all");
	page_term(&b, "Rule", SPAN("a<b"));
	page_term(&b, "None", SPAN(""));
	page_end(&b);
	assert_non_null(strstr(b.p, "<h1>&lt;b&gt;&amp;&quot;</h1>"));
	assert_non_null(strstr(b.p, "<p><em>&lt;script&gt;</em></p>"));
	assert_non_null(strstr(b.p, "<dt>Rule</dt><dd>a&lt;b</dd>"));
	assert_null(strstr(b.p, "nothing"));
	assert_null(strstr(b.p, "None"));
	assert_null(strstr(b.p, "<script"));
	buf_free(&b);
}

static void bars_stay_within_their_frame(void **state)
{
	struct buf b = {0};

	(void)state;
	page_bar(&b, 5000, 800);
	assert_non_null(strstr(b.p, "width=\"1000\" height=\"20\"/><line class=\"at\" x1=\"800\""));
	buf_reset(&b);
	page_bar(&b, 10, 1000);
	assert_null(strstr(b.p, "<line"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_policy_names_the_style_sheet),
		cmocka_unit_test(text_stays_text), cmocka_unit_test(bars_stay_within_their_frame)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
