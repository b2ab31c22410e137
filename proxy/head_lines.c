/*
 * Lines and fields of a message head, for requests and responses alike (RFC 9112 2.2 and 5). A line
 * ends in CR LF and in nothing else; whatever byte the grammar does not name is refused here, once,
 * so that nobody behind has to think of it.
 */
#include "head_lines.h"

#define ALL   (CH_TOKEN | CH_VALUE | CH_TARGET)
#define OTHER (CH_VALUE | CH_TARGET) /* visible, but not in a token */

const uint8_t head_class[256] = {
	['\t'] = CH_VALUE,
	[' '] = CH_VALUE,
	['!'] = ALL,
	['"'] = OTHER,
	['#'] = CH_TOKEN | CH_VALUE,
	['$'] = ALL,
	['%'] = ALL,
	['&'] = ALL,
	['\''] = ALL,
	['('] = OTHER,
	[')'] = OTHER,
	['*'] = ALL,
	['+'] = ALL,
	[','] = OTHER,
	['-'] = ALL,
	['.'] = ALL,
	['/'] = OTHER,
	['0' ... '9'] = ALL,
	[':' ... '@'] = OTHER,
	['A' ... 'Z'] = ALL,
	['[' ... ']'] = OTHER,
	['^' ... '`'] = ALL,
	['a' ... 'z'] = ALL,
	['{'] = OTHER,
	['|'] = ALL,
	['}'] = OTHER,
	['~'] = ALL,
	[0x80 ... 0xff] = CH_VALUE, /* obs-text: opaque, and legal in values */
};

bool head_has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (head_control((uint8_t)s.p[i]))
			return true;
	return false;
}

enum head_answer head_cut_line(struct span *rest, size_t max, enum head_error too_long,
	struct span *line, enum head_error *e)
{
	size_t reach = rest->n < max + 2 ? rest->n : max + 2;
	const char *lf = reach ? memchr(rest->p, '\n', reach) : NULL;

	if (!lf && reach < max + 2)
		return HEAD_MORE;
	if (!lf) {
		*e = too_long;
		return HEAD_BAD;
	}
	if (lf == rest->p || lf[-1] != '\r') {
		*e = HEAD_ERROR_CONTROL;
		return HEAD_BAD;
	}
	*line = span_of(rest->p, (size_t)(lf - 1 - rest->p));
	*rest = span_of(lf + 1, rest->n - line->n - 2);
	return HEAD_DONE;
}

enum head_answer head_cut_fields(struct span *rest, struct span *lines, enum head_error *e)
{
	const char *start = rest->p;

	for (unsigned count = 0; count <= HEAD_FIELDS_MAX; count++) {
		struct span line;
		enum head_answer a;

		a = head_cut_line(rest, HEAD_LINE_MAX, HEAD_ERROR_TOO_LARGE, &line, e);
		if (a != HEAD_DONE)
			return a;
		if (line.n == 0) {
			*lines = span_of(start, (size_t)(line.p - start));
			return HEAD_DONE;
		}
	}
	*e = HEAD_ERROR_TOO_LARGE;
	return HEAD_BAD;
}

static const struct span known_names[KNOWN_COUNT] = {
	[KNOWN_CONNECTION] = {"Connection", 10},
	[KNOWN_CONTENT_LENGTH] = {"Content-Length", 14},
	[KNOWN_EXPECT] = {"Expect", 6},
	[KNOWN_HOST] = {"Host", 4},
	[KNOWN_PROXY_AUTHORIZATION] = {"Proxy-Authorization", 19},
	[KNOWN_TRANSFER_ENCODING] = {"Transfer-Encoding", 17},
	[KNOWN_UPGRADE] = {"Upgrade", 7},
};

static void note_known(const struct head_field *f, struct head_known *known)
{
	for (unsigned i = 0; i < KNOWN_COUNT; i++) {
		if (f->name.n != known_names[i].n || !span_caseeq(f->name, known_names[i]))
			continue;
		if (known->n[i]++ == 0)
			known->value[i] = f->value;
		return;
	}
}

