/*
 * Request heads (RFC 9112 3, 5, 6). The bytes are cut into lines first, then the request line, the
 * fields and what they mean for framing are judged in that order; a head that any step refuses gets
 * the status of that step's error. The same head gives the same answer however it was cut up.
 */
#include "head_lines.h"

#define EMPTY_LINES_MAX 4
#define VERSION_LEN	8 /* "HTTP/1.1" */

static const struct {
	int status;
	const char *text;
} errors[HEAD_ERROR_COUNT] = {
#define HEAD_ERROR(name, status, text) [HEAD_ERROR_##name] = {status, text},
#include "heads.def"
#undef HEAD_ERROR
};

int head_error_status(enum head_error e)
{
	return e < HEAD_ERROR_COUNT ? errors[e].status : 500;
}

const char *head_error_text(enum head_error e)
{
	return e < HEAD_ERROR_COUNT ? errors[e].text : "";
}

static bool refuse(struct head_request *r, enum head_error e)
{
	r->error = e;
	return false;
}

/* --- lines -------------------------------------------------------------------------------------
 */

static enum head_answer skip_empty_lines(struct span *rest, enum head_error *e)
{
	for (unsigned i = 0; rest->n >= 2 && memcmp(rest->p, "\r\n", 2) == 0; i++) {
		if (i == EMPTY_LINES_MAX) {
			*e = HEAD_ERROR_LINE;
			return HEAD_BAD;
		}
		*rest = span_of(rest->p + 2, rest->n - 2);
	}
	return rest->n == 0 || (rest->n == 1 && rest->p[0] == '\r') ? HEAD_MORE : HEAD_DONE;
}

/* What begins like no method is refused at once: a TLS record, a line that continues another. */
static enum head_error check_start(uint8_t c)
{
	if (c == ' ' || c == '\t')
		return HEAD_ERROR_FOLD;
	if (head_control(c))
		return HEAD_ERROR_CONTROL;
	return head_class[c] & CH_TOKEN ? HEAD_ERROR_NONE : HEAD_ERROR_METHOD;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The version stands at the end of the line; checked before the fields have come, so that HTTP/0.9
 * and foreign protocols need not wait for a time-out. */
static enum head_error check_version(struct span line)
{
	const char *v;

	if (line.n <= VERSION_LEN)
		return HEAD_ERROR_LINE;
	v = line.p + line.n - VERSION_LEN;
	if (v[-1] != ' ' || memcmp(v, "HTTP/", 5) != 0 || !is_digit(v[5]) || v[6] != '.' ||
		!is_digit(v[7]))
		return HEAD_ERROR_LINE;
	if (v[5] != '1' || v[7] > '1')
		return HEAD_ERROR_VERSION;
	return HEAD_ERROR_NONE;
}

static enum head_answer cut_head(
	struct span *rest, struct span *line, struct span *fields, enum head_error *e)
{
	enum head_answer a = skip_empty_lines(rest, e);

	if (a != HEAD_DONE)
		return a;
	*e = check_start((uint8_t)rest->p[0]);
	if (*e != HEAD_ERROR_NONE)
		return HEAD_BAD;
	a = head_cut_line(rest, HEAD_LINE_MAX, HEAD_ERROR_LINE_TOO_LONG, line, e);
	if (a != HEAD_DONE)
		return a;
	*e = check_version(*line);
	if (*e != HEAD_ERROR_NONE)
		return HEAD_BAD;
	return head_cut_fields(rest, fields, e);
}

/* --- request line ------------------------------------------------------------------------------
 */

/* Fragments are the client's own; bytes over 0x7f have as many readings as there are charsets. What
 * browsers send raw against RFC 3986 (| ^ ` { } ") has one reading and goes through. */
static bool check_target(struct head_request *r)
{
	if (memchr(r->target.p, ' ', r->target.n))
		return refuse(r, HEAD_ERROR_LINE);
	if (r->target.n == 0)
		return refuse(r, HEAD_ERROR_LINE);
	if (head_all(r->target, CH_TARGET))
		return true;
	return refuse(r, head_has_control(r->target) ? HEAD_ERROR_CONTROL : HEAD_ERROR_TARGET);
}

/* "scheme://", RFC 3986 3.1: the bytes before "://", or 0. */
static size_t scheme_length(struct span target)
{
	size_t i = 0;

	while (i < target.n && target.p[i] != ':') {
		char c = target.p[i];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alpha && (i == 0 || !(is_digit(c) || c == '+' || c == '-' || c == '.')))
			return 0;
		i++;
	}
	return target.n - i >= 3 && memcmp(target.p + i, "://", 3) == 0 ? i : 0;
}

