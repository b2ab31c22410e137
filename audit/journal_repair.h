/*
 * What a dead writer left behind: the torn tail of its last segment is cut off, and the end of its
 * chain is found for the start mark of the next one.
 */
#ifndef STILE_JOURNAL_REPAIR_H
#define STILE_JOURNAL_REPAIR_H

#include "journal.h"

/* *last: the highest number of a segment there, 0 for none. Only the folder's one writer may call.
 */
bool journal_repair(int dir, struct journal_before *before, unsigned long *last, struct err *e);

#endif
