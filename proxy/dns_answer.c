/* Answers of the DNS (RFC 1035 4), taken apart by the C library. */
#include "dns_answer.h"

#include <arpa/nameser.h>
#include <limits.h>

static bool known(const struct addr *v, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (addr_eq(&v[i], a))
			return true;
	return false;
}

/* What is cut off gives what stands before it. */
static size_t read_addresses(ns_msg *msg, bool v4, struct addr v[RESOLVE_ADDRS_MAX])
{
	ns_type type = v4 ? ns_t_a : ns_t_aaaa;
	size_t len = v4 ? 4 : 16, n = 0;
	ns_rr rr;

	for (int i = 0; i < ns_msg_count(*msg, ns_s_an) && n < RESOLVE_ADDRS_MAX; i++) {
		struct addr a = {.v4 = v4};

		if (ns_parserr(msg, ns_s_an, i, &rr) < 0)
			break;
		if (ns_rr_type(rr) != type || ns_rr_class(rr) != ns_c_in || ns_rr_rdlen(rr) != len)
			continue;
		if (v4)
			a.b[10] = a.b[11] = 0xff;
		memcpy(a.b + 16 - len, ns_rr_rdata(rr), len);
		if (!known(v, n, &a))
			v[n++] = a;
	}
	return n;
}

/* The library that asked says "no error" of names that are none, too; the packet knows better. */
enum resolve_result dns_answer(
	struct span packet, bool v4, struct addr v[RESOLVE_ADDRS_MAX], size_t *n)
{
	ns_msg msg;

	*n = 0;
	if (packet.n > INT_MAX ||
		ns_initparse((const unsigned char *)packet.p, (int)packet.n, &msg) < 0)
		return RESOLVE_FAILED;
	if (ns_msg_getflag(msg, ns_f_rcode) == ns_r_nxdomain)
		return RESOLVE_NO_NAME;
	if (ns_msg_getflag(msg, ns_f_rcode) != ns_r_noerror)
		return RESOLVE_FAILED;
	*n = read_addresses(&msg, v4, v);
	return *n ? RESOLVE_OK : RESOLVE_NO_NAME;
}