static bool parse_absolute(struct head_request *r)
{
	size_t scheme = scheme_length(r->target), n = 0;
	struct span s;

	if (scheme == 0)
		return refuse(r, HEAD_ERROR_TARGET);
	if (!span_caseeq(span_of(r->target.p, scheme), SPAN("http")))
		return refuse(r, HEAD_ERROR_SCHEME);
	s = span_of(r->target.p + scheme + 3, r->target.n - scheme - 3);
	while (n < s.n && s.p[n] != '/' && s.p[n] != '?')
		n++;
	if (n && memchr(s.p, '@', n))
		return refuse(r, HEAD_ERROR_USERINFO);
	r->authority = span_of(s.p, n);
	if (!authority_parse_default(r->authority, 80, &r->host, &r->port))
		return refuse(r, HEAD_ERROR_AUTHORITY);
	r->form = FORM_ABSOLUTE;
	r->path = span_of(s.p + n, s.n - n);
	return true;
}

static bool parse_target(struct head_request *r)
{
	if (!check_target(r))
		return false;
	if (span_is(r->method, "CONNECT")) {
		r->form = FORM_AUTHORITY;
		r->authority = r->target;
		return authority_parse(r->target, &r->host, &r->port) ||
		       refuse(r, HEAD_ERROR_AUTHORITY);
	}
	if (r->target.p[0] == '/') {
		r->form = FORM_ORIGIN;
		r->path = r->target;
		return true;
	}
	if (span_is(r->target, "*") && span_is(r->method, "OPTIONS")) {
		r->form = FORM_ASTERISK;
		return true;
	}
	return parse_absolute(r);
}

static bool parse_line(struct head_request *r, struct span line)
{
	/* check_version saw the space before the version, so there is at least one. */
	const char *space = memchr(line.p, ' ', line.n);
	const char *version = line.p + line.n - VERSION_LEN;

	r->method = span_of(line.p, (size_t)(space - line.p));
	if (!head_all(r->method, CH_TOKEN))
		return refuse(
			r, head_has_control(r->method) ? HEAD_ERROR_CONTROL : HEAD_ERROR_METHOD);
	if (space == version - 1)
		return refuse(r, HEAD_ERROR_LINE);
	r->target = span_of(space + 1, (size_t)(version - 1 - (space + 1)));
	r->minor = (uint8_t)(version[7] - '0');
	return parse_target(r);
}

/* --- what the fields mean ----------------------------------------------------------------------
 */

/* RFC 9112 3.2: one and well-formed even where the target overrules it. */
static bool judge_host(struct head_request *r, const struct head_known *k)
{
	bool from_target = r->form == FORM_AUTHORITY || r->form == FORM_ABSOLUTE;
	struct host ignored;
	uint16_t port;

	if (k->n[KNOWN_HOST] == 0 && r->minor == 0)
		return true;
	if (k->n[KNOWN_HOST] != 1)
		return refuse(r, HEAD_ERROR_HOST);
	if (from_target && span_eq(k->value[KNOWN_HOST], r->authority))
		return true; /* well-formed, as that is */
	return authority_parse_default(k->value[KNOWN_HOST], 80, from_target ? &ignored : &r->host,
		       from_target ? &port : &r->port) ||
	       refuse(r, HEAD_ERROR_HOST);
}

static bool judge_length(struct head_request *r, const struct head_known *k)
{
	struct span value = k->value[KNOWN_CONTENT_LENGTH];

	if (k->n[KNOWN_CONTENT_LENGTH] != 1 || value.n > HEAD_LENGTH_DIGITS ||
		!span_u64(value, INT64_MAX, &r->length))
		return refuse(r, HEAD_ERROR_LENGTH);
	r->body = BODY_LENGTH;
	return true;
}

/* RFC 9112 6.3 for requests. */
static bool judge_framing(struct head_request *r, const struct head_known *k)
{
	enum head_error e;

	if (k->n[KNOWN_TRANSFER_ENCODING] && r->form == FORM_AUTHORITY)
		return refuse(r, HEAD_ERROR_CONNECT_BODY);
	if (k->n[KNOWN_TRANSFER_ENCODING]) {
		e = head_check_coding(k, r->minor);
		r->body = BODY_CHUNKED;
		return e == HEAD_ERROR_NONE || refuse(r, e);
	}
	if (k->n[KNOWN_CONTENT_LENGTH] && !judge_length(r, k))
		return false;
	if (r->form != FORM_AUTHORITY)
		return true;
	/* Windows' own HTTP libraries send "Content-Length: 0" with CONNECT; that has one reading.
	 */
	r->body = BODY_NONE;
	return r->length == 0 || refuse(r, HEAD_ERROR_CONNECT_BODY);
}

