/* Decoding of forms, field by field, into the form's own store. */
#include "form.h"

#include "digest.h"

/* One byte of what was meant; -1: malformed. */
static int decode_one(struct span in, size_t *at)
{
	char c = in.p[(*at)++];
	int high, low;

	if (c == '+')
		return ' ';
	if (c != '%')
		return (unsigned char)c;
	if (in.n - *at < 2)
		return -1;
	high = hex_digit(in.p[*at]), low = hex_digit(in.p[*at + 1]);
	*at += 2;
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* What is decoded is never longer, so the store that takes FORM_MAX bytes always has room. */
static bool decode(struct span in, char **store, struct span *out)
{
	char *to = *store;

	for (size_t i = 0; i < in.n;) {
		int c = decode_one(in, &i);

		if (c < ' ' || c == 127)
			return false;
		*to++ = (char)c;
	}
	*out = span_of(*store, (size_t)(to - *store));
	*store = to;
	return true;
}

bool form_parse(struct span in, struct form *out)
{
	char *store = out->store;

	out->n = 0;
	if (in.n > FORM_MAX)
		return false;
	while (in.p && in.n) {
		struct span value = span_cut(&in, '&'), name;

		if (value.n == 0)
			continue;
		if (out->n == FORM_FIELDS)
			return false;
		name = span_cut(&value, '=');
		if (!decode(name, &store, &out->field[out->n].name) ||
			!decode(value, &store, &out->field[out->n].value))
			return false;
		out->n++;
	}
	return true;
}

struct span form_get(const struct form *f, const char *name)
{
	struct span found = SPAN("");
	size_t times = 0;

	for (size_t i = 0; i < f->n; i++)
		if (span_is(f->field[i].name, name)) {
			found = f->field[i].value;
			times++;
		}
	return times == 1 ? found : SPAN("");
}

void form_encode(struct buf *out, struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			     (c >= 'a' && c <= 'z') || (c && strchr("-._~", c));

		if (plain)
			buf_addc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
