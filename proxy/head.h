/*
 * Strict parsing of HTTP/1.x message heads (RFC 9112 2-6, RFC 9110 5-7). Pure: bytes in, offsets
 * out; no allocation, no socket. Whatever has more than one reading is refused. Who forwards a
 * message writes its framing fields anew from body and length, never from their text.
 */
#ifndef STILE_HEAD_H
#define STILE_HEAD_H

#include "host.h"
#include "span.h"

#define HEAD_MAX	32768 /* bytes of a head */
#define HEAD_LINE_MAX	16384 /* request line or one field line (at least 8000: RFC 9112 3) */
#define HEAD_FIELDS_MAX 100

/* Content-Length: 1-19 digits, at most INT64_MAX. */
#define HEAD_LENGTH_DIGITS 19

struct head_field {
	struct span name, value; /* into the caller's bytes; value without outer white space */
};

enum head_answer { HEAD_DONE, HEAD_MORE, HEAD_BAD };

/* Why a head is refused; the status that a request gets for it is in heads.def. */
enum head_error {
#define HEAD_ERROR(name, status, text) HEAD_ERROR_##name,
#include "heads.def"
#undef HEAD_ERROR
	HEAD_ERROR_COUNT
};
int head_error_status(enum head_error e);
const char *head_error_text(enum head_error e);

enum head_form {
	FORM_AUTHORITY, /* CONNECT */
	FORM_ABSOLUTE,	/* http://… */
	FORM_ORIGIN,	/* /path: a request to stile itself, or from a client that takes it for a
			   server */
	FORM_ASTERISK	/* OPTIONS * */
};

enum head_body {
	BODY_NONE,
	BODY_LENGTH,
	BODY_CHUNKED,
	BODY_UNTIL_CLOSE /* responses only */
};

struct head_request {
	struct span method, target;
	struct span authority; /* of the target of the first two forms, as it is written there */
	enum head_form form;
	struct host host; /* of the target; of the Host field for the last two forms;
			   * empty where HTTP/1.0 came without one */
	uint16_t port;	  /* 80 where an http URI names none */
	struct span path; /* path and query of FORM_ABSOLUTE and FORM_ORIGIN; "" for an empty path,
			   * "?query" where only the path is empty: a "/" goes before it */
	uint8_t minor;	  /* HTTP/1.minor, 0 or 1 */
	enum head_body body;
	uint64_t length;
	bool keep_alive;      /* HTTP/1.1 without Connection: close (RFC 9112 9.3) */
	bool expect_continue; /* Expect: 100-continue, HTTP/1.1 only */
	bool upgrade;	      /* Upgrade named in Connection, with an Upgrade field that names
			       * neither h2c nor another HTTP nor TLS; never with CONNECT */
	struct span proxy_authorization; /* value, or empty */
	size_t n;
	struct head_field field[HEAD_FIELDS_MAX];
	size_t size; /* bytes of the head, the empty line included */
	enum head_error error;
};

struct head_response {
	uint16_t status;
	struct span reason;
	uint8_t minor;
	enum head_body body;
	uint64_t length; /* what Content-Length says, also where there is no body (HEAD, 304); write
			  * the field anew from it: equal copies of it may stand in the head */
	bool keep_alive; /* false also where the framing leaves a doubt */
	size_t n;
	struct head_field field[HEAD_FIELDS_MAX];
	size_t size;
	enum head_error error;
};

/* `eof`-less: MORE means that the head is not complete within `in`. Empty lines before a request
 * line are skipped (at most 4; RFC 9112 2.2) and counted in size. */
enum head_answer head_parse_request(struct span in, struct head_request *out);
/* `to_head`: the request was HEAD; such, 1xx, 204 and 304 have no body. White space before a colon
 * is not part of the name. */
enum head_answer head_parse_response(struct span in, bool to_head, struct head_response *out);

/* Is `name` a hop-by-hop field, by itself or because a Connection field of this message names it
 * (RFC 9110 7.6.1)? Such fields are not forwarded. */
bool head_hop_by_hop(const struct head_field *fields, size_t n, struct span name);
/* The first field of that name, or NULL. */
const struct head_field *head_find(const struct head_field *fields, size_t n, const char *name);
/* Does a comma-separated list field of that name hold the token, ASCII case folded? */
bool head_list_has(const struct head_field *fields, size_t n, const char *name, const char *token);

#endif
