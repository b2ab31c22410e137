/* The addresses of this machine's interfaces, collected by the master at each load (getifaddrs(3)).
 */
#include "interfaces.h"

#include <ifaddrs.h>

#define PART "interfaces"

void interfaces_add(struct pack_writer *w)
{
	struct ifaddrs *all = NULL;
	struct buf list = {0};
	struct addr a;
	uint16_t port;

	if (getifaddrs(&all) == 0)
		for (const struct ifaddrs *i = all; i; i = i->ifa_next)
			if (i->ifa_addr && addr_from_sockaddr(i->ifa_addr, &a, &port))
				buf_add(&list, &a, sizeof a);
	freeifaddrs(all);
	pack_add(w, PART, buf_spanof(&list));
	buf_free(&list);
}

bool interfaces_has(struct span pack, const struct addr *a)
{
	struct span list;
	struct addr one;

	if (!pack_get(pack, PART, &list))
		return false;
	for (size_t at = 0; at + sizeof one <= list.n; at += sizeof one) {
		memcpy(&one, list.p + at, sizeof one);
		if (addr_eq(&one, a))
			return true;
	}
	return false;
}