static struct span strip_end(struct span s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static enum head_error split_field(struct span line, bool strip, struct head_field *f)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return HEAD_ERROR_FOLD;
	if (!head_all(line, CH_VALUE))
		return HEAD_ERROR_CONTROL;
	if (!colon)
		return HEAD_ERROR_FIELD;
	f->name = span_of(line.p, (size_t)(colon - line.p));
	f->value = span_trim(span_of(colon + 1, line.n - f->name.n - 1));
	if (strip)
		f->name = strip_end(f->name);
	if (f->name.n == 0 || !head_all(f->name, CH_TOKEN))
		return HEAD_ERROR_FIELD;
	return HEAD_ERROR_NONE;
}

enum head_error head_split_fields(struct span lines, bool strip, struct head_field *field,
	size_t *n, struct head_known *known)
{
	*n = 0;
	memset(known, 0, sizeof(*known));
	while (lines.n) {
		struct span line;
		enum head_error e = HEAD_ERROR_NONE;

		/* Cannot fail: head_cut_fields cut the same lines. */
		head_cut_line(&lines, HEAD_LINE_MAX, HEAD_ERROR_TOO_LARGE, &line, &e);
		e = split_field(line, strip, &field[*n]);
		if (e != HEAD_ERROR_NONE)
			return e;
		note_known(&field[(*n)++], known);
	}
	return HEAD_ERROR_NONE;
}

bool head_list_next(struct span *list, struct span *member)
{
	while (list->p) {
		*member = span_trim(span_cut(list, ','));
		if (member->n)
			return true;
	}
	return false;
}

/* RFC 9112 6.1 and 6.3: what does not end in one chunked has no end that can be known (400); what
 * has other codings before it is merely not spoken here (501). */
static enum head_error judge_codings(struct span list)
{
	struct span coding;
	unsigned chunked = 0;
	bool last = false;

	while (head_list_next(&list, &coding)) {
		last = span_caseeq(coding, SPAN("chunked"));
		chunked += last;
	}
	return last && chunked == 1 ? HEAD_ERROR_CODING : HEAD_ERROR_CODING_END;
}

enum head_error head_check_coding(const struct head_known *known, uint8_t minor)
{
	struct span value = known->value[KNOWN_TRANSFER_ENCODING];

	if (minor == 0)
		return HEAD_ERROR_CODING_1_0;
	if (known->n[KNOWN_CONTENT_LENGTH])
		return HEAD_ERROR_LENGTH_AND_CODING;
	if (known->n[KNOWN_TRANSFER_ENCODING] > 1)
		return HEAD_ERROR_CODING_END;
	return span_caseeq(value, SPAN("chunked")) ? HEAD_ERROR_NONE : judge_codings(value);
}

/* Fields for the far end: a client that has a proxy drop them makes two servers see different
 * requests (RFC 9110 7.6.1 forbids to name them). */
static bool belongs_to_message(struct span option)
{
	static const char *const names[] = {"Host", "Authorization", "Content-Length",
		"Transfer-Encoding", "Content-Type", "Content-Encoding", "Content-Range", "Cookie",
		"Expect", "Max-Forwards", "Origin", "Range", "Via", "Forwarded", "X-Forwarded-For",
		"Cache-Control"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_caseeq(option, span_str(names[i])))
			return true;
	return false;
}

enum head_error head_check_connection(const struct head_field *field, size_t n, bool request)
{
	unsigned options = 0;

	for (size_t i = 0; i < n; i++) {
		struct span list = field[i].value, option;

		if (!span_caseeq(field[i].name, SPAN("Connection")))
			continue;
		while (head_list_next(&list, &option)) {
			if (++options > HEAD_OPTIONS_MAX)
				return HEAD_ERROR_TOO_LARGE;
			if (request && belongs_to_message(option))
				return HEAD_ERROR_CONNECTION;
		}
	}
	return HEAD_ERROR_NONE;
}
