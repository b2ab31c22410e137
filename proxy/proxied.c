/* The two versions share nothing but their first byte, which tells them apart. */
#include "proxied.h"

#include <string.h>

#define V1_MAX	  107 /* with CR LF, section 2.1 */
#define V2_HEAD	  16
#define V2_IPV4	  12 /* two addresses and two ports */
#define V2_IPV6	  36
#define PORT_TEXT 5

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* Does `in` begin with `word`, as far as it goes? */
static bool may_begin(struct span in, struct span word)
{
	size_t n = in.n < word.n ? in.n : word.n;

	return memcmp(in.p, word.p, n) == 0;
}

static void tell(struct proxied *out, const struct addr *client, uint16_t port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	out->told = true;
	out->client = *client;
	out->client.v4 = memcmp(client->b, mapped, sizeof mapped) == 0;
	out->port = port;
}

/* --- version 1: a line of text ------------------------------------------------------------------
 */

static bool address(struct span word, bool v4, struct addr *out)
{
	return addr_parse(word, out) && out->v4 == v4;
}

static bool port(struct span word, uint16_t *out)
{
	uint64_t n;

	if (word.n == 0 || word.n > PORT_TEXT || (word.n > 1 && word.p[0] == '0') ||
		!span_u64(word, 65535, &n))
		return false;
	*out = (uint16_t)n;
	return true;
}

/* What stands between "PROXY " and CR LF. */
static bool line(struct span words, struct proxied *out)
{
	struct span family = span_cut(&words, ' ');
	struct span from = span_cut(&words, ' '), to = span_cut(&words, ' ');
	struct span from_port = span_cut(&words, ' ');
	bool v4 = span_is(family, "TCP4");
	struct addr client, own;
	uint16_t client_port, own_port;

	out->told = false;
	if (span_is(family, "UNKNOWN")) /* whatever follows must be passed over */
		return true;
	if (!v4 && !span_is(family, "TCP6"))
		return false;
	if (!address(from, v4, &client) || !address(to, v4, &own) ||
		!port(from_port, &client_port) || !port(words, &own_port))
		return false;
	tell(out, &client, client_port);
	return true;
}

static enum proxied_answer version_1(struct span in, struct proxied *out)
{
	static const struct span word = {"PROXY ", 6};
	size_t seen = in.n < V1_MAX ? in.n : V1_MAX;
	const char *end = memchr(in.p, '\n', seen);
	size_t size = end ? (size_t)(end - in.p) + 1 : 0;

	if (!may_begin(in, word))
		return PROXIED_BAD;
	if (!end)
		return in.n < V1_MAX ? PROXIED_MORE : PROXIED_BAD;
	if (size < word.n + 2 || in.p[size - 2] != '\r' ||
		!line(span_of(in.p + word.n, size - word.n - 2), out))
		return PROXIED_BAD;
	out->size = size;
	return PROXIED_DONE;
}

/* --- version 2: bytes ---------------------------------------------------------------------------
 */

static unsigned number(const char *p)
{
	return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

/* The address block of `n` bytes; extensions may follow it. */
static bool block(unsigned command, unsigned family, const char *p, size_t n, struct proxied *out)
{
	struct addr client = {.b = {[10] = 0xff, [11] = 0xff}};

	out->told = false;
	if (command == 0 || family == 0) /* LOCAL; UNSPEC */
		return true;
	if (family == 0x11 && n >= V2_IPV4) {
		memcpy(client.b + 12, p, 4);
		tell(out, &client, (uint16_t)number(p + 8));
		return true;
	}
	if (family == 0x21 && n >= V2_IPV6) {
		memcpy(client.b, p, 16);
		tell(out, &client, (uint16_t)number(p + 32));
		return true;
	}
	return false;
}

static enum proxied_answer version_2(struct span in, struct proxied *out)
{
	size_t n;

	if (!may_begin(in, span_of(signature, sizeof signature)))
		return PROXIED_BAD;
	if (in.n > 12 && (uint8_t)in.p[12] != 0x20 && (uint8_t)in.p[12] != 0x21)
		return PROXIED_BAD;
	if (in.n < V2_HEAD)
		return PROXIED_MORE;
	n = number(in.p + 14);
	if (V2_HEAD + n > PROXIED_MAX)
		return PROXIED_BAD;
	if (in.n < V2_HEAD + n)
		return PROXIED_MORE;
	if (!block((uint8_t)in.p[12] & 0xf, (uint8_t)in.p[13], in.p + V2_HEAD, n, out))
		return PROXIED_BAD;
	out->size = V2_HEAD + n;
	return PROXIED_DONE;
}

enum proxied_answer proxied_parse(struct span in, struct proxied *out)
{
	if (in.n == 0)
		return PROXIED_MORE;
	return in.p[0] == 'P' ? version_1(in, out) : version_2(in, out);
}
