/* Which files a process may reach at all: Landlock (Linux 5.13 and later), by raw system calls. */
#ifndef STILE_LANDLOCK_H
#define STILE_LANDLOCK_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

/* What lies below may be read, and with `keep` also made, written and removed. */
struct landlock_place {
	const char *path; /* NULL: fd; one that is not there is left out */
	int fd;
	bool keep;
};

/* The kernel's version of Landlock; 0: it has none, or it is switched off. */
int landlock_version(void);
/* From here on the calling thread, and those that it starts, reach these places only. True also
 * where the kernel has no Landlock. no_new_privs must be set. */
bool landlock_confine(const struct landlock_place *place, size_t n, struct err *e);

#endif
