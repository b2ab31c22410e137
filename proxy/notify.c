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

void notify_alive(uint64_t now_ms, uint64_t *due_ms)
{
	uint64_t interval_us;

	if (now_ms < *due_ms)
		return;
	*due_ms = UINT64_MAX;
	if (sd_watchdog_enabled(0, &interval_us) <= 0)
		return;
	*due_ms = now_ms + interval_us / 3000;
	sd_notify(0, "WATCHDOG=1");
}
