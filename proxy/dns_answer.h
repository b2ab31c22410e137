/* The addresses in an answer of the DNS: bytes of whoever answered. */
#ifndef STILE_DNS_ANSWER_H
#define STILE_DNS_ANSWER_H

#include "resolve.h"

/* Addresses of one family from the answer section, doubles gone, at most RESOLVE_ADDRS_MAX. Whose
 * they are is not looked at: whoever asked has followed the aliases. */
enum resolve_result dns_answer(
	struct span packet, bool v4, struct addr v[RESOLVE_ADDRS_MAX], size_t *n);

#endif
