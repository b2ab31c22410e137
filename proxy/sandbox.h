/*
 * What a worker and the shipper give up once they are set up and before they hear anybody: the
 * account, capabilities, files, most system calls, core dumps. What each layer takes, and what is
 * left where a kernel lacks one, stands in SECURITY.md.
 */
#ifndef STILE_SANDBOX_H
#define STILE_SANDBOX_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox {
	bool is_shipper;
	uint32_t uid, gid; /* to become, where the process is root */
	int folder;	   /* the one whose files may be opened: a worker's journal, or all of it */
};

/* Before any thread is started. False: *e, and the process must not go on. */
bool sandbox_enter(const struct sandbox *s, struct err *e);
/* For people: which of it this build and kernel have. */
void sandbox_describe(char *out, size_t n);

#endif
