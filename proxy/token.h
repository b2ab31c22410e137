/*
 * Tokens of the coach page: whoever sends the form has just read it, as this person, for this rule.
 * A token is a time and a MAC over person, rule, terms and time, so that nothing has to be
 * remembered; its key is derived from the pseudonym key, so that all nodes of an installation take
 * each other's.
 */
#ifndef STILE_TOKEN_H
#define STILE_TOKEN_H

#include "digest.h"

#define TOKEN_LEN     (12 + 1 + 32) /* time in ms, a dot, half of an HMAC-SHA-256; hex digits */
#define TOKEN_LIFE_MS (10 * 60 * 1000)

/* What a token is bound to. */
struct token_claim {
	struct span person, rule;
	struct span terms; /* what the page says is accepted */
};

enum token_answer {
	TOKEN_GOOD,
	TOKEN_FORGED, /* not made with this key for this claim */
	TOKEN_EXPIRED
};

/* `key`: the pseudonym key, 32 bytes. */
void token_make(struct digest *d, const uint8_t *key, const struct token_claim *claim,
	int64_t now_ms, char out[TOKEN_LEN + 1]);
/* *issued_ms is set where GOOD. A token from the future is as forged. */
enum token_answer token_check(struct digest *d, const uint8_t *key, const struct token_claim *claim,
	struct span token, int64_t now_ms, int64_t *issued_ms);

#endif
