/* The shipper process: the only one that talks to Redis. */
#ifndef STILE_SHIPPING_H
#define STILE_SHIPPING_H

/* The process: reads its set-up from IPC_CHILD_FD, ships until told to stop, returns the exit code.
 */
int shipping_main(void);

#endif
