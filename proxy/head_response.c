/*
 * Response heads (RFC 9112 4 and 6.3). An origin is trusted no more than a client: a head whose
 * framing has two readings is refused, whatever browsers make of it. Only what is common and has
 * one reading is let through: a missing space behind the status, equal copies of Content-Length.
 */
#include "head_lines.h"

#define PREFIX	   "HTTP/1."
#define PREFIX_LEN 7
#define STATUS_AT  9 /* "HTTP/1.1 200" */
#define STATUS_END 12

static bool refuse(struct head_response *r, enum head_error e)
{
	r->error = e;
	return false;
}

static bool parse_line(struct head_response *r, struct span line)
{
	uint64_t status;

	if (line.n < STATUS_END || line.p[STATUS_AT - 1] != ' ')
		return refuse(r, HEAD_ERROR_STATUS);
	if (line.p[PREFIX_LEN] != '0' && line.p[PREFIX_LEN] != '1')
		return refuse(r, HEAD_ERROR_VERSION);
	r->minor = (uint8_t)(line.p[PREFIX_LEN] - '0');
	if (!span_u64(span_of(line.p + STATUS_AT, 3), 599, &status) || status < 100)
		return refuse(r, HEAD_ERROR_STATUS);
	r->status = (uint16_t)status;
	if (line.n == STATUS_END)
		return true;
	if (line.p[STATUS_END] != ' ')
		return refuse(r, HEAD_ERROR_STATUS);
	r->reason = span_of(line.p + STATUS_END + 1, line.n - STATUS_END - 1);
	return r->reason.n == 0 || head_all(r->reason, CH_VALUE) || refuse(r, HEAD_ERROR_CONTROL);
}

/* One number, or the same digits again, as several fields or as a list (RFC 9112 6.3, item 5). */
static bool parse_length(struct head_response *r)
{
	struct span first = {NULL, 0};

	for (size_t i = 0; i < r->n; i++) {
		struct span list = r->field[i].value;

		if (!span_caseeq(r->field[i].name, SPAN("Content-Length")))
			continue;
		while (list.p) {
			struct span number = span_trim(span_cut(&list, ','));

			if (!first.p)
				first = number;
			if (!span_eq(number, first))
				return refuse(r, HEAD_ERROR_LENGTH);
		}
	}
	if (first.n > HEAD_LENGTH_DIGITS || !span_u64(first, INT64_MAX, &r->length))
		return refuse(r, HEAD_ERROR_LENGTH);
	return true;
}

static bool bodiless(uint16_t status, bool to_head)
{
	return to_head || status < 200 || status == 204 || status == 304;
}

static bool judge_framing(struct head_response *r, const struct head_known *k, bool none)
{
	bool coding = k->n[KNOWN_TRANSFER_ENCODING] > 0, length = k->n[KNOWN_CONTENT_LENGTH] > 0;
	enum head_error e = coding ? head_check_coding(k, r->minor) : HEAD_ERROR_NONE;

	if (e != HEAD_ERROR_NONE)
		return refuse(r, e);
	if (length && !parse_length(r))
		return false;
	if (none)
		r->body = BODY_NONE;
	else if (coding)
		r->body = BODY_CHUNKED;
	else
		r->body = length ? BODY_LENGTH : BODY_UNTIL_CLOSE;
	return true;
}

/* RFC 9112 9.3. An origin that announces a body where there can be none may send it all the same: a
 * connection that is in such doubt is not used again. */
static bool judge_connection(struct head_response *r, const struct head_known *k)
{
	enum head_error e = HEAD_ERROR_NONE;
	bool announced = k->n[KNOWN_TRANSFER_ENCODING] || r->length;
	bool none = r->status < 200 || r->status == 204;

	if (k->n[KNOWN_CONNECTION])
		e = head_check_connection(r->field, r->n, false);
	if (e != HEAD_ERROR_NONE)
		return refuse(r, e);
	r->keep_alive = r->minor == 1 || head_list_has(r->field, r->n, "Connection", "keep-alive");
	if (head_list_has(r->field, r->n, "Connection", "close") || r->body == BODY_UNTIL_CLOSE ||
		(none && announced))
		r->keep_alive = false;
	return true;
}

static bool parse_head(struct head_response *r, struct span line, struct span lines, bool to_head)
{
	struct head_known k;
	enum head_error e;

	if (!parse_line(r, line))
		return false;
	e = head_split_fields(lines, true, r->field, &r->n, &k);
	if (e != HEAD_ERROR_NONE)
		return refuse(r, e);
	return judge_framing(r, &k, bodiless(r->status, to_head)) && judge_connection(r, &k);
}

static enum head_answer cut_head(
	struct span *rest, struct span *line, struct span *lines, enum head_error *e)
{
	size_t known = rest->n < PREFIX_LEN ? rest->n : PREFIX_LEN;
	enum head_answer a;

	if (known && memcmp(rest->p, PREFIX, known) != 0) {
		*e = HEAD_ERROR_STATUS;
		return HEAD_BAD;
	}
	a = head_cut_line(rest, HEAD_LINE_MAX, HEAD_ERROR_TOO_LARGE, line, e);
	return a == HEAD_DONE ? head_cut_fields(rest, lines, e) : a;
}

enum head_answer head_parse_response(struct span in, bool to_head, struct head_response *out)
{
	struct span rest = span_of(in.p, in.n < HEAD_MAX ? in.n : HEAD_MAX);
	struct span line, lines;
	enum head_answer a;

	memset(out, 0, offsetof(struct head_response, field));
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
	return parse_head(out, line, lines, to_head) ? HEAD_DONE : HEAD_BAD;
}
