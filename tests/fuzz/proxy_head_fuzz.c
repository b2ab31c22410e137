/*
 * Heads of any kind, as requests and as responses. What is accepted lies within its input, means
 * the same when it is written out anew from its parts, and how much of it had come makes no
 * difference.
 */
#include "buf.h"
#include "head.h"

#include "fuzz.h"

#define PREFIXES_MAX 300 /* of long inputs only some prefixes are tried */

static void check_inside(struct span part, struct span in)
{
	must(part.n == 0 || (part.p >= in.p && part.p + part.n <= in.p + in.n));
}

static void check_text(struct span s, bool space)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		must(c > 0x20 || (space && (c == ' ' || c == '\t')));
		must(c != 0x7f);
	}
}

static void check_fields(const struct head_field *f, size_t n, struct span head)
{
	must(n <= HEAD_FIELDS_MAX);
	for (size_t i = 0; i < n; i++) {
		check_inside(f[i].name, head);
		check_inside(f[i].value, head);
		must(f[i].name.n > 0 && !memchr(f[i].name.p, ':', f[i].name.n));
		check_text(f[i].name, false);
		check_text(f[i].value, true);
		must(span_eq(f[i].value, span_trim(f[i].value)));
	}
}

static void write_fields(struct buf *b, const struct head_field *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_span(b, f[i].name);
		buf_addc(b, ':');
		buf_span(b, f[i].value);
		buf_adds(b, "\r\n");
	}
	buf_adds(b, "\r\n");
}

static bool same_fields(const struct head_field *a, const struct head_field *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!span_eq(a[i].name, b[i].name) || !span_eq(a[i].value, b[i].value))
			return false;
	return true;
}

/* --- requests ----------------------------------------------------------------------------------
 */

static void same_request(const struct head_request *a, const struct head_request *b)
{
	must(span_eq(a->method, b->method) && span_eq(a->target, b->target));
	must(a->form == b->form && a->port == b->port && strcmp(a->host.name, b->host.name) == 0);
	must(span_eq(a->path, b->path) && a->minor == b->minor);
	must(a->body == b->body && a->length == b->length && a->keep_alive == b->keep_alive);
	must(a->expect_continue == b->expect_continue && a->upgrade == b->upgrade);
	must(span_eq(a->proxy_authorization, b->proxy_authorization));
	must(a->n == b->n && same_fields(a->field, b->field, a->n));
}

static void rewrite_request(const struct head_request *r)
{
	static struct head_request again;
	struct buf b = {0};

	buf_span(&b, r->method);
	buf_addc(&b, ' ');
	buf_span(&b, r->target);
	buf_printf(&b, " HTTP/1.%u\r\n", r->minor);
	write_fields(&b, r->field, r->n);
	must(head_parse_request(buf_spanof(&b), &again) == HEAD_DONE && again.size == b.n);
	same_request(r, &again);
	buf_free(&b);
}

static void check_request(const struct head_request *r, struct span in)
{
	struct span head = span_of(in.p, r->size);

	must(r->size <= in.n && r->size <= HEAD_MAX);
	check_inside(r->method, head);
	check_inside(r->target, head);
	check_inside(r->path, r->target);
	check_inside(r->proxy_authorization, head);
	must(r->method.n > 0 && r->target.n > 0 && r->minor <= 1);
	check_text(r->target, false);
	check_fields(r->field, r->n, head);
	must(r->minor == 0 || head_find(r->field, r->n, "Host"));
	must((r->host.len > 0) == (r->port > 0));
	must(r->host.len > 0 || r->form == FORM_ORIGIN || r->form == FORM_ASTERISK);
	must(r->body != BODY_UNTIL_CLOSE && (r->body == BODY_LENGTH || r->length == 0));
	must(r->form != FORM_AUTHORITY || (r->body == BODY_NONE && span_is(r->method, "CONNECT")));
	must(!r->keep_alive || r->minor == 1);
	rewrite_request(r);
}

/* What the first n bytes give: MORE, or already what all of them give. */
static void check_prefix(struct span in, size_t n, enum head_answer a, const struct head_request *r)
{
	static struct head_request part;
	enum head_answer b = head_parse_request(span_of(in.p, n), &part);

	must(part.size <= n);
	must(b == HEAD_MORE || (b == a && part.error == r->error));
	must(b != HEAD_DONE || part.size == r->size);
	must(b == HEAD_MORE || a != HEAD_DONE || n >= r->size);
}

static void try_request(struct span in)
{
	static struct head_request r;
	enum head_answer a;
	size_t step = in.n / PREFIXES_MAX + 1;

	memset(&r, 0xa5, sizeof(r));
	a = head_parse_request(in, &r);
	must((a == HEAD_BAD) == (r.error != HEAD_ERROR_NONE));
	if (a == HEAD_DONE) {
		check_request(&r, in);
		check_prefix(in, r.size - 1, a, &r);
		check_prefix(in, r.size, a, &r);
	}
	for (size_t n = 0; n <= in.n; n += step)
		check_prefix(in, n, a, &r);
}

/* --- responses ---------------------------------------------------------------------------------
 */

static void rewrite_response(const struct head_response *r, bool to_head)
{
	static struct head_response again;
	struct buf b = {0};

	buf_printf(&b, "HTTP/1.%u %03u", r->minor, r->status);
	if (r->reason.n) {
		buf_addc(&b, ' ');
		buf_span(&b, r->reason);
	}
	buf_adds(&b, "\r\n");
	write_fields(&b, r->field, r->n);
	must(head_parse_response(buf_spanof(&b), to_head, &again) == HEAD_DONE);
	must(again.size == b.n && again.status == r->status && again.minor == r->minor);
	must(span_eq(again.reason, r->reason) && again.keep_alive == r->keep_alive);
	must(again.body == r->body && again.length == r->length);
	must(again.n == r->n && same_fields(again.field, r->field, r->n));
	buf_free(&b);
}

static void check_response(const struct head_response *r, struct span in, bool to_head)
{
	struct span head = span_of(in.p, r->size);

	must(r->size <= in.n && r->size <= HEAD_MAX);
	must(r->status >= 100 && r->status <= 599 && r->minor <= 1);
	check_inside(r->reason, head);
	check_text(r->reason, true);
	check_fields(r->field, r->n, head);
	must(!to_head || r->body == BODY_NONE);
	must(r->body == BODY_NONE || (r->status >= 200 && r->status != 204 && r->status != 304));
	must(r->body != BODY_UNTIL_CLOSE || !r->keep_alive);
	must(r->body != BODY_CHUNKED || r->minor == 1);
	rewrite_response(r, to_head);
}

static void try_response(struct span in, bool to_head)
{
	static struct head_response r, part;
	enum head_answer a, b;
	size_t step = in.n / PREFIXES_MAX + 1;

	memset(&r, 0xa5, sizeof(r));
	a = head_parse_response(in, to_head, &r);
	must((a == HEAD_BAD) == (r.error != HEAD_ERROR_NONE));
	if (a == HEAD_DONE)
		check_response(&r, in, to_head);
	for (size_t n = 0; n <= in.n; n += step) {
		b = head_parse_response(span_of(in.p, n), to_head, &part);
		must(b == HEAD_MORE || (b == a && part.error == r.error && part.size == r.size));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	try_request(in);
	try_response(in, false);
	try_response(in, true);
	return 0;
}
