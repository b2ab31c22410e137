/* Which system calls a worker or the shipper may still make: syscalls.def, by seccomp(2). */
#ifndef STILE_SYSCALLS_H
#define STILE_SYSCALLS_H

#include "err.h"

#include <stdbool.h>

/* For the calling thread and those that it starts, for good. `folder`: a worker may open files
 * below this descriptor only; -1: the shipper, whose files Landlock names. False: *e, nothing is
 * filtered. */
bool syscalls_confine(int folder, struct err *e);

#endif
