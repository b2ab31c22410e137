/*
 * The master: owns what must outlive a worker (listening sockets, shared memory, journal folders),
 * reads files, supervises, reloads. It serves nobody.
 */
#ifndef STILE_MASTER_H
#define STILE_MASTER_H

#define EXIT_CONFIG 78 /* EX_CONFIG, sysexits.h */

/* Runs in the foreground until TERM or INT; returns the exit code. */
int master_main(const char *config);

#endif
