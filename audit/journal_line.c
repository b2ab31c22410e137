/* The text of a segment: writing and strict reading of its lines. */
#include "journal_line.h"

#include <string.h>

void journal_line_head(struct buf *out, const char *chain, const struct chain_tip *before)
{
	buf_adds(out, SEGMENT_MAGIC " ");
	buf_adds(out, chain);
	buf_addc(out, ' ');
	buf_u64(out, before->seq + 1);
	buf_addc(out, ' ');
	buf_hex(out, before->hash, SHA256_LEN);
	buf_addc(out, '\n');
}

void journal_line_add(struct buf *out, const struct chain_tip *at, struct span body)
{
	buf_u64(out, at->seq);
	buf_addc(out, ' ');
	buf_hex(out, at->hash, SHA256_LEN);
	buf_addc(out, ' ');
	buf_span(out, body);
	buf_addc(out, '\n');
}

static bool lower_hex(struct span s)
{
	bool strange = false;

	for (size_t i = 0; i < s.n; i++)
		strange |= (unsigned)s.p[i] - '0' > 9 && (unsigned)s.p[i] - 'a' > 5;
	return !strange;
}

/* Of all digits only upper-case letters lack this bit. */
static bool lower_case(struct span digits)
{
	char all = 0x20;

	for (size_t i = 0; i < digits.n; i++)
		all &= digits.p[i];
	return all;
}

bool journal_hash_parse(struct span digits, uint8_t out[SHA256_LEN])
{
	return hex_decode(digits, out, SHA256_LEN) && lower_case(digits);
}

bool journal_chain_ok(struct span name)
{
	return name.n == CHAIN_NAME_LEN && lower_hex(name);
}

/* No zero and no leading zero: a number has one form. */
static bool seq_parse(struct span digits, uint64_t *out)
{
	return digits.n && digits.p[0] != '0' && span_u64(digits, UINT64_MAX, out);
}

bool journal_line_head_parse(
	struct span line, char chain[CHAIN_NAME_LEN + 1], struct chain_tip *before)
{
	const struct span magic = SPAN(SEGMENT_MAGIC " ");
	struct span name, seq;

	if (!span_starts(line, magic))
		return false;
	line = span_of(line.p + magic.n, line.n - magic.n);
	name = span_cut(&line, ' ');
	seq = span_cut(&line, ' ');
	if (!journal_chain_ok(name) || !span_copy(name, chain, CHAIN_NAME_LEN + 1))
		return false;
	if (!seq_parse(seq, &before->seq))
		return false;
	before->seq--;
	return journal_hash_parse(line, before->hash);
}

bool journal_hash_is(struct span digits, const uint8_t hash[SHA256_LEN])
{
	char its[2 * SHA256_LEN + 1];

	hex_encode(hash, SHA256_LEN, its);
	return digits.n == 2 * SHA256_LEN && memcmp(digits.p, its, 2 * SHA256_LEN) == 0;
}

bool journal_line_parse(struct span line, uint64_t *seq, struct span *hash, struct span *body)
{
	struct span digits = span_cut(&line, ' ');

	*hash = span_cut(&line, ' ');
	*body = line;
	return seq_parse(digits, seq) && hash->n == 2 * SHA256_LEN && line.n > 0;
}
