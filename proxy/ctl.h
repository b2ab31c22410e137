/* stile-proxy ctl: speaks to the running proxy over its control socket. */
#ifndef STILE_CTL_H
#define STILE_CTL_H

/* argv[0] is "ctl". Returns the exit code: 0 done, 1 it could not be, 2 wrong usage. */
int ctl_main(int argc, char **argv);

#endif
