/*
 * The two clocks. The shift of the wall clock is the one piece of state; it is atomic because
 * journal threads read the time as well.
 */
#include "clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t shift;

static struct timespec now(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t);
	return t;
}

int64_t clock_wall_ms(void)
{
	struct timespec t = now(CLOCK_REALTIME);

	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 +
	       atomic_load_explicit(&shift, memory_order_relaxed);
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

uint64_t clock_mono_us(void)
{
	return clock_mono_ns() / 1000;
}

uint64_t clock_mono_ns(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void clock_shift_ms(int64_t by)
{
	atomic_fetch_add_explicit(&shift, by, memory_order_relaxed);
}