static bool judge_expect(struct head_request *r, const struct head_known *k)
{
	if (k->n[KNOWN_EXPECT] == 0)
		return true;
	if (k->n[KNOWN_EXPECT] > 1 || !span_caseeq(k->value[KNOWN_EXPECT], SPAN("100-continue")))
		return refuse(r, HEAD_ERROR_EXPECT);
	r->expect_continue = r->minor == 1;
	return true;
}

/* Protocols that would change HTTP itself under the proxy: h2c, another HTTP, TLS (RFC 2817). */
static bool changes_http(struct span protocol)
{
	struct span name = span_cut(&protocol, '/');

	return span_caseeq(name, SPAN("h2c")) || span_caseeq(name, SPAN("http")) ||
	       span_caseeq(name, SPAN("tls"));
}

static bool wants_upgrade(const struct head_request *r, const struct head_known *k)
{
	if (k->n[KNOWN_UPGRADE] == 0 || r->minor == 0 || r->form == FORM_AUTHORITY ||
		!head_list_has(r->field, r->n, "Connection", "upgrade"))
		return false;
	for (size_t i = 0; i < r->n; i++) {
		struct span list = r->field[i].value, protocol;

		if (!span_caseeq(r->field[i].name, SPAN("Upgrade")))
			continue;
		while (head_list_next(&list, &protocol))
			if (changes_http(protocol))
				return false;
	}
	return true;
}

/* Keep-alive of HTTP/1.0 is not for proxies (RFC 9112 9.3). */
static bool judge_connection(struct head_request *r, const struct head_known *k)
{
	enum head_error e = HEAD_ERROR_NONE;

	if (k->n[KNOWN_CONNECTION])
		e = head_check_connection(r->field, r->n, true);
	r->keep_alive =
		r->minor == 1 &&
		!(k->n[KNOWN_CONNECTION] && head_list_has(r->field, r->n, "Connection", "close"));
	r->upgrade = wants_upgrade(r, k);
	return e == HEAD_ERROR_NONE || refuse(r, e);
}

static bool judge_authorization(struct head_request *r, const struct head_known *k)
{
	r->proxy_authorization = k->value[KNOWN_PROXY_AUTHORIZATION];
	return k->n[KNOWN_PROXY_AUTHORIZATION] <= 1 || refuse(r, HEAD_ERROR_AUTHORIZATION);
}

static bool parse_head(struct head_request *r, struct span line, struct span lines)
{
	struct head_known k;
	enum head_error e;

	if (!parse_line(r, line))
		return false;
	e = head_split_fields(lines, false, r->field, &r->n, &k);
	if (e != HEAD_ERROR_NONE)
		return refuse(r, e);
	return judge_host(r, &k) && judge_framing(r, &k) && judge_expect(r, &k) &&
	       judge_connection(r, &k) && judge_authorization(r, &k);
}

enum head_answer head_parse_request(struct span in, struct head_request *out)
{
	struct span rest = span_of(in.p, in.n < HEAD_MAX ? in.n : HEAD_MAX);
	struct span line, lines;
	enum head_answer a;

	memset(out, 0, offsetof(struct head_request, field));
	out->size = 0;
	out->error = HEAD_ERROR_NONE;
	a = cut_head(&rest, &line, &lines, &out->error);
	if (a == HEAD_MORE && in.n >= HEAD_MAX) {
		out->error = HEAD_ERROR_TOO_LARGE;
		return HEAD_BAD;
	}
	if (a != HEAD_DONE)
		return a;
	out->size = (size_t)(rest.p - in.p);
	return parse_head(out, line, lines) ? HEAD_DONE : HEAD_BAD;
}

/* --- for those who forward ---------------------------------------------------------------------
 */

const struct head_field *head_find(const struct head_field *fields, size_t n, const char *name)
{
	struct span wanted = span_str(name);

	for (size_t i = 0; i < n; i++)
		if (span_caseeq(fields[i].name, wanted))
			return &fields[i];
	return NULL;
}

static bool list_has(const struct head_field *fields, size_t n, struct span name, struct span token)
{
	for (size_t i = 0; i < n; i++) {
		struct span list = fields[i].value, member;

		if (!span_caseeq(fields[i].name, name))
			continue;
		while (head_list_next(&list, &member))
			if (span_caseeq(member, token))
				return true;
	}
	return false;
}

bool head_list_has(const struct head_field *fields, size_t n, const char *name, const char *token)
{
	return list_has(fields, n, span_str(name), span_str(token));
}

bool head_hop_by_hop(const struct head_field *fields, size_t n, struct span name)
{
	static const char *const always[] = {"Connection", "Keep-Alive", "Proxy-Connection", "TE",
		"Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Proxy-Authorization",
		"Proxy-Authenticate", "Proxy-Authentication-Info"};

	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		if (span_caseeq(name, span_str(always[i])))
			return true;
	return list_has(fields, n, SPAN("Connection"), name);
}
