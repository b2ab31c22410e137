/*
 * Countries of addresses. The database (MMDB, any vendor's layout) is walked once, when a policy is
 * compiled, into sorted ranges; workers need neither the file nor libmaxminddb. Only geo.c knows the
 * library.
 */
#ifndef STILE_GEO_H
#define STILE_GEO_H

#include "addr.h"
#include "buf.h"
#include "err.h"

/* First address of a run that belongs to one country; code "\0\0": unknown. Sorted by address; a
 * run ends where the next begins. */
struct geo4 {
	uint32_t from; /* host order */
	char code[2];
	uint16_t pad;
};
struct geo6 {
	uint64_t from; /* upper 64 bits, host order; databases do not go deeper than /64 */
	char code[2];
	uint16_t pad[3];
};

/* Appends arrays of struct geo4 and struct geo6. Country at country.iso_code or country_code. */
bool geo_compile(const char *path, struct buf *v4, struct buf *v6, struct err *e);

#endif
