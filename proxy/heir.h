/*
 * The process that journals what is left in the outbox of a worker that there is no longer. It
 * serves nobody: it reads its set-up from IPC_CHILD_FD, and ends when all is written.
 */
#ifndef STILE_HEIR_H
#define STILE_HEIR_H

/* What it is given: the bundle, the worker's journal folder, its outbox. */
enum { HEIR_BUNDLE, HEIR_FOLDER, HEIR_OUTBOX, HEIR_FDS };

/* Returns the exit code; 0: the outbox is empty. */
int heir_main(void);

#endif
