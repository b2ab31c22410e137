/*
 * What makes a minute active: the one definition that reports and limits share.
 *
 * A UTC minute of a person with a service is active when the traffic with the service's core hosts,
 * summed over tabs, rules, workers and hosts, reaches a floor, some of it upstream; below it the
 * minute is open, idle.
 */
#ifndef STILE_ACTIVE_H
#define STILE_ACTIVE_H

#include <stdbool.h>
#include <stdint.h>

#define ACTIVE_BYTES	16384 /* both ways together */
#define ACTIVE_BYTES_UP 2048

static inline bool minute_is_active(uint64_t bytes, uint64_t up)
{
	return bytes >= ACTIVE_BYTES && up >= ACTIVE_BYTES_UP;
}

#endif
