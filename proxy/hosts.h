/* Reading hosts(5): lines of an address and its names. */
#ifndef STILE_HOSTS_H
#define STILE_HOSTS_H

#include "addr.h"
#include "host.h"

struct hosts_reader {
	struct span rest;  /* the text, to begin with; all else zero */
	struct span names; /* of the line that is being read */
	struct addr addr;
	unsigned line;
};

struct hosts_entry {
	struct host host; /* a name, never a literal */
	struct addr addr;
	struct span word;   /* HOSTS_STRANGE: what stands where */
	const char *wanted; /* "address" or "host name" is expected; static */
};

enum hosts_answer {
	HOSTS_ENTRY,
	HOSTS_STRANGE, /* left out: a word, or the line of what is no address */
	HOSTS_END
};
enum hosts_answer hosts_next(struct hosts_reader *r, struct hosts_entry *out);

#endif
