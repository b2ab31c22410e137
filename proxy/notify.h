/* Words to the service manager (sd_notify(3)); nothing where there is none. */
#ifndef STILE_NOTIFY_H
#define STILE_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* The watchdog's sign of life, three times in its interval. *due_ms, 0 at first, tells when the
 * next one is due: never where no watchdog is set. */
void notify_alive(uint64_t now_ms, uint64_t *due_ms);

#endif
