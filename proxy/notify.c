/* Words to the service manager; the only file that knows libsystemd. */
#include "notify.h"

#include "clock.h"

#include <systemd/sd-daemon.h>

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_mono_us());
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
