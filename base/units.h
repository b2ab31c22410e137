/*
 * Durations, sizes and speeds as people write them: one grammar for files, command lines and pages.
 * Digits, spaces perhaps, a unit; no sign, no fraction, and no value beyond INT64_MAX.
 */
#ifndef STILE_UNITS_H
#define STILE_UNITS_H

#include "buf.h"

/* "250ms", "30s", "5m", "8h", "14d". */
bool units_duration(struct span text, int64_t *ms);
/* Bytes: a letter alone is a power of 1024 ("64K", "10G"), as is "KiB"; with B it is one of 1000
 * ("2 GB"), as disks and network contracts are counted. No unit: bytes. */
bool units_size(struct span text, uint64_t *bytes);
/* A size and "/s": "4 MB/s". */
bool units_speed(struct span text, uint64_t *bytes_s);

/* The same way back, exactly: in the largest unit that holds the value whole, so that what is shown
 * may be written into a file. 90 s are "90s", 2000000000 bytes "2 GB". */
void units_put_duration(struct buf *out, int64_t ms);
void units_put_size(struct buf *out, uint64_t bytes);
void units_put_speed(struct buf *out, uint64_t bytes_s);

#endif
