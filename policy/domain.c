/*
 * Registrable domains and internationalised names. The public suffix list is the one built into
 * libpsl; names that are ASCII already do not go through IDNA, which would refuse some that are in
 * daily use (r3---sn-h0jeln7e.googlevideo.com).
 */
#include "domain.h"

#include <idn2.h>
#include <libpsl.h>

/* UTF-8 takes more room than the A-label form that must fit into HOST_MAX; beyond this nothing
 * fits. */
#define WRITTEN_MAX 1024

struct span domain_registrable(struct span name)
{
	char text[HOST_MAX + 1];
	struct addr a;

	/* libpsl would call 1.2.3.4 "3.4" */
	if (addr_parse(name, &a) || !span_copy(name, text, sizeof(text)))
		return name;
	const char *found = psl_registrable_domain(psl_builtin(), text);
	if (!found)
		return name;
	size_t skip = (size_t)(found - text);
	return span_of(name.p + skip, name.n - skip);
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	}
	return true;
}

static bool host_name(struct span in, char out[HOST_MAX + 1])
{
	struct host h;

	return host_parse(in, &h) && !h.literal && span_copy(host_span(&h), out, HOST_MAX + 1);
}

bool domain_to_ascii(struct span in, char out[HOST_MAX + 1])
{
	char written[WRITTEN_MAX + 1];
	char *ascii = NULL;

	if (is_ascii(in))
		return host_name(in, out);
	if (!span_copy(in, written, sizeof(written)))
		return false;
	if (idn2_to_ascii_8z(written, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	bool ok = host_name(span_str(ascii), out);
	idn2_free(ascii);
	return ok;
}
