/*
 * The two clocks. Wall time is what records and schedules carry; monotonic time is what deadlines
 * and durations use. Tests may shift the wall clock (never the monotonic one).
 */
#ifndef STILE_CLOCK_H
#define STILE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_ms(void);
/* Milliseconds since some fixed moment; never goes back. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
uint64_t clock_mono_ns(void);
/* Adds to every later wall reading of this process. */
void clock_shift_ms(int64_t by);

#endif
