/* Words to the service manager (sd_notify(3)); nothing where there is none. */
#ifndef STILE_NOTIFY_H
#define STILE_NOTIFY_H

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
