/*
 * Differential: a message that we accept is accepted by node-llhttp's strict build too, with the
 * same method, version or status, framing, and end. The reverse does not hold: we refuse much that
 * llhttp takes. What we take and llhttp does not stands in unknown_method(), ours_on_purpose() and
 * second_extension(), nowhere else.
 */
#include "body.h"
#include "head.h"

#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What llhttp saw of the first message. */
struct theirs {
	bool head, done, bodiless;
	bool chunked, has_length;
	uint64_t length;
	size_t end;
	llhttp_t parser;
	enum llhttp_errno error;
};

static void must(bool ok, const char *what, const struct theirs *t)
{
	if (ok)
		return;
	fprintf(stderr, "differs: %s; llhttp: %s, %s\n", what, llhttp_errno_name(t->error),
		t->parser.reason ? t->parser.reason : "");
	abort();
}

static int on_head(llhttp_t *p)
{
	struct theirs *t = p->data;

	t->head = true;
	t->chunked = p->flags & F_CHUNKED;
	t->has_length = p->flags & F_CONTENT_LENGTH;
	t->length = p->content_length;
	return t->bodiless; /* 1: no body follows */
}

static int on_done(llhttp_t *p)
{
	struct theirs *t = p->data;

	t->done = true;
	return HPE_PAUSED;
}

static void ask_llhttp(struct theirs *t, llhttp_type_t type, struct span in, bool bodiless)
{
	static llhttp_settings_t settings;

	llhttp_settings_init(&settings);
	settings.on_headers_complete = on_head;
	settings.on_message_complete = on_done;
	memset(t, 0, sizeof(*t));
	t->bodiless = bodiless;
	llhttp_init(&t->parser, type, &settings);
	t->parser.data = t;
	t->error = llhttp_execute(&t->parser, in.p, in.n);
	t->end = in.n;
	if (t->error != HPE_OK)
		t->end = (size_t)(llhttp_get_error_pos(&t->parser) - in.p);
}

static bool fine(const struct theirs *t)
{
	return t->head &&
	       (t->error == HPE_OK || t->error == HPE_PAUSED || t->error == HPE_PAUSED_UPGRADE);
}

/* We forward methods that llhttp has no name for (its list is closed), and those that it keeps for
 * protocols other than HTTP. */
static bool unknown_method(const struct theirs *t)
{
	return t->error == HPE_INVALID_METHOD ||
	       (t->parser.reason && strstr(t->parser.reason, "nvalid method"));
}

/* llhttp 8.1.0 takes no second chunk extension behind one with an unquoted value. */
static bool second_extension(struct span in, const struct theirs *t)
{
	return t->error == HPE_INVALID_CHUNK_SIZE && t->end > 0 && in.p[t->end - 1] == ';';
}

/* The body behind the head, by our reading. */
static void compare_body(
	enum head_body body, uint64_t length, size_t head, struct span in, const struct theirs *t)
{
	struct body b;
	size_t used;

	if (second_extension(in, t))
		return;
	body_start(&b, body, length);
	switch (body_take(&b, span_of(in.p + head, in.n - head), &used)) {
	case BODY_DONE:
		must(fine(t), "a whole message", t);
		must(t->done && t->end == head + used, "end", t);
		break;
	case BODY_MORE:
		must(fine(t) && !t->done, "half a message", t);
		break;
	case BODY_BAD:
		break;
	}
}

static bool tab_behind(struct span value)
{
	const char *p = value.p + value.n;

	while (*p == ' ')
		p++;
	return *p == '\t';
}

/* What has one reading and llhttp reads otherwise: HTAB behind a value (OWS, RFC 9110 5.6.3); in
 * responses white space before a colon (RFC 9112 5.1 has a proxy take it away) and equal copies of
 * Content-Length. Framing fields are written anew when they are forwarded. */
static bool ours_on_purpose(const struct head_field *f, size_t n)
{
	unsigned lengths = 0;

	for (size_t i = 0; i < n; i++) {
		struct span name = f[i].name, value = f[i].value;

		if (name.p[name.n] != ':' || tab_behind(value))
			return true;
		if (!span_caseeq(name, SPAN("Content-Length")))
			continue;
		if (lengths++ || memchr(value.p, ',', value.n))
			return true;
	}
	return false;
}

static void try_request(struct span in)
{
	static struct head_request r;
	struct theirs t;

	if (head_parse_request(in, &r) != HEAD_DONE || ours_on_purpose(r.field, r.n))
		return;
	ask_llhttp(&t, HTTP_REQUEST, in, false);
	if (unknown_method(&t))
		return;
	must(t.head, "head", &t);
	must(span_is(r.method, llhttp_method_name((llhttp_method_t)t.parser.method)), "method", &t);
	must(t.parser.http_major == 1 && t.parser.http_minor == r.minor, "version", &t);
	must(t.chunked == (r.body == BODY_CHUNKED), "coding", &t);
	must(r.body == BODY_LENGTH ? t.has_length && t.length == r.length : t.length == 0, "length",
		&t);
	compare_body(r.body, r.length, r.size, in, &t);
}

static void try_response(struct span in, bool to_head)
{
	static struct head_response r;
	struct theirs t;

	if (head_parse_response(in, to_head, &r) != HEAD_DONE || ours_on_purpose(r.field, r.n))
		return;
	ask_llhttp(&t, HTTP_RESPONSE, in, r.body == BODY_NONE);
	must(t.head, "head", &t);
	must(t.parser.status_code == r.status, "status", &t);
	must(t.parser.http_major == 1 && t.parser.http_minor == r.minor, "version", &t);
	must(t.length == r.length, "length", &t);
	must(r.body == BODY_NONE || t.chunked == (r.body == BODY_CHUNKED), "coding", &t);
	compare_body(r.body, r.length, r.size, in, &t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	try_request(in);
	try_response(in, false);
	try_response(in, true);
	return 0;
}
