/* What `stile-proxy -t` does. */
#ifndef STILE_CHECK_H
#define STILE_CHECK_H

/* Checks configuration, policy and what they name, and tries the addresses; prints problems, what
 * could not be checked, and a line when all is well. Starts nothing. Returns the exit code. */
int check_main(const char *config);

#endif
