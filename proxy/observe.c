/* Break-glass, the master's part: bounds, marks, words. */
#include "observe.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>

static bool fits(const char *reason)
{
	size_t n = strlen(reason);

	if (n == 0 || n > OBSERVE_TEXT_MAX)
		return false;
	for (const char *p = reason; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

bool observe_begin(
	struct observe *o, struct chronicle *c, uint64_t seconds, const char *reason, struct err *e)
{
	char text[OBSERVE_TEXT_MAX + 32];

	if (o->until_ms)
		return err_set(e, "that is so already; observe --end ends it");
	if (seconds == 0 || seconds > OBSERVE_MAX_S)
		return err_set(e, "the time is out of range: expected 1s-8h");
	if (!fits(reason))
		return err_set(e, "the reason must be one line of 1 to %d bytes", OBSERVE_TEXT_MAX);
	o->begun_ms = clock_mono_ms();
	o->until_ms = o->begun_ms + seconds * 1000;
	snprintf(o->reason, sizeof o->reason, "%s", reason);
	snprintf(text, sizeof text, "begins: %s", reason);
	chronicle_observe(c, text, seconds);
	log_warn("observe",
		"refusals by rules are only recorded for %llu s, not enforced; reason: %s",
		(unsigned long long)seconds, reason);
	return true;
}

void observe_end(struct observe *o, struct chronicle *c, const char *how)
{
	uint64_t lasted_s = (clock_mono_ms() - o->begun_ms + 500) / 1000;
	char text[OBSERVE_TEXT_MAX + 64];

	if (!o->until_ms)
		return;
	snprintf(text, sizeof text, "ends (%s): %s", how, o->reason);
	chronicle_observe(c, text, lasted_s);
	log_warn("observe", "refusals are enforced again after %llu s (%s)",
		(unsigned long long)lasted_s, how);
	*o = (struct observe){.until_ms = 0};
}

bool observe_over(const struct observe *o)
{
	return o->until_ms && clock_mono_ms() >= o->until_ms;
}

uint64_t observe_left_ms(const struct observe *o)
{
	uint64_t now = clock_mono_ms();

	return o->until_ms > now ? o->until_ms - now : 0;
}
